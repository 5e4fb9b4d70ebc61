package console

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
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
		if err == nil && got.Since.After(time.Now().Add(time.Hour)) && !strings.Contains(query, "since=") {
			t.Errorf("%q: since %s", query, got.Since)
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
