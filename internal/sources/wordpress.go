package sources

import (
	"net/http"
	"strings"

	"bridge/internal/events"
)

// WordPress plugins whose bodies are the site's own design. WP Webhooks and Gravity Forms send once, in the background,
// and never again. Paid Memberships Pro and LearnDash have no webhooks of their own: a connector (WP Webhooks, Uncanny
// Automator, Zapier, a few lines of code) posts for them, and the names that it uses are read here.
var (
	wpWebhooksKind = &Kind{
		Name: "wp-webhooks", Title: "WP Webhooks",
		Proof:   "HMAC-SHA256 of the body, base64, in X-WP-Webhook-Signature where the trigger has a secret; else the secret in the address",
		Methods: post, takes: []string{"secret", "event", "fields"}, open: openWPWebhooks,
	}
	gravityformsKind = &Kind{
		Name: "gravityforms", Title: "Gravity Forms Webhooks add-on",
		Proof:   "a header value of the merchant's choice (verify.token names it), or the secret in the address",
		Methods: []string{http.MethodPost, http.MethodGet, http.MethodPut, http.MethodPatch, http.MethodDelete},
		Sweeps:  "entries made since, from /wp-json/gf/v2/entries",
		takes:   []string{"token", "verify", "event", "fields", "enrich", "sweep"}, open: openGravityForms,
	}
	pmproKind = &Kind{
		Name: "pmpro", Title: "Paid Memberships Pro (through a connector)",
		Proof: "as `verify` says, or the secret in the address", Methods: post,
		takes: []string{"token", "verify", "event", "fields"}, open: openWordPress,
	}
	learndashKind = &Kind{
		Name: "learndash", Title: "LearnDash (through a connector)",
		Proof: "as `verify` says, or the secret in the address", Methods: post,
		takes: []string{"token", "verify", "event", "fields"}, open: openWordPress,
	}
	plusthisKind = &Kind{
		Name: "plusthis", Title: "PlusThis, and Keap's own campaign HTTP post",
		Proof: "as `verify` says (a field, usually), or the secret in the address", Retries: "Keap tries a few times until it gets a 200",
		Methods: postAndGet, takes: []string{"token", "verify", "event", "fields"}, open: openWordPress,
	}
)

// wordpress reads bodies that a merchant or a connector designed: by `event:` or `fields:` where the configuration has
// them, by the usual names otherwise.
type wordpress struct {
	proof
	kind    string
	mapping *mapping
	form    *form
}

func openWordPress(s *setup) sender {
	return &wordpress{s.configured(""), s.kind.Name, openMapping(s), openForm(s)}
}

func openWPWebhooks(s *setup) sender {
	w := &wordpress{kind: s.kind.Name, mapping: openMapping(s), form: openForm(s)}
	switch {
	case len(s.cfg.Secret) > 0:
		w.proof = base64HMAC(s.secrets(), "X-WP-Webhook-Signature")
	default:
		w.proof = s.address()
	}
	return w
}

// answer: Keap's campaign posts repeat until they get a 200.
func (w *wordpress) answer() Reply {
	if w.kind == "plusthis" {
		return Reply{Status: http.StatusOK}
	}
	return Reply{}
}

// wordpressTypes by the names of triggers and hooks, as plainWord writes them.
var wordpressTypes = map[string]string{
	"user_register": "customer.created", "create_user": "customer.created", "user_created": "customer.created", "profile_update": "customer.updated",
	"update_user": "customer.updated", "user_updated": "customer.updated", "delete_user": "customer.deleted", "deleted_user": "customer.deleted",
	"pmpro_after_checkout": "order.paid", "pmpro_added_order": "order.created", "pmpro_subscription_payment_completed": "subscription.renewed",
	"pmpro_subscription_payment_failed": "subscription.payment_failed", "pmpro_membership_post_membership_expiry": "membership.expired",
	"pmpro_membership_expired": "membership.expired", "pmpro_after_change_membership_level": "membership.started",
	"changed_membership_level":       "membership.started",
	"learndash_update_course_access": "membership.started", "ld_course_enrolled": "membership.started", "course_enrolled": "membership.started",
	"user_enrolled_in_course": "membership.started", "ld_course_access_expired": "membership.expired", "course_access_expired": "membership.expired",
	"learndash_user_course_access_expired": "membership.expired", "ld_group_joined": "membership.started",
	"form_submission": "lead.submitted", "form_submitted": "lead.submitted", "lead_submitted": "lead.submitted",
	"cf7_submit": "lead.submitted", "contact_form": "lead.submitted",
}

var wordpressMembership = struct{ id, plan, status, starts, ends string }{
	"membership_id|level_id|course_id|membership_level.id|membership_level.ID|level.id|group_id|data.course_id|data.membership_id",
	"membership_name|level_name|course_title|course_name|membership_level.name|level.name|group_name|data.course_title|data.membership_name",
	"status|membership_status|data.status", "startdate|start_date|enrolled_at|data.start_date", "enddate|end_date|expires_at|data.end_date",
}

func (w *wordpress) read(d *delivery) (reading, error) {
	body, err := d.body()
	if err != nil {
		return reading{}, malformed("the body cannot be read", err)
	}
	entry := "" // the sender's own id
	if id := body.get("id|entry_id"); w.kind == "gravityforms" && id != "" {
		entry = body.get("form_id") + ":" + id
	}
	if w.mapping != nil {
		return w.mapping.read(d, body, entry)
	}
	topic := plainWord(body.get("event|event_type|trigger|hook|action|webhook_name|data.event"))
	f := fact{typ: wordpressTypes[topic], at: body.at("event_time|timestamp|created_at").time()}
	switch {
	case w.kind == "gravityforms":
		f.typ, topic = "lead.submitted", "form"
		f.id, f.at = entry, body.at("date_created").time()
	case f.typ == "" && w.form != nil:
		f.typ = "lead.submitted"
	case f.typ == "" && isCanonical(body.get("event|event_type")):
		f.typ = body.get("event|event_type")
	}
	f.data = w.data(body, f.typ)
	if o := f.data.Order; o != nil && o.ID != "" && (strings.HasPrefix(f.typ, "order.") || strings.HasPrefix(f.typ, "subscription.")) {
		f.id = o.ID // every payment is an order of its own
	}
	group, _, _ := strings.Cut(f.typ, ".")
	if group == "membership" && f.data.Membership != nil && f.data.Membership.ID == "0" { // Paid Memberships Pro: level 0 is none
		f.typ = "membership.cancelled"
	}
	return reading{topic: topic, facts: []fact{f}}, nil
}

func (w *wordpress) data(body tree, typ string) events.Data {
	var data events.Data
	switch {
	case w.form != nil:
		data.Contact = w.form.contact(body)
	case w.kind == "gravityforms":
		data.Contact = gravityContact(body)
	default:
		data.Contact = anyContact.read(body)
	}
	if id := body.get("contactId|contact_id|Contact.Id|user_id|user.ID|user.id|data.user_id|data.ID"); id != "" {
		if data.Contact == nil {
			data.Contact = &events.Contact{}
		}
		data.Contact.ExternalID = id
	}
	m := wordpressMembership
	if id := body.get(m.id); id != "" || body.get(m.plan) != "" {
		data.Membership = &events.Membership{
			ID: id, Plan: body.get(m.plan), Status: body.get(m.status), StartsAt: body.at(m.starts).timeRef(), EndsAt: body.at(m.ends).timeRef(),
		}
	}
	if total := body.at("total|order_total|order.total|payment_amount|data.total"); !total.empty() || strings.HasPrefix(typ, "order.") {
		data.Order = &events.Order{
			ID: body.get("order_id|order.id|order.code|code|transaction_id|data.order_id"), Total: total.money(),
			Currency: strings.ToUpper(body.get("currency|order.currency|data.currency")),
			Status:   body.get("payment_status|order.status"), Coupons: body.at("discount_code|coupon").one(),
		}
		data.Order.Number = data.Order.ID
	}
	return data
}
