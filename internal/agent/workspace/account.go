package workspace

import (
	"bufio"
	"os"
	"os/user"
	"strings"
)

// withAccount adds the variables that a login would set and a system service
// does not have.
func withAccount(env []string) []string {
	home, shell := "/", "/bin/sh"
	name := "root"
	if u, err := user.Current(); err == nil {
		home, name = u.HomeDir, u.Username
		shell = loginShell(name, shell)
	}
	for _, d := range []struct{ name, value string }{
		{"HOME", home}, {"USER", name}, {"LOGNAME", name}, {"SHELL", shell},
		{"PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
	} {
		if !has(env, d.name) {
			env = append(env, d.name+"="+d.value)
		}
	}
	return env
}

func has(env []string, name string) bool {
	for _, v := range env {
		if strings.HasPrefix(v, name+"=") {
			return true
		}
	}
	return false
}

// loginShell is a user's shell as /etc/passwd has it.
func loginShell(name, otherwise string) string {
	f, err := os.Open("/etc/passwd")
	if err != nil {
		return otherwise
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Split(lines.Text(), ":")
		if len(fields) == 7 && fields[0] == name && executable(fields[6]) {
			return fields[6]
		}
	}
	return otherwise
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}
