package sources

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"bridge/internal/events"
)

var stripeCustomer = personPaths{
	email: "email", name: "name", phone: "phone", line1: "address.line1", line2: "address.line2", city: "address.city", region: "address.state",
	postal: "address.postal_code", country: "address.country",
}

// enrich asks for what Stripe left out: the items of a checkout, the invoice of a subscription's start, the customer. The
// same fact is announced by several events, some of which say less: with the API all of them come out alike; without, what
// names nobody waits for what does.
func (s *stripe) enrich(ctx context.Context, e *events.Event) error {
	if s.api == nil {
		return awaitTwin(e, s.now(), "the checkout or the invoice, which name the customer")
	}
	what, id, _ := strings.Cut(e.Enrich, ":")
	switch what {
	case "session":
		return s.enrichSession(ctx, e, id)
	case "payment":
		return s.enrichPayment(ctx, e, id)
	case "start":
		return s.enrichStart(ctx, e, id)
	case "charge":
		return s.enrichCharge(ctx, e)
	}
	return s.enrichCustomer(ctx, e)
}

func (s *stripe) ask(ctx context.Context, path string) (tree, error) {
	answer, err := s.api.get(ctx, path)
	if err == nil {
		answer.doc.own = stripeExponents
	}
	return answer, err
}

// enrichSession asks what was bought.
func (s *stripe) enrichSession(ctx context.Context, e *events.Event, session string) error {
	lines, err := s.ask(ctx, "/v1/checkout/sessions/"+url.PathEscape(session)+"/line_items?limit=100")
	if err != nil && !errors.Is(err, errGone) {
		return fmt.Errorf("line items: %w", err)
	}
	if e.Data.Order != nil {
		e.Data.Order.Items = stripeItems(lines)
	}
	return nil
}

// enrichPayment looks for the checkout that a payment belongs to, which knows person and items; else for the customer.
func (s *stripe) enrichPayment(ctx context.Context, e *events.Event, intent string) error {
	found, err := s.ask(ctx, "/v1/checkout/sessions?limit=1&payment_intent="+url.QueryEscape(intent))
	if err != nil && !errors.Is(err, errGone) {
		return fmt.Errorf("checkout: %w", err)
	}
	if session := found.at("data.0"); !session.empty() {
		of := stripeEvent{topic: "checkout.session.completed", at: e.Time, object: session}
		if facts := of.session(); len(facts) == 1 && facts[0].typ == e.Type && facts[0].id == intent {
			raw := e.Data.Raw
			e.Data = facts[0].data
			e.Data.Raw = raw
			return s.enrichSession(ctx, e, session.get("id"))
		}
	}
	if c := e.Data.Contact; c != nil && c.Email != "" {
		return nil
	}
	return s.enrichCustomer(ctx, e)
}

// enrichStart asks for the first invoice of a subscription.
func (s *stripe) enrichStart(ctx context.Context, e *events.Event, subscription string) error {
	found, err := s.ask(ctx, "/v1/subscriptions/"+url.PathEscape(subscription)+"?expand%5B%5D=latest_invoice")
	if err != nil && !errors.Is(err, errGone) {
		return fmt.Errorf("subscription: %w", err)
	}
	of := stripeEvent{topic: "invoice.paid", at: e.Time, object: found.at("latest_invoice")}
	if facts := of.invoice(); len(facts) == 1 && facts[0].typ == e.Type && facts[0].id == subscription {
		e.Data.Order = facts[0].data.Order
		if c := facts[0].data.Contact; c != nil && c.Email != "" {
			e.Data.Contact = c
			return nil
		}
	}
	return s.enrichCustomer(ctx, e)
}

func (s *stripe) enrichCharge(ctx context.Context, e *events.Event) error {
	contact := e.Data.Contact
	if contact == nil || contact.ExternalID == "" {
		return nil
	}
	charge, err := s.ask(ctx, "/v1/charges/"+url.PathEscape(contact.ExternalID))
	if err != nil {
		return fmt.Errorf("charge: %w", err)
	}
	if found := stripePerson.read(charge); found != nil {
		*contact = *found
	}
	return nil
}

func (s *stripe) enrichCustomer(ctx context.Context, e *events.Event) error {
	contact := e.Data.Contact
	if contact == nil || contact.ExternalID == "" {
		return nil
	}
	id := contact.ExternalID
	customer, err := s.ask(ctx, "/v1/customers/"+url.PathEscape(id))
	if err != nil {
		return fmt.Errorf("customer: %w", err)
	}
	if found := stripeCustomer.read(customer); found != nil {
		found.ExternalID = id
		*contact = *found
	}
	return nil
}
