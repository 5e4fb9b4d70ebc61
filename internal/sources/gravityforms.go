package sources

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"bridge/internal/events"
)

// gravityforms is wordpress with a REST API to sweep: a feed sends once, and never again.
type gravityforms struct {
	*wordpress
	api *lookup // nil without enrich
}

func openGravityForms(s *setup) sender {
	if s.cfg.Sweep != nil && s.cfg.Enrich == nil {
		s.mistake("sweep", "give enrich: {url: the site's address, key: consumer key, secret: consumer secret}: the sweep asks there")
	}
	return &gravityforms{
		&wordpress{s.configured("X-Webhook-Token"), s.kind.Name, openMapping(s), openForm(s)},
		openLookup(s, "").basic(s, "consumer key", "consumer secret"),
	}
}

// sweep asks for new entries and reads them as if a feed with all fields had sent them. Spam and trash are none.
func (g *gravityforms) sweep(ctx context.Context, since time.Time, take func([]reading) error) error {
	return newestFirst(since, func(page int) ([]tree, error) {
		q := url.Values{
			"search": {`{"status":"active"}`}, "sorting[key]": {"date_created"}, "sorting[direction]": {"DESC"},
			"paging[page_size]": {strconv.Itoa(sweepPage)}, "paging[current_page]": {strconv.Itoa(page)},
		}
		answer, err := g.api.getFresh(ctx, "/wp-json/gf/v2/entries?"+q.Encode())
		if err != nil {
			return nil, fmt.Errorf("entries: %w", err)
		}
		return answer.at("entries").list(), nil
	}, "date_created", func(list []tree) error {
		found := make([]reading, 0, len(list))
		for _, entry := range slices.Backward(list) {
			now := g.api.now()
			got, err := g.read(&delivery{Request: Request{Header: http.Header{}, Received: now}, now: now, parsed: &entry})
			if err != nil {
				return err
			}
			got.raw = entry.v
			found = append(found, got)
		}
		return take(found)
	})
}

// gravityContact reads an entry whose fields nobody mapped: names of people have inputs .3 and .6, and an e-mail address
// looks like one.
func gravityContact(body tree) *events.Contact {
	c := anyContact.read(body)
	if c == nil {
		c = &events.Contact{}
	}
	m, _ := body.v.(map[string]any)
	for _, name := range sortedKeys(m) {
		text := tree{v: m[name], doc: body.doc}.text()
		switch {
		case name == "" || name[0] < '0' || name[0] > '9' || text == "":
		case c.Email == "" && strings.Count(text, "@") == 1 && !strings.ContainsAny(text, " \n,;<>"):
			c.Email = text
		case c.FirstName == "" && strings.HasSuffix(name, ".3"):
			c.FirstName = text
		case c.LastName == "" && strings.HasSuffix(name, ".6"):
			c.LastName = text
		default:
			if c.Fields == nil {
				c.Fields = map[string]string{}
			}
			c.Fields[name] = text
		}
	}
	return orNil(c)
}
