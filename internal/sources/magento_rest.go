package sources

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"bridge/internal/events"
)

// magentoShop asks the shop's REST API for the order that an invoice or credit memo belongs to, and for orders that
// changed.
type magentoShop struct{ api *lookup }

func openMagentoShop(s *setup) magentoShop {
	if s.cfg.Sweep != nil && s.cfg.Enrich == nil {
		s.mistake("sweep", "give enrich: {url: the shop's address, token: access token of an integration}: the sweep asks there")
	}
	return magentoShop{openLookup(s, "").header(s, "Authorization", "Bearer ")}
}

func (m magentoShop) enrich(ctx context.Context, e *events.Event) error {
	if m.api == nil || e.Data.Order == nil || e.Data.Order.ID == "" || e.Data.Contact != nil && e.Data.Contact.Email != "" {
		return nil
	}
	found, err := m.api.get(ctx, "/rest/V1/orders/"+url.PathEscape(e.Data.Order.ID))
	if err != nil {
		return fmt.Errorf("order: %w", err)
	}
	e.Data.Contact = magentoPerson.read(found)
	order := magentoOrder.read(found)
	order.PaidAt = e.Data.Order.PaidAt
	e.Data.Order = order
	return nil
}

const magentoSweeps = "orders changed since, from /rest/V1/orders"

// sweep asks for every order that changed. Refunds stand in the order without an id of their own, so they are left to
// the webhooks.
func (m magentoShop) sweep(ctx context.Context, since time.Time, take func([]reading) error) error {
	return byChange(since, func(since time.Time, page int) ([]tree, error) {
		const filter = "searchCriteria[filter_groups][0][filters][0]"
		q := url.Values{
			filter + "[field]": {"updated_at"}, filter + "[condition_type]": {"gteq"}, filter + "[value]": {since.UTC().Format(time.DateTime)},
			"searchCriteria[sortOrders][0][field]": {"updated_at"}, "searchCriteria[sortOrders][0][direction]": {"ASC"},
			"searchCriteria[pageSize]": {strconv.Itoa(sweepPage)}, "searchCriteria[currentPage]": {strconv.Itoa(page)},
		}
		answer, err := m.api.getFresh(ctx, "/rest/V1/orders?"+q.Encode())
		if err != nil {
			return nil, fmt.Errorf("orders: %w", err)
		}
		if total, ok := answer.at("total_count").number(); ok && total.IntPart() <= int64(page-1)*sweepPage {
			return nil, nil // a page beyond the last shows the last again
		}
		return answer.at("items").list(), nil
	}, "updated_at", func(list []tree) error {
		found := make([]reading, 0, len(list))
		for _, t := range list {
			at := t.at("updated_at").time()
			facts := magentoOrderFacts(fact{at: at, updated: at, data: events.Data{Contact: magentoPerson.read(t)}}, t, !t.at("created_at").time().Before(since))
			if facts[0].typ == "" {
				continue // nothing but a change of its state
			}
			found = append(found, reading{topic: "order", id: t.get("entity_id") + ":" + t.get("updated_at"), facts: facts, raw: t.v})
		}
		return take(found)
	})
}
