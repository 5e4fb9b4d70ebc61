package keap

import (
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// Permit is asked before each request of an iterator; an error ends the iteration with it. nil always allows.
type Permit func(ctx context.Context) error

func (p Permit) ask(ctx context.Context) error {
	if p == nil {
		return nil
	}
	return p(ctx)
}

// listing is one list of REST v2.
type listing struct {
	operation string
	path      string
	query     url.Values
	size      string // page_size: 1000, users 100, automations 25
	array     string // name of the array in the answer
}

// v2Pages walks through a list of v2. next_page_token has been seen as a token and as a whole address.
func v2Pages[W any](ctx context.Context, c *Client, l listing, permit Permit) iter.Seq2[W, error] {
	return func(yield func(W, error) bool) {
		var none W
		token := ""
		for {
			if err := permit.ask(ctx); err != nil {
				yield(none, err)
				return
			}
			query := url.Values{"page_size": {l.size}}
			for k, v := range l.query {
				query[k] = v
			}
			if token != "" {
				query.Set("page_token", token)
			}
			items, next, err := v2Page[W](ctx, c, l, query)
			if err != nil {
				yield(none, err)
				return
			}
			for _, item := range items {
				if !yield(item, nil) {
					return
				}
			}
			// The same token again, or a page without items, would go on for ever.
			if next == "" || next == token || len(items) == 0 {
				return
			}
			token = next
		}
	}
}

// v2Page reads one page. An answer without the array is a page without items; an answer that is not an object fails.
func v2Page[W any](ctx context.Context, c *Client, l listing, query url.Values) ([]W, string, error) {
	var page map[string]json.RawMessage
	a, err := c.do(ctx, request{operation: l.operation, method: http.MethodGet, path: l.path, query: query}, &page)
	if err != nil {
		return nil, "", err
	}
	var items []W
	if raw, ok := page[l.array]; ok {
		if err := decode(raw, &items); err != nil {
			return nil, "", a.unreadable(l.operation, "a list of unexpected shape", err)
		}
	}
	var token string
	if raw, ok := page["next_page_token"]; ok && decode(raw, &token) != nil {
		return nil, "", a.unreadable(l.operation, "an unexpected page token", nil)
	}
	return items, pageToken(token), nil
}

func largestPage() url.Values { return url.Values{"page_size": {strconv.Itoa(maxPage)}} }

func pageToken(text string) string {
	if !strings.Contains(text, "://") {
		return text
	}
	u, err := url.Parse(text)
	if err != nil {
		return ""
	}
	return u.Query().Get("page_token")
}

// filter builds v2's filter text, which has no way to quote: values with its signs are refused.
type filter struct {
	operation string
	parts     []string
	err       error
}

// equal asks for one value; "" does not matter.
func (f *filter) equal(field, value string) {
	if strings.Contains(value, ",") {
		f.refuse(field, value)
	}
	f.list(field, value)
}

// list asks for any of several values.
func (f *filter) list(field string, values ...string) {
	value := strings.Join(values, ",")
	if value == "" {
		return
	}
	if strings.ContainsAny(value, ";*") {
		f.refuse(field, value)
	}
	f.parts = append(f.parts, field+"=="+value)
}

func (f *filter) refuse(field, value string) {
	f.err = invalid(f.operation, field, "cannot be searched for: %.80q holds a sign of Keap's filter language", value)
}

// query returns the filter as query parameters, nil for an empty one.
func (f *filter) query() (url.Values, error) {
	if f.err != nil || len(f.parts) == 0 {
		return nil, f.err
	}
	return url.Values{"filter": {strings.Join(f.parts, ";")}}, nil
}
