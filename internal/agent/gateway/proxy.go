package gateway

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
	"time"
)

// Limits of the connections to the workspace's servers.
const (
	maxIdlePerPort  = 16
	idlePortTimeout = 30 * time.Second
)

var (
	// errOwnPort is a dial that reached the gateway itself.
	errOwnPort = errors.New("the port is the gateway's own")
	// errNoListener is a dial that reached nobody.
	errNoListener = errors.New("nothing listens on the port")
)

// portProxy forwards requests to ports of the workspace.
type portProxy struct {
	hostname string
	options  Options
	proxy    *httputil.ReverseProxy
}

// portKey is the context's key of the port a request is for.
type portKey struct{}

func newPortProxy(hostname string, o Options) *portProxy {
	p := &portProxy{hostname: hostname, options: o}
	p.proxy = &httputil.ReverseProxy{
		Rewrite:        p.rewrite,
		ModifyResponse: p.modifyResponse,
		ErrorHandler:   p.writeError,
		ErrorLog:       debugLog(o.Logger),
		FlushInterval:  -1, // every write at once: servers may stream
		Transport: &http.Transport{
			Proxy:               nil, // the agent's own proxy settings are not the workspace's
			DialContext:         p.dial,
			DisableCompression:  true,
			MaxIdleConnsPerHost: maxIdlePerPort,
			IdleConnTimeout:     idlePortTimeout,
		},
	}
	return p
}

// serve forwards an admitted request.
func (p *portProxy) serve(w http.ResponseWriter, r *http.Request, port int) {
	r = r.WithContext(context.WithValue(r.Context(), portKey{}, port))
	if r.Body != nil && r.Body != http.NoBody {
		r.Body = activeBody{r.Body, p.options.HTTPActivity}
	}
	p.proxy.ServeHTTP(&activeWriter{ResponseWriter: w, activity: p.options.HTTPActivity, webSocket: isWebSocket(r)}, r)
}

func portOf(r *http.Request) int {
	port, _ := r.Context().Value(portKey{}).(int)
	return port
}

// rewrite makes the request the workspace's server sees. Rewrite has dropped
// what the client said of X-Forwarded-For, -Host, -Proto and Forwarded.
func (p *portProxy) rewrite(pr *httputil.ProxyRequest) {
	port := portOf(pr.In)
	local := "localhost:" + strconv.Itoa(port)
	pr.Out.URL.Scheme, pr.Out.URL.Host, pr.Out.Host = "http", local, local
	for _, name := range []string{"X-Forwarded-Port", "X-Forwarded-Server", "X-Forwarded-Ssl", "X-Forwarded-Prefix", "X-Real-Ip"} {
		pr.Out.Header.Del(name)
	}
	pr.SetXForwarded()
	rewriteOrigin(pr.In, pr.Out, port)
}

// dial is given "localhost:<port>" by the transport, and asks the workspace.
func (p *portProxy) dial(ctx context.Context, _, address string) (net.Conn, error) {
	_, text := splitPort(address)
	port, ok := parsePort(text)
	if !ok {
		return nil, fmt.Errorf("%q names no port", address)
	}
	conn, err := p.options.Dial(ctx, port)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNoListener, err)
	}
	if served, ok := ctx.Value(http.LocalAddrContextKey).(net.Addr); ok && reaches(conn, served) {
		_ = conn.Close()
		return nil, errOwnPort
	}
	return conn, nil
}

// reaches reports whether conn ends at the socket that accepted the request
// under way: the same port, on this same machine. A container has an address
// of its own, so its port 443 is not ours.
func reaches(conn net.Conn, served net.Addr) bool {
	remote, ok1 := conn.RemoteAddr().(*net.TCPAddr)
	local, ok2 := conn.LocalAddr().(*net.TCPAddr)
	own, ok3 := served.(*net.TCPAddr)
	return ok1 && ok2 && ok3 && remote.Port == own.Port && remote.IP.Equal(local.IP)
}

// modifyResponse translates what the server says of itself as localhost into
// the address the browser knows, and keeps our cookie ours.
func (p *portProxy) modifyResponse(resp *http.Response) error {
	if location := resp.Header.Get("Location"); location != "" {
		resp.Header.Set("Location", p.publicURL(resp.Request, location))
	}
	cookies := resp.Header.Values("Set-Cookie")
	if len(cookies) == 0 {
		return nil
	}
	resp.Header.Del("Set-Cookie")
	for _, line := range cookies {
		if line, ok := publicCookie(line); ok {
			resp.Header.Add("Set-Cookie", line)
		}
	}
	return nil
}

// publicURL turns http://localhost:<port>/… into that port's own address. Any
// other location stays as it is.
func (p *portProxy) publicURL(out *http.Request, location string) string {
	u, err := url.Parse(location)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") {
		return location
	}
	name, text := splitPort(u.Host)
	port, ok := parsePort(text)
	if !ok || !isLoopback(name) {
		return location
	}
	u.Scheme = out.Header.Get("X-Forwarded-Proto")
	u.Host = target{port: port}.label() + "." + p.hostname
	if _, served := splitPort(out.Header.Get("X-Forwarded-Host")); served != "" {
		u.Host += ":" + served
	}
	return u.String()
}

// publicCookie drops a Set-Cookie of our name, and the Domain of one that the
// server means for localhost: no browser would take it from our host.
func publicCookie(line string) (string, bool) {
	c, err := http.ParseSetCookie(line)
	if err != nil {
		return line, true
	}
	if c.Name == cookieName {
		return "", false
	}
	if !isLoopback(c.Domain) {
		return line, true
	}
	c.Domain = ""
	return c.String(), true
}

// isLoopback reports whether a name is what servers call their own machine.
func isLoopback(name string) bool {
	switch name {
	case "localhost", "0.0.0.0", "::", "[::]":
		return true
	}
	ip := net.ParseIP(name)
	return ip != nil && ip.IsLoopback()
}

func (p *portProxy) writeError(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() != nil {
		return // nobody is there to read it
	}
	port := portOf(r)
	p.options.Logger.Debug("a port did not answer", "port", port, "error", err)
	switch {
	case errors.Is(err, errOwnPort):
		writeProblem(w, r, http.StatusLoopDetected, "This port is the gateway's own",
			fmt.Sprintf("Port %d is where this page comes from. Choose another port for your server.", port))
	case errors.Is(err, errNoListener):
		writeProblem(w, r, http.StatusBadGateway, fmt.Sprintf("Nothing is listening on port %d", port),
			fmt.Sprintf("No server in the workspace answers on port %d yet. Start it there, or check which port it says it uses, then try again.", port))
	default:
		writeProblem(w, r, http.StatusBadGateway, fmt.Sprintf("Port %d broke off", port),
			fmt.Sprintf("Something listens on port %d of the workspace, but it did not answer as a web server would. Its own log may say why.", port))
	}
}
