package sources

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"bridge/internal/events"
)

// openWooREST is the shop's REST API, for memberships (which name a customer id only) and for sweeps; nil without enrich.
func openWooREST(s *setup) *lookup {
	if s.cfg.Sweep != nil && s.cfg.Enrich == nil {
		s.mistake("sweep", "give enrich: {url: the shop's address, key: consumer key, secret: consumer secret}: the sweep asks there")
	}
	return openLookup(s, "").basic(s, "consumer key", "consumer secret")
}

// enrich asks who a membership's customer is.
func (w *woocommerce) enrich(ctx context.Context, e *events.Event) error {
	if w.api == nil || e.Data.Contact == nil || e.Data.Contact.ExternalID == "" {
		return nil
	}
	id := e.Data.Contact.ExternalID
	found, err := w.api.get(ctx, "/wp-json/wc/v3/customers/"+url.PathEscape(id))
	if err != nil {
		return fmt.Errorf("customer: %w", err)
	}
	for _, f := range wooCustomer(found, "created") {
		e.Data.Contact = f.data.Contact
	}
	return nil
}

const (
	wooPageSize = 100
	wooTime     = "2006-01-02T15:04:05"
)

// sweep asks for every order that changed, oldest change first. Each page starts where the one before ended, because
// numbered pages shift when an order changes meanwhile; WooCommerce compares whole seconds, so every page starts one
// second earlier, and the resends are recognised. Only a second with more changes than a page holds is paged by number.
func (w *woocommerce) sweep(ctx context.Context, since time.Time, take func([]reading) error) error {
	for page := 1; ; {
		q := url.Values{
			"modified_after": {since.Add(-time.Second).UTC().Format(wooTime)}, "dates_are_gmt": {"true"}, "orderby": {"modified"}, "order": {"asc"},
			"per_page": {strconv.Itoa(wooPageSize)}, "page": {strconv.Itoa(page)},
		}
		answer, err := w.api.getFresh(ctx, "/wp-json/wc/v3/orders?"+q.Encode())
		if err != nil {
			return fmt.Errorf("orders: %w", err)
		}
		list := answer.list()
		found, last := make([]reading, 0, len(list)), since
		for _, order := range list {
			if at := order.at("date_modified_gmt").time(); at.After(last) {
				last = at
			}
			if facts := wooOrder(order, "created", ""); len(facts) > 0 {
				found = append(found, reading{topic: "order.updated", id: wooVersion(order), facts: facts, raw: order.v})
			}
		}
		if err := take(found); err != nil || len(list) < wooPageSize {
			return err
		}
		if page++; last.Sub(since) > time.Second {
			since, page = last, 1
		}
	}
}
