package console

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"bridge/internal/secret"
)

// TestRoles asks for every route as everybody, and with nothing.
func TestRoles(t *testing.T) {
	d := newDesk(t, withTokens)
	for _, r := range append(append([]route{}, apiRoutes...), pageRoutes...) {
		if r.path == "/login" || r.path == "/logout" || r.path == "/api/events/stream" || r.path == "/live" {
			continue
		}
		path := strings.NewReplacer("{id}", "nope", "{account}", "nobody", "{source}", "shop", "{job}", "d0", "{$}", "").Replace(r.path)
		for role, token := range map[Role]string{Nobody: "", Viewer: viewerToken, Operator: operatorToken, Admin: adminToken} {
			headers := []string{"Content-Type", "application/json"}
			if token != "" {
				headers = append(headers, bearer(token)...)
			}
			res, text := d.ask(r.method, path, "", headers...)
			refused := res.StatusCode == http.StatusUnauthorized || res.StatusCode == http.StatusForbidden ||
				r.page && res.StatusCode == http.StatusSeeOther && strings.HasPrefix(res.Header.Get("Location"), "/login")
			if want := role < r.role; refused != want {
				t.Errorf("%s %s as %s: %d %s", r.method, path, role, res.StatusCode, text)
			}
		}
	}
}

func TestWrongToken(t *testing.T) {
	d := newDesk(t, withTokens)
	for _, header := range []string{"Bearer wrong", "Bearer ", "Bearer", "Basic " + adminToken, adminToken} {
		res, text := d.ask("GET", "/api/status", "", "Authorization", header)
		if res.StatusCode != http.StatusUnauthorized || res.Header.Get("WWW-Authenticate") != "Bearer" || strings.Contains(text, adminToken) {
			t.Errorf("%q: %d %s", header, res.StatusCode, text)
		}
	}
}

// TestLoopbackOnly holds that without a token only loopback names are answered, whatever a browser is told of DNS, and
// that other sites cannot make a browser change anything.
func TestLoopbackOnly(t *testing.T) {
	d := newDesk(t, nil)
	d.Fail(1, "ada@example.com")
	d.CaughtUp(t)
	for host, want := range map[string]int{
		"127.0.0.1:8081": 200, "localhost": 200, "LOCALHOST:1": 200, "[::1]:8081": 200, "127.5.0.1": 200,
		"evil.example.com": 403, "localhost.example.com": 403, "10.0.0.1:8081": 403, "0.0.0.0": 403,
	} {
		if res, text := d.ask("GET", "/api/status", "", "Host", host); res.StatusCode != want {
			t.Errorf("%s: %d, want %d: %s", host, res.StatusCode, want, text)
		}
	}
	const discard = `{"filter":{"state":"failed"},"dry_run":true}`
	for name, tt := range map[string]struct {
		headers []string
		want    int
	}{
		"a program":              {nil, 200},
		"our page":               {[]string{"Sec-Fetch-Site", "same-origin"}, 200},
		"another site":           {[]string{"Sec-Fetch-Site", "cross-site"}, 403},
		"another site, old ways": {[]string{"Origin", "https://evil.example.com"}, 403},
		"a form of another site": {[]string{"Content-Type", "text/plain", "Origin", "https://evil.example.com"}, 403},
		"a page with no key":     {[]string{"Content-Type", "text/plain", "Sec-Fetch-Site", "same-origin"}, 403},
		"a program, no JSON":     {[]string{"Content-Type", "text/plain"}, 415},
	} {
		if res, text := d.ask("POST", "/api/discards", discard, tt.headers...); res.StatusCode != tt.want {
			t.Errorf("%s: %d, want %d: %s", name, res.StatusCode, tt.want, text)
		}
	}
}

// TestLoopbackProgram holds that curl needs nothing special on this machine.
func TestLoopbackProgram(t *testing.T) {
	d := newDesk(t, nil)
	d.answer(204, nil, "POST", "/api/accounts/default/pause", "")
	d.answer(204, nil, "POST", "/api/accounts/default/resume", "")
	d.answer(403, nil, "POST", "/api/accounts/default/pause", "", "Origin", "https://evil.example.com")
	d.answer(403, nil, "POST", "/accounts/default/pause", "")
}

func TestReadTokens(t *testing.T) {
	hash := fmt.Sprintf("%x", sha256.Sum256([]byte(viewerToken)))
	tokens, err := ReadTokens(strings.NewReader("# people\n\nviewer vera " + hash + "\n admin  ada " + strings.ToUpper(hash) + " \n"))
	if err != nil || len(tokens) != 2 || tokens[0].Role != Viewer || tokens[1].Role != Admin || tokens[1].Name != "ada" {
		t.Fatalf("%+v, %v", tokens, err)
	}
	if found, ok := match(tokens[:1], viewerToken); !ok || found.Name != "vera" {
		t.Errorf("match: %+v, %v", found, ok)
	}
	for _, bad := range []string{"viewer vera", "boss vera " + hash, "nobody vera " + hash, "viewer vera " + hash[:10], "viewer vera " + hash + " x", "viewer vera " + hex.EncodeToString([]byte("zz"))} {
		if _, err := ReadTokens(strings.NewReader("\n" + bad)); err == nil || !strings.Contains(err.Error(), "line 2") || strings.Contains(err.Error(), hash) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestProxyUser(t *testing.T) {
	d := newDesk(t, func(o *Options) {
		withTokens(o)
		o.ProxyHeader, o.ProxyRole = "X-Forwarded-User", Operator
		o.ProxyFrom = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	})
	d.answer(200, nil, "GET", "/api/status", "", "X-Forwarded-User", "pia")
	d.answer(401, nil, "GET", "/api/status", "")
	d.answer(403, nil, "POST", "/api/erasures", `{"contact":"ada@example.com"}`, "X-Forwarded-User", "pia")
	d.answer(200, nil, "POST", "/api/erasures", `{"contact":"ada@example.com"}`, append(bearer(adminToken), "X-Forwarded-User", "pia")...)
	d.console.ProxyFrom = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	d.answer(401, nil, "GET", "/api/status", "", "X-Forwarded-User", "pia")

	// Without tokens nobody gets in but whom the proxy names, not even from this machine.
	alone := newDesk(t, func(o *Options) {
		o.ProxyHeader, o.ProxyRole = "X-Forwarded-User", Viewer
		o.ProxyFrom = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	})
	alone.answer(200, nil, "GET", "/api/status", "", "X-Forwarded-User", "pia")
	alone.answer(401, nil, "GET", "/api/status", "")
	alone.answer(403, nil, "POST", "/api/accounts/default/pause", "", "X-Forwarded-User", "pia", "Content-Type", "application/json")
}

func TestHealthAndMetrics(t *testing.T) {
	metrics := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("bridge_up 1\n")) })
	for name, tt := range map[string]struct {
		change  func(*Options)
		headers []string
		want    int
	}{
		"no token":              {nil, nil, 200},
		"no token, other name":  {nil, []string{"Host", "evil.example.com"}, 403},
		"nothing sent":          {withTokens, nil, 401},
		"viewer":                {withTokens, bearer(viewerToken), 200},
		"metrics token":         {func(o *Options) { withTokens(o); o.MetricsToken = secret.New("scrape-me-0123456789") }, bearer("scrape-me-0123456789"), 200},
		"wrong metrics token":   {func(o *Options) { withTokens(o); o.MetricsToken = secret.New("scrape-me-0123456789") }, bearer("scrape"), 401},
		"only metrics token":    {func(o *Options) { o.MetricsToken = secret.New("scrape-me-0123456789") }, nil, 401},
		"only metrics token, 2": {func(o *Options) { o.MetricsToken = secret.New("scrape-me-0123456789") }, bearer("scrape-me-0123456789"), 200},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t, func(o *Options) {
				o.Metrics = metrics
				if tt.change != nil {
					tt.change(o)
				}
			})
			d.answer(tt.want, nil, "GET", "/metrics", "", tt.headers...)
			d.answer(200, nil, "GET", "/healthz", "", "Host", "any.example.com")
			d.answer(200, nil, "GET", "/readyz", "", "Host", "any.example.com")
		})
	}
}
