package sources

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"testing"
	"time"

	"bridge/internal/events"
	"bridge/internal/secret"
)

// oneAnswer is a sender's API that answers everything alike.
type oneAnswer struct {
	status int
	body   []byte
}

func (a oneAnswer) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: a.status, Status: "as fuzzed", Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(a.body)), Request: r,
	}, nil
}

// thinOnes is an event of each kind that asks the sender for something, made of its samples, by kind and what is asked for.
func thinOnes(f *testing.F) map[string][]events.Event {
	f.Helper()
	out := map[string][]events.Event{}
	for _, s := range allSamples(f) {
		cfg := askingConfig(f, s.kind)
		if _, mistakes := New("shop", "default", cfg, testDeps()); len(mistakes) > 0 {
			continue // asks nobody
		}
		_, got, err := Parse("shop", "default", cfg, testDeps(), s.request())
		if err != nil {
			f.Fatal(err)
		}
		for _, e := range got {
			if e.Enrich != "" {
				out[s.kind] = append(out[s.kind], e)
			}
		}
	}
	return out
}

func askingConfig(t testing.TB, kind string) Config {
	cfg := testConfig(t, kind)
	cfg.Enrich = &Enrich{URL: "https://api.example.com", Key: secret.New("key"), Secret: secret.New("secret"), Token: secret.New("token"), PerSecond: 1e9}
	return cfg
}

// FuzzAnswer gives look-ups and sweeps answers of any content.
func FuzzAnswer(f *testing.F) {
	waiting := thinOnes(f)
	for kind, list := range waiting {
		for n := range list {
			f.Add(kind, n, 200, []byte(`{"data":[{"id":1,"email":"ada@example.com"}],"Transactions":[{"TotalAmount":1}],"Payment":{"Status":2,"Amount":5}}`))
		}
		f.Add(kind, 0, 404, []byte(`<html>`))
	}
	f.Add("woocommerce", 0, 200, []byte(`[{"id":1,"status":"processing","date_paid_gmt":"2026-11-20T11:00:00","refunds":[{"id":1}]}]`))
	f.Add("eway", 0, 200, []byte(`{"SettlementTransactions":[{"TransactionID":1,"Amount":1e999999999}]}`))
	f.Add("gravityforms", 0, 200, []byte(`{"total_count":"1","entries":[{"id":"1","form_id":"2","date_created":"2026-11-20 11:00:00"}]}`))
	f.Fuzz(func(t *testing.T, kind string, n, status int, body []byte) {
		if _, ok := testConfigs[kind]; !ok || len(body) > 1<<16 || status < 200 || status > 599 {
			t.Skip()
		}
		deps := testDeps()
		deps.HTTP = &http.Client{Transport: oneAnswer{status, body}}
		if list := waiting[kind]; len(list) > 0 {
			e := list[uint(n)%uint(len(list))]
			src := mustNew(t, askingConfig(t, kind), deps)
			bounded(t, len(body), func() { answered(t, src.(Enricher), e) })
		}
		cfg := askingConfig(t, kind)
		cfg.Sweep = &Sweep{Every: time.Hour}
		src, mistakes := New("shop", "default", cfg, deps)
		if len(mistakes) > 0 {
			return
		}
		bounded(t, len(body), func() { swept(t, src.(Sweeper)) })
	})
}

func answered(t *testing.T, src Enricher, e events.Event) {
	b, err := json.Marshal(e) // a copy of its own
	if err == nil {
		err = e.UnmarshalJSON(b)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := src.Enrich(context.Background(), &e); err != nil {
		return
	}
	if b, err = json.Marshal(e); err != nil || e.ID == "" || e.Type == "" {
		t.Fatalf("%s: %v", b, err)
	}
}

// swept takes a few pages: an answer that is always the same has no end.
func swept(t *testing.T, src Sweeper) {
	pages := 0
	enough := errors.New("enough")
	_ = src.Sweep(context.Background(), testNow.Add(-time.Hour), func(_ context.Context, page []events.Event) error {
		for _, e := range page {
			if _, err := json.Marshal(e); err != nil || e.ID == "" {
				t.Fatalf("%+v: %v", e, err)
			}
		}
		if pages++; pages == 3 {
			return enough
		}
		return nil
	})
}

// FuzzKeys reads anything as a sender's certificate or public key.
func FuzzKeys(f *testing.F) {
	f.Add(testRehearsal().certificate())
	f.Add([]byte("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) > certificateMaxSize {
			t.Skip()
		}
		bounded(t, len(text), func() {
			if leaf, _, err := chain(text); err == nil && leaf == nil {
				t.Fatal("no certificate, and no error")
			}
			if key, err := publicKey(text); err == nil && key == nil {
				t.Fatal("no key, and no error")
			}
		})
	})
}
