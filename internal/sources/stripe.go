package sources

import (
	"strings"
	"time"

	"bridge/internal/events"

	"github.com/shopspring/decimal"
)

// Stripe. The key is the whole whsec_ text, not its decoded bytes; each retry has a new timestamp and signature, so the
// window for replays is safe. One purchase announces itself by many events, in any order: a payment has the id of its
// invoice where there is one, else of its payment intent; a subscription starts once, whoever says so first. What says
// least, the payment intent and the subscription, goes on only when nothing richer can be had (stripe_api.go).
//
// Bodies have the shape of the endpoint's API version: fields are read where they were before 2025-03-31 ("basil") and
// where they are since.
var stripeKind = &Kind{
	Name: "stripe", Title: "Stripe",
	Proof:  "HMAC-SHA256 of timestamp.body, hex, v1= in Stripe-Signature; any of several",
	Replay: "5 minutes", Retries: "for 3 days",
	Thin:    "subscriptions, disputes and some payments name a customer id only, checkouts no items: enrich asks /v1/customers, /v1/charges, /v1/checkout/sessions, /v1/subscriptions",
	Methods: post, takes: []string{"secret", "enrich"}, open: openStripe,
}

type stripe struct {
	*listProof
	api *lookup // nil without enrich
	now func() time.Time
}

func openStripe(s *setup) sender {
	return &stripe{
		listProof: &listProof{
			header: "Stripe-Signature", separator: ",", timeKey: "t", signatureKey: "v1", join: ".", secrets: s.secrets(), tolerance: 5 * time.Minute,
		},
		api: openLookup(s, "https://api.stripe.com").header(s, "Authorization", "Bearer "), now: s.deps.Now,
	}
}

func (s *stripe) read(d *delivery) (reading, error) {
	body, err := d.body()
	if err != nil {
		return reading{}, malformed("the body cannot be read", err)
	}
	body.doc.own = stripeExponents
	topic, object := body.get("type"), body.at("data.object")
	got := reading{topic: topic, id: body.get("id")}
	e := stripeEvent{topic: topic, id: got.id, at: body.at("created").time(), object: object, before: body.at("data.previous_attributes")}
	group, _, _ := strings.Cut(topic, ".")
	switch {
	case strings.HasPrefix(topic, "checkout.session."):
		got.facts = e.session()
	case strings.HasPrefix(topic, "customer.subscription."):
		got.facts = e.subscription()
	case group == "invoice":
		got.facts = e.invoice()
	case group == "payment_intent":
		got.facts = e.intent()
	case group == "charge":
		got.facts = e.charge()
	case topic == "customer.created" || topic == "customer.updated" || topic == "customer.deleted":
		got.facts = e.customer()
	}
	if len(got.facts) == 0 {
		got.facts = []fact{{id: got.id, at: e.at, data: events.Data{Contact: stripePerson.read(object)}}}
	}
	for i := range got.facts {
		got.facts[i].updated = e.at
	}
	return got, nil
}

// stripeExponents are where Stripe's amounts are not in ISO 4217's minor units: krónur and Ugandan shillings keep two
// decimals that are always 00, ariary have none. Source: docs.stripe.com/currencies, special cases.
var stripeExponents = map[string]int{"ISK": 2, "UGX": 2, "MGA": 0}

// stripeEvent is one event of Stripe, taken apart.
type stripeEvent struct {
	topic, id      string
	at             time.Time
	object, before tree
}

var stripePerson = personPaths{
	email: "customer_details.email|customer_email|receipt_email|billing_details.email|email",
	name:  "customer_details.name|customer_name|billing_details.name|shipping.name|name",
	phone: "customer_details.phone|customer_phone|billing_details.phone|phone", id: "customer",
	line1: stripeAddress("line1"), line2: stripeAddress("line2"), city: stripeAddress("city"),
	region: stripeAddress("state"), postal: stripeAddress("postal_code"),
	country: stripeAddress("country"),
}

func stripeAddress(part string) string {
	return "customer_details.address." + part + "|customer_address." + part + "|billing_details.address." + part + "|address." + part
}

// id of an object that may be expanded.
func stripeID(t tree) string {
	if id := t.get("id"); id != "" {
		return id
	}
	return t.text()
}

func (e *stripeEvent) one(typ, id string, data events.Data) []fact {
	return []fact{{typ: typ, id: id, at: e.at, data: data}}
}

var stripeSession = orderPaths{
	id: "payment_intent|id", number: "client_reference_id", total: "amount_total", tax: "total_details.amount_tax",
	shipping: "total_details.amount_shipping",
	discount: "total_details.amount_discount", currency: "currency", status: "payment_status", minor: true,
}

func (e *stripeEvent) session() []fact {
	o := e.object
	order := stripeSession.read(o)
	order.ID = stripeID(o.at("payment_intent|invoice|id")) // as intent and invoice name the same payment
	order.Items = stripeItems(o.at("line_items"))
	data := events.Data{Contact: stripePerson.read(o), Order: order}
	session, sub := o.get("id"), stripeID(o.at("subscription"))
	paid := o.is("payment_status", "paid", "no_payment_required")
	if paid {
		order.PaidAt = &e.at
	}
	switch strings.TrimPrefix(e.topic, "checkout.session.") {
	case "completed", "async_payment_succeeded":
		switch {
		case o.is("mode", "subscription") && sub != "":
			data.Subscription = &events.Subscription{ID: sub}
			return withoutItems(e.one("subscription.started", sub, data), session)
		case o.is("mode", "setup"):
			return nil
		case paid || strings.HasSuffix(e.topic, "succeeded"):
			return withoutItems(e.one("order.paid", order.ID, data), session)
		}
		return withoutItems(e.one("order.created", session, data), session)
	case "async_payment_failed":
		return e.one("order.failed", session, data)
	case "expired":
		order.URL = o.get("after_expiration.recovery.url")
		return e.one("cart.abandoned", session, data)
	}
	return nil
}

// stripeItems are the lines of a session, which webhooks leave out.
func stripeItems(list tree) []events.Item {
	paths := itemPaths{sku: "price.id", name: "description", quantity: "quantity", lineTotal: "amount_total", product: "price.product"}
	var items []events.Item
	for _, line := range list.at("data").list() {
		if item, ok := paths.read(line, true, strings.ToUpper(line.get("currency"))); ok {
			items = append(items, item)
		}
	}
	return items
}

// withoutItems marks facts of a session whose items have to be asked for.
func withoutItems(facts []fact, session string) []fact {
	if len(facts[0].data.Order.Items) == 0 {
		facts[0].enrich = "session:" + session
	}
	return facts
}

var stripeInvoice = orderPaths{
	id: "id", number: "number", total: "total", tax: "tax", shipping: "shipping_cost.amount_total", currency: "currency", status: "status",
	paid: "status_transitions.paid_at", url: "hosted_invoice_url",
	items: "lines.data", minor: true,
	item: itemPaths{
		sku: "price.id|pricing.price_details.price|plan.id", name: "description", quantity: "quantity",
		product:   "price.product|pricing.price_details.product|plan.product",
		lineTotal: "amount",
	},
}

// stripeSum adds up amounts that Stripe lists; "" when there are none.
func stripeSum(list tree, currency string) events.Money {
	sum := decimal.Zero
	parts := list.list()
	if len(parts) == 0 {
		return ""
	}
	for _, part := range parts {
		sum = sum.Add(part.at("amount").minor(currency).Decimal())
	}
	return events.Money(sum.StringFixed(int32(list.doc.exponent(currency))))
}

func (e *stripeEvent) invoice() []fact {
	o := e.object
	id := o.get("id")
	sub := stripeID(o.at("subscription|parent.subscription_details.subscription"))
	data := events.Data{Contact: stripePerson.read(o), Order: stripeInvoice.read(o)}
	if data.Order.Tax == "" { // since basil there are only its parts
		data.Order.Tax = stripeSum(o.at("total_taxes|total_tax_amounts"), data.Order.Currency)
	}
	data.Order.Discount = stripeSum(o.at("total_discount_amounts"), data.Order.Currency)
	if sub != "" {
		data.Subscription = &events.Subscription{
			ID: sub, Plan: o.get("lines.data.0.price.id|lines.data.0.pricing.price_details.price|lines.data.0.plan.id"),
			Amount: data.Order.Total, Currency: data.Order.Currency,
		}
	}
	switch e.topic {
	case "invoice.paid", "invoice.payment_succeeded":
		switch {
		case sub != "" && o.is("billing_reason", "subscription_create"):
			return e.one("subscription.started", sub, data)
		case sub != "" && o.is("billing_reason", "subscription_cycle"):
			return e.one("subscription.renewed", id, data)
		}
		data.Order.ID = stripeID(o.at("payment_intent|payments.data.0.payment.payment_intent|id"))
		return e.one("order.paid", data.Order.ID, data)
	case "invoice.payment_failed":
		typ := "order.failed"
		if sub != "" {
			typ = "subscription.payment_failed"
		}
		return e.one(typ, id+":"+o.get("attempt_count"), data)
	}
	return nil
}

// intent: payments of invoices are told by the invoice, which knows what they were for.
func (e *stripeEvent) intent() []fact {
	o := e.object
	if !o.at("invoice").empty() || strings.HasPrefix(o.get("payment_details.order_reference"), "in_") {
		return nil
	}
	order := &events.Order{ID: o.get("id"), Currency: strings.ToUpper(o.get("currency")), Status: o.get("status")}
	order.Total = o.at("amount_received|amount").minor(order.Currency)
	data := events.Data{Contact: stripePerson.read(o), Order: order}
	if latest := o.at("charges.data.0|latest_charge"); data.Contact == nil || data.Contact.Email == "" {
		if c := stripePerson.read(latest); c != nil && c.Email != "" {
			data.Contact = c
		}
	}
	switch e.topic {
	case "payment_intent.succeeded":
		order.PaidAt = &e.at
		facts := e.one("order.paid", order.ID, data)
		facts[0].enrich = "payment:" + order.ID // it may be a checkout's, which knows more
		facts[0].must = data.Contact == nil || data.Contact.Email == ""
		return facts
	case "payment_intent.payment_failed":
		return thin(e.one("order.failed", order.ID+":"+stripeID(o.at("last_payment_error.charge|latest_charge")), data))
	}
	return nil
}

// thin marks facts whose person has no e-mail yet.
func thin(facts []fact) []fact {
	for i := range facts {
		if c := facts[i].data.Contact; c == nil || c.Email == "" {
			facts[i].enrich = "customer"
		}
	}
	return facts
}

func (e *stripeEvent) charge() []fact {
	o := e.object
	currency := strings.ToUpper(o.get("currency"))
	switch e.topic {
	case "charge.refunded":
		total, before := o.at("amount_refunded").minor(currency).Decimal(), e.before.at("amount_refunded").minor(currency).Decimal()
		refund := &events.Refund{
			ID: o.get("refunds.data.0.id"), OrderID: stripeID(o.at("payment_intent|invoice|id")), Currency: currency,
			Reason: o.get("refunds.data.0.reason"),
			Amount: events.Money(total.Sub(before).StringFixed(int32(o.doc.exponent(currency)))), Full: o.is("refunded", "true"),
		}
		data := events.Data{Contact: stripePerson.read(o), Refund: refund, Order: &events.Order{ID: refund.OrderID, Currency: currency}}
		return thin(e.one("order.refunded", o.get("id")+":"+o.get("amount_refunded"), data))
	case "charge.dispute.created":
		refund := &events.Refund{
			ID: o.get("id"), OrderID: stripeID(o.at("payment_intent|charge")), Amount: o.at("amount").minor(currency), Currency: currency,
			Reason: o.get("reason"),
		}
		data := events.Data{Contact: &events.Contact{Email: o.get("evidence.customer_email_address")}, Refund: refund}
		facts := e.one("dispute.opened", o.get("id"), data)
		if data.Contact.Email == "" {
			data.Contact.ExternalID = stripeID(o.at("charge"))
			facts[0].enrich = "charge"
		}
		return facts
	}
	return nil
}

func (e *stripeEvent) customer() []fact {
	contact := stripePerson.read(e.object)
	if contact == nil {
		contact = &events.Contact{}
	}
	contact.ExternalID = e.object.get("id")
	id := contact.ExternalID
	if e.topic == "customer.updated" {
		id += ":" + e.id
	}
	return e.one(e.topic, id, events.Data{Contact: contact})
}

func (e *stripeEvent) subscription() []fact {
	o := e.object
	id, status := o.get("id"), o.get("status")
	item := o.at("items.data.0")
	currency := strings.ToUpper(o.get("currency"))
	data := events.Data{
		Contact: &events.Contact{ExternalID: stripeID(o.at("customer"))},
		Subscription: &events.Subscription{
			ID: id, Status: status, Plan: item.get("price.id|plan.id"),
			Amount: item.at("price.unit_amount|plan.amount").minor(currency), Currency: currency,
			NextAt: o.at("current_period_end|items.data.0.current_period_end").timeRef(), EndsAt: o.at("ended_at|cancel_at").timeRef(),
		},
	}
	live := status == "active" || status == "trialing"
	was := e.before.get("status")
	paused := o.at("pause_collection")
	pauseChanged := e.before.has("pause_collection")
	typ, fid := "", id
	switch action := strings.TrimPrefix(e.topic, "customer.subscription."); {
	case action == "created" && live, action == "updated" && live && was == "incomplete":
		typ = "subscription.started"
	case action == "deleted":
		typ = "subscription.cancelled"
	case action == "paused", action == "updated" && pauseChanged && !paused.empty():
		typ, fid = "subscription.paused", id+":"+e.id
	case action == "resumed", action == "updated" && pauseChanged && paused.empty():
		typ, fid = "subscription.resumed", id+":"+e.id
	default:
		fid = e.id
	}
	facts := e.one(typ, fid, data)
	facts[0].enrich = "customer"
	if typ == "subscription.started" {
		facts[0].enrich, facts[0].must = "start:"+id, true
	}
	return facts
}
