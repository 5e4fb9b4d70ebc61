package sources

import (
	"strings"

	"bridge/internal/events"
)

// CartFlows Cart Abandonment Recovery (a WordPress plugin): an unsigned form, sent when a cart is given up and once more
// when it is recovered.
var cartflowsKind = &Kind{
	Name: "cartflows", Title: "CartFlows Cart Abandonment Recovery",
	Proof: "the secret in the address", Methods: post, open: func(s *setup) sender { return &cartflows{s.address()} },
}

type cartflows struct{ proof }

func (*cartflows) read(d *delivery) (reading, error) {
	body, err := d.body()
	if err != nil {
		return reading{}, malformed("the body cannot be read", err)
	}
	return readCartFlows(body), nil
}

// isCartFlows tells its form from everything that WooCommerce itself sends.
func isCartFlows(d *delivery) bool {
	if d.Header.Get("X-WC-Webhook-Topic") != "" || strings.HasPrefix(strings.TrimSpace(string(d.Body[:min(len(d.Body), 16)])), "{") {
		return false
	}
	body, err := d.body()
	return err == nil && !body.at("checkout_url").empty() && !body.at("order_status").empty()
}

var cartflowsPerson = personPaths{email: "email", first: "first_name", last: "last_name", phone: "phone_number", line1: "billing_address"}

func readCartFlows(body tree) reading {
	status := body.get("order_status")
	got := reading{topic: "cart." + status}
	data := events.Data{
		Contact: cartflowsPerson.read(body),
		Order: &events.Order{
			Total: body.at("cart_total").money(), Status: status, URL: body.get("checkout_url"), Coupons: body.at("coupon_code").one(),
			Items: []events.Item{{Name: body.get("product_names"), Quantity: 1}},
		},
	}
	f := fact{id: bodyID([]byte(body.get("checkout_url"))), data: data}
	switch status {
	case "abandoned":
		f.typ = "cart.abandoned"
	case "completed":
		f.typ = "cart.recovered"
	}
	got.facts = []fact{f}
	return got
}
