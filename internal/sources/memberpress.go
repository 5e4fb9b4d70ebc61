package sources

import (
	"strings"

	"bridge/internal/events"
)

// MemberPress Developer Tools: a static key in a header. Subscribing to all events brings several for one purchase; two
// vocabularies of names are in use, so names are an open list. Empty objects may be [], {} or "". Every payment of a
// subscription is a recurring transaction, and all but the first are renewals, too; each expires when the next is due, so
// that says nothing about the membership (the plugin's own list of events).
var memberpressKind = &Kind{
	Name: "memberpress", Title: "MemberPress (Developer Tools)",
	Proof: "the key in MEMBERPRESS-WEBHOOK-KEY", Retries: "not documented",
	Methods: post, takes: []string{"token"}, open: func(s *setup) sender {
		return &memberpress{&tokenProof{header: "Memberpress-Webhook-Key", values: s.tokens()}}
	},
}

type memberpress struct{ proof }

var (
	memberpressTypes = map[string]string{
		"member-added": "customer.created", "member-signup": "customer.created",
		"member-signup-completed": "customer.created", "member-account-updated": "customer.updated",
		"member-deleted":        "customer.deleted",
		"transaction-completed": "order.paid", "non-recurring-transaction-completed": "order.paid",
		"recurring-transaction-completed": "order.paid", "offline-payment-complete": "order.paid",
		"renewal-transaction-completed": "subscription.renewed", "transaction-refunded": "order.refunded",
		"offline-payment-refunded": "order.refunded", "recurring-transaction-refunded": "order.refunded", "transaction-failed": "order.failed",
		"recurring-transaction-failed": "subscription.payment_failed", "transaction-expired": "membership.expired",
		"non-recurring-transaction-expired": "membership.expired",
		"subscription-created":              "subscription.started", "subscription-paused": "subscription.paused", "subscription-resumed": "subscription.resumed",
		"subscription-stopped": "subscription.cancelled", "subscription-expired": "subscription.expired", "signup-abandoned": "cart.abandoned",
		"after-signup-abandoned-reminder": "cart.abandoned", "signup-abandoned-reminder": "cart.abandoned",
	}
	memberpressPerson = personPaths{
		email: "member.email|email", first: "member.first_name|first_name", last: "member.last_name|last_name",
		name:  "member.display_name|display_name",
		phone: "member.profile.mepr_phone|profile.mepr_phone", id: "member.id", line1: memberpressAddress("one"), line2: memberpressAddress("two"),
		city: memberpressAddress("city"), region: memberpressAddress("state"), postal: memberpressAddress("zip"),
		country: memberpressAddress("country"),
	}
	memberpressOrder = orderPaths{
		id: "id", number: "trans_num|id", total: "total|amount", tax: "tax_amount", status: "status", currency: "currency",
	}
)

func memberpressAddress(part string) string {
	return "member.address.mepr-address-" + part + "|address.mepr-address-" + part
}

func (*memberpress) read(d *delivery) (reading, error) {
	body, err := d.body()
	if err != nil {
		return reading{}, malformed("the body cannot be read", err)
	}
	topic, kind, data := body.get("event"), body.get("type"), body.at("data")
	id := data.get("id")
	f := fact{typ: memberpressTypes[topic], id: id, data: events.Data{Contact: memberpressPerson.read(data)}}
	if kind == "member" && f.data.Contact != nil {
		f.data.Contact.ExternalID = id
	}
	group, _, _ := strings.Cut(f.typ, ".")
	if plan := data.at("membership|active_memberships.0"); !plan.empty() {
		f.data.Membership = &events.Membership{ID: plan.get("id"), Plan: plan.get("title"), Status: data.get("status"), EndsAt: data.at("expires_at").timeRef()}
	}
	if kind == "transaction" || !data.at("trans_num").empty() {
		f.at = data.at("created_at").time()
		o := memberpressOrder.read(data)
		if code := data.at("coupon.post_title|coupon.code|coupon"); code.text() != "0" {
			o.Coupons = code.one()
		}
		if plan := f.data.Membership; plan != nil {
			o.Items = []events.Item{{SKU: plan.ID, Name: plan.Plan, Quantity: 1, Price: o.Total, ProductID: plan.ID}}
		}
		f.data.Order = o
	}
	if sub := data.at("subscription"); kind == "subscription" || !sub.at("id").empty() {
		if kind == "subscription" {
			sub = data
		}
		f.data.Subscription = &events.Subscription{
			ID: sub.get("subscr_id|id"), Status: sub.get("status"), Amount: sub.at("total|price").money(),
			Plan: sub.get("membership.title|product_id"),
		}
	}
	switch {
	case f.typ == "order.refunded" && f.data.Order != nil:
		f.data.Refund = &events.Refund{ID: id, OrderID: id, Amount: positive(f.data.Order.Total), Full: true}
	case f.typ == "membership.expired" && f.data.Subscription != nil:
		f.typ, f.id = "", ""
	case f.typ == "membership.expired":
		f.at = data.at("expires_at").time()
		f.id = id + ":" + data.get("expires_at")
	case f.typ == "customer.created":
		f.at = data.at("registered_at|member.registered_at").time()
	case f.typ == "subscription.paused", f.typ == "subscription.resumed", f.typ == "customer.updated", f.typ == "", group == "cart":
		f.id = "" // these happen again: the whole body tells them apart
	}
	return reading{topic: topic, facts: []fact{f}}, nil
}
