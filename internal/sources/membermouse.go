package sources

import (
	"bytes"
	"net/http"
	"strings"

	"bridge/internal/events"
)

// MemberMouse calls an address with everything in the query of a GET, products as JSON in one parameter. The only
// authentication is the address itself. There are people's data in the query, so it is never logged.
var membermouseKind = &Kind{
	Name: "membermouse", Title: "MemberMouse push notifications",
	Proof: "the secret in the address", Methods: postAndGet, open: func(s *setup) sender { return &membermouse{s.address()} },
}

type membermouse struct{ proof }

func (*membermouse) label(event string, out *Signed) {
	if body := bytes.TrimSpace(out.Body); len(body) > 0 && looksLikeForm(body) {
		out.Method, out.Query, out.Body = http.MethodGet, strings.TrimSpace(string(out.Body)), nil
		out.Header.Del("Content-Type")
	}
}

var (
	membermouseTypes = map[string]string{
		"mm_member_add": "customer.created", "mm_member_account_update": "customer.updated", "mm_member_delete": "customer.deleted",
		"mm_payment_received": "order.paid", "mm_payment_rebill": "subscription.renewed", "mm_payment_rebill_declined": "subscription.payment_failed",
		"mm_refund_issued": "order.refunded", "mm_bundles_add": "membership.started", "mm_affiliate_info_changed": "",
	}
	membermousePerson = personPaths{
		email: "email", first: "first_name", last: "last_name", phone: "phone", id: "member_id",
		line1: "billing_address", line2: "billing_address2", city: "billing_city",
		region: "billing_state", postal: "billing_zip_code", country: "billing_country",
	}
	membermouseOrder = orderPaths{
		id: "order_number", number: "order_number", total: "order_total", shipping: "order_shipping",
		discount: "order_discount", currency: "order_currency",
	}
	membermouseItem = itemPaths{sku: "sku", name: "name", quantity: "quantity", price: "amount", product: "id"}
)

func (*membermouse) read(d *delivery) (reading, error) {
	body, err := d.body()
	if err != nil {
		return reading{}, malformed("the query cannot be read", err)
	}
	topic, status := body.get("event_type"), strings.ToLower(body.get("status_name"))
	f := fact{typ: membermouseTypes[topic], data: events.Data{Contact: membermousePerson.read(body)}}
	member, order := body.get("member_id"), body.get("order_number")
	f.updated = body.at("last_updated").time()
	if order != "" {
		o := membermouseOrder.read(body)
		for _, line := range membermouseProducts(body) {
			if item, ok := membermouseItem.read(line, false, o.Currency); ok {
				o.Items = append(o.Items, item)
			}
		}
		o.Coupons = body.at("order_coupon_code|coupon_code").one()
		f.data.Order = o
	}
	if level := body.get("membership_level_name|membership_level"); level != "" {
		f.data.Membership = &events.Membership{ID: body.get("membership_level"), Plan: level, Status: status}
	}
	if fields := formContact(membermouseFields(body), nil); fields != nil && f.data.Contact != nil {
		f.data.Contact.Fields = fields.Fields
	}
	if topic == "mm_member_status_change" || topic == "mm_bundles_status_change" {
		f.typ = map[string]string{
			"canceled": "membership.cancelled", "cancelled": "membership.cancelled", "expired": "membership.expired", "active": "membership.started",
		}[status]
	}
	switch f.typ {
	case "order.paid":
		f.id = order
	case "customer.created", "customer.deleted":
		f.id = member
		f.at = body.at("registered").time()
	case "order.refunded":
		f.data.Refund = &events.Refund{
			ID: body.get("refund_number"), OrderID: order, Amount: positive(body.at("refund_amount|order_total").money()),
			Currency: body.get("order_currency"),
		}
	}
	return reading{topic: topic, facts: []fact{f}}, nil
}

// membermouseProducts reads the list in order_products, whose quotes may be escaped once too often.
func membermouseProducts(body tree) []tree {
	text := body.get("order_products")
	v, err := decodeJSON([]byte(text))
	if err != nil {
		if v, err = decodeJSON([]byte(strings.ReplaceAll(text, `\"`, `"`))); err != nil {
			return nil
		}
	}
	return tree{v: v, doc: body.doc}.list()
}

// membermouseFields are the custom fields, cf_1, cf_2 …
func membermouseFields(body tree) tree {
	out := map[string]any{}
	if m, ok := body.v.(map[string]any); ok {
		for name, value := range m {
			if strings.HasPrefix(name, "cf_") {
				out[name] = value
			}
		}
	}
	return tree{v: out, doc: body.doc}
}
