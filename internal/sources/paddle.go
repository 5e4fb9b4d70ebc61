package sources

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"time"

	"bridge/internal/events"
)

// Paddle Billing. Amounts are minor units as text. A transaction is paid first and completed when Paddle has finished
// with it: one fact. The buyer is named by an id only.
var paddleKind = &Kind{
	Name: "paddle", Title: "Paddle Billing",
	Proof: "HMAC-SHA256 of timestamp:body, hex, h1= in Paddle-Signature", Replay: "5 minutes", Retries: "60 times within 3 days",
	Thin: "the buyer is named by a customer id: enrich asks /customers", Methods: post, takes: []string{"secret", "enrich"}, open: openPaddle,
}

type paddle struct {
	*listProof
	api *lookup
}

func openPaddle(s *setup) sender {
	base := "https://api.paddle.com"
	if s.cfg.Enrich != nil && s.cfg.Enrich.Sandbox {
		base = "https://sandbox-api.paddle.com"
	}
	return &paddle{
		&listProof{header: "Paddle-Signature", separator: ";", timeKey: "ts", signatureKey: "h1", join: ":", secrets: s.secrets(), tolerance: 5 * time.Minute},
		openLookup(s, base).header(s, "Authorization", "Bearer "),
	}
}

var (
	paddleTypes = map[string]string{
		"transaction.paid": "order.paid", "transaction.completed": "order.paid",
		"transaction.canceled": "order.cancelled", "transaction.payment_failed": "order.failed",
		"subscription.created": "subscription.started", "subscription.activated": "subscription.started",
		"subscription.trialing": "subscription.started",
		"subscription.canceled": "subscription.cancelled", "subscription.paused": "subscription.paused",
		"subscription.resumed":  "subscription.resumed",
		"subscription.past_due": "subscription.payment_failed", "customer.created": "customer.created", "customer.updated": "customer.updated",
		"adjustment.created": "order.refunded", "adjustment.updated": "order.refunded",
	}
	paddleOrder = orderPaths{
		id: "id", number: "invoice_number|id", total: "details.totals.grand_total|details.totals.total",
		tax: "details.totals.tax", discount: "details.totals.discount",
		currency: "currency_code|details.totals.currency_code", status: "status", paid: "billed_at",
		url: "checkout.url", items: "details.line_items", minor: true,
		item: itemPaths{sku: "price_id", name: "product.name", quantity: "quantity", lineTotal: "totals.total", product: "product.id"},
	}
	paddlePerson = personPaths{
		email: "customer.email|email", name: "customer.name|name", id: "customer_id|customer.id",
		line1: "address.first_line", line2: "address.second_line", city: "address.city",
		region: "address.region", postal: "address.postal_code", country: "address.country_code", company: "business.name",
	}
)

func (p *paddle) read(d *delivery) (reading, error) {
	body, err := d.body()
	if err != nil {
		return reading{}, malformed("the body cannot be read", err)
	}
	topic, data := body.get("event_type"), body.at("data")
	if topic == "" && data.at("details").v != nil { // a simulation without its envelope
		topic = "transaction." + data.get("status")
	}
	at := body.at("occurred_at").time()
	id := data.get("id")
	f := fact{typ: paddleTypes[topic], id: id, at: or(at, data.at("billed_at|created_at").time()), updated: or(data.at("updated_at").time(), at)}
	f.data.Contact = paddlePerson.read(data)
	if f.data.Contact != nil && f.data.Contact.Email == "" {
		f.enrich = "customer"
	}
	group, _, _ := strings.Cut(topic, ".")
	switch group {
	case "transaction":
		paddleTransaction(&f, data, or2(body.get("event_id"), id))
	case "subscription":
		f.data.Subscription = &events.Subscription{
			ID: id, Status: data.get("status"), Plan: data.get("items.0.price.id"), Currency: data.get("currency_code"),
			Amount: data.at("items.0.price.unit_price.amount").minor(data.get("currency_code")),
			NextAt: data.at("next_billed_at").timeRef(), EndsAt: data.at("canceled_at|scheduled_change.effective_at").timeRef(),
		}
		if f.typ != "subscription.started" && f.typ != "subscription.cancelled" {
			f.id = id + ":" + body.get("event_id")
		}
	case "customer":
		if f.data.Contact == nil {
			f.data.Contact = &events.Contact{}
		}
		f.data.Contact.ExternalID = id
		if f.typ == "customer.updated" {
			f.id = id + ":" + data.get("updated_at")
		}
	case "adjustment":
		currency := data.get("currency_code")
		f.data.Refund = &events.Refund{
			ID: id, OrderID: data.get("transaction_id"), Amount: data.at("totals.total").minor(currency), Currency: currency,
			Reason: data.get("reason"),
		}
		f.data.Order = &events.Order{ID: f.data.Refund.OrderID, Currency: currency}
		switch {
		case data.is("action", "chargeback"):
			f.typ = "dispute.opened"
		case !data.is("action", "refund") || !data.is("status", "approved"):
			f.typ, f.id = "", id+":"+data.get("status")
		}
	default:
		f.id = or2(body.get("event_id"), id)
	}
	return reading{topic: topic, id: or2(body.get("event_id"), id), facts: []fact{f}}, nil
}

// paddleTransaction: one of a running subscription renews it; the first one, from the checkout, is an order.
func paddleTransaction(f *fact, data tree, event string) {
	f.data.Order = paddleOrder.read(data)
	if sub := data.get("subscription_id"); sub != "" {
		f.data.Subscription = &events.Subscription{ID: sub, Amount: f.data.Order.Total, Currency: f.data.Order.Currency}
		if data.is("origin", "subscription_recurring") {
			switch f.typ {
			case "order.paid":
				f.typ = "subscription.renewed"
			case "order.failed":
				f.typ = "subscription.payment_failed"
			}
		}
	}
	if f.typ == "order.failed" || f.typ == "subscription.payment_failed" || f.typ == "" {
		f.id += ":" + event
	}
}

func (p *paddle) enrich(ctx context.Context, e *events.Event) error {
	if p.api == nil || e.Data.Contact == nil || e.Data.Contact.ExternalID == "" {
		return nil
	}
	id := e.Data.Contact.ExternalID
	found, err := p.api.get(ctx, "/customers/"+url.PathEscape(id))
	if err != nil {
		return fmt.Errorf("customer: %w", err)
	}
	if c := paddlePerson.read(found.at("data")); c != nil {
		c.ExternalID = id
		e.Data.Contact = c
	}
	return nil
}
