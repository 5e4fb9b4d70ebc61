package sources

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
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

// sweep asks for what changed: orders (refunds stand in them), subscriptions where the shop has that extension, and, as
// customers cannot be asked for by when they changed, the new ones.
func (w *woocommerce) sweep(ctx context.Context, since time.Time, take func([]reading) error) error {
	err := w.sweepChanged(ctx, "orders", since, take, func(t tree) []fact {
		if t.at("date_created_gmt").time().Before(since) {
			return wooOrder(t, "updated", "")
		}
		return wooOrder(t, "created", "")
	})
	if err != nil {
		return err
	}
	if err := w.sweepChanged(ctx, "subscriptions", since, take, wooSubscription); err != nil && !errors.Is(err, errGone) {
		return err
	}
	return newestFirst(since, func(page int) ([]tree, error) {
		return w.list(ctx, "customers", url.Values{"orderby": {"registered_date"}, "order": {"desc"}, "page": {strconv.Itoa(page)}})
	}, "date_created_gmt", func(list []tree) error {
		return take(wooReadings("customer.created", list, func(t tree) []fact { return wooCustomer(t, "created") }))
	})
}

func (w *woocommerce) sweepChanged(ctx context.Context, what string, since time.Time, take func([]reading) error, facts func(tree) []fact) error {
	return byChange(since, func(since time.Time, page int) ([]tree, error) {
		return w.list(ctx, what, url.Values{
			// WooCommerce compares whole seconds, and leaves the second itself out.
			"modified_after": {since.Add(-time.Second).UTC().Format(sweepTime)}, "dates_are_gmt": {"true"}, "orderby": {"modified"}, "order": {"asc"},
			"page": {strconv.Itoa(page)},
		})
	}, "date_modified_gmt", func(list []tree) error {
		return take(wooReadings(strings.TrimSuffix(what, "s")+".updated", list, facts))
	})
}

func (w *woocommerce) list(ctx context.Context, what string, q url.Values) ([]tree, error) {
	q.Set("per_page", strconv.Itoa(sweepPage))
	answer, err := w.api.getFresh(ctx, "/wp-json/wc/v3/"+what+"?"+q.Encode())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	return answer.list(), nil
}

func wooReadings(topic string, list []tree, facts func(tree) []fact) []reading {
	out := make([]reading, 0, len(list))
	for _, t := range list {
		if f := facts(t); len(f) > 0 {
			out = append(out, reading{topic: topic, id: wooVersion(t), facts: f, raw: t.v})
		}
	}
	return out
}
