package console

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"bridge/test/office"
)

// FuzzInside holds that no redirect leads to another site.
func FuzzInside(f *testing.F) {
	for _, s := range []string{"/", "//evil.example.com", `/\evil`, "/a?b=//c", "https://x", "/%2f%2fx", "/\t/x", "/x\r\nSet-Cookie: a"} {
		f.Add(s)
	}
	base := &url.URL{Scheme: "http", Host: "console.example.com", Path: "/login"}
	f.Fuzz(func(t *testing.T, to string) {
		got := inside(to)
		if !strings.HasPrefix(got, "/") || strings.HasPrefix(got, "//") || strings.ContainsAny(got, "\\\r\n\t") {
			t.Errorf("inside(%q) = %q", to, got)
		}
		if u, err := base.Parse(got); err != nil || u.Host != base.Host {
			t.Errorf("inside(%q) = %q leads to %v, %v", to, got, u, err)
		}
	})
}

// FuzzReadTokens holds that any file is either refused or gives whole tokens.
func FuzzReadTokens(f *testing.F) {
	f.Add("viewer vera " + strings.Repeat("ab", 32))
	f.Add("# nothing\n\nadmin a b")
	f.Fuzz(func(t *testing.T, text string) {
		tokens, err := ReadTokens(strings.NewReader(text))
		if err != nil {
			return
		}
		for _, tok := range tokens {
			if tok.Role < Viewer || tok.Role > Admin || tok.Name == "" {
				t.Errorf("%q gives %+v", text, tok)
			}
		}
	})
}

// FuzzFilter holds that any query is either refused or understood, and never slow.
func FuzzFilter(f *testing.F) {
	for _, q := range []string{"state=failed&since=24h", "since=2026-08-07", "until=-1h", "since=1e9h", "q=%00"} {
		f.Add(q)
	}
	f.Fuzz(func(t *testing.T, query string) {
		got, err := filterOf(&http.Request{URL: &url.URL{RawQuery: query}})
		asked, _ := url.ParseQuery(query) // the name may be escaped, too
		if err == nil && got.Since.After(time.Now().Add(time.Hour)) && asked.Get("since") == "" {
			t.Errorf("%q: since %s", query, got.Since)
		}
	})
}

// FuzzAPI asks the API for anything with any body: what it cannot understand it refuses, and nothing is its own fault.
func FuzzAPI(f *testing.F) {
	o := office.New(f)
	o.Fail(1, "ada@example.com")
	o.CaughtUp(f)
	c := New(Options{Desk: o.Desk, Version: "test", Log: slog.New(slog.DiscardHandler)})
	f.Cleanup(func() { _ = c.Close() })
	for _, seed := range [][3]string{
		{"GET", "/api/events?state=failed&limit=3&cursor=before-z", ""},
		{"GET", "/api/events?cursor=before-7zzzzzzzzzzzz&q=%00&contact=%ff", ""},
		{"GET", "/api/events/1?source=shop", ""},
		{"POST", "/api/replays", `{"ids":["1"],"dry_run":true}`},
		{"POST", "/api/discards", `{"filter":{"state":"failed","since":"2026-01-01T00:00:00Z"},"dry_run":true}`},
		{"POST", "/api/doubts", `{"id":"1","step":1e99,"happened":true}`},
		{"POST", "/api/erasures", `{"contact":"\u0000"}`},
		{"POST", "/api/events", `{"account":"default","source":"shop","events":[{"specversion":"1.0","id":"1","source":"/x","type":"t","time":"2026-01-01T00:00:00+24:00"}]}`},
		{"POST", "/api/accounts/default/pause", ``},
		{"GET", "/events?cursor=%2e%2e&job=-1", ""},
	} {
		f.Add(seed[0], seed[1], []byte(seed[2]))
	}
	f.Fuzz(func(t *testing.T, method, path string, body []byte) {
		if len(body) > 1<<16 || len(path) > 1<<12 || strings.Contains(path, "backup") {
			t.Skip()
		}
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond) // streams have no end
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, method, "http://127.0.0.1:8081"+path, bytes.NewReader(body))
		if err != nil || req.URL.Host != "127.0.0.1:8081" {
			t.Skip()
		}
		req.RemoteAddr = "127.0.0.1:1000"
		req.Header.Set("Content-Type", "application/json")
		rec := httptest.NewRecorder()
		c.ServeHTTP(rec, req)
		if rec.Code == http.StatusInternalServerError && ctx.Err() == nil {
			t.Fatalf("%s %q answered %d: %s", method, path, rec.Code, rec.Body)
		}
	})
}

// FuzzMask holds that no address is left in what viewers read.
func FuzzMask(f *testing.F) {
	for _, s := range []string{"ada@example.com", `"ada@example.com" is no address`, "a@b@c", "@", "x <ada@example.com>, y"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if address.MatchString(maskText(text)) && !strings.Contains(maskText(text), "•••") {
			t.Errorf("%q is shown as %q", text, maskText(text))
		}
	})
}
