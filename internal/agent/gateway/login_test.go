package gateway_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/gateway"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm/clocktest"
)

func TestDoor(t *testing.T) {
	t.Parallel()
	protected := []string{
		"http://ui." + hostname + "/", "http://ui." + hostname + "/api/status", "http://ui." + hostname + "/api/sessions",
		"http://ui." + hostname + "/nowhere", "http://3000." + hostname + "/", "http://3000." + hostname + "/login",
		"http://3000." + hostname + "/static/page/icon.svg",
	}

	t.Run("is closed to who shows nothing", func(t *testing.T) {
		t.Parallel()
		v := newVM(t)
		v.listen(3000, func(http.ResponseWriter, *http.Request) { t.Error("the workspace was reached") })
		for _, address := range protected {
			answer := v.do(httptest.NewRequest(http.MethodGet, address, nil))
			if answer.StatusCode != http.StatusUnauthorized || !strings.HasPrefix(answer.Header.Get("WWW-Authenticate"), "Basic ") {
				t.Errorf("%s: %s", address, answer.Status)
			}
			browser := v.do(get(address))
			location, err := browser.Location()
			if browser.StatusCode != http.StatusSeeOther || err != nil || location.Host != "ui."+hostname || location.Path != "/login" {
				t.Errorf("%s in a browser: %s to %v", address, browser.Status, location)
			}
			if got := location.Query().Get("next"); got != address {
				t.Errorf("%s leads back to %s", address, got)
			}
		}
		if n := v.activity.Load(); n != 0 {
			t.Errorf("%d strangers counted as work", n)
		}
	})

	t.Run("asks a script for no password window", func(t *testing.T) {
		t.Parallel()
		v := newVM(t)
		r := get("http://3000." + hostname + "/api")
		r.Header.Set("Sec-Fetch-Mode", "cors")
		if answer := v.do(r); answer.StatusCode != http.StatusUnauthorized || answer.Header.Get("WWW-Authenticate") != "" {
			t.Errorf("%s, %v", answer.Status, answer.Header)
		}
	})

	t.Run("opens for the cookie on every host of the VM", func(t *testing.T) {
		t.Parallel()
		v := newVM(t)
		v.listen(3000, func(http.ResponseWriter, *http.Request) {})
		cookie := v.mustLogIn()
		if cookie.Domain != hostname || !cookie.HttpOnly || cookie.SameSite != http.SameSiteLaxMode || cookie.Path != "/" || cookie.Secure {
			t.Errorf("cookie %+v", cookie)
		}
		for _, address := range []string{"http://ui." + hostname + "/api/status", "http://3000." + hostname + "/"} {
			if answer := v.do(with(get(address), cookie)); answer.StatusCode != http.StatusOK {
				t.Errorf("%s: %s", address, answer.Status)
			}
		}
	})

	t.Run("gives a cookie that is only for TLS where there is TLS", func(t *testing.T) {
		t.Parallel()
		r := httptest.NewRequest(http.MethodPost, "https://ui."+hostname+"/login", strings.NewReader("password="+url.QueryEscape(password)))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if c := newVM(t).do(r).Cookies(); len(c) != 1 || !c[0].Secure {
			t.Errorf("cookies %v", c)
		}
	})

	t.Run("opens for Basic with any user name", func(t *testing.T) {
		t.Parallel()
		v := newVM(t)
		for _, user := range []string{"", "admin", "ünï"} {
			r := httptest.NewRequest(http.MethodGet, "http://ui."+hostname+"/api/status", nil)
			r.SetBasicAuth(user, password)
			if answer := v.do(r); answer.StatusCode != http.StatusOK {
				t.Errorf("user %q: %s", user, answer.Status)
			}
		}
		r := httptest.NewRequest(http.MethodGet, "http://ui."+hostname+"/api/status", nil)
		r.SetBasicAuth("admin", password+" ")
		if answer := v.do(r); answer.StatusCode != http.StatusUnauthorized {
			t.Errorf("a wrong password: %s", answer.Status)
		}
	})

	t.Run("opens for nothing while there is no password", func(t *testing.T) {
		t.Parallel()
		v := newVM(t, func(o *gateway.Options) { o.Password = dcm.Secret{} })
		r := httptest.NewRequest(http.MethodGet, "http://ui."+hostname+"/api/status", nil)
		r.SetBasicAuth("x", "")
		if answer := v.do(r); answer.StatusCode != http.StatusUnauthorized {
			t.Errorf("Basic: %s", answer.Status)
		}
		if answer := v.do(loginRequest(url.Values{"password": {""}})); len(answer.Cookies()) != 0 {
			t.Errorf("the form: %s", answer.Status)
		}
	})
}

func TestCookie(t *testing.T) {
	t.Parallel()
	opens := func(v *vm, value string) bool {
		r := httptest.NewRequest(http.MethodGet, "http://ui."+hostname+"/api/status", nil)
		return v.do(with(r, &http.Cookie{Name: "dcm_gateway", Value: value})).StatusCode == http.StatusOK
	}

	t.Run("outlives the agent", func(t *testing.T) {
		t.Parallel()
		if !opens(newVM(t), newVM(t).mustLogIn().Value) {
			t.Error("a new agent does not know it")
		}
	})

	t.Run("ends", func(t *testing.T) {
		t.Parallel()
		v := newVM(t)
		cookie := v.mustLogIn()
		v.clock.Advance(7*24*time.Hour - time.Second)
		if !opens(v, cookie.Value) {
			t.Error("it ended early")
		}
		v.clock.Advance(time.Second)
		if opens(v, cookie.Value) {
			t.Error("it did not end")
		}
	})

	t.Run("is worth nothing elsewhere or changed", func(t *testing.T) {
		t.Parallel()
		v := newVM(t)
		mine := v.mustLogIn().Value
		other := newVM(t, func(o *gateway.Options) { o.Hostname = "vm-other.vm.example.com" })
		r := httptest.NewRequest(http.MethodGet, "http://ui.vm-other.vm.example.com/api/status", nil)
		if answer := other.do(with(r, &http.Cookie{Name: "dcm_gateway", Value: mine})); answer.StatusCode == http.StatusOK {
			t.Error("another VM with the same password takes it")
		}
		if opens(newVM(t, func(o *gateway.Options) { o.Password = dcm.NewSecret("another") }), mine) {
			t.Error("another password's VM takes it")
		}
		for i := range mine {
			changed := []byte(mine)
			changed[i] ^= 1
			if opens(v, string(changed)) {
				t.Errorf("changed at %d it still opens", i)
			}
		}
		for _, value := range []string{"", "x", mine[:len(mine)-1], mine + "A", mine + mine} {
			if opens(v, value) {
				t.Errorf("%q opens", value)
			}
		}
	})

	t.Run("of a workspace's page beside it does not log out", func(t *testing.T) {
		t.Parallel()
		v := newVM(t)
		r := httptest.NewRequest(http.MethodGet, "http://ui."+hostname+"/api/status", nil)
		r.Header.Set("Cookie", "dcm_gateway=planted; dcm_gateway="+v.mustLogIn().Value+"; dcm_gateway=too")
		if answer := v.do(r); answer.StatusCode != http.StatusOK {
			t.Errorf("%s", answer.Status)
		}
	})

	t.Run("is taken back at logout", func(t *testing.T) {
		t.Parallel()
		answer := newVM(t).do(httptest.NewRequest(http.MethodPost, "http://ui."+hostname+"/logout", nil))
		cookies := answer.Cookies()
		if len(cookies) != 1 || cookies[0].MaxAge >= 0 || cookies[0].Value != "" || cookies[0].Domain != hostname {
			t.Errorf("cookies %v", cookies)
		}
	})
}

func TestLoginLeadsOnlyToThisVM(t *testing.T) {
	t.Parallel()
	home := "http://ui." + hostname + "/"
	for next, want := range map[string]string{
		"":                                       home,
		"http://3000." + hostname + "/a/b?c=d&e": "http://3000." + hostname + "/a/b?c=d&e",
		"http://3000." + hostname:                "http://3000." + hostname + "/",
		"HTTP://3000." + strings.ToUpper(hostname) + "/x":           "http://3000." + hostname + "/x",
		"http://3000." + hostname + "//evil.test/":                  "http://3000." + hostname + "//evil.test/",
		"http://3000." + hostname + "/%2e%2e//x":                    "http://3000." + hostname + "/%2e%2e//x",
		"https://3000." + hostname + "/":                            home, // another scheme
		"http://3000." + hostname + ":8080/":                        home, // another port
		"http://evil.test/":                                         home,
		"//evil.test/":                                              home,
		"/\\evil.test/":                                             home,
		"\\\\evil.test":                                             home,
		"http://user@3000." + hostname + "/":                        home,
		"http://3000." + hostname + "@evil.test/":                   home,
		"http://evil.test#3000." + hostname + "/":                   home,
		"http://3000." + hostname + ".evil.test/":                   home,
		"http://x.3000." + hostname + "/":                           home,
		"http://" + hostname + "/":                                  home,
		"javascript:alert(1)":                                       home,
		"javascript://3000." + hostname + "/%0aalert(1)":            home,
		"http://3000." + hostname + "/" + strings.Repeat("a", 3000): home,
		"http://3000." + hostname + "/\r\nSet-Cookie: a=b":          home,
		"\x00": home,
	} {
		v := newVM(t)
		answer := v.do(loginRequest(url.Values{"password": {password}, "next": {next}}))
		if got := answer.Header.Get("Location"); answer.StatusCode != http.StatusSeeOther || got != want {
			t.Errorf("%q: %s to %q, want %q", next, answer.Status, got, want)
		}
		r := with(get("http://ui."+hostname+"/login?next="+url.QueryEscape(next)), answer.Cookies()[0])
		if got := v.do(r).Header.Get("Location"); got != want {
			t.Errorf("%q, logged in: to %q, want %q", next, got, want)
		}
	}
}

func TestLoginPage(t *testing.T) {
	t.Parallel()
	v := newVM(t)
	next := `"><script>alert(1)</script>{password}`
	for name, answer := range map[string]*http.Response{
		"shown":   v.do(get("http://ui." + hostname + "/login?next=" + url.QueryEscape(next))),
		"refused": v.do(loginRequest(url.Values{"password": {"wrong"}, "next": {next}})),
	} {
		page := body(t, answer)
		if strings.Contains(page, "<script") || !strings.Contains(page, "&lt;script&gt;") {
			t.Errorf("%s: next is not escaped", name)
		}
		if !strings.Contains(page, `<form method="post" action="/login">`) || strings.Contains(page, ".js") {
			t.Errorf("%s: it needs scripts", name)
		}
		policy := answer.Header.Get("Content-Security-Policy")
		if strings.Contains(policy, "unsafe") || !strings.Contains(policy, "form-action 'self' http://*."+hostname) {
			t.Errorf("%s: policy %q", name, policy)
		}
		if answer.Header.Get("Cache-Control") != "no-store" || answer.Header.Get("X-Frame-Options") != "DENY" {
			t.Errorf("%s: %v", name, answer.Header)
		}
	}
}

func TestTries(t *testing.T) {
	t.Parallel()
	from := func(ip string, word string) *http.Request {
		r := loginRequest(url.Values{"password": {word}})
		r.RemoteAddr = ip
		return r
	}

	t.Run("of one client are limited, and come back with time", func(t *testing.T) {
		t.Parallel()
		v := newVM(t)
		cookie := v.mustLogIn()
		tries := 0
		for v.do(from("203.0.113.7:1000", "wrong")).StatusCode == http.StatusUnauthorized {
			if tries++; tries > 1000 {
				t.Fatal("there is no limit")
			}
		}
		answer := v.do(from("203.0.113.7:2000", password))
		if answer.StatusCode != http.StatusTooManyRequests || len(answer.Cookies()) != 0 {
			t.Fatalf("the right password after %d wrong ones: %s", tries, answer.Status)
		}
		wait, err := strconv.Atoi(answer.Header.Get("Retry-After"))
		if err != nil || wait < 1 || wait > 60 {
			t.Fatalf("Retry-After %q", answer.Header.Get("Retry-After"))
		}
		basic := httptest.NewRequest(http.MethodGet, "http://3000."+hostname+"/", nil)
		basic.RemoteAddr = "203.0.113.7:3000"
		basic.SetBasicAuth("x", password)
		if answer := v.do(basic); answer.StatusCode != http.StatusTooManyRequests || answer.Header.Get("Retry-After") == "" {
			t.Errorf("Basic: %s", answer.Status)
		}
		inside := with(get("http://ui."+hostname+"/api/status"), cookie)
		inside.RemoteAddr = "203.0.113.7:4000"
		if answer := v.do(inside); answer.StatusCode != http.StatusOK {
			t.Errorf("who is logged in: %s", answer.Status)
		}
		if answer := v.do(from("203.0.113.8:1000", password)); answer.StatusCode != http.StatusSeeOther {
			t.Errorf("another client: %s", answer.Status)
		}
		v.clock.Advance(time.Duration(wait) * time.Second)
		if answer := v.do(from("203.0.113.7:5000", password)); answer.StatusCode != http.StatusSeeOther {
			t.Errorf("after Retry-After: %s", answer.Status)
		}
	})

	t.Run("that are right use none up", func(t *testing.T) {
		t.Parallel()
		v := newVM(t)
		for i := range 200 {
			if answer := v.do(from("203.0.113.7:1000", password)); answer.StatusCode != http.StatusSeeOther {
				t.Fatalf("login %d: %s", i, answer.Status)
			}
		}
	})

	t.Run("of one IPv6 network are one client's", func(t *testing.T) {
		t.Parallel()
		v := newVM(t)
		limited := false
		for i := range 50 {
			address := fmt.Sprintf("[2001:db8:1:2:%x::1]:1000", i)
			limited = limited || v.do(from(address, "wrong")).StatusCode == http.StatusTooManyRequests
		}
		if !limited {
			t.Error("every address of a /64 may try anew")
		}
	})

	t.Run("of many clients are limited together", func(t *testing.T) {
		t.Parallel()
		v := newVM(t)
		limited := false
		for i := range 500 {
			address := fmt.Sprintf("198.51.%d.%d:1000", i/250, i%250)
			limited = limited || v.do(from(address, "wrong")).StatusCode == http.StatusTooManyRequests
		}
		if !limited {
			t.Error("a guesser with many addresses is not slowed down")
		}
		v.clock.Advance(time.Minute)
		if answer := v.do(from("192.0.2.1:1000", password)); answer.StatusCode != http.StatusSeeOther {
			t.Errorf("a minute later: %s", answer.Status)
		}
	})

	t.Run("are remembered for a bounded number of clients", func(t *testing.T) {
		t.Parallel()
		var clients []string
		for i := range 3 * gateway.MaxLimitedClients {
			clients = append(clients, strconv.Itoa(i))
		}
		if n := gateway.LimitedClients(clocktest.New(time.Time{}), clients); n != gateway.MaxLimitedClients {
			t.Errorf("%d clients are remembered", n)
		}
	})
}
