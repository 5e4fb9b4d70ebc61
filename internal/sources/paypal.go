package sources

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"hash/crc32"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"bridge/internal/events"
)

// PayPal signs transmission id | time | our webhook's id | CRC-32 of the body with RSA; the certificate stands at an
// address in the headers, which therefore has to be PayPal's own. Retries go on for 3 days with the time of the first
// attempt, so there is no window for replays. Captures, sales and disputes name no buyer.
var paypalKind = &Kind{
	Name: "paypal", Title: "PayPal webhooks",
	Proof:   "RSA-SHA256 over id|time|webhook_id|CRC-32, certificate fetched from PayPal's hosts only and checked up to its root",
	Retries: "25 times within 3 days",
	Thin:    "captures, sales and disputes name no buyer: enrich asks /v2/checkout/orders and /v1/billing/subscriptions",
	Methods: post, takes: []string{"webhook_id", "enrich"}, open: openPayPal,
}

type paypal struct {
	webhookID string
	keys      keys
	roots     *x509.CertPool
	now       func() time.Time
	api       *paypalAPI // nil without enrich
}

func openPayPal(s *setup) sender {
	if s.cfg.WebhookID == "" {
		s.mistake("webhook_id", "give the webhook's own id, as PayPal's dashboard shows it: it is part of what is signed")
	}
	if s.deps.Certificates == nil && s.deps.Rehearsal == nil {
		s.mistake("kind", "certificates cannot be fetched here")
	}
	return &paypal{
		webhookID: s.cfg.WebhookID, keys: keys{s.deps.Certificates, s.deps.Rehearsal}, roots: s.deps.Roots, now: s.deps.Now, api: openPayPalAPI(s),
	}
}

var paypalHosts = []string{"api.paypal.com", "api-m.paypal.com", "api.sandbox.paypal.com", "api-m.sandbox.paypal.com"}

const paypalCertPath = "/v1/notifications/certs/"

func (p *paypal) verify(ctx context.Context, d *delivery) error {
	h := d.Header
	if algorithm := h.Get("Paypal-Auth-Algo"); algorithm != "SHA256withRSA" {
		return notAuthentic("the algorithm %.20q is not SHA256withRSA", algorithm)
	}
	signature, err := base64.StdEncoding.DecodeString(h.Get("Paypal-Transmission-Sig"))
	if err != nil || len(signature) < 128 {
		return notAuthentic("no signature in PAYPAL-TRANSMISSION-SIG")
	}
	key, err := p.key(ctx, h.Get("Paypal-Cert-Url"))
	if err != nil {
		return err
	}
	if err := verifyRSA(key, signature, p.message(h, d.Body)); err != nil {
		return notAuthentic("the signature is another one: webhook_id is not this webhook's, or the body was changed on its way: %w", err)
	}
	return nil
}

func (p *paypal) message(h http.Header, body []byte) []byte {
	sum := strconv.FormatUint(uint64(crc32.ChecksumIEEE(body)), 10)
	return []byte(strings.Join([]string{h.Get("Paypal-Transmission-Id"), h.Get("Paypal-Transmission-Time"), p.webhookID, sum}, "|"))
}

// key fetches the certificate and checks that it is PayPal's.
func (p *paypal) key(ctx context.Context, address string) (*rsa.PublicKey, error) {
	if err := pinned(address, paypalHosts, paypalCertPath); err != nil {
		return nil, err
	}
	u, err := url.Parse(address)
	if err != nil {
		return nil, notAuthentic("the certificate's address cannot be read")
	}
	text, rehearsed, err := p.keys.get(ctx, u.Host, paypalCertPath, strings.TrimPrefix(u.Path, paypalCertPath))
	if err != nil {
		return nil, fmt.Errorf("PayPal's certificate could not be fetched: %w", err) // no refusal: PayPal tries again
	}
	leaf, others, err := chain(text)
	if err != nil {
		return nil, fmt.Errorf("PayPal's certificate cannot be read: %w", err)
	}
	roots := p.roots
	if rehearsed {
		roots = p.keys.rehearsal.roots
	}
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: others, CurrentTime: p.now()}); err != nil {
		return nil, notAuthentic("the certificate is not to be trusted: %w", err)
	}
	name := leaf.Subject.CommonName
	if len(leaf.DNSNames) > 0 {
		name = leaf.DNSNames[0]
	}
	if !strings.HasSuffix(name, ".paypal.com") {
		return nil, notAuthentic("the certificate is made out to %q", name)
	}
	key, ok := leaf.PublicKey.(*rsa.PublicKey)
	if !ok {
		return nil, notAuthentic("the certificate's key is not RSA")
	}
	return key, nil
}

func (p *paypal) sign(out *Signed, now time.Time) error {
	if p.keys.rehearsal == nil {
		return errNoRehearsal
	}
	out.Header.Set("Paypal-Transmission-Id", bodyID(out.Body))
	out.Header.Set("Paypal-Transmission-Time", now.UTC().Format(time.RFC3339))
	out.Header.Set("Paypal-Auth-Algo", "SHA256withRSA")
	out.Header.Set("Paypal-Auth-Version", "v2")
	out.Header.Set("Paypal-Cert-Url", "https://"+paypalHosts[0]+paypalCertPath+rehearsalPath)
	signature, err := p.keys.rehearsal.sign(p.message(out.Header, out.Body))
	out.Header.Set("Paypal-Transmission-Sig", base64.StdEncoding.EncodeToString(signature))
	return err
}

func (p *paypal) read(d *delivery) (reading, error) {
	body, err := d.body()
	if err != nil {
		return reading{}, malformed("the body cannot be read", err)
	}
	topic, r := body.get("event_type"), body.at("resource")
	got := reading{topic: topic, id: body.get("id")}
	at := body.at("create_time").time()
	f := fact{id: got.id, at: at, updated: or(r.at("update_time").time(), at)}
	switch {
	case strings.HasPrefix(topic, "PAYMENT.CAPTURE."), strings.HasPrefix(topic, "PAYMENT.SALE."), strings.HasPrefix(topic, "PAYMENT.REFUND"):
		paypalPayment(&f, topic, r)
	case strings.HasPrefix(topic, "CHECKOUT.ORDER."):
		paypalOrder(&f, topic, r)
	case strings.HasPrefix(topic, "BILLING.SUBSCRIPTION."):
		paypalSubscription(&f, topic, r)
	case strings.HasPrefix(topic, "INVOICING.INVOICE."):
		paypalInvoice(&f, topic, r)
	case topic == "CUSTOMER.DISPUTE.CREATED", topic == "RISK.DISPUTE.CREATED":
		f.typ, f.id, f.enrich = "dispute.opened", r.get("dispute_id"), "capture"
		amount := r.at("dispute_amount")
		f.data.Refund = &events.Refund{
			ID: r.get("dispute_id"), OrderID: r.get("disputed_transactions.0.seller_transaction_id"), Amount: amount.at("value").money(),
			Currency: amount.get("currency_code"), Reason: r.get("reason"),
		}
	}
	got.facts = []fact{f}
	return got, nil
}

// paypalAmount reads {value, currency_code} (v2) or {total, currency} (v1).
func paypalAmount(t tree) (events.Money, string) {
	return t.at("value|total").money(), t.get("currency_code|currency")
}

// paypalPayment: a capture (v2) and a sale (v1) are payments. Sales of a billing agreement renew a subscription.
func paypalPayment(f *fact, topic string, r tree) {
	id := r.get("id")
	total, currency := paypalAmount(r.at("amount"))
	order := &events.Order{ID: id, Number: r.get("invoice_id|invoice_number|custom_id|custom"), Total: total, Currency: currency, Status: r.get("status|state")}
	if related := r.get("supplementary_data.related_ids.order_id"); related != "" {
		order.ID, f.enrich = related, "order"
	}
	f.data.Order = order
	agreement := r.get("billing_agreement_id")
	if agreement != "" {
		f.data.Subscription = &events.Subscription{ID: agreement, Amount: total, Currency: currency}
		f.enrich = "subscription"
	}
	switch topic[strings.LastIndexByte(topic, '.')+1:] {
	case "COMPLETED":
		f.typ, f.id, f.must = "order.paid", id, f.enrich == "order" // CHECKOUT.ORDER.COMPLETED tells the same, and the buyer
		if agreement != "" {
			f.typ, f.must = "subscription.renewed", false
		}
		when := or(r.at("create_time").time(), f.at)
		order.PaidAt = &when
	case "DENIED", "DECLINED":
		f.typ, f.id = "order.failed", id
		if agreement != "" {
			f.typ = "subscription.payment_failed"
		}
	case "REFUNDED":
		f.typ, f.id = "order.refunded", id // the resource is the refund itself
		f.data.Refund = &events.Refund{ID: id, OrderID: paypalUp(r), Amount: positive(total), Currency: currency, Reason: r.get("note_to_payer|reason_code")}
		order.ID, order.Total = f.data.Refund.OrderID, ""
		if f.enrich == "" {
			f.enrich = "capture"
		}
	case "REVERSED":
		f.typ, f.id = "dispute.opened", id
		f.data.Refund = &events.Refund{ID: id, OrderID: paypalUp(r), Amount: positive(total), Currency: currency, Reason: r.get("reason_code|status_details.reason")}
	}
}

// paypalUp is the payment that a refund belongs to: v1 names it, v2 links to it.
func paypalUp(r tree) string {
	if id := r.get("sale_id|capture_id|parent_payment"); id != "" {
		return id
	}
	href := r.at("links").find("rel", "up").get("href")
	return href[strings.LastIndexByte(href, '/')+1:]
}

var paypalPayer = personPaths{
	email: "payer.email_address|subscriber.email_address|payer.payer_info.email",
	first: "payer.name.given_name|subscriber.name.given_name|payer.payer_info.first_name",
	last:  "payer.name.surname|subscriber.name.surname|payer.payer_info.last_name", id: "payer.payer_id|subscriber.payer_id|payer.payer_info.payer_id",
	phone: "payer.phone.phone_number.national_number|subscriber.phone.phone_number.national_number",
	line1: paypalAddress("address_line_1", "line1"), line2: paypalAddress("address_line_2", "line2"), city: paypalAddress("admin_area_2", "city"),
	region: paypalAddress("admin_area_1", "state"), postal: paypalAddress("postal_code", "postal_code"),
	country: paypalAddress("country_code", "country_code"),
}

func paypalAddress(v2, v1 string) string {
	return "purchase_units.0.shipping.address." + v2 + "|subscriber.shipping_address.address." + v2 + "|payer.address." + v2 +
		"|payer.payer_info.shipping_address." + v1 + "|shipping_address." + v1
}

var paypalUnit = orderPaths{
	number: "invoice_id|custom_id|reference_id", total: "amount.value", tax: "amount.breakdown.tax_total.value",
	shipping: "amount.breakdown.shipping.value",
	discount: "amount.breakdown.discount.value", currency: "amount.currency_code", items: "items",
	item: itemPaths{sku: "sku", name: "name", quantity: "quantity", price: "unit_amount.value"},
}

// paypalOrder: an approved order is not paid yet. A completed one is paid by its capture, and has the capture's id, so
// that CHECKOUT.ORDER.COMPLETED and PAYMENT.CAPTURE.COMPLETED are one fact.
func paypalOrder(f *fact, topic string, r tree) {
	order := paypalUnit.read(r.at("purchase_units.0"))
	order.ID, order.Status = r.get("id"), r.get("status")
	f.data = events.Data{Contact: paypalPayer.read(r), Order: order}
	switch strings.TrimPrefix(topic, "CHECKOUT.ORDER.") {
	case "APPROVED":
		f.typ, f.id = "order.created", order.ID
	case "COMPLETED":
		f.typ, f.id = "order.paid", order.ID
		if capture := r.get("purchase_units.0.payments.captures.0.id"); capture != "" {
			f.id = capture
		}
		f.data.Order.PaidAt = r.at("purchase_units.0.payments.captures.0.create_time|update_time").timeRef()
	case "VOIDED", "DECLINED":
		f.typ, f.id = "order.cancelled", order.ID
	}
}

var paypalStates = map[string]string{
	"ACTIVATED": "subscription.started", "RE-ACTIVATED": "subscription.resumed", "CANCELLED": "subscription.cancelled",
	"SUSPENDED": "subscription.paused",
	"EXPIRED":   "subscription.expired", "PAYMENT.FAILED": "subscription.payment_failed",
}

// paypalSubscription: created only means that the buyer was sent to PayPal; activated is the start.
func paypalSubscription(f *fact, topic string, r tree) {
	id := r.get("id")
	amount, currency := paypalAmount(r.at("billing_info.last_payment.amount|billing_info.last_failed_payment.amount"))
	f.data = events.Data{
		Contact: paypalPayer.read(r),
		Subscription: &events.Subscription{
			ID: id, Status: r.get("status|state"), Plan: r.get("plan_id|description"), Amount: amount, Currency: currency,
			NextAt: r.at("billing_info.next_billing_time|agreement_details.next_billing_date").timeRef(),
			EndsAt: r.at("billing_info.final_payment_time|agreement_details.final_payment_due_date").timeRef(),
		},
	}
	action := strings.TrimPrefix(topic, "BILLING.SUBSCRIPTION.")
	if f.typ = paypalStates[action]; f.typ == "" {
		return
	}
	switch action {
	case "ACTIVATED", "CANCELLED", "EXPIRED":
		f.id = id
	default: // these can happen again
		f.id = id + ":" + f.id
	}
	if f.data.Contact == nil || f.data.Contact.Email == "" {
		f.enrich = "subscription"
	}
}

func paypalInvoice(f *fact, topic string, r tree) {
	if inner := r.at("invoice"); !inner.empty() {
		r = inner
	}
	total, currency := paypalAmount(r.at("amount|total_amount"))
	id := r.get("id")
	recipient := r.at("primary_recipients.0.billing_info|billing_info.0")
	f.data = events.Data{
		Contact: (&personPaths{
			email: "email_address|email", first: "name.given_name|first_name", last: "name.surname|last_name", company: "business_name",
		}).read(recipient),
		Order: &events.Order{
			ID: id, Number: r.get("detail.invoice_number|number"), Total: total, Currency: currency, Status: r.get("status"),
			URL: r.get("detail.metadata.recipient_view_url|metadata.payer_view_url"),
		},
	}
	switch strings.TrimPrefix(topic, "INVOICING.INVOICE.") {
	case "PAID":
		f.typ, f.id = "order.paid", id
	case "CANCELLED":
		f.typ, f.id = "order.cancelled", id
	case "REFUNDED":
		f.typ, f.id = "order.refunded", id+":"+r.get("refunds.refund_amount.value")
		amount, currency := paypalAmount(r.at("refunds.refund_amount"))
		f.data.Refund = &events.Refund{OrderID: id, Amount: amount, Currency: currency}
	}
}

// errNoBuyer says that PayPal does not tell either.
var errNoBuyer = errors.New("PayPal names no buyer for it")

// enrich asks who paid.
func (p *paypal) enrich(ctx context.Context, e *events.Event) error {
	var path string
	switch {
	case p.api == nil:
		return awaitTwin(e, p.now(), "CHECKOUT.ORDER.COMPLETED, which names the buyer")
	case e.Enrich == "subscription" && e.Data.Subscription != nil:
		path = "/v1/billing/subscriptions/" + url.PathEscape(e.Data.Subscription.ID)
	case e.Enrich == "order" && e.Data.Order != nil:
		path = "/v2/checkout/orders/" + url.PathEscape(e.Data.Order.ID)
	case e.Data.Refund != nil && e.Data.Refund.OrderID != "":
		capture, err := p.api.get(ctx, "/v2/payments/captures/"+url.PathEscape(e.Data.Refund.OrderID))
		if err != nil {
			return fmt.Errorf("capture: %w", err)
		}
		id := capture.get("supplementary_data.related_ids.order_id")
		if id == "" {
			return errNoBuyer
		}
		path = "/v2/checkout/orders/" + url.PathEscape(id)
	default:
		return errNoBuyer
	}
	found, err := p.api.get(ctx, path)
	if err != nil {
		return fmt.Errorf("buyer: %w", err)
	}
	contact := paypalPayer.read(found)
	if contact == nil || contact.Email == "" {
		return errNoBuyer
	}
	e.Data.Contact = contact
	if o := paypalUnit.read(found.at("purchase_units.0")); e.Data.Order != nil && len(e.Data.Order.Items) == 0 {
		e.Data.Order.Items = o.Items
	}
	return nil
}
