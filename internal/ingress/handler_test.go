package ingress

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"golang.org/x/time/rate"

	"bridge/internal/events"
	"bridge/internal/sources"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// door is a fake source and a fake durable line.
type door struct {
	mu     sync.Mutex
	stored []events.Event
	seen   []Seen
	err    error
	reply  sources.Reply
	refuse error
	remote netip.Addr
}

// Open makes an event for each word of the body.
func (d *door) Open(_ context.Context, r sources.Request) (sources.Reply, []events.Event, error) {
	d.remote = r.Remote
	if d.refuse != nil {
		return sources.Reply{}, nil, d.refuse
	}
	var batch []events.Event
	for _, id := range strings.Fields(string(r.Body)) {
		batch = append(batch, events.Event{ID: id})
	}
	return d.reply, batch, nil
}

func (d *door) Accept(_ context.Context, batch []events.Event) ([]bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.err != nil {
		return nil, d.err
	}
	duplicate := make([]bool, len(batch))
	for i, e := range batch {
		for _, old := range d.stored {
			duplicate[i] = duplicate[i] || old.ID == e.ID
		}
	}
	d.stored = append(d.stored, batch...)
	return duplicate, nil
}

func (d *door) observe(s Seen) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.seen = append(d.seen, s)
}

func (d *door) server(t *testing.T, change func(*Route, *Options)) *httptest.Server {
	t.Helper()
	route := Route{Source: d, MaxBody: 100}
	opt := Options{
		Intake: d, Observe: d.observe, Log: slog.New(slog.DiscardHandler), Now: time.Now,
		Route: func(account, source string) (Route, bool) { return route, account == "default" && source == "shop" },
	}
	if change != nil {
		change(&route, &opt)
	}
	srv := httptest.NewServer(New(opt))
	t.Cleanup(srv.Close)
	return srv
}

func post(t *testing.T, url, body string, header ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	http.DefaultClient.CloseIdleConnections()
	return res, string(b)
}

func TestAcceptedDuplicateIgnored(t *testing.T) {
	d := &door{}
	url := d.server(t, nil).URL + "/hooks/default/shop"
	for _, tc := range []struct {
		body string
		want accepted
	}{
		{"a b", accepted{[]string{"a", "b"}, "accepted"}},
		{"a b", accepted{[]string{"a", "b"}, "duplicate"}},
		{"a c", accepted{[]string{"a", "c"}, "accepted"}},
		{"", accepted{[]string{}, "ignored"}},
	} {
		res, text := post(t, url, tc.body)
		var got accepted
		if err := json.Unmarshal([]byte(text), &got); err != nil || res.StatusCode != http.StatusAccepted {
			t.Fatalf("%q: %d %s", tc.body, res.StatusCode, text)
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%q: %s", tc.body, diff)
		}
	}
}

func TestRefusals(t *testing.T) {
	d := &door{}
	srv := d.server(t, nil)
	for _, tc := range []struct {
		name, path, body string
		header           []string
		prepare          func()
		status           int
		outcome          string
	}{
		{"wrong signature", "/hooks/default/shop", "a", nil, func() { d.refuse = &sources.Refusal{Status: 401, Public: "x", Cause: errors.New("hmac")} }, 401, "unauthorized"},
		{"unknown source", "/hooks/default/nobody", "a", nil, nil, 401, "unauthorized"},
		{"unknown account", "/hooks/nobody/shop", "a", nil, nil, 401, "unauthorized"},
		{"malformed", "/hooks/default/shop", "a", nil, func() { d.refuse = &sources.Refusal{Status: 400, Public: "not JSON", Cause: errors.New("offset 3")} }, 400, "refused"},
		{"too large", "/hooks/default/shop", strings.Repeat("a", 101), nil, nil, 413, "too_large"},
		{"compressed", "/hooks/default/shop", "a", []string{"Content-Encoding", "gzip"}, nil, 415, "refused"},
		{"queue down", "/hooks/default/shop", "a", nil, func() { d.err = errors.New("disk full: /var/lib/secret") }, 503, "unavailable"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d.refuse, d.err, d.seen = nil, nil, nil
			if tc.prepare != nil {
				tc.prepare()
			}
			res, text := post(t, srv.URL+tc.path, tc.body, tc.header...)
			if res.StatusCode != tc.status || res.Header.Get("Content-Type") != "application/problem+json" {
				t.Errorf("%d %s %s", res.StatusCode, res.Header.Get("Content-Type"), text)
			}
			for _, inner := range []string{"hmac", "offset", "/var/lib"} {
				if strings.Contains(text, inner) {
					t.Errorf("the answer tells inner details: %s", text)
				}
			}
			if tc.status == 503 && res.Header.Get("Retry-After") == "" {
				t.Error("503 without Retry-After")
			}
			if len(d.seen) != 1 || d.seen[0].Outcome != tc.outcome || d.seen[0].Status != tc.status {
				t.Errorf("observed %+v", d.seen)
			}
		})
	}
}

// TestStrangersLearnNothing: unknown address and wrong signature are answered alike, to the byte.
func TestStrangersLearnNothing(t *testing.T) {
	d := &door{refuse: &sources.Refusal{Status: 401, Public: "bad"}}
	srv := d.server(t, nil)
	known, a := post(t, srv.URL+"/hooks/default/shop", "x")
	unknown, b := post(t, srv.URL+"/hooks/other/thing", "x")
	known.Header.Del("Date")
	unknown.Header.Del("Date")
	if diff := cmp.Diff(known.Header, unknown.Header); diff != "" || a != b {
		t.Errorf("answers differ: %s %q %q", diff, a, b)
	}
}

func TestChunkedBodyIsBounded(t *testing.T) {
	srv := (&door{}).server(t, nil)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL+"/hooks/default/shop", io.MultiReader(strings.NewReader(strings.Repeat("a", 200))))
	if err != nil {
		t.Fatal(err)
	}
	res, err := srv.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("status %d", res.StatusCode)
	}
}

func TestSourceSpeaksItsOwnAnswer(t *testing.T) {
	d := &door{reply: sources.Reply{Status: 200, ContentType: "application/json", Body: []byte(`{"op":"success"}`), Header: http.Header{"X-Hook-Secret": {"s"}}}}
	res, text := post(t, d.server(t, nil).URL+"/hooks/default/shop/sub/path", "a")
	if res.StatusCode != 200 || text != `{"op":"success"}` || res.Header.Get("X-Hook-Secret") != "s" || len(d.stored) != 1 {
		t.Errorf("%d %s %v, stored %d", res.StatusCode, text, res.Header, len(d.stored))
	}
}

func TestRateCountsWhatIsAuthentic(t *testing.T) {
	d := &door{}
	srv := d.server(t, func(r *Route, _ *Options) { r.Limiter = rate.NewLimiter(0.001, 2) })
	d.refuse = &sources.Refusal{Status: 401, Public: "x"}
	for range 5 {
		post(t, srv.URL+"/hooks/default/shop", "a")
	}
	d.refuse = nil
	var got []int
	var last *http.Response
	for range 3 {
		last, _ = post(t, srv.URL+"/hooks/default/shop", "a")
		got = append(got, last.StatusCode)
	}
	if diff := cmp.Diff([]int{202, 202, 429}, got); diff != "" {
		t.Error(diff)
	}
	if last.Header.Get("Retry-After") != "1000" {
		t.Errorf("Retry-After %q", last.Header.Get("Retry-After"))
	}
}

// TestSendersAddress: sources compare addresses, and only a trusted proxy may say one.
func TestSendersAddress(t *testing.T) {
	trusted := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	for _, tc := range []struct {
		name, forwarded string
		proxies         []netip.Prefix
		want            string
	}{
		{"direct", "", nil, "127.0.0.1"},
		{"forged header from a stranger", "203.0.113.7", nil, "127.0.0.1"},
		{"through a trusted proxy", "203.0.113.7", trusted, "203.0.113.7"},
		{"the last untrusted hop counts", "203.0.113.7, 198.51.100.1", trusted, "198.51.100.1"},
		{"nonsense from a proxy", "203.0.113.7, what", trusted, "127.0.0.1"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := &door{}
			srv := d.server(t, func(_ *Route, o *Options) { o.TrustedProxies = tc.proxies })
			var header []string
			if tc.forwarded != "" {
				header = []string{"X-Forwarded-For", tc.forwarded}
			}
			post(t, srv.URL+"/hooks/default/shop", "a", header...)
			if got := d.remote.String(); got != tc.want {
				t.Errorf("the source saw %s, want %s", got, tc.want)
			}
		})
	}
}

func TestTraceParentIsKept(t *testing.T) {
	d := &door{}
	url := d.server(t, nil).URL + "/hooks/default/shop"
	const good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	post(t, url, "a", "Traceparent", good)
	post(t, url, "b", "Traceparent", "00-evil\"}-x")
	if d.stored[0].TraceParent != good || d.stored[1].TraceParent != "" {
		t.Errorf("%q %q", d.stored[0].TraceParent, d.stored[1].TraceParent)
	}
}

func TestServerHasEveryTimeout(t *testing.T) {
	s := NewServer(http.NotFoundHandler(), slog.New(slog.DiscardHandler))
	if s.ReadHeaderTimeout == 0 || s.ReadTimeout == 0 || s.WriteTimeout == 0 || s.IdleTimeout == 0 || s.MaxHeaderBytes == 0 {
		t.Errorf("%+v", s)
	}
}
