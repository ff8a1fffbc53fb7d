package guest_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"

	"github.com/coder/websocket"
)

// door is the way into a guest's gateway: over TLS, to its address. Where guests
// have certificates, whoever signed them is trusted, and nobody else.
func (w *world) door(v vm) *http.Client {
	config := &tls.Config{InsecureSkipVerify: true} // the certificate is the VM's own
	if w.signer != nil {
		config = &tls.Config{RootCAs: w.signer.roots}
	}
	return &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		TLSClientConfig:   config,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, net.JoinHostPort(v.IP, "443"))
		},
	}}
}

// visit asks a VM's gateway for a page, as its user. label is a port, or ui.
func (w *world) visit(v vm, label, path string) (int, string) {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), "GET", "https://"+label+"."+v.Hostname+path, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	r.SetBasicAuth("user", v.TerminalPassword)
	answer, err := w.door(v).Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return answer.StatusCode, string(b)
}

// typed is what a new terminal shows after the input, up to the word done.
func (w *world) typed(v vm, input string) string {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	site := "https://ui." + v.Hostname
	r, err := http.NewRequestWithContext(ctx, "POST", site+"/api/sessions", strings.NewReader(`{"cols":80,"rows":24}`))
	if err != nil {
		w.t.Fatal(err)
	}
	r.SetBasicAuth("user", v.TerminalPassword)
	r.Header.Set("Content-Type", "application/json")
	answer, err := w.door(v).Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer answer.Body.Close()
	var session struct{ ID string }
	if err := json.NewDecoder(answer.Body).Decode(&session); err != nil || session.ID == "" {
		w.t.Fatalf("no session: %s, %v", answer.Status, err)
	}
	conn, _, err := websocket.Dial(ctx, site+"/api/sessions/"+session.ID+"/attach", &websocket.DialOptions{
		HTTPClient: w.door(v), HTTPHeader: http.Header{"Authorization": r.Header["Authorization"]},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	defer conn.CloseNow()
	if err := conn.Write(ctx, websocket.MessageBinary, []byte(input)); err != nil {
		w.t.Fatal(err)
	}
	var shown strings.Builder
	for !strings.Contains(shown.String(), "done\r\n") {
		kind, b, err := conn.Read(ctx)
		if err != nil {
			w.t.Fatalf("after %q: %v", shown.String(), err)
		}
		if kind == websocket.MessageBinary {
			shown.Write(b)
		}
	}
	// Closing the tab ends its shell, and not what it left behind.
	r, err = http.NewRequestWithContext(ctx, "DELETE", site+"/api/sessions/"+session.ID, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	r.SetBasicAuth("user", v.TerminalPassword)
	if answer, err := w.door(v).Do(r); err != nil || answer.StatusCode >= 300 || answer.Body.Close() != nil {
		w.t.Fatalf("closing the session: %v, %v", answer, err)
	}
	w.watch("the shell's end", func() bool { _, err := w.run(v, "pgrep", "-f", "^(/bin/)?bash -l$"); return err != nil })
	// Without what tells the terminal how to take pasted text.
	return strings.NewReplacer("\x1b[?2004h", "", "\x1b[?2004l\r", "").Replace(shown.String())
}

// lookAtTerminal uses a terminal as its user may: the machine is theirs, though
// the agent is in a sandbox.
func (w *world) lookAtTerminal(v vm) {
	// The words are split so that the echo of the input is not the answer.
	shown := w.typed(v, "stty size; touch /etc/mi''ne && echo /etc is mi''ne; mount -t tmpfs none /mnt && findmnt -n /mnt | cat; "+
		"umount /mnt; grep NoNewPrivs /proc/self/status; yes | head -1; pwd; env | grep -c '^DCM_\\|^STATE_\\|^NOTIFY_'; (sleep 4711 &); echo do''ne\n")
	for _, want := range []string{"24 80", "/etc is mine", "/mnt", "NoNewPrivs:\t0", "\ny\r\n", "\n/workspace\r\n", "\n1\r\n"} {
		if !strings.Contains(shown, want) {
			w.t.Errorf("%q is not in %q", want, shown)
		}
	}
	if strings.Contains(shown, "Broken pipe") || strings.Contains(shown, "🔴") {
		w.t.Errorf("it shows %q", shown)
	}
}
