package sources

import (
	"net/http"
	"strings"
	"time"

	"bridge/internal/events"

	"github.com/shopspring/decimal"
)

// Shopify: app webhooks and shop webhooks, under the classic header names (X-Shopify-…) and the new ones (Shopify-…). A
// retry sends the original body, up to a day late, so there is no window for replays; ids beyond 2^53 are usual. Orders
// announce themselves by several topics: each fact has one id, whatever topic brings it first.
var shopifyKind = &Kind{
	Name: "shopify", Title: "Shopify",
	Proof:   "HMAC-SHA256 of the body, base64, in X-Shopify-Hmac-Sha256 or Shopify-Hmac-Sha256",
	Retries: "8 times within 4 hours", SwitchesOff: "after 8 failures in a row a subscription made through the Admin API is deleted",
	Thin:    "refunds and subscription contracts name an order or customer id only: enrich asks the Admin API",
	Methods: post, takes: []string{"secret", "enrich"}, open: openShopify,
}

type shopify struct {
	*hmacProof
	api *lookup // nil without enrich
	now func() time.Time
}

func openShopify(s *setup) sender {
	return &shopify{
		hmacProof: base64HMAC(s.secrets(), "Shopify-Hmac-Sha256", "X-Shopify-Hmac-Sha256"),
		api:       openLookup(s, "").header(s, "X-Shopify-Access-Token", ""), now: s.deps.Now,
	}
}

// header reads a header under its new name, else under its classic one.
func (*shopify) header(h http.Header, name string) string {
	if v := h.Get("Shopify-" + name); v != "" {
		return v
	}
	return h.Get("X-Shopify-" + name)
}

func (s *shopify) sign(out *Signed, _ time.Time) error {
	if s.secrets.Empty() {
		return errNoSecret
	}
	out.Header.Set("X-Shopify-Hmac-Sha256", s.encode(s.sum(s.secrets[0], out.Body)))
	return nil
}

func (s *shopify) label(event string, out *Signed) {
	if event != "" {
		out.Header.Set("X-Shopify-Topic", event)
	}
	out.Header.Set("X-Shopify-Webhook-Id", bodyID(out.Body))
	out.Header.Set("X-Shopify-Shop-Domain", "rehearsal.example.com") // Shopify's own library wants these
	out.Header.Set("X-Shopify-Api-Version", "2026-10")
}

func (s *shopify) read(d *delivery) (reading, error) {
	body, err := d.body()
	if err != nil {
		return reading{}, malformed("the body cannot be read", err)
	}
	topic := s.header(d.Header, "Topic")
	if action := s.header(d.Header, "Action"); action != "" && !strings.Contains(topic, "/") { // the new deliveries: Order + create
		topic = strings.ToLower(topic) + "s/" + action
	}
	if topic == "" {
		topic = shopifyTopic(body)
	}
	at, _ := time.Parse(time.RFC3339Nano, s.header(d.Header, "Triggered-At"))
	got := reading{topic: topic, id: s.header(d.Header, "Webhook-Id")}
	group, action, _ := strings.Cut(topic, "/")
	switch group {
	case "orders":
		got.facts = shopifyOrder(body, action, at)
	case "refunds":
		got.facts = shopifyRefund(body)
	case "customers", "customers_email_marketing_consent":
		got.facts = shopifyCustomer(body, group, action, at)
	case "checkouts":
		got.facts = s.checkout(body)
	case "subscription_contracts", "subscription_billing_attempts":
		got.facts = shopifySubscription(body, group, action, at)
	case "disputes":
		got.facts = shopifyDispute(body, action)
	}
	if len(got.facts) == 0 {
		f := fact{id: got.id, at: at, updated: body.at("updated_at").time()}
		if group == "orders" {
			f.data = shopifyOrderData(body)
			f.subject = "order/" + body.get("name")
		}
		got.facts = []fact{f}
	}
	return got, nil
}

func shopifyTopic(body tree) string {
	switch {
	case !body.at("refund_line_items").empty():
		return "refunds/create"
	case !body.at("financial_status").empty():
		return "orders/updated"
	case !body.at("abandoned_checkout_url").empty():
		return "checkouts/update"
	case !body.at("orders_count").empty():
		return "customers/update"
	}
	return ""
}

var (
	shopifyPerson = personPaths{
		email: "email|contact_email|customer.email", first: "customer.first_name|billing_address.first_name",
		last:  "customer.last_name|billing_address.last_name",
		phone: "phone|customer.phone|billing_address.phone|shipping_address.phone", company: "billing_address.company", id: "customer.id",
		line1: "billing_address.address1", line2: "billing_address.address2", city: "billing_address.city", region: "billing_address.province_code",
		postal: "billing_address.zip", country: "billing_address.country_code", consent: "customer.email_marketing_consent.state",
	}
	shopifyCustomerPaths = personPaths{
		email: "email|email_address", first: "first_name", last: "last_name", phone: "phone|default_address.phone",
		company: "default_address.company", id: "id|customer_id",
		line1: "default_address.address1", line2: "default_address.address2", city: "default_address.city", region: "default_address.province_code",
		postal: "default_address.zip", country: "default_address.country_code", consent: "email_marketing_consent.state",
	}
	shopifyOrderPaths = orderPaths{
		id: "id", number: "name|order_number", total: "total_price", tax: "total_tax", shipping: "total_shipping_price_set.shop_money.amount",
		discount: "total_discounts", currency: "currency", status: "financial_status",
		url: "order_status_url|abandoned_checkout_url", items: "line_items",
		item: itemPaths{sku: "sku", name: "name|title|presentment_title", quantity: "quantity", price: "price", product: "product_id"},
	}
)

func shopifyOrderData(body tree) events.Data {
	o := shopifyOrderPaths.read(body)
	o.Coupons = body.at("discount_codes").texts("code")
	return events.Data{Contact: shopifyPerson.read(body), Order: o}
}

// shopifyOrder: one fact has one id, so that orders/paid and an orders/updated that shows the payment are one. Which
// facts a topic may announce is limited to what it means: the example deliveries that Shopify sends carry every state at
// once.
func shopifyOrder(body tree, action string, at time.Time) []fact {
	id := body.get("id")
	if id == "" || id == "0" || action == "delete" {
		return nil
	}
	data := shopifyOrderData(body)
	updated := body.at("updated_at").time()
	status := body.get("financial_status")
	paid := action == "paid" || status == "paid" && (action == "create" || action == "updated")
	if paid {
		when := body.at("processed_at|updated_at").time()
		data.Order.PaidAt = &when
		if when.IsZero() {
			data.Order.PaidAt = nil
		}
	}
	var facts []fact
	add := func(typ string, when time.Time) {
		facts = append(facts, fact{typ: typ, id: id, at: when, updated: updated, subject: "order/" + body.get("name"), data: data})
	}
	if action == "create" {
		add("order.created", or(at, body.at("created_at").time()))
	}
	if action == "updated" { // the trigger says when the order was touched, perhaps months after the fact
		at = time.Time{}
	}
	if paid {
		add("order.paid", or(at, body.at("processed_at|created_at").time()))
	}
	if action == "cancelled" || action == "updated" && !body.at("cancelled_at").empty() {
		add("order.cancelled", or(at, body.at("cancelled_at").time()))
	}
	if status == "voided" && action == "updated" && body.at("cancelled_at").empty() {
		add("order.failed", or(at, updated))
	}
	if action == "updated" {
		for _, r := range body.at("refunds").list() {
			f := shopifyRefundFact(r, data)
			f.updated, f.data.Refund.Full = updated, status == "refunded"
			facts = append(facts, f)
		}
	}
	return facts
}

// or is the first time that is not zero.
func or(times ...time.Time) time.Time {
	for _, t := range times {
		if !t.IsZero() {
			return t
		}
	}
	return time.Time{}
}

func shopifyRefundFact(r tree, data events.Data) fact {
	refund := events.Refund{ID: r.get("id"), OrderID: r.get("order_id"), Reason: r.get("note")}
	total := decimal.Zero
	for _, t := range r.at("transactions").list() {
		if t.is("kind", "refund") && !t.is("status", "failure", "error") {
			total = total.Add(t.at("amount").money().Decimal())
			refund.Currency = t.get("currency")
		}
	}
	if refund.Currency != "" { // else nothing was paid back: goods were taken in only
		refund.Amount = events.Money(total.StringFixed(int32(exponent(refund.Currency))))
	}
	data.Refund = &refund
	return fact{typ: "order.refunded", id: refund.OrderID + ":" + refund.ID, at: r.at("created_at").time(), subject: "refund/" + refund.ID, data: data}
}

// shopifyRefund: refunds/create does not say whose order it was; orders/updated tells the same refund and does.
func shopifyRefund(body tree) []fact {
	f := shopifyRefundFact(body, events.Data{Order: &events.Order{ID: body.get("order_id")}})
	f.enrich, f.must = "order", true
	return []fact{f}
}

func shopifyCustomer(body tree, group, action string, at time.Time) []fact {
	contact := shopifyCustomerPaths.read(body)
	if contact == nil {
		return nil
	}
	f := fact{id: contact.ExternalID, at: at, updated: body.at("updated_at").time(), data: events.Data{Contact: contact}}
	switch {
	case group != "customers":
		f.typ, f.at = "consent.updated", or(body.at("email_marketing_consent.consent_updated_at").time(), at)
		f.id += ":" + f.at.UTC().Format(time.RFC3339Nano)
		if contact.Email == "" {
			f.enrich = "customer"
		}
	case action == "create":
		f.typ = "customer.created"
	case action == "update":
		f.typ = "customer.updated"
		f.id += ":" + or(f.updated, at).UTC().Format(time.RFC3339Nano)
	case action == "delete":
		f.typ = "customer.deleted"
	default: // redact, data_request: the shop's legal duties, for people
		return nil
	}
	return []fact{f}
}

// shopifyCheckout: Shopify has no topic for carts given up, and every checkout looks like one while its buyer types.
// Where the Admin API can be asked, the event waits behind the durable line (enrich: checkout) until it is known; else
// it is kept under its own name, for a checkout in progress must not set off a reminder.
func (s *shopify) checkout(body tree) []fact {
	f := fact{
		id: body.get("token|id") + ":" + body.get("updated_at"), at: body.at("updated_at").time(), updated: body.at("updated_at").time(),
		data: shopifyOrderData(body),
	}
	contact := f.data.Contact
	if s.api != nil && body.at("completed_at").empty() && contact != nil && contact.Email+contact.Phone != "" {
		f.typ, f.id, f.enrich = "cart.abandoned", body.get("token|id"), "checkout"
	}
	return []fact{f}
}

var shopifyContract = map[string]string{
	"create": "subscription.started", "activate": "subscription.started", "pause": "subscription.paused",
	"cancel": "subscription.cancelled", "expire": "subscription.expired",
	"fail": "subscription.payment_failed",
}

// shopifySubscription: contracts and billing attempts name ids only.
func shopifySubscription(body tree, group, action string, at time.Time) []fact {
	contract := body.get("subscription_contract_id|id")
	sub := &events.Subscription{ID: contract, Status: body.get("status"), Currency: body.get("currency_code")}
	data := events.Data{Subscription: sub}
	if customer := body.get("customer_id"); customer != "" {
		data.Contact = &events.Contact{ExternalID: customer}
	}
	if order := body.get("order_id|origin_order_id"); order != "" {
		data.Order = &events.Order{ID: order}
	}
	f := fact{at: at, enrich: "customer", data: data}
	if data.Contact == nil {
		f.enrich = "order"
	}
	if group == "subscription_billing_attempts" {
		f.id = contract + ":" + body.get("idempotency_key|id")
		f.typ = map[string]string{"success": "subscription.renewed", "failure": "subscription.payment_failed"}[action]
	} else {
		f.id = contract
		f.typ = shopifyContract[action]
		if revision := body.get("revision_id"); action == "pause" || action == "fail" {
			f.id += ":" + revision // these can happen again
		}
	}
	if f.typ == "" || contract == "" {
		return nil
	}
	return []fact{f}
}

func shopifyDispute(body tree, action string) []fact {
	if action != "create" {
		return nil
	}
	return []fact{{
		typ: "dispute.opened", id: body.get("id"), at: body.at("initiated_at").time(), enrich: "order",
		data: events.Data{
			Order:  &events.Order{ID: body.get("order_id")},
			Refund: &events.Refund{OrderID: body.get("order_id"), Amount: body.at("amount").money(), Currency: body.get("currency"), Reason: body.get("reason")},
		},
	}}
}
