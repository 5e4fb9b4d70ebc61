package sources

import (
	"strings"
	"unicode"

	"bridge/internal/events"
)

// SamCart: JSON by rules that the merchant sets up, without a signature. Its body is documented by examples only, so it
// is read tolerantly: what is not where it is expected stays in raw.
var samcartKind = &Kind{
	Name: "samcart", Title: "SamCart",
	Proof: "the secret in the address", Retries: "not documented",
	Methods: post, takes: []string{"event"}, open: openSamCart,
}

type samcart struct {
	proof
	mapping *mapping
}

func openSamCart(s *setup) sender { return &samcart{s.address(), openMapping(s)} }

var (
	samcartTypes = map[string]string{
		"order": "order.paid", "product_purchased": "order.paid", "product_purchase": "order.paid",
		"purchase": "order.paid", "new_order": "order.paid",
		"order_placed": "order.paid", "refund": "order.refunded", "order_refunded": "order.refunded",
		"product_refunded": "order.refunded", "refunded": "order.refunded",
		"subscription_canceled": "subscription.cancelled", "subscription_cancelled": "subscription.cancelled", "cancel": "subscription.cancelled",
		"subscription_payment_failed": "subscription.payment_failed",
		"recurring_payment_failed":    "subscription.payment_failed",
		"subscription_charge_failed":  "subscription.payment_failed",
		"subscription_restarted":      "subscription.resumed", "subscription_charged": "subscription.renewed",
		"recurring_payment_succeeded": "subscription.renewed",
		"subscription_payment":        "subscription.renewed", "subscription_started": "subscription.started",
		"subscription_completed": "subscription.expired",
		"prospect":               "lead.submitted", "new_prospect": "lead.submitted", "abandoned_cart": "cart.abandoned", "cart_abandoned": "cart.abandoned",
	}
	samcartPerson = personPaths{
		email: "customer.email|email", first: "customer.first_name|first_name", last: "customer.last_name|last_name", name: "customer.name|name",
		phone: "customer.phone_number|customer.phone|phone", id: "customer.id",
		line1:   "customer.billing_address.street|customer.billing_address|customer.address",
		city:    "customer.billing_address.city|customer.billing_city|customer.city",
		region:  "customer.billing_address.state|customer.billing_state|customer.state",
		postal:  "customer.billing_address.zip|customer.billing_zip|customer.zip|customer.billing_address.postal_code",
		country: "customer.billing_address.country|customer.billing_country|customer.country",
	}
	samcartOrder = orderPaths{
		id: "order.id|order_id", number: "order.id|order_id", total: "order.total|order.amount|product.price|total",
		tax: "order.taxes|order.tax", shipping: "order.shipping",
		discount: "order.discount", currency: "order.currency|currency", status: "order.status|product.status",
		items: "order.items|order.cart_items|products",
		item: itemPaths{
			sku: "sku|internal_product_name|product_sku|id", name: "name|product_name", quantity: "quantity", price: "price|amount",
			product: "product_id|id",
		},
	}
)

// plainWord writes a trigger's name in one way: "Product Purchased" and product-purchased are product_purchased.
func plainWord(text string) string {
	return strings.Trim(strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return '_'
	}, text), "_")
}

func (s *samcart) read(d *delivery) (reading, error) {
	body, err := d.body()
	if err != nil {
		return reading{}, malformed("the body cannot be read", err)
	}
	if s.mapping != nil {
		return s.mapping.read(d, body, "")
	}
	topic := plainWord(body.get("type|event|trigger"))
	order := samcartOrder.read(body)
	if order.Currency == "" {
		order.Currency = "USD"
	}
	if p := body.at("product"); len(order.Items) == 0 && !p.empty() {
		order.Items = []events.Item{{
			SKU: p.get("sku|internal_product_name|id"), Name: p.get("name"), Quantity: max(1, p.at("quantity").int()),
			Price: p.at("price").money(), ProductID: p.get("id"),
		}}
	}
	order.Coupons = body.at("order.coupon|order.coupon_code").one()
	f := fact{typ: samcartTypes[topic], at: body.at("order.created_at|order.date|created_at|timestamp").time()}
	f.data = events.Data{Contact: samcartPerson.read(body), Order: order}
	sub := body.get("subscription.id|product.subscription_id|order.subscription_id|subscription_id")
	if sub != "" || strings.HasPrefix(f.typ, "subscription.") {
		f.data.Subscription = &events.Subscription{
			ID: sub, Status: body.get("subscription.status"), Plan: body.get("product.name"),
			Amount: body.at("subscription.amount|product.price").money(), Currency: order.Currency,
		}
	}
	switch f.typ {
	case "order.paid":
		f.id = order.ID
		f.data.Order.PaidAt = body.at("order.created_at|order.date|created_at").timeRef()
	case "order.refunded":
		amount := body.at("refund.amount|order.refund_amount|order.total|product.price").money()
		f.data.Refund = &events.Refund{ID: body.get("refund.id"), OrderID: order.ID, Amount: positive(amount), Currency: order.Currency, Reason: body.get("refund.reason")}
		if order.ID != "" {
			f.id = order.ID + ":" + or2(body.get("refund.id"), body.get("product.id"))
		}
	case "subscription.cancelled", "subscription.started", "subscription.expired":
		f.id = sub
	}
	return reading{topic: topic, facts: []fact{f}}, nil
}
