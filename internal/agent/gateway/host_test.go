package gateway_test

import (
	"net"
	"strconv"
	"strings"
	"testing"

	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/gateway"
)

func TestHosts(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]string{
		"ui.vm-1.example.com":           "ui",
		"UI.VM-1.Example.COM":           "ui",
		"ui.vm-1.example.com:443":       "ui",
		"3000.vm-1.example.com":         "3000",
		"3000.vm-1.example.com:8080":    "3000",
		"1.vm-1.example.com":            "1",
		"65535.vm-1.example.com":        "65535",
		"65536.vm-1.example.com":        "",
		"0.vm-1.example.com":            "",
		"03000.vm-1.example.com":        "",
		"+3000.vm-1.example.com":        "",
		"-1.vm-1.example.com":           "",
		"3_000.vm-1.example.com":        "",
		"0x50.vm-1.example.com":         "",
		"٣٠٠٠.vm-1.example.com":         "",
		"a.3000.vm-1.example.com":       "",
		"ui.3000.vm-1.example.com":      "",
		".vm-1.example.com":             "",
		"vm-1.example.com":              "",
		"ui.vm-2.example.com":           "",
		"ui.vm-1.example.com.":          "",
		"ui.vm-1.example.com.evil.test": "",
		"uivm-1.example.com":            "",
		"localhost:3000":                "",
		"127.0.0.1":                     "",
		"[::1]:3000":                    "",
		"":                              "",
	} {
		label, port, ok := gateway.ParseHost(host, "vm-1.example.com")
		if label != want || ok != (want != "") {
			t.Errorf("%q: got %q, want %q", host, label, want)
		}
		if ok && label != "ui" && strconv.Itoa(port) != want {
			t.Errorf("%q: got port %d", host, port)
		}
	}
}

func FuzzHosts(f *testing.F) {
	for _, seed := range []string{"ui.vm.test", "3000.vm.test:80", "UI.VM.TEST", "[::1]:80", "65536.vm.test", "ui.vm.test:x:y"} {
		f.Add(seed, "vm.test")
	}
	f.Fuzz(func(t *testing.T, host, hostname string) {
		hostname = strings.ToLower(hostname)
		label, port, ok := gateway.ParseHost(host, hostname)
		if !ok {
			return
		}
		if label != "ui" && (port < 1 || port > 65535 || label != strconv.Itoa(port)) {
			t.Fatalf("%q: label %q, port %d", host, label, port)
		}
		name := host
		if n, _, err := net.SplitHostPort(host); err == nil {
			name = n
		}
		if strings.ToLower(name) != label+"."+hostname {
			t.Fatalf("%q is taken for %s.%s", host, label, hostname)
		}
	})
}
