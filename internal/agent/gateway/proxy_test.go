package gateway_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/gateway"
)

const patience = 30 * time.Second

func TestPort(t *testing.T) {
	t.Parallel()

	t.Run("sees itself as localhost and the client as it is", func(t *testing.T) {
		t.Parallel()
		v := newVM(t)
		seen := make(chan *http.Request, 1)
		v.listen(3000, func(_ http.ResponseWriter, r *http.Request) { seen <- r.Clone(context.Background()) })
		r := with(httptest.NewRequest(http.MethodGet, "http://3000."+hostname+"/a%2Fb?c=%20d", nil), v.mustLogIn())
		r.RemoteAddr = "203.0.113.7:1000"
		for _, name := range []string{"X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Port", "X-Real-Ip", "Forwarded"} {
			r.Header.Set(name, "forged")
		}
		v.do(r)
		got := <-seen
		if got.Host != "localhost:3000" || got.RequestURI != "/a%2Fb?c=%20d" {
			t.Errorf("asked %s for %s", got.Host, got.RequestURI)
		}
		for name, want := range map[string]string{
			"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Host": "3000." + hostname, "X-Forwarded-Proto": "http",
			"X-Forwarded-Port": "", "X-Real-Ip": "", "Forwarded": "", "Cookie": "", "Authorization": "",
		} {
			if g := got.Header.Get(name); g != want {
				t.Errorf("%s: %q, want %q", name, g, want)
			}
		}
	})

	t.Run("never sees what opens the gateway, but all of its own", func(t *testing.T) {
		t.Parallel()
		v := newVM(t)
		seen := make(chan http.Header, 1)
		v.listen(3000, func(_ http.ResponseWriter, r *http.Request) { seen <- r.Header.Clone() })
		cookie := v.mustLogIn()
		ask := func(change func(*http.Request)) http.Header {
			t.Helper()
			r := httptest.NewRequest(http.MethodGet, "http://3000."+hostname+"/", nil)
			change(r)
			if answer := v.do(r); answer.StatusCode != http.StatusOK {
				t.Fatalf("%s", answer.Status)
			}
			return <-seen
		}
		h := ask(func(r *http.Request) {
			r.Header.Set("Cookie", `a="1;2" ; dcm_gateway=`+cookie.Value+`;b=2; dcm_gateway=x; c`)
			r.SetBasicAuth("app", "its own password")
		})
		if got := h.Get("Cookie"); got != `a="1; 2"; b=2; c` {
			t.Errorf("cookies %q", got)
		}
		if got := h.Get("Authorization"); got == "" {
			t.Error("the server's own authorization is gone")
		}
		h = ask(func(r *http.Request) { r.SetBasicAuth("tool", password) })
		if got := h.Get("Authorization"); got != "" {
			t.Errorf("our password went to the server: %s", got)
		}
		h = ask(func(r *http.Request) {
			with(r, cookie).Header.Set("Authorization", "Bearer its-own-token")
		})
		if got := h.Get("Authorization"); got != "Bearer its-own-token" {
			t.Errorf("authorization %q", got)
		}
	})

	t.Run("may redirect to itself and set cookies, but not ours", func(t *testing.T) {
		t.Parallel()
		v := newVM(t)
		v.listen(3000, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Add("Set-Cookie", "dcm_gateway=stolen; Domain="+hostname)
			w.Header().Add("Set-Cookie", "app=1; Path=/; HttpOnly")
			w.Header().Add("Set-Cookie", "local=2; Path=/; Domain=localhost")
			http.Redirect(w, r, r.URL.Query().Get("to"), http.StatusFound)
		})
		cookie := v.mustLogIn()
		for to, want := range map[string]string{
			"http://localhost:3000/x?y":  "http://3000." + hostname + ":8443/x?y",
			"http://127.0.0.1:8080/":     "http://8080." + hostname + ":8443/",
			"http://0.0.0.0:3000/":       "http://3000." + hostname + ":8443/",
			"/relative":                  "/relative",
			"https://github.com/login":   "https://github.com/login",
			"http://localhost/":          "http://localhost/",
			"vscode://localhost:3000/x":  "vscode://localhost:3000/x",
			"http://localhost:99999/bad": "http://localhost:99999/bad",
		} {
			r := with(httptest.NewRequest(http.MethodGet, "http://3000."+hostname+":8443/?to="+to, nil), cookie)
			answer := v.do(r)
			if got := answer.Header.Get("Location"); got != want {
				t.Errorf("%s: redirected to %s, want %s", to, got, want)
			}
			if got := strings.Join(answer.Header.Values("Set-Cookie"), " | "); got != "app=1; Path=/; HttpOnly | local=2; Path=/" {
				t.Errorf("cookies %q", got)
			}
		}
	})

	t.Run("where nobody listens is explained", func(t *testing.T) {
		t.Parallel()
		v := newVM(t)
		answer := v.do(with(get("http://4000."+hostname+"/"), v.mustLogIn()))
		if page := body(t, answer); answer.StatusCode != http.StatusBadGateway || !strings.Contains(page, "Nothing is listening on port 4000") {
			t.Errorf("%s: %s", answer.Status, page)
		}
	})

	t.Run("that speaks no HTTP is explained", func(t *testing.T) {
		t.Parallel()
		v := newVM(t)
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = listener.Close() })
		go func() {
			for {
				conn, err := listener.Accept()
				if err != nil {
					return
				}
				_, _ = conn.Write([]byte("220 not for you\r\n"))
				_ = conn.Close()
			}
		}()
		v.servers.Store(2525, listener.Addr().String())
		answer := v.do(with(get("http://2525."+hostname+"/"), v.mustLogIn()))
		if page := body(t, answer); answer.StatusCode != http.StatusBadGateway || !strings.Contains(page, "Port 2525 broke off") {
			t.Errorf("%s: %s", answer.Status, page)
		}
	})

	t.Run("that is the gateway's own is refused", func(t *testing.T) {
		t.Parallel()
		v := newVM(t)
		server := httptest.NewServer(v)
		t.Cleanup(server.Close)
		v.servers.Store(443, server.Listener.Addr().String())
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://443."+hostname+"/", nil)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := clientOf(server.Listener.Addr().String()).Do(with(r, v.mustLogIn()))
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		if answer.StatusCode != http.StatusLoopDetected {
			t.Errorf("%s", answer.Status)
		}
	})

	t.Run("streams as it writes", func(t *testing.T) {
		t.Parallel()
		v := newVM(t)
		next := make(chan struct{})
		v.listen(3000, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			for i := range 3 {
				fmt.Fprintf(w, "data: %d\n\n", i)
				w.(http.Flusher).Flush()
				select {
				case <-next:
				case <-r.Context().Done():
					return
				}
			}
		})
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://3000."+hostname+"/", nil)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := v.serve().Do(with(r, v.mustLogIn()))
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		before := v.activity.Load()
		lines := bufio.NewReader(answer.Body)
		for i := range 3 {
			// The server writes on only once this has come through.
			if line, err := lines.ReadString('\n'); err != nil || line != fmt.Sprintf("data: %d\n", i) {
				t.Fatalf("event %d: %q, %v", i, line, err)
			}
			_, _ = lines.ReadString('\n')
			next <- struct{}{}
		}
		if after := v.activity.Load(); after != before {
			t.Errorf("the server's events counted as work %d times", after-before)
		}
	})

	t.Run("counts an upload as it comes", func(t *testing.T) {
		t.Parallel()
		v := newVM(t)
		v.listen(3000, func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) })
		r := httptest.NewRequest(http.MethodPost, "http://3000."+hostname+"/", strings.NewReader(strings.Repeat("x", 1<<20)))
		v.do(with(r, v.mustLogIn()))
		if n := v.activity.Load(); n < 3 {
			t.Errorf("counted %d times", n)
		}
	})
}

func TestPortWebSocket(t *testing.T) {
	t.Parallel()
	v := newVM(t)
	say := make(chan string)
	v.listen(3000, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Origin") != "http://localhost:3000" || r.Header.Get("Cookie") != "" {
			t.Errorf("the server sees Origin %q, Cookie %q", r.Header.Get("Origin"), r.Header.Get("Cookie"))
		}
		conn, err := websocket.Accept(w, r, nil) // checks Origin against Host
		if err != nil {
			t.Errorf("accepting: %v", err)
			return
		}
		defer func() { _ = conn.CloseNow() }()
		go func() {
			for text := range say {
				_ = conn.Ping(r.Context()) // the pong comes before the client reads on
				_ = conn.Write(r.Context(), websocket.MessageText, []byte(text))
			}
		}()
		for {
			kind, message, err := conn.Read(r.Context())
			if err != nil {
				return
			}
			_ = conn.Write(r.Context(), kind, message)
		}
	})
	defer close(say)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	origin := "http://3000." + hostname
	dial := func(origin string) (*websocket.Conn, *http.Response, error) {
		header := http.Header{"Origin": {origin}, "Cookie": {"dcm_gateway=" + v.mustLogIn().Value}}
		return websocket.Dial(ctx, "ws://3000."+hostname+"/socket", &websocket.DialOptions{HTTPClient: v.serve(), HTTPHeader: header})
	}
	conn, _, err := dial(origin)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.CloseNow() }()

	before := v.activity.Load()
	for i := range 3 {
		say <- fmt.Sprint(i)
		if _, message, err := conn.Read(ctx); err != nil || string(message) != fmt.Sprint(i) {
			t.Fatalf("read %q, %v", message, err)
		}
	}
	if after := v.activity.Load(); after != before {
		t.Errorf("the server's messages counted as work %d times", after-before)
	}
	if err := conn.Write(ctx, websocket.MessageBinary, []byte("typed")); err != nil {
		t.Fatal(err)
	}
	if _, message, err := conn.Read(ctx); err != nil || string(message) != "typed" {
		t.Fatalf("read %q, %v", message, err)
	}
	if v.activity.Load() == before {
		t.Error("the client's message did not count as work")
	}

	if _, answer, err := dial("http://3000.vm-other.acme.vm.example.com"); err == nil || answer.StatusCode != http.StatusForbidden {
		t.Errorf("another VM's page was let in: %v", err)
	}
	v.Close()
	if _, _, err := conn.Read(ctx); err == nil || ctx.Err() != nil {
		t.Errorf("Close left the stream open: %v", err)
	}
}

func TestOrigins(t *testing.T) {
	t.Parallel()
	own := "http://3000." + hostname
	for name, test := range map[string]struct {
		method, origin, site string
		status               int
		sees                 string // the Origin the server sees
	}{
		"a read without origin":         {"GET", "", "", 200, ""},
		"a link from another site":      {"GET", "", "cross-site", 200, ""},
		"a read of its own page":        {"GET", own, "", 200, "http://localhost:3000"},
		"a change of its own page":      {"POST", own, "same-origin", 200, ""},
		"a change of an older browser":  {"POST", own, "", 200, ""},
		"a change with a hidden origin": {"POST", "null", "same-origin", 200, ""},
		"a change of another port":      {"POST", "http://8080." + hostname, "same-site", 200, "http://8080." + hostname},
		"a change of another VM":        {"POST", "http://3000.vm-other.acme.vm.example.com", "same-site", 403, ""},
		"a read of another VM":          {"GET", "http://3000.vm-other.acme.vm.example.com", "same-site", 403, ""},
		"a change of another site":      {"POST", "http://evil.test", "cross-site", 403, ""},
		"of an opaque origin":           {"POST", "null", "cross-site", 403, ""},
		"of a lookalike":                {"POST", "http://3000." + hostname + ".evil.test", "", 403, ""},
		"of nonsense":                   {"POST", "http://%", "", 403, ""},
		"typed into the address bar":    {"GET", "", "none", 200, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := newVM(t)
			saw := "nothing"
			v.listen(3000, func(_ http.ResponseWriter, r *http.Request) { saw = r.Header.Get("Origin") })
			r := with(httptest.NewRequest(test.method, own+"/", nil), v.mustLogIn())
			if test.origin != "" {
				r.Header.Set("Origin", test.origin)
			}
			if test.site != "" {
				r.Header.Set("Sec-Fetch-Site", test.site)
			}
			before := v.activity.Load()
			answer := v.do(r)
			if answer.StatusCode != test.status {
				t.Fatalf("%s", answer.Status)
			}
			if test.status == 403 {
				if saw != "nothing" || v.activity.Load() != before {
					t.Errorf("refused, it reached the server (%s) or counted as work", saw)
				}
			} else if saw != test.sees {
				t.Errorf("the server sees Origin %q, want %q", saw, test.sees)
			}
		})
	}
}

func TestUnknownHosts(t *testing.T) {
	t.Parallel()
	v := newVM(t)
	cookie := v.mustLogIn()
	for _, host := range []string{hostname, "0." + hostname, "www." + hostname, "evil.test", "127.0.0.1"} {
		r := with(httptest.NewRequest(http.MethodGet, "http://"+host+"/", nil), cookie)
		if answer := v.do(r); answer.StatusCode != http.StatusNotFound || strings.Contains(body(t, answer), hostname) {
			t.Errorf("%s: %s", host, answer.Status)
		}
	}
}

func TestMessageSeen(t *testing.T) {
	t.Parallel()
	text := []byte{0x81, 0x83, 1, 2, 3, 4, 'a', 'b', 'c'}
	pong := []byte{0x8a, 0x82, 1, 2, 3, 4, 'x', 'y'}
	empty := []byte{0x81, 0x80, 1, 2, 3, 4}
	long := append([]byte{0x82, 0xfe, 0x01, 0x00, 1, 2, 3, 4}, make([]byte, 256)...)
	longest := append([]byte{0x82, 0xff, 0, 0, 0, 0, 0, 0, 0x01, 0x00, 1, 2, 3, 4}, make([]byte, 256)...)
	for name, test := range map[string]struct {
		chunks [][]byte
		want   []bool
	}{
		"a message":               {[][]byte{text}, []bool{true}},
		"an empty one":            {[][]byte{empty}, []bool{true}},
		"a pong":                  {[][]byte{pong}, []bool{false}},
		"a pong in pieces":        {[][]byte{pong[:1], pong[1:5], pong[5:7], pong[7:]}, []bool{false, false, false, false}},
		"a pong, then a message":  {[][]byte{append(pong[:len(pong):len(pong)], text...)}, []bool{true}},
		"a message, then a pong":  {[][]byte{text[:7], text[7:], pong}, []bool{true, true, false}},
		"a long one, then a pong": {[][]byte{long[:100], long[100:], pong}, []bool{true, true, false}},
		"a longest, then a pong":  {[][]byte{longest, pong}, []bool{true, false}},
		"half a header says none": {[][]byte{long[:3], long[3:]}, []bool{false, true}},
	} {
		if got := gateway.MessageSeen(test.chunks...); fmt.Sprint(got) != fmt.Sprint(test.want) {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}

func FuzzMessageSeen(f *testing.F) {
	f.Add([]byte{0x81, 0x83, 1, 2, 3, 4, 'a', 'b', 'c', 0x8a, 0x80, 0, 0, 0, 0}, 4)
	f.Fuzz(func(t *testing.T, stream []byte, cut int) {
		// However the bytes are cut, the same frames are found in them.
		cut = int(uint(cut) % uint(len(stream)+1))
		whole := gateway.MessageSeen(stream)
		parts := gateway.MessageSeen(stream[:cut], stream[cut:])
		if whole[0] != (parts[0] || parts[1]) {
			t.Fatalf("whole %v, in parts %v", whole, parts)
		}
	})
}
