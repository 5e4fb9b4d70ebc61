package sources

import (
	"net/http"
	"strings"

	"bridge/internal/events"
)

// Hotmart 2.0: the account's token (hottok) in a header, in some bodies too. A configuration whose address answers with
// errors is switched off, so everything authentic gets a 200. PURCHASE_APPROVED and the later PURCHASE_COMPLETE are one
// payment of one transaction.
var hotmartKind = &Kind{
	Name: "hotmart", Title: "Hotmart (webhook 2.0.0)",
	Proof: "the account's token (hottok) in X-HOTMART-HOTTOK", Retries: "not documented; by hand from its history of 60 days",
	SwitchesOff: "a configuration whose address answers with errors is deactivated",
	Methods:     post, takes: []string{"token"}, open: openHotmart,
}

type hotmart struct{ proof }

func openHotmart(s *setup) sender {
	s.strip = []string{"hottok"}
	return &hotmart{&tokenProof{header: "X-Hotmart-Hottok", values: s.tokens()}}
}

func (*hotmart) answer() Reply { return Reply{Status: http.StatusOK} }

var (
	hotmartPerson = personPaths{
		email: "buyer.email|subscriber.email|user.email", first: "buyer.first_name", last: "buyer.last_name",
		name:  "buyer.name|subscriber.name|user.name",
		phone: "buyer.checkout_phone|buyer.phone", id: "subscriber.code|subscription.subscriber.code",
		line1: "buyer.address.address", line2: "buyer.address.complement", city: "buyer.address.city",
		region: "buyer.address.state", postal: "buyer.address.zipcode",
		country: "buyer.address.country_iso",
	}
	hotmartOrder = orderPaths{
		id: "purchase.transaction", number: "purchase.transaction", total: "purchase.price.value|purchase.full_price.value",
		currency: "purchase.price.currency_value|purchase.full_price.currency_value", status: "purchase.status", paid: "purchase.approved_date",
	}
	hotmartTypes = map[string]string{
		"PURCHASE_APPROVED": "order.paid", "PURCHASE_COMPLETE": "order.paid", "PURCHASE_CANCELED": "order.cancelled",
		"PURCHASE_EXPIRED":        "order.cancelled",
		"PURCHASE_BILLET_PRINTED": "order.created", "PURCHASE_REFUNDED": "order.refunded", "PURCHASE_CHARGEBACK": "dispute.opened",
		"PURCHASE_DELAYED": "subscription.payment_failed", "PURCHASE_OUT_OF_SHOPPING_CART": "cart.abandoned",
		"SUBSCRIPTION_CANCELLATION": "subscription.cancelled", "CLUB_FIRST_ACCESS": "membership.started",
	}
)

func (*hotmart) read(d *delivery) (reading, error) {
	body, err := d.body()
	if err != nil {
		return reading{}, malformed("the body cannot be read", err)
	}
	topic, data := body.get("event"), body.at("data")
	got := reading{topic: topic, id: body.get("id")}
	at := body.at("creation_date|creationDate").time() // club events use the other name
	transaction := data.get("purchase.transaction")
	f := fact{typ: hotmartTypes[topic], id: got.id, at: at, updated: at, data: hotmartData(data)}
	switch {
	case f.typ == "order.paid" && data.at("purchase.recurrence_number|purchase.recurrency_number").int() > 1:
		f.typ, f.id = "subscription.renewed", transaction
	case transaction != "" && f.typ != "":
		f.id = transaction
	case f.typ == "subscription.cancelled":
		f.id = data.get("subscription.id|subscriber.code|subscription.subscriber.code")
	}
	switch f.typ {
	case "order.paid", "subscription.renewed":
		f.at = or(data.at("purchase.approved_date").time(), at)
	case "order.refunded", "dispute.opened":
		o := f.data.Order
		if o == nil {
			return reading{}, malformed("a purchase is expected with "+topic, nil)
		}
		f.data.Refund = &events.Refund{ID: transaction, OrderID: transaction, Amount: o.Total, Currency: o.Currency, Reason: strings.ToLower(topic), Full: true}
		if data.is("purchase.status", "PARTIALLY_REFUNDED") { // how much went back it does not say, and there may be more
			f.id, f.data.Refund.ID, f.data.Refund.Amount, f.data.Refund.Full = transaction+":"+got.id, got.id, "", false
		}
	case "subscription.payment_failed":
		f.id = transaction
	}
	got.facts = []fact{f}
	return got, nil
}

func hotmartData(data tree) events.Data {
	out := events.Data{Contact: hotmartPerson.read(data)}
	if c := out.Contact; c != nil && c.Address != nil && data.get("buyer.address.number") != "" {
		c.Address.Line1 = strings.TrimSpace(c.Address.Line1 + " " + data.get("buyer.address.number"))
	}
	product := data.at("product")
	if !data.at("purchase").empty() || !product.empty() {
		out.Order = hotmartOrder.read(data)
		out.Order.Coupons = data.at("purchase.offer.coupon_code").one()
		if name := product.get("name"); name != "" {
			out.Order.Items = []events.Item{{
				SKU: product.get("ucode|id"), Name: name, Quantity: 1, Price: out.Order.Total, ProductID: product.get("id"),
			}}
		}
	}
	if s := data.at("subscription"); !s.at("status|plan").empty() || !s.at("subscriber").empty() {
		out.Subscription = &events.Subscription{
			ID: s.get("id|subscriber.code"), Status: s.get("status"), Plan: s.get("plan.name"),
			NextAt: data.at("purchase.date_next_charge|date_next_charge").timeRef(),
		}
		if out.Subscription.ID == "" {
			out.Subscription.ID = data.get("subscriber.code")
		}
	}
	return out
}
