package ingress

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bridge/internal/events"
	"bridge/internal/secret"
	"bridge/internal/sources"
)

// waiting lets handshakes of Keap in.
type waiting struct{}

func (waiting) Pending(string, string) bool                 { return true }
func (waiting) Ours(string, string, string, time.Time) bool { return false }

// TestChallengesOverHTTP: what senders ask before they send, answered as they demand it, over real HTTP.
func TestChallengesOverHTTP(t *testing.T) {
	of := func(text string) sources.Secrets { return sources.Secrets{secret.New(text)} }
	made := map[string]sources.Source{}
	for _, cfg := range []sources.Config{
		{Kind: "woocommerce", Secret: of("a-secret")},
		{Kind: "thrivecart", Token: of("a-word")},
		{Kind: "adobe-events", ClientID: "client-1"},
		{Kind: "cloudevents", Token: of("a-token")},
		{Kind: "keap", PathSecret: secret.New(hostilePath)},
		{Kind: "clickfunnels", PathSecret: secret.New(hostilePath)},
	} {
		src, mistakes := sources.New(cfg.Kind, "default", cfg, sources.Deps{Keap: waiting{}, Certificates: sources.NewCertificates(http.DefaultClient, time.Now)})
		if len(mistakes) > 0 {
			t.Fatal(mistakes)
		}
		made[cfg.Kind] = src
	}
	d := &door{}
	srv := httptest.NewServer(New(Options{
		Intake: d, Observe: d.observe, Log: slog.New(slog.DiscardHandler), Now: time.Now,
		Route: func(_, source string) (Route, bool) {
			return Route{Source: made[source], MaxBody: 1 << 20}, made[source] != nil
		},
	}))
	defer srv.Close()
	strangers := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a stranger's address was called") }))
	defer strangers.Close()
	for _, tc := range []struct {
		name, method, path, body string
		header                   map[string]string
		want                     string            // the body; "" any
		wants                    map[string]string // headers
	}{
		{"WooCommerce's ping", "POST", "woocommerce", "webhook_id=17", nil, "", nil},
		{"ThriveCart's HEAD", "HEAD", "thrivecart", "", nil, "", nil},
		{"Adobe's challenge", "GET", "adobe-events?challenge=8ec8d794", "", nil, "8ec8d794", map[string]string{"Content-Type": "text/plain"}},
		{"CloudEvents' handshake", "OPTIONS", "cloudevents", "", map[string]string{"WebHook-Request-Origin": "till.example.com", "WebHook-Request-Callback": strangers.URL}, "",
			map[string]string{"WebHook-Allowed-Origin": "till.example.com", "WebHook-Allowed-Rate": "*"}},
		{"Keap's handshake", "POST", "keap/" + hostilePath, "{}", map[string]string{"X-Hook-Secret": "abc"}, "", map[string]string{"X-Hook-Secret": "abc"}},
		{"ClickFunnels Classic's test", "POST", "clickfunnels/" + hostilePath + "/funnel_webhooks/test", `{"time":"now"}`, nil, "", nil},
	} {
		req, err := http.NewRequestWithContext(t.Context(), tc.method, srv.URL+"/hooks/default/"+tc.path, strings.NewReader(tc.body))
		if err != nil {
			t.Fatal(err)
		}
		for name, value := range tc.header {
			req.Header.Set(name, value)
		}
		res, err := srv.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || res.StatusCode != http.StatusOK || tc.want != "" && string(text) != tc.want {
			t.Errorf("%s: %d %q %v", tc.name, res.StatusCode, text, err)
		}
		for name, value := range tc.wants {
			if got := res.Header.Get(name); got != value {
				t.Errorf("%s: %s is %q, want %q", tc.name, name, got, value)
			}
		}
	}
	if len(d.stored) > 0 {
		t.Errorf("challenges became events: %v", d.stored)
	}
}

// stuck is an intake that never gets anything onto the disk.
type stuck struct{}

func (stuck) Accept(ctx context.Context, _ []events.Event) ([]bool, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// TestAnswersBeforeShopifyGivesUp: Shopify waits 5 seconds in all. What cannot be stored by then is refused, so that it
// is sent again.
func TestAnswersBeforeShopifyGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &door{}
		h := New(Options{
			Intake: stuck{}, Observe: d.observe, Log: slog.New(slog.DiscardHandler), Now: time.Now,
			Route: func(_, _ string) (Route, bool) { return Route{Source: d, MaxBody: 100}, true },
		})
		start := time.Now()
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/hooks/default/shop", strings.NewReader("a")))
		if took := time.Since(start); took >= 5*time.Second || rec.Code != http.StatusServiceUnavailable || rec.Header().Get("Retry-After") == "" {
			t.Errorf("answered %d after %s", rec.Code, took)
		}
	})
}
