package keap

import (
	"context"
	"encoding/json"
	"iter"
	"net/url"
	"strconv"
	"strings"
)

// maxPage is the largest page of v1 and most of v2.
const maxPage = 1000

// Permit is asked before each request of an iterator; an error ends the iteration with it. nil always allows.
type Permit func(ctx context.Context) error

func (p Permit) ask(ctx context.Context) error {
	if p == nil {
		return nil
	}
	return p(ctx)
}

// v2Pages walks through a list of v2. size is its largest page: 1,000 but for users (100) and automations (25).
// next_page_token has been seen as a token and as a whole address.
func v2Pages[W, T any](ctx context.Context, c *Client, r request, array string, size int, permit Permit, show func(*W) T) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		for token := ""; ; {
			if err := permit.ask(ctx); err != nil {
				yield(none, err)
				return
			}
			query := url.Values{"page_size": {strconv.Itoa(size)}}
			if token != "" {
				query.Set("page_token", token)
			}
			items, next, err := v2Page(ctx, c, r.with(query), array, show)
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

// v2Page reads one page, the largest there is where the query does not say. An answer without the array is a page
// without items; an answer that is not an object fails.
func v2Page[W, T any](ctx context.Context, c *Client, r request, array string, show func(*W) T) (items []T, next string, err error) {
	if r.query == nil {
		r.query = url.Values{}
	}
	if !r.query.Has("page_size") {
		r.query.Set("page_size", strconv.Itoa(maxPage))
	}
	var page map[string]json.RawMessage
	a, err := c.do(ctx, r, &page)
	if err != nil {
		return nil, "", err
	}
	var wires []W
	if raw, ok := page[array]; ok {
		if err := decode(raw, &wires); err != nil {
			return nil, "", a.unreadable(r.operation, "a list of unexpected shape", err)
		}
	}
	if raw, ok := page["next_page_token"]; ok && decode(raw, &next) != nil {
		return nil, "", a.unreadable(r.operation, "an unexpected page token", nil)
	}
	for i := range wires {
		items = append(items, show(&wires[i]))
	}
	return items, pageToken(next), nil
}

// v2List is v2Page for those who want no further pages.
func v2List[W, T any](ctx context.Context, c *Client, r request, array string, show func(*W) T) ([]T, error) {
	items, _, err := v2Page(ctx, c, r, array, show)
	return items, err
}

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

// query returns the filter as query parameters. An empty one is refused: Keap answers it with everything.
func (f *filter) query(order string) (url.Values, error) {
	switch {
	case f.err != nil:
		return nil, f.err
	case len(f.parts) == 0:
		return nil, invalid(f.operation, "filter", "is empty")
	}
	query := url.Values{"filter": {strings.Join(f.parts, ";")}}
	if order != "" {
		query.Set("order_by", order)
	}
	return query, nil
}
