package sources

import (
	"net/http"
	"strings"
	"time"

	"bridge/internal/events"
)

// ClickFunnels 2.0 signs timestamp.body; Classic (1.x) signs nothing, so its address needs a secret, and posts a test to
// <address>/funnel_webhooks/test first. One purchase brings many events: subscribe narrowly.
var clickfunnelsKind = &Kind{
	Name: "clickfunnels", Title: "ClickFunnels 2.0 and Classic",
	Proof:  "HMAC-SHA256 of timestamp.body, hex, in X-Webhook-ClickFunnels-Signature; Classic: the secret in the address",
	Replay: "10 minutes", Retries: "8 times, from 1 second to 24 hours",
	Methods: post, takes: []string{"secret"}, subPaths: []string{"funnel_webhooks/test"}, open: openClickFunnels,
}

type clickfunnels struct{ proof }

func openClickFunnels(s *setup) sender {
	if len(s.cfg.Secret) == 0 && !s.cfg.PathSecret.Empty() { // Classic
		return &clickfunnels{addressProof{}}
	}
	p := hexHMAC(s.secrets(), "X-Webhook-ClickFunnels-Signature", "{timestamp}.{body}")
	p.timestamp, p.tolerance = "X-Webhook-ClickFunnels-Timestamp", 10*time.Minute
	return &clickfunnels{p}
}

func (*clickfunnels) greet(d *delivery) (Reply, bool, error) {
	if d.rest == "" {
		return Reply{}, false, nil
	}
	return Reply{Status: http.StatusOK, Ignored: events.Ignored, Why: "the test that ClickFunnels Classic sends when a webhook is saved"}, true, nil
}

var (
	clickfunnelsPerson = personPaths{
		email: "contact.email_address|email_address|order.contact.email_address|purchase.contact.email|contact.email|email",
		first: "contact.first_name|first_name|order.contact.first_name", last: "contact.last_name|last_name|order.contact.last_name",
		name: "contact.name|name", phone: "contact.phone_number|phone_number|order.contact.phone_number|contact.phone|phone",
		id:    "contact.id|contact_id|order.contact.id",
		line1: "contact.address|address", city: "contact.city|city", region: "contact.state|state",
		postal: "contact.zip|zip", country: "contact.country|country",
	}
	clickfunnelsOrder = orderPaths{
		id: "order_id|id", number: "order_number|order_id|public_id|number",
		total: "total_amount|total_charge_amount|amount.fractional_major", tax: "tax_amount",
		shipping: "shipping_amount",
		discount: "discount_amount", currency: "currency|currency_code", status: "billing_status|status", items: "line_items|products",
		item: itemPaths{
			sku: "product_variant.sku|products_variant.sku|sku|products_price.id", name: "product.name|name|description", quantity: "quantity",
			price: "unit_amount|amount|price.amount", product: "product.id|products_variant.product_id|product_id|id",
		},
	}
	clickfunnelsTypes = map[string]string{
		"order.created": "order.created", "order.completed": "order.paid", "one-time-order.completed": "order.paid",
		"one_time_order.completed": "order.paid",
		"one_time_order.refunded":  "order.refunded", "one-time-order.refunded": "order.refunded",
		"subscription.activated": "subscription.started", "subscription.trial_started": "subscription.started",
		"subscription.canceled": "subscription.cancelled",
		"subscription.churned":  "subscription.expired", "subscription.reactivated": "subscription.resumed",
		"orders/invoice.past_due": "subscription.payment_failed", "orders/invoice.refunded": "order.refunded",
		"orders/invoice.abandoned": "cart.abandoned",
		"contact.created":          "customer.created", "contact.updated": "customer.updated",
		"contact.identified": "customer.updated", "form_submission.created": "lead.submitted",
		"courses/enrollment.created": "membership.started", "courses/enrollment.suspended": "membership.cancelled",
		"contact_created": "lead.submitted", "contact_updated": "customer.updated", "purchase_created": "order.paid", "purchase_updated": "",
	}
)

func (c *clickfunnels) read(d *delivery) (reading, error) {
	body, err := d.body()
	if err != nil {
		return reading{}, malformed("the body cannot be read", err)
	}
	topic, data := body.get("event_type|event"), body.at("data")
	if data.empty() {
		data = body.at("purchase|contact") // Classic
		if data.empty() {
			data = body
		}
	}
	id := body.get("event_id")
	subject := or2(body.get("subject_id"), data.get("id"))
	at := or(body.at("created_at").time(), data.at("created_at").time())
	f := fact{typ: clickfunnelsTypes[topic], id: subject, at: at, updated: or(data.at("updated_at").time(), at)}
	f.data.Contact = clickfunnelsPerson.read(data)
	if topic == "orders/invoice.paid" && data.at("line_items.0.period_number").int() > 1 { // the first is in order.completed
		f.typ = "subscription.renewed"
	}
	group, _, _ := strings.Cut(f.typ, ".")
	switch {
	case f.typ == "" || f.typ == "customer.updated" || f.typ == "subscription.resumed" || f.typ == "subscription.payment_failed":
		f.id = or2(id, subject)
	case group == "customer" && f.data.Contact != nil:
		f.data.Contact.ExternalID = subject
	case group == "lead":
		f.data.Contact = anyContact.read(data)
	}
	switch group {
	case "order", "cart":
		f.data.Order = clickfunnelsOrder.read(data)
		if f.typ == "order.paid" && !at.IsZero() {
			f.data.Order.PaidAt = &at
		}
	case "subscription":
		o := clickfunnelsOrder.read(data)
		f.data.Order = o
		f.data.Subscription = &events.Subscription{
			ID: or2(data.get("order_id"), subject), Status: data.get("service_status|status"),
			Plan: data.get("line_items.0.product.name|line_items.0.description|products.0.name"), Amount: o.Total, Currency: o.Currency,
		}
	case "membership":
		f.data.Membership = &events.Membership{ID: subject, Plan: data.get("course.title|course_id"), Status: data.get("status")}
	}
	if f.typ == "order.refunded" {
		o := f.data.Order
		f.data.Refund = &events.Refund{ID: id, OrderID: or2(data.get("order_id"), o.ID), Amount: o.Total, Currency: o.Currency}
		f.id = or2(data.get("order_id"), subject) + ":" + subject
	}
	return reading{topic: topic, id: or2(id, subject), facts: []fact{f}}, nil
}
