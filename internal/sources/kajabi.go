package sources

import (
	"strings"

	"bridge/internal/events"
)

// Kajabi: outbound webhooks of its screens (a flat payload) and API hooks (a list of JSON:API resources). Nothing is
// signed, so the address has to be secret. There are no events for refunds and cancellations. Of purchase and payment
// subscribe to one.
var kajabiKind = &Kind{
	Name: "kajabi", Title: "Kajabi",
	Proof: "the secret in the address", Retries: "not documented",
	Methods: post, open: func(s *setup) sender { return &kajabi{s.address()} },
}

type kajabi struct{ proof }

var (
	kajabiTypes = map[string]string{
		"purchase.created": "order.paid", "payment.succeeded": "order.paid", "cart_purchase.created": "order.paid",
		"form_submission.created": "lead.submitted",
		"purchase":                "order.paid", "payment_succeeded": "order.paid", "order_created": "order.created", "form_submission": "lead.submitted",
	}
	kajabiPerson = personPaths{
		email: "member_email|email|Email", first: "member_first_name|first_name|First Name",
		last: "member_last_name|last_name|Last Name", name: "member_name|name|Name",
		phone: "contact_phone_number|phone_number|phone|Phone Number", id: "member_id", line1: "contact_address_line_1|address_line_1",
		line2: "contact_address_line_2|address_line_2", city: "contact_address_city|address_city", region: "contact_address_state|address_state",
		postal: "contact_address_zip|address_zip", country: "contact_address_country|address_country",
	}
)

func (*kajabi) read(d *delivery) (reading, error) {
	body, err := d.body()
	if err != nil {
		return reading{}, malformed("the body cannot be read", err)
	}
	topic, payload := body.get("event"), body.at("payload")
	f := fact{typ: kajabiTypes[topic]}
	if _, list := payload.v.([]any); list {
		kajabiResources(&f, payload)
	} else {
		kajabiFlat(&f, payload, body.get("id"))
	}
	if f.typ == "" {
		f.id = ""
	}
	return reading{topic: topic, facts: []fact{f}}, nil
}

func kajabiFlat(f *fact, p tree, id string) {
	f.id, f.at = id, p.at("created_at").time()
	f.data.Contact = kajabiPerson.read(p)
	if f.typ == "lead.submitted" {
		f.data.Contact = formContact(p, f.data.Contact)
		return
	}
	currency := strings.ToUpper(p.get("currency"))
	total := p.at("amount_paid").minor(currency)
	if total == "" {
		total = p.at("amount_paid_decimal").money()
	}
	transaction := p.get("transaction_id")
	f.id = or2(transaction, id)
	f.data.Order = &events.Order{
		ID: f.id, Total: total, Currency: currency, Coupons: p.at("coupon_code").one(),
		Items: []events.Item{{SKU: p.get("offer_id"), Name: p.get("offer_title"), Quantity: max(1, p.at("quantity").int()), ProductID: p.get("offer_id")}},
	}
	if sub := p.get("subscription_id"); sub != "" {
		f.data.Subscription = &events.Subscription{ID: sub, Plan: p.get("offer_title"), Amount: total, Currency: currency}
	}
}

// formContact keeps every field of a form under its own name.
func formContact(p tree, c *events.Contact) *events.Contact {
	m, ok := p.v.(map[string]any)
	if !ok {
		return c
	}
	if c == nil {
		c = &events.Contact{}
	}
	c.Fields = map[string]string{}
	for name := range m {
		if text := p.get(name); text != "" && text != c.Email && text != c.FirstName && text != c.LastName && text != c.Phone {
			c.Fields[name] = text
		}
	}
	return orNil(c)
}

func kajabiResources(f *fact, list tree) {
	person := list.find("type", "customers")
	if person.empty() {
		person = list.find("type", "contacts")
	}
	attributes := person.at("attributes")
	f.data.Contact = kajabiPerson.read(attributes)
	if f.data.Contact != nil {
		f.data.Contact.ExternalID = person.get("id")
	}
	for _, typ := range []string{"purchases", "transactions", "orders"} {
		r := list.find("type", typ)
		if r.empty() {
			continue
		}
		a := r.at("attributes")
		currency := strings.ToUpper(a.get("currency"))
		f.id, f.at = typ+":"+r.get("id")+":"+a.get("created_at"), a.at("created_at").time()
		f.data.Order = &events.Order{
			ID: r.get("id"), Total: a.at("amount_in_cents|total_price_in_cents|total_in_cents").minor(currency),
			Tax:      a.at("sales_tax_in_cents").minor(currency),
			Currency: currency, Status: a.get("state"), Coupons: a.at("coupon_code").one(),
		}
		if offer := list.find("type", "offers"); !offer.empty() {
			f.data.Order.Items = []events.Item{{
				SKU: offer.get("id"), Name: offer.get("attributes.title"), Quantity: max(1, a.at("quantity").int()), ProductID: offer.get("id"),
			}}
		}
		return
	}
	if form := list.find("type", "form_submissions"); !form.empty() {
		f.id, f.at = form.get("id"), form.at("attributes.created_at").time()
		if f.data.Contact == nil {
			f.data.Contact = kajabiPerson.read(form.at("attributes"))
		}
	}
}
