package sandbox

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// maxPage is the longest page of both versions: stated for v2, practice for v1.
const maxPage = 1000

// v1Page is the frame of a v1 list.
type v1Page struct {
	Count    int    `json:"count"`
	Next     string `json:"next"`
	Previous string `json:"previous"`
}

// window1 reads limit and offset of a v1 list.
func (c *call) window1() (offset, limit int) {
	limit, err := strconv.Atoi(c.query.Get("limit"))
	if err != nil || limit <= 0 || limit > maxPage {
		limit = maxPage
	}
	offset, err = strconv.Atoi(c.query.Get("offset"))
	if err != nil || offset < 0 {
		offset = 0
	}
	return offset, limit
}

// page1 cuts one page out of the n rows of a v1 list.
func (c *call) page1(n int) (from, to int, frame v1Page) {
	offset, limit := c.window1()
	from = min(offset, n)
	return from, min(from+limit, n), c.frame1(n, offset, limit)
}

// frame1 names the neighbours of a page. Keap has been seen to name a next page for ever; by default there is
// none after the last, so that clients of either kind end.
func (c *call) frame1(count, offset, limit int) v1Page {
	p := v1Page{Count: count}
	at := func(offset int) string {
		q := url.Values{}
		for name, v := range c.query {
			q[name] = v
		}
		q.Set("limit", strconv.Itoa(limit))
		q.Set("offset", strconv.Itoa(offset))
		return c.origin + strings.TrimRight(c.path, "/") + "/?" + q.Encode()
	}
	if offset+limit < count || c.flags.endlessNext {
		p.Next = at(offset + limit)
	}
	if offset > 0 {
		p.Previous = at(max(0, offset-limit))
	}
	return p
}

// window2 reads page_size and page_token of a v2 list. The mark of a token is opaque to clients; ok is false for
// one that is none of ours.
func (c *call) window2(most int) (mark string, size int, ok bool) {
	size, err := strconv.Atoi(c.query.Get("page_size"))
	if err != nil || size <= 0 || size > most {
		size = most
	}
	token := c.query.Get("page_token")
	if token == "" {
		return "", size, true
	}
	b, err := base64.RawURLEncoding.DecodeString(token)
	return string(b), size, err == nil && len(b) > 0
}

// token makes the next_page_token of a mark.
func (c *call) token(mark string) string {
	t := base64.RawURLEncoding.EncodeToString([]byte(mark))
	if c.flags.pageTokens != "url" {
		return t
	}
	q := url.Values{}
	for name, v := range c.query {
		q[name] = v
	}
	q.Set("page_token", t)
	return c.origin + c.path + "?" + q.Encode()
}

// page2 cuts one page out of the n rows of a v2 list whose pages hold most rows at the most.
func (c *call) page2(most, n int) (from, to int, next string, err error) {
	mark, size, ok := c.window2(most)
	offset := 0
	if mark != "" {
		offset, err = strconv.Atoi(mark)
	}
	if !ok || err != nil || offset < 0 {
		return 0, 0, "", fmt.Errorf("Invalid page token")
	}
	from = min(offset, n)
	to = min(from+size, n)
	if to < n {
		next = c.token(strconv.Itoa(to))
	}
	return from, to, next, nil
}

// condition is one comparison of a v2 filter: name==value;name>value …
type condition struct {
	name, op, value string
}

var operators = []string{"==", "!=", ">=", "<=", ">", "<"}

// filter reads the filter parameter. Names that the operation does not know are refused: Keap ignores unknown
// query parameters, not unknown filters.
func (c *call) filter(known ...string) ([]condition, error) {
	out, err := c.conditions()
	for _, f := range out {
		if !contains(known, f.name) {
			return nil, fmt.Errorf("Invalid filter field: %s", f.name)
		}
	}
	return out, err
}

// conditions reads the filter parameter, whatever the names.
func (c *call) conditions() ([]condition, error) {
	var out []condition
	for part := range strings.SplitSeq(c.query.Get("filter"), ";") {
		if strings.TrimSpace(part) == "" {
			continue
		}
		at, op := len(part), ""
		for _, o := range operators { // the leftmost operator; of == and = the longer comes first
			if i := strings.Index(part, o); i > 0 && i < at {
				at, op = i, o
			}
		}
		if op == "" {
			return nil, fmt.Errorf("Invalid filter: %s", part)
		}
		out = append(out, condition{strings.TrimSpace(part[:at]), op, strings.TrimSpace(part[at+len(op):])})
	}
	return out, nil
}

func contains(all []string, s string) bool {
	for _, a := range all {
		if a == s {
			return true
		}
	}
	return false
}

// text compares with a trailing * as wildcard, case-insensitively; NONE asks for the empty text.
func (f condition) text(have string) bool {
	if f.value == "NONE" {
		return have == ""
	}
	if prefix, ok := strings.CutSuffix(f.value, "*"); ok {
		return len(have) >= len(prefix) && strings.EqualFold(have[:len(prefix)], prefix)
	}
	return strings.EqualFold(have, f.value) == (f.op != "!=")
}

func compares[T cmp.Ordered](op string, have, want T) bool {
	switch op {
	case "==":
		return have == want
	case "!=":
		return have != want
	case ">":
		return have > want
	case "<":
		return have < want
	case ">=":
		return have >= want
	case "<=":
		return have <= want
	}
	return false
}

// number compares ids and amounts; a list (1,2,3) is any of them.
func (f condition) number(have int64) bool {
	for part := range strings.SplitSeq(f.value, ",") {
		want, err := strconv.ParseInt(strings.TrimSpace(part), 10, 64)
		if err != nil {
			continue
		}
		if compares(f.op, have, want) {
			return true
		}
	}
	return f.value == "NONE" && have == 0
}

// instant is the time that a filter such as since_time==… names; v2 refuses dates without time.
func (f condition) instant() (time.Time, error) {
	if len(f.value) <= len(time.DateOnly) {
		return time.Time{}, fmt.Errorf("Invalid date in filter %s: %q %w", f.name, f.value, errInstant)
	}
	return parseInstant(f.value)
}

// reply1 answers a page of all rows as a v1 list.
func reply1[T any](c *call, name string, rows []T) reply {
	from, to, frame := c.page1(len(rows))
	return ok(map[string]any{name: rows[from:to], "count": frame.Count, "next": frame.Next, "previous": frame.Previous})
}

// reply2 answers a page of all rows as a v2 list.
func reply2[T any](c *call, name string, rows []T) reply {
	from, to, next, err := c.page2(maxPage, len(rows))
	if err != nil {
		return c.bad(err.Error())
	}
	return ok(map[string]any{name: rows[from:to], "next_page_token": next})
}
