package sources

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"bridge/internal/events"
)

// PayPal IPN, the older way: a form whose charset stands in one of its fields, without any signature. PayPal is asked,
// with the very same bytes, whether it sent them. That happens behind the durable line, before anything is routed: until
// then the event proves nothing, so its address should have a secret too.
var paypalIPNKind = &Kind{
	Name: "paypal-ipn", Title: "PayPal Instant Payment Notification",
	Proof:   "post-back of the whole message to PayPal (VERIFIED or INVALID) before it is routed; receiver and, where given, the secret in the address",
	Retries: "up to 16 times", SwitchesOff: "IPN may be disabled after lasting failures, with a mail to the account's owner",
	Thin:    "the post-back itself",
	Methods: post, takes: []string{"receivers", "enrich"}, open: openPayPalIPN,
}

type paypalIPN struct {
	addressProof
	receivers []string
	client    *http.Client
	url       string // of the post-back; "" by the message's own test_ipn
}

func openPayPalIPN(s *setup) sender {
	p := &paypalIPN{client: s.deps.HTTP}
	if p.client == nil {
		s.mistake("kind", "post-backs cannot be made here")
	}
	for _, r := range s.cfg.Receivers {
		p.receivers = append(p.receivers, strings.ToLower(r))
	}
	if len(p.receivers) == 0 {
		s.mistake("receivers", "give the e-mail addresses or merchant ids that payments go to: VERIFIED only says that somebody's payment was real")
	}
	if s.cfg.Enrich != nil {
		p.url = s.cfg.Enrich.URL
	}
	return p
}

// answer: PayPal wants an empty 200.
func (*paypalIPN) answer() Reply {
	return Reply{Status: http.StatusOK, ContentType: "text/plain", Body: []byte{}}
}

var ipnPerson = personPaths{
	email: "payer_email", first: "first_name", last: "last_name", phone: "contact_phone", company: "payer_business_name", id: "payer_id",
	line1: "address_street", city: "address_city", region: "address_state", postal: "address_zip", country: "address_country_code",
}

// ipnTypes by txn_type; payments and refunds are told by payment_status.
var ipnTypes = map[string]string{
	"subscr_signup": "subscription.started", "recurring_payment_profile_created": "subscription.started",
	"subscr_cancel": "subscription.cancelled", "recurring_payment_profile_cancel": "subscription.cancelled",
	"subscr_eot": "subscription.expired", "recurring_payment_expired": "subscription.expired",
	"subscr_failed": "subscription.payment_failed", "recurring_payment_failed": "subscription.payment_failed",
	"recurring_payment_skipped":   "subscription.payment_failed",
	"recurring_payment_suspended": "subscription.paused", "recurring_payment_suspended_due_to_max_failed_payment": "subscription.paused",
	"new_case": "dispute.opened",
}

func (p *paypalIPN) read(d *delivery) (reading, error) {
	body, err := d.body()
	if err != nil {
		return reading{}, malformed("the body cannot be read", err)
	}
	topic, status := body.get("txn_type"), body.get("payment_status")
	got := reading{topic: topic}
	if topic == "" {
		got.topic = status
	}
	at := ipnTime(body.get("payment_date|subscr_date|time_created|case_creation_date"))
	id := body.get("txn_id")
	f := fact{id: id + ":" + topic + ":" + status, at: at, updated: at, must: true, enrich: enrichIPN(d.Body), data: ipnData(body, at)}
	sub := body.get("subscr_id|recurring_payment_id")
	switch {
	case status == "Refunded" || status == "Reversed":
		f.typ, f.id = "order.refunded", id
		f.data.Refund = &events.Refund{
			ID: id, OrderID: body.get("parent_txn_id"), Amount: positive(body.at("mc_gross").money()),
			Currency: body.get("mc_currency"), Reason: body.get("reason_code"),
		}
		f.data.Order.ID, f.data.Order.Total = f.data.Refund.OrderID, ""
	case status == "Completed" && sub != "":
		f.typ, f.id = "subscription.renewed", id
	case status == "Completed":
		f.typ, f.id = "order.paid", id
	case status == "Denied" || status == "Failed" || status == "Expired" || status == "Voided":
		f.typ, f.id = "order.failed", id
	case ipnTypes[topic] != "":
		f.typ, f.id = ipnTypes[topic], sub
		if f.typ == "subscription.payment_failed" || f.typ == "subscription.paused" {
			f.id += ":" + body.get("ipn_track_id")
		}
		if topic == "new_case" {
			f.id = body.get("case_id|ipn_track_id")
		}
	}
	got.facts = []fact{f}
	return got, nil
}

func ipnData(body tree, at time.Time) events.Data {
	currency := body.get("mc_currency")
	order := &events.Order{
		ID: body.get("txn_id"), Number: body.get("invoice|custom"), Total: body.at("mc_gross|mc_gross_1").money(), Tax: body.at("tax").money(),
		Shipping: body.at("mc_shipping|shipping").money(), Currency: currency, Status: body.get("payment_status"),
	}
	if body.is("payment_status", "Completed") && !at.IsZero() {
		order.PaidAt = &at
	}
	for n := range 100 { // item_name, or item_name1, item_name2 …
		suffix := ""
		if n > 0 {
			suffix = fmt.Sprint(n)
		}
		paths := itemPaths{sku: "item_number" + suffix, name: "item_name" + suffix, quantity: "quantity" + suffix, lineTotal: "mc_gross_" + suffix}
		if n == 0 {
			paths.lineTotal = "mc_gross"
		}
		item, ok := paths.read(body, false, currency)
		if ok {
			order.Items = append(order.Items, item)
		} else if n > 0 {
			break
		}
	}
	data := events.Data{Contact: ipnPerson.read(body), Order: order}
	if data.Contact != nil && data.Contact.Address != nil {
		a := data.Contact.Address // two lines in one field
		a.Line1, a.Line2, _ = strings.Cut(strings.ReplaceAll(a.Line1, "\r\n", "\n"), "\n")
	}
	if sub := body.get("subscr_id|recurring_payment_id"); sub != "" {
		data.Subscription = &events.Subscription{
			ID: sub, Plan: body.get("item_number|product_name|item_name"),
			Amount: body.at("mc_amount3|amount3|amount|mc_gross").money(), Currency: currency,
		}
	}
	return data
}

// pacific is the zone of all IPN times; PST and PDT say how far it is from UTC.
var pacific = strings.NewReplacer(" PST", " -0800", " PDT", " -0700")

// ipnTime reads "14:48:34 Feb 08, 2018 PST".
func ipnTime(text string) time.Time {
	at, err := time.Parse("15:04:05 Jan 02, 2006 -0700", pacific.Replace(text))
	if err != nil {
		return time.Time{}
	}
	return at.UTC()
}

// enrichIPN carries the message for the post-back. It has to be the bytes that came, in their order and charset.
func enrichIPN(body []byte) string { return "postback:" + string(toUTF8(body, "")) }

// errInvalidIPN says that PayPal did not send it.
var errInvalidIPN = errors.New("PayPal answered INVALID: it did not send this message")

// enrich asks PayPal whether it sent the message, and drops what was not meant for us.
func (p *paypalIPN) enrich(ctx context.Context, e *events.Event) error {
	message, ok := strings.CutPrefix(e.Enrich, "postback:")
	if !ok {
		return nil
	}
	fields, err := decodeForm(message, "")
	if err != nil {
		return fmt.Errorf("post-back: %w", err)
	}
	form := newTree(fields)
	if !p.ours(form) {
		return errors.New("the payment went to another receiver than `receivers` names")
	}
	url := p.url
	if url == "" {
		url = "https://ipnpb.paypal.com/cgi-bin/webscr"
		if form.is("test_ipn", "1") {
			url = "https://ipnpb.sandbox.paypal.com/cgi-bin/webscr"
		}
	}
	answer, err := postback(ctx, p.client, url, "cmd=_notify-validate&"+message)
	switch {
	case err != nil:
		return &Later{Err: err}
	case strings.TrimSpace(answer) == "VERIFIED":
		return nil
	case strings.TrimSpace(answer) == "INVALID":
		return errInvalidIPN
	}
	return &Later{Err: errors.New("PayPal answered neither VERIFIED nor INVALID")}
}

func (p *paypalIPN) ours(form tree) bool {
	for _, name := range []string{"receiver_email", "receiver_id", "business"} {
		given := strings.ToLower(form.get(name))
		for _, r := range p.receivers {
			if given != "" && given == r {
				return true
			}
		}
	}
	return false
}
