package sources

import (
	"bytes"
	"net/http"
	"strings"

	"bridge/internal/events"
)

// ThriveCart: account-wide webhooks (a PHP form, signed by nothing but a secret in a field) and the event subscription
// API (JSON with webhook_id). Amounts are cents as text, empty objects are [], nulls the word null. Setting up an
// address asks for 2xx to a HEAD and to a POST, which may say nothing.
var thrivecartKind = &Kind{
	Name: "thrivecart", Title: "ThriveCart",
	Proof: "the account's secret word in the field thrivecart_secret", Retries: "the event API retries; account webhooks: not documented",
	Methods: []string{http.MethodPost, http.MethodHead}, takes: []string{"token"}, open: openThriveCart,
}

type thrivecart struct{ proof }

func openThriveCart(s *setup) sender {
	s.strip = []string{"thrivecart_secret"}
	return &thrivecart{&tokenProof{field: "thrivecart_secret", values: s.tokens()}}
}

func (*thrivecart) greet(d *delivery) (Reply, bool, error) {
	if d.Method == http.MethodHead || len(bytes.TrimSpace(d.Body)) == 0 && d.RawQuery == "" {
		return Reply{Status: http.StatusOK, Ignored: events.Ignored, Why: "the check when an address is set up"}, true, nil
	}
	return Reply{}, false, nil
}

var (
	thrivecartPerson = personPaths{
		email: "customer.email|viewer.email", first: "customer.first_name|viewer.first_name", last: "customer.last_name|viewer.last_name",
		name: "customer.name|viewer.name", phone: "customer.contactno|viewer.contactno",
		company: "customer.business_name", id: "customer_id|customer.id",
		line1: "customer.address.line1", line2: "customer.address.line2", city: "customer.address.city", region: "customer.address.state",
		postal: "customer.address.zip", country: "customer.address.country",
	}
	thrivecartOrder = orderPaths{
		id: "order_id|order.id", number: "invoice_id|order.invoice_id", total: "order.total", tax: "order.tax", currency: "currency|order.currency",
		minor: true,
	}
	thrivecartItem  = itemPaths{sku: "reference", name: "name", quantity: "quantity", lineTotal: "amount", product: "reference"}
	thrivecartTypes = map[string]string{
		"order.success": "order.paid", "order_created": "order.created", "order_payment_product": "order.paid",
		"order.subscription_payment": "subscription.renewed", "order_rebill": "subscription.renewed",
		"order.refund": "order.refunded", "order_refund_product": "order.refunded",
		"order_refund_bump": "order.refunded", "order_refund_upsell": "order.refunded",
		"order_refund_downsell": "order.refunded", "order.rebill_failed": "subscription.payment_failed",
		"order_rebill_failed":          "subscription.payment_failed",
		"order.subscription_cancelled": "subscription.cancelled", "order_rebill_cancelled": "subscription.cancelled",
		"order.subscription_paused": "subscription.paused", "subscription_paused": "subscription.paused",
		"order.subscription_resumed": "subscription.resumed", "subscription_resumed": "subscription.resumed",
		"order_rebill_completed": "subscription.expired", "cart.abandoned": "cart.abandoned",
		"cart_abandoned": "cart.abandoned", "customer_updated": "customer.updated",
	}
)

func (*thrivecart) read(d *delivery) (reading, error) {
	body, err := d.body()
	if err != nil {
		return reading{}, malformed("the body cannot be read", err)
	}
	topic := body.get("event")
	delivery := body.get("webhook_id|event_id")
	got := reading{topic: topic, id: delivery}
	if body.get("mode") == "test" && topic == "" {
		got.ignored = "a test"
		return got, nil
	}
	at := body.at("date_unix|order_timestamp|order.date_unix|date_iso8601").time()
	order, sub := body.get("order_id|order.id"), body.get("subscription.id|subscription_id|subscription.product_id")
	f := fact{typ: thrivecartTypes[topic], id: delivery, at: at, updated: at, data: thrivecartData(body)}
	switch f.typ {
	case "order.paid", "order.created":
		f.id = order
		if f.typ == "order.paid" && !at.IsZero() {
			f.data.Order.PaidAt = &at
		}
	case "subscription.renewed":
		f.id = order + ":" + body.get("subscription.invoice_str|invoice_id|recurring_payment_idx")
	case "order.refunded":
		f.id = order + ":" + body.get("refund.id|refund.product_id") + ":" + body.get("refund.amount") + ":" + body.get("date_unix")
		currency := strings.ToUpper(body.get("refund.currency|currency"))
		f.data.Refund = &events.Refund{
			ID: body.get("event_id|webhook_id"), OrderID: order, Amount: body.at("refund.amount").minor(currency),
			Currency: currency, Reason: body.get("refund.reason"),
			Full: body.get("refund.amount") != "" && body.get("refund.amount") == body.get("order.total"),
		}
	case "subscription.cancelled", "subscription.expired":
		f.id = order + ":" + sub
	case "subscription.payment_failed", "subscription.paused", "subscription.resumed", "customer.updated":
		f.id = order + ":" + sub + ":" + delivery + body.get("date_unix")
	case "cart.abandoned":
		f.id = bodyID([]byte(body.get("base_product") + "\x00" + body.get("viewer.email|customer.email") + "\x00" + body.get("date_unix")))
	}
	if strings.Trim(f.id, ":") == "" {
		f.id = ""
	}
	got.facts = []fact{f}
	return got, nil
}

// thrivecartItems reads what was charged. A subscription stands there twice, as what was paid now and as what will be.
func thrivecartItems(charges tree, currency string) []events.Item {
	var items []events.Item
	seen := map[string]bool{}
	for _, charge := range charges.list() {
		plan := charge.get("reference") + "\x00" + charge.get("payment_plan_id")
		if charge.is("type", "recurring") && seen[plan] {
			continue
		}
		seen[plan] = true
		if item, ok := thrivecartItem.read(charge, true, currency); ok {
			items = append(items, item)
		}
	}
	return items
}

func thrivecartData(body tree) events.Data {
	data := events.Data{Contact: thrivecartPerson.read(body), Order: thrivecartOrder.read(body)}
	data.Order.Items = thrivecartItems(body.at("order.charges"), data.Order.Currency)
	if len(data.Order.Items) == 0 {
		if name := body.get("base_product_name|base_product_label"); name != "" {
			data.Order.Items = []events.Item{{SKU: body.get("base_product"), Name: name, Quantity: 1, Price: data.Order.Total, ProductID: body.get("base_product")}}
		}
	}
	data.Order.Coupons = body.at("order.coupon|coupon").one()
	if s := body.at("subscription"); !s.empty() {
		currency := strings.ToUpper(s.get("currency"))
		data.Subscription = &events.Subscription{
			ID: s.get("id|product_id"), Plan: s.get("name|label"), Amount: s.at("amount").minor(currency), Currency: currency,
			NextAt: s.at("next_payment_date|next_payment_date_iso8601").timeRef(),
		}
	}
	return data
}
