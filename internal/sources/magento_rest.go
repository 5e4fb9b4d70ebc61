package sources

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"bridge/internal/events"
)

// magentoShop asks the shop's REST API for the order that an invoice or credit memo belongs to, and for orders that
// changed.
type magentoShop struct {
	api *lookup // nil without enrich
	now func() time.Time
}

func openMagentoShop(s *setup) magentoShop {
	if s.cfg.Sweep != nil && s.cfg.Enrich == nil {
		s.mistake("sweep", "give enrich: {url: the shop's address, token: access token of an integration}: the sweep asks there")
	}
	return magentoShop{openLookup(s, "").header(s, "Authorization", "Bearer "), s.deps.Now}
}

func (m magentoShop) enrich(ctx context.Context, e *events.Event) error {
	if m.api == nil {
		return awaitTwin(e, m.now(), "the order, which names the buyer")
	}
	if e.Data.Order == nil || e.Data.Order.ID == "" || e.Data.Contact != nil && e.Data.Contact.Email != "" {
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

const magentoSweeps = "orders and credit memos changed since, from /rest/V1/orders and /rest/V1/creditmemos"

// sweep asks for every order and every credit memo that changed.
func (m magentoShop) sweep(ctx context.Context, since time.Time, take func([]reading) error) error {
	if err := m.sweepChanged(ctx, "orders", since, take, func(t tree) reading {
		at := t.at("updated_at").time()
		base := fact{at: at, updated: at, data: events.Data{Contact: magentoPerson.read(t)}}
		return reading{topic: "order", facts: magentoOrderFacts(base, t, !t.at("created_at").time().Before(since))}
	}); err != nil {
		return err
	}
	err := m.sweepChanged(ctx, "creditmemos", since, take, func(t tree) reading {
		return readMagento("creditmemo", "", t, time.Time{})
	})
	if errors.Is(err, errGone) {
		return nil
	}
	return err
}

func (m magentoShop) sweepChanged(ctx context.Context, what string, since time.Time, take func([]reading) error, read func(tree) reading) error {
	return byChange(since, func(since time.Time, page int) ([]tree, error) {
		const filter = "searchCriteria[filter_groups][0][filters][0]"
		q := url.Values{
			filter + "[field]": {"updated_at"}, filter + "[condition_type]": {"gteq"}, filter + "[value]": {since.UTC().Format(time.DateTime)},
			"searchCriteria[sortOrders][0][field]": {"updated_at"}, "searchCriteria[sortOrders][0][direction]": {"ASC"},
			"searchCriteria[pageSize]": {strconv.Itoa(sweepPage)}, "searchCriteria[currentPage]": {strconv.Itoa(page)},
		}
		answer, err := m.api.getFresh(ctx, "/rest/V1/"+what+"?"+q.Encode())
		if err != nil {
			return nil, fmt.Errorf("%s: %w", what, err)
		}
		if total, ok := answer.at("total_count").number(); ok && total.IntPart() <= int64(page-1)*sweepPage {
			return nil, nil // a page beyond the last shows the last again
		}
		return answer.at("items").list(), nil
	}, "updated_at", func(list []tree) error {
		found := make([]reading, 0, len(list))
		for _, t := range list {
			got := read(t)
			if got.facts[0].typ == "" {
				continue // nothing but a change of its state
			}
			got.raw = t.v
			found = append(found, got)
		}
		return take(found)
	})
}
