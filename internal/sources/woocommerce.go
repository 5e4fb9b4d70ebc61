package sources

import (
	"bytes"
	"context"
	"html"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"bridge/internal/events"
	"bridge/internal/secret"
)

// WooCommerce: class-wc-webhook.php. It signs the exact body with the secret after HTML entities in it are decoded
// (WordPress stores a&b as a&amp;b), never retries, and switches a webhook off after repeated failures. Its delivery id
// is a hash of webhook and second, so it identifies nothing. The body is the resource at the time of sending, so one
// topic, order.updated, has to tell payments, refunds, failures and cancellations.
var wooKind = &Kind{
	Name: "woocommerce", Title: "WooCommerce (with Subscriptions, Memberships and CartFlows)",
	Proof:       "HMAC-SHA256 of the body, base64, in X-WC-Webhook-Signature",
	SwitchesOff: "after 5 to 7 failures in a row a webhook is disabled until somebody enables it again",
	Thin:        "memberships name a customer id only: enrich asks /wp-json/wc/v3/customers", Sweeps: "orders and subscriptions changed since, and new customers, from /wp-json/wc/v3",
	Methods: post, takes: []string{"secret", "verify", "enrich", "sweep"}, open: openWoo,
}

type woocommerce struct {
	*hmacProof
	hasPath bool    // the address has a secret
	api     *lookup // nil without enrich
}

func openWoo(s *setup) sender {
	secrets := slices.Clone(s.secrets())
	for i, t := range secrets {
		secrets[i] = secret.New(html.UnescapeString(t.Reveal()))
	}
	proof := base64HMAC(secrets, "X-WC-Webhook-Signature")
	if v := s.cfg.Verify; v != nil { // a site can change the algorithm (woocommerce_webhook_hash_algorithm), and nothing else
		if v.HMAC == nil || !reflect.DeepEqual(*v, Verify{HMAC: &HMAC{Algorithm: v.HMAC.Algorithm}}) {
			s.mistake("verify", "woocommerce takes verify: {hmac: {algorithm: …}} only; its secret stands in secret")
		} else if proof.hash = hashOf(v.HMAC.Algorithm); proof.hash == nil {
			s.mistake("verify.hmac.algorithm", "%q is none of sha256, sha1, sha512", v.HMAC.Algorithm)
		}
	}
	return &woocommerce{hmacProof: proof, hasPath: !s.cfg.PathSecret.Empty(), api: openWooREST(s)}
}

// verify takes CartFlows' unsigned forms too, where the address has a secret. No other unsigned body gets through.
func (w *woocommerce) verify(ctx context.Context, d *delivery) error {
	if w.hasPath && isCartFlows(d) {
		return nil
	}
	return w.hmacProof.verify(ctx, d)
}

var wooPing = regexp.MustCompile(`^webhook_id=\d{1,20}$`)

// greet answers the unsigned ping that WooCommerce sends when a webhook is saved; anything but 200 shows as an error
// there.
func (w *woocommerce) greet(d *delivery) (Reply, bool, error) {
	if d.Header.Get("X-WC-Webhook-Topic") == "" && wooPing.Match(bytes.TrimSpace(d.Body)) {
		return Reply{Status: http.StatusOK, Ignored: events.Ignored, Why: "the ping that WooCommerce sends when a webhook is saved"}, true, nil
	}
	return Reply{}, false, nil
}

func (w *woocommerce) label(event string, out *Signed) {
	resource, action, _ := strings.Cut(event, ".")
	if event != "" {
		out.Header.Set("X-WC-Webhook-Topic", event)
		out.Header.Set("X-WC-Webhook-Resource", resource)
		out.Header.Set("X-WC-Webhook-Event", action)
	}
	out.Header.Set("X-WC-Webhook-ID", "1")
	out.Header.Set("X-WC-Webhook-Delivery-ID", bodyID(out.Body))
}

func (w *woocommerce) read(d *delivery) (reading, error) {
	body, err := d.body()
	if err != nil {
		return reading{}, malformed("the body cannot be read", err)
	}
	if isCartFlows(d) {
		return readCartFlows(body), nil
	}
	if wrapped := body.at("order|customer"); !wrapped.at("id").empty() && body.at("id").empty() { // legacy API: {"order":{…}}
		body = wrapped
	}
	topic := d.Header.Get("X-WC-Webhook-Topic")
	if topic == "" {
		topic = wooTopic(body)
	}
	got := reading{topic: topic, id: wooVersion(body)}
	resource, action, _ := strings.Cut(topic, ".")
	switch resource {
	case "order":
		got.facts = wooOrder(body, action, d.Header.Get("X-WC-Webhook-Source"))
	case "customer":
		got.facts = wooCustomer(body, action)
	case "subscription":
		got.facts = wooSubscription(body)
	case "user_membership":
		got.facts = wooMembership(body, action)
	case "action":
		got.id = d.Header.Get("X-WC-Webhook-Delivery-ID") + bodyID(d.Body)
	}
	if len(got.facts) == 0 && action != "deleted" {
		got.facts = wooKept(body, resource, got.id)
	}
	return got, nil
}

// wooTopic guesses the topic of a payload without headers, as people try them out.
func wooTopic(body tree) string {
	switch {
	case !body.at("billing_period").empty() || !body.at("next_payment_date_gmt|next_payment_date").empty():
		return "subscription.updated"
	case !body.at("line_items").empty() && !body.at("billing").empty():
		return "order.updated"
	case !body.at("plan_id").empty():
		return "user_membership.updated"
	case !body.at("username").empty() && !body.at("billing").empty():
		return "customer.updated"
	}
	return ""
}

// Times of a resource; the last names are the legacy API's, and so are those with _address below.
const (
	wooCreated  = "date_created_gmt|date_created|created_at"
	wooModified = "date_modified_gmt|date_modified|updated_at"
)

// wooVersion tells one state of a resource from another.
func wooVersion(body tree) string {
	id := body.get("id")
	if at := body.get(wooModified + "|date_created_gmt"); id != "" && at != "" {
		return id + ":" + at
	}
	return id
}

var wooBilling = personPaths{
	email: wooBill("email") + "|email", first: wooBill("first_name") + "|first_name", last: wooBill("last_name") + "|last_name",
	phone: wooBill("phone") + "|phone", company: wooBill("company"),
	line1: wooBill("address_1"), line2: wooBill("address_2"), city: wooBill("city"), region: wooBill("state"),
	postal: wooBill("postcode"), country: wooBill("country"),
}

func wooBill(part string) string { return "billing." + part + "|billing_address." + part }

var wooOrderPaths = orderPaths{
	id: "id", number: "number|order_number", total: "total", tax: "total_tax", shipping: "shipping_total|total_shipping",
	discount: "discount_total|total_discount", currency: "currency", status: "status",
	paid: "date_paid_gmt|date_paid", items: "line_items",
	item: itemPaths{sku: "sku", name: "name", quantity: "quantity", price: "price", product: "product_id", lineTotal: "total"},
}

func wooContact(body tree) *events.Contact {
	c := wooBilling.read(body)
	if id := body.get("customer_id"); id != "" && id != "0" && c != nil { // 0 is a guest
		c.ExternalID = id
	}
	return c
}

func wooOrderData(body tree, shop string) events.Data {
	o := wooOrderPaths.read(body)
	for i := range o.Items {
		o.Items[i].Name = html.UnescapeString(o.Items[i].Name)
	}
	o.Coupons = body.at("coupon_lines").texts("code")
	if shop == "" {
		shop, _, _ = strings.Cut(body.get("_links.self.0.href"), "wp-json/")
	}
	if strings.HasPrefix(shop, "http") {
		o.URL = shop
	}
	return events.Data{Contact: wooContact(body), Order: o}
}

// wooOrder tells the facts that an order shows. A later state shows the earlier facts again, with the same ids.
func wooOrder(body tree, action, shop string) []fact {
	id, status := body.get("id"), body.get("status")
	if id == "" || action == "deleted" || action == "restored" {
		return nil
	}
	data := wooOrderData(body, shop)
	whole := data
	modified, paid := body.at(wooModified).time(), wooPaid(body)
	renewed := wooRenewal(body)
	var facts []fact
	add := func(typ, id string, at time.Time, data events.Data) {
		facts = append(facts, fact{typ: typ, id: id, at: at, updated: modified, subject: "order/" + data.Order.Number, data: data})
	}
	if action == "created" && status != "checkout-draft" && status != "auto-draft" { // a draft is a visit to the checkout
		add("order.created", id, body.at(wooCreated).time(), data)
	}
	switch {
	case (status == "processing" || status == "completed") && !paid.IsZero():
		add("order.paid", id, paid, data)
		if renewed != nil {
			data.Subscription = renewed
			add("subscription.renewed", id, paid, data)
		}
	case status == "failed":
		add("order.failed", id, modified, data)
		if renewed != nil {
			data.Subscription = renewed
			add("subscription.payment_failed", id, modified, data)
		}
	case status == "cancelled":
		add("order.cancelled", id, modified, data)
	}
	return append(facts, wooRefunds(body, modified, whole)...)
}

// wooPaid is when an order was paid. The legacy API says only that it was.
func wooPaid(body tree) time.Time {
	if body.is("payment_details.paid", "true") {
		return body.at("completed_at|updated_at").time()
	}
	return body.at("date_paid_gmt|date_paid").time()
}

// wooRefunds is a fact for each refund; partial ones leave the order's status as it was. Refunds in an order have no
// time of their own.
func wooRefunds(body tree, modified time.Time, data events.Data) []fact {
	order, full := body.get("id"), body.is("status", "refunded")
	refunds := body.at("refunds").list()
	var facts []fact
	for i, r := range refunds {
		data.Refund = &events.Refund{
			ID: r.get("id"), OrderID: order, Amount: positive(r.at("total").money()), Currency: data.Order.Currency, Reason: r.get("reason"),
			Full: full && i == len(refunds)-1,
		}
		facts = append(facts, fact{typ: "order.refunded", id: order + ":" + r.get("id"), updated: modified, subject: "order/" + data.Order.Number, data: data})
	}
	if full && len(refunds) == 0 {
		data.Refund = &events.Refund{OrderID: order, Amount: data.Order.Total, Currency: data.Order.Currency, Full: true}
		facts = append(facts, fact{typ: "order.refunded", id: order + ":full", updated: modified, subject: "order/" + data.Order.Number, data: data})
	}
	return facts
}

// wooRenewal is the subscription that an order renews, nil for other orders.
func wooRenewal(body tree) *events.Subscription {
	id := body.at("meta_data").find("key", "_subscription_renewal").get("value")
	if id == "" && !body.is("created_via", "subscription") {
		return nil
	}
	return &events.Subscription{ID: id}
}

func wooCustomer(body tree, action string) []fact {
	id := body.get("id")
	contact := wooBilling.read(body)
	if contact == nil {
		contact = &events.Contact{}
	}
	contact.ExternalID = id
	if own := body.get("email"); own != "" { // the account's address; the one for bills may be another person's
		contact.Email = own
	}
	modified := body.at(wooModified).time()
	f := fact{typ: "customer." + action, id: id, updated: modified, data: events.Data{Contact: contact}}
	switch action {
	case "created":
		f.at = body.at(wooCreated).time()
	case "updated":
		f.id, f.at = wooVersion(body), modified
	case "deleted":
	default:
		return nil
	}
	return []fact{f}
}

// wooSubscription: pending-cancel and on-hold are kept under their own name. On-hold is passed through at every renewal,
// and pending-cancel still has access.
func wooSubscription(body tree) []fact {
	id := body.get("id")
	modified := body.at(wooModified).time()
	f := fact{id: id, updated: modified, at: modified, data: wooSubscriptionData(body)}
	switch body.get("status") {
	case "active":
		f.typ, f.at = "subscription.started", body.at("start_date_gmt|start_date|date_created_gmt|date_created").time()
	case "cancelled":
		f.typ = "subscription.cancelled"
	case "expired":
		f.typ = "subscription.expired"
	default:
		return nil
	}
	return []fact{f}
}

func wooSubscriptionData(body tree) events.Data {
	data := wooOrderData(body, "")
	plan := html.UnescapeString(body.get("line_items.0.name"))
	data.Subscription = &events.Subscription{
		ID: body.get("id"), Status: body.get("status"), Plan: plan, Amount: data.Order.Total, Currency: data.Order.Currency,
		NextAt: body.at("next_payment_date_gmt|next_payment_date").timeRef(), EndsAt: body.at("end_date_gmt|end_date").timeRef(),
	}
	return data
}

// wooMembership: the body names its member by customer id only.
func wooMembership(body tree, action string) []fact {
	id, status := body.get("id"), strings.TrimPrefix(body.get("status"), "wcm-")
	f := fact{updated: body.at(wooModified).time(), enrich: "customer", data: wooMembershipData(body)}
	switch {
	case action == "deleted":
		return nil
	case action == "transferred":
		f.typ, f.id = "membership.transferred", id+":"+body.get("customer_id")
	case status == "active" || status == "complimentary" || status == "free_trial":
		f.typ, f.id, f.at = "membership.started", id, body.at("start_date_gmt|date_created_gmt").time()
	case status == "expired":
		f.typ, f.id, f.at = "membership.expired", id+":"+body.get("end_date_gmt"), body.at("end_date_gmt").time()
	case status == "cancelled":
		f.typ, f.id, f.at = "membership.cancelled", id+":"+body.get("cancelled_date_gmt"), body.at("cancelled_date_gmt").time()
	default:
		return nil
	}
	return []fact{f}
}

func wooMembershipData(body tree) events.Data {
	return events.Data{
		Contact: &events.Contact{ExternalID: body.get("customer_id")},
		Membership: &events.Membership{
			ID: body.get("id"), Plan: body.get("plan_id"), Status: body.get("status"),
			StartsAt: body.at("start_date_gmt").timeRef(), EndsAt: body.at("end_date_gmt").timeRef(),
		},
	}
}

// wooKept gives what is no fact of its own (an order set on hold, a product changed) as much of the canonical shape as
// there is.
func wooKept(body tree, resource, id string) []fact {
	f := fact{id: id, updated: body.at(wooModified).time()}
	f.at = f.updated
	switch resource {
	case "order":
		f.data = wooOrderData(body, "")
	case "subscription":
		f.data = wooSubscriptionData(body)
	case "user_membership":
		f.data, f.enrich = wooMembershipData(body), "customer"
	}
	return []fact{f}
}
