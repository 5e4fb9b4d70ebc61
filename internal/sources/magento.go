package sources

import (
	"net/http"
	"strings"
	"time"

	"bridge/internal/events"
)

// Mageplaza's webhook extension: method, address, body and headers are the merchant's own; it runs inside the shop's
// request and does not retry.
var mageplazaKind = &Kind{
	Name: "mageplaza", Title: "Magento with Mageplaza Webhook",
	Proof:   "Basic, a header that never changes (its static Digest is one), or the secret in the address",
	Methods: []string{http.MethodPost, http.MethodGet, http.MethodPut}, takes: []string{"token", "verify", "event", "enrich", "sweep"}, open: openMageplaza,
	Sweeps: magentoSweeps,
}

type mageplaza struct {
	magentoShop
	proof
	mapping *mapping
}

func openMageplaza(s *setup) sender {
	return &mageplaza{openMagentoShop(s), s.configured("Authorization"), openMapping(s)}
}

func (m *mageplaza) read(d *delivery) (reading, error) {
	body, err := d.body()
	if err != nil {
		return reading{}, malformed("the body cannot be read", err)
	}
	if m.mapping != nil {
		return m.mapping.read(d, body, "")
	}
	topic := d.queryValue("event")
	if topic == "" {
		topic = body.get("event|hook_type")
	}
	if inner := body.at("item|order|data"); !inner.empty() {
		body = inner
	}
	return readMagento(topic, "", body, time.Time{}), nil
}

var (
	magentoPerson = personPaths{
		email: "customer_email|email|subscriber_email|billing_address.email|addresses.0.email",
		first: "customer_firstname|firstname|billing_address.firstname|addresses.0.firstname",
		last:  "customer_lastname|lastname|billing_address.lastname|addresses.0.lastname",
		phone: "billing_address.telephone|addresses.0.telephone|telephone", company: "billing_address.company|addresses.0.company", id: "customer_id",
		line1: "billing_address.street.0|addresses.0.street.0|billing_address.street|addresses.0.street",
		line2: "billing_address.street.1|addresses.0.street.1",
		city:  "billing_address.city|addresses.0.city", region: "billing_address.region_code|billing_address.region|addresses.0.region",
		postal: "billing_address.postcode|addresses.0.postcode", country: "billing_address.country_id|addresses.0.country_id",
	}
	magentoOrder = orderPaths{
		id: "entity_id|order_id", number: "increment_id", total: "grand_total", tax: "tax_amount",
		shipping: "shipping_amount", currency: "order_currency_code|base_currency_code",
		status: "status|state", items: "items",
		item: itemPaths{sku: "sku", name: "name", quantity: "qty_ordered|qty", price: "price", product: "product_id"},
	}
)

// readMagento reads an order, invoice, credit memo, customer or newsletter subscription. Which fields are there depends
// on the merchant's subscription.
func readMagento(topic, id string, t tree, at time.Time) reading {
	short := topic[strings.LastIndexByte(topic, '.')+1:]
	got := reading{topic: short, id: id}
	created, updated := t.at("created_at").time(), t.at("updated_at").time()
	f := fact{id: id, at: or(at, updated), updated: or(updated, at), data: events.Data{Contact: magentoPerson.read(t)}}
	isNew := !created.IsZero() && created.Equal(updated)
	switch {
	case strings.Contains(short, "creditmemo"):
		magentoRefund(&f, t)
	case strings.Contains(short, "invoice"):
		f.data.Order = magentoOrder.read(t)
		f.data.Order.ID, f.data.Order.Number = t.get("order_id"), t.get("order_increment_id")
		if t.is("state", "2") || t.at("state").empty() { // 1 open, 2 paid, 3 cancelled
			f.typ, f.id, f.enrich = "order.paid", f.data.Order.ID, "order"
			f.must = f.data.Contact == nil || f.data.Contact.Email == "" // the order itself tells the same, and the buyer
		}
	case strings.Contains(short, "customer") && !strings.Contains(short, "login"):
		magentoCustomer(&f, t, isNew, strings.Contains(short, "delete"))
	case strings.Contains(short, "subscriber"):
		f.typ, f.id = "consent.updated", t.get("subscriber_id")+":"+t.get("subscriber_status")+":"+t.get("change_status_at")
		if f.data.Contact != nil {
			f.data.Contact.Consent = map[string]string{"1": "subscribed", "2": "not_active", "3": "unsubscribed", "4": "unconfirmed"}[t.get("subscriber_status")]
		}
	case strings.Contains(short, "abandoned_cart"), strings.Contains(short, "quote") && strings.Contains(short, "abandon"):
		f.typ, f.id, f.data.Order = "cart.abandoned", t.get("entity_id|id|quote_id"), magentoOrder.read(t)
	case strings.Contains(short, "order") || !t.at("grand_total").empty() && !t.at("increment_id").empty():
		got.facts = magentoOrderFacts(f, t, isNew || strings.Contains(short, "place") || short == "new_order")
		return got
	}
	if strings.Trim(f.id, ":") == "" {
		f.id = id
	}
	got.facts = []fact{f}
	return got
}

// magentoOrderFacts: one observer tells everything about an order. It is new when it was created and changed in the same
// second, and paid when what was paid covers it.
func magentoOrderFacts(f fact, t tree, isNew bool) []fact {
	o := magentoOrder.read(t)
	f.data.Order = o
	id := o.ID
	if id == "" {
		id = o.Number
	}
	if id == "" {
		return []fact{f}
	}
	kept := f.id
	f.at = or(t.at("created_at").time(), f.at) // every later save shows the same facts again
	f.subject = "order/" + o.Number
	var facts []fact
	add := func(typ string) {
		f.typ, f.id = typ, id
		facts = append(facts, f)
	}
	if isNew {
		add("order.created")
	}
	total, paid := o.Total.Decimal(), t.at("total_paid").money().Decimal()
	state := t.get("state|status")
	switch {
	case state == "canceled":
		add("order.cancelled")
	case state == "complete", state == "processing" && (t.at("total_paid").empty() || paid.GreaterThanOrEqual(total)):
		add("order.paid")
	}
	if len(facts) == 0 {
		f.at = f.updated
		f.typ, f.id = "", or2(kept, id+":"+t.get("updated_at"))
		facts = append(facts, f)
	}
	return facts
}

// or2 is the first text that is not empty.
func or2(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func magentoRefund(f *fact, t tree) {
	number, order := t.get("increment_id|entity_id"), t.get("order_id|invoice.order_id")
	currency := t.get("order_currency_code|invoice.order_currency_code")
	f.typ, f.id, f.enrich = "order.refunded", order+":"+number, "order"
	f.at = or(t.at("created_at").time(), f.at) // every later save tells the same refund
	f.data.Refund = &events.Refund{ID: number, OrderID: order, Amount: t.at("grand_total").money(), Currency: currency}
	f.data.Order = &events.Order{ID: order, Currency: currency}
}

func magentoCustomer(f *fact, t tree, isNew, deleted bool) {
	id := t.get("id|entity_id")
	if f.data.Contact != nil {
		f.data.Contact.ExternalID = id
	}
	switch {
	case deleted:
		f.typ, f.id = "customer.deleted", id
	case isNew:
		f.typ, f.id = "customer.created", id
	default:
		f.typ, f.id = "customer.updated", id+":"+t.get("updated_at")
	}
}
