package sources

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"bridge/internal/events"
)

const (
	shopifyAPI      = "/admin/api/2025-10"
	shopifyPatience = time.Hour // a checkout without an order after this is given up
)

// enrich asks the Admin API for who it was, and, for a checkout, whether it became an order.
func (s *shopify) enrich(ctx context.Context, e *events.Event) error {
	switch {
	case s.api == nil:
		return awaitTwin(e, s.now(), "orders/updated, which names the customer")
	case e.Enrich == "checkout":
		return s.enrichCheckout(ctx, e)
	case e.Enrich == "customer" && e.Data.Contact != nil && e.Data.Contact.ExternalID != "":
		found, err := s.api.get(ctx, shopifyAPI+"/customers/"+url.PathEscape(e.Data.Contact.ExternalID)+".json")
		if err != nil {
			return fmt.Errorf("customer: %w", err)
		}
		consent := e.Data.Contact.Consent
		if c := shopifyCustomerPaths.read(found.at("customer")); c != nil {
			e.Data.Contact = c
			if consent != "" {
				c.Consent = consent
			}
		}
		return nil
	case e.Data.Order != nil && e.Data.Order.ID != "":
		found, err := s.api.get(ctx, shopifyAPI+"/orders/"+url.PathEscape(e.Data.Order.ID)+".json?status=any")
		if err != nil {
			return fmt.Errorf("order: %w", err)
		}
		data := shopifyOrderData(found.at("order"))
		e.Data.Contact, e.Data.Order = data.Contact, data.Order
		if r := e.Data.Refund; r != nil {
			r.Full = found.is("order.financial_status", "refunded")
		}
	}
	return nil
}

// enrichCheckout waits until the buyer had time to finish, then looks for the order. With one, it was no abandoned cart:
// the event is kept under its own name.
func (s *shopify) enrichCheckout(ctx context.Context, e *events.Event) error {
	if until := or(e.Updated, e.Received).Add(shopifyPatience); s.api.now().Before(until) {
		return &Later{At: until, Err: errors.New("the checkout may still be completed")}
	}
	token := newTree(nil)
	if v, err := decodeJSON(e.Data.Raw); err == nil {
		token = newTree(v).at("token")
	}
	answer, err := s.api.post(ctx, shopifyAPI+"/graphql.json", map[string]any{
		"query":     "query($q: String!) { orders(first: 1, query: $q) { nodes { id } } }",
		"variables": map[string]string{"q": "checkout_token:" + token.text()},
	})
	switch {
	case err != nil:
		return fmt.Errorf("orders: %w", err)
	case !answer.at("errors").empty():
		return errors.New("orders: Shopify refused the question: check the token's permissions (read_orders)")
	case len(answer.at("data.orders.nodes").list()) > 0:
		e.Type = "shopify.checkouts/completed"
	}
	return nil
}
