package sources

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"bridge/internal/events"
)

// BigCommerce: webhooks name the kind of thing and its id; everything else has to be asked for. The merchant sets header
// values when making a webhook, which are the only authentication.
var bigcommerceKind = &Kind{
	Name: "bigcommerce", Title: "BigCommerce",
	Proof: "a header value of the merchant's choice (verify.token names it), or the secret in the address", Retries: "for 48 hours",
	SwitchesOff: "a webhook is deactivated after 48 hours of failures", Thin: "webhooks hold ids only: enrich asks /v2/orders and /v3/customers",
	Methods: post, takes: []string{"token", "verify", "enrich"}, open: openBigCommerce,
}

type bigcommerce struct {
	proof
	api *lookup
}

func openBigCommerce(s *setup) sender {
	return &bigcommerce{s.configured("X-Auth-Token"), openLookup(s, "").header(s, "X-Auth-Token", "")}
}

// bigcommerceStatus is what a change to a status id means; what is missing is kept under its own name.
var bigcommerceStatus = map[string]string{
	"2": "order.paid", "3": "order.paid", "8": "order.paid", "9": "order.paid", "10": "order.paid", "11": "order.paid",
	"4": "order.refunded", "14": "order.refunded",
	"5": "order.cancelled", "6": "order.failed", "13": "dispute.opened",
}

func (*bigcommerce) read(d *delivery) (reading, error) {
	body, err := d.body()
	if err != nil {
		return reading{}, malformed("the body cannot be read", err)
	}
	topic, id := strings.TrimPrefix(body.get("scope"), "store/"), body.get("data.id|data.cartId|data.token")
	at := body.at("created_at").time()
	f := fact{id: or2(body.get("hash"), id), at: at, updated: at}
	switch {
	case topic == "order/created":
		f.typ, f.id = "order.created", id
	case topic == "order/statusUpdated":
		status := body.get("data.status.new_status_id")
		if f.typ = bigcommerceStatus[status]; f.typ != "" {
			f.id = id
		}
		if status == "14" {
			f.id = id + ":" + body.get("hash")
		}
	case topic == "order/refund/created":
		f.typ, f.id = "order.refunded", id+":"+body.get("data.refund.refund_id|hash")
	case topic == "customer/created", topic == "customer/updated", topic == "customer/deleted":
		f.typ, f.id = "customer."+topic[len("customer/"):], id
		if topic == "customer/updated" {
			f.id = id + ":" + body.get("created_at")
		}
	case topic == "cart/abandoned":
		f.typ, f.id = "cart.abandoned", id
	}
	group, _, _ := strings.Cut(topic, "/")
	switch group {
	case "order":
		f.data.Order, f.enrich = &events.Order{ID: id, Number: id}, "order"
		if f.typ == "order.refunded" {
			f.data.Refund = &events.Refund{OrderID: id, ID: body.get("data.refund.refund_id"), Full: body.is("data.status.new_status_id", "4")}
		}
	case "customer":
		f.data.Contact = &events.Contact{ExternalID: id}
		if f.typ != "customer.deleted" {
			f.enrich = "customer"
		}
	}
	return reading{topic: topic, id: or2(body.get("hash"), id), facts: []fact{f}}, nil
}

var (
	bigcommercePerson = personPaths{
		email: "billing_address.email|email", first: "billing_address.first_name|first_name",
		last: "billing_address.last_name|last_name", phone: "billing_address.phone|phone",
		company: "billing_address.company|company", id: "customer_id|id", line1: "billing_address.street_1",
		line2: "billing_address.street_2", city: "billing_address.city",
		region: "billing_address.state", postal: "billing_address.zip", country: "billing_address.country_iso2",
	}
	bigcommerceOrder = orderPaths{
		id: "id", number: "id", total: "total_inc_tax", tax: "total_tax", shipping: "shipping_cost_inc_tax",
		discount: "discount_amount", currency: "currency_code", status: "status",
	}
	bigcommerceItem = itemPaths{sku: "sku", name: "name", quantity: "quantity", price: "price_inc_tax", product: "product_id"}
)

func (b *bigcommerce) enrich(ctx context.Context, e *events.Event) error {
	if b.api == nil {
		return nil
	}
	if e.Enrich == "customer" {
		found, err := b.api.get(ctx, "/v3/customers?id:in="+url.QueryEscape(e.Data.Contact.ExternalID))
		if err != nil {
			return fmt.Errorf("customer: %w", err)
		}
		if c := bigcommercePerson.read(found.at("data.0")); c != nil {
			e.Data.Contact = c
		}
		return nil
	}
	id := url.PathEscape(e.Data.Order.ID)
	found, err := b.api.get(ctx, "/v2/orders/"+id)
	if err != nil {
		return fmt.Errorf("order: %w", err)
	}
	products, err := b.api.get(ctx, "/v2/orders/"+id+"/products")
	if err != nil {
		return fmt.Errorf("products: %w", err)
	}
	o := bigcommerceOrder.read(found)
	for _, line := range products.list() {
		if item, ok := bigcommerceItem.read(line, false, o.Currency); ok {
			o.Items = append(o.Items, item)
		}
	}
	e.Data.Contact, e.Data.Order = bigcommercePerson.read(found), o
	if c := e.Data.Contact; c != nil && c.ExternalID == "0" {
		c.ExternalID = "" // a guest
	}
	if r := e.Data.Refund; r != nil {
		r.Amount, r.Currency = found.at("refunded_amount").money(), o.Currency
		return b.enrichRefund(ctx, e, id)
	}
	return nil
}

// enrichRefund asks which refund it is: a change of status does not say, and store/order/refund/created tells the same
// one by its id. An order that was refunded outside BigCommerce has none.
func (b *bigcommerce) enrichRefund(ctx context.Context, e *events.Event, order string) error {
	found, err := b.api.get(ctx, "/v3/orders/"+order+"/payment_actions/refunds")
	if errors.Is(err, errGone) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("refunds: %w", err)
	}
	r := e.Data.Refund
	for _, one := range found.at("data").list() {
		if id := one.get("id"); id == r.ID || r.ID == "" && id != "" && one.at("created").time().After(e.Time.Add(-time.Hour)) {
			r.ID, r.Amount, r.Reason = id, one.at("total_amount").money(), one.get("reason")
			e.ID = cleanID(e.Source + ":order.refunded:" + r.OrderID + ":" + id)
		}
	}
	return nil
}
