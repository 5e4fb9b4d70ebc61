package sources

import (
	"maps"
	"slices"
	"strings"
	"time"

	"bridge/internal/events"
)

// mapping is a compiled Template: what a body of the merchant's own design means.
type mapping struct {
	typ, id, at, updated filled
	parts                map[string]any // nested maps of filled, by the members of events.Data
	each                 string
	item                 map[string]filled
}

// filled fills one text from the variables; "" when it cannot.
type filled func(vars map[string]any) string

// allowed names what each part of a Template may set; a nil list allows any name.
var allowed = map[string][]string{
	"contact":         {"email", "first_name", "last_name", "name", "phone", "company", "external_id", "consent", "address", "fields"},
	"contact.address": {"line1", "line2", "city", "region", "postal_code", "country"},
	"contact.fields":  nil,
	"order":           {"id", "number", "total", "tax", "shipping", "discount", "currency", "status", "paid_at", "url", "coupons"},
	"items.item":      {"sku", "name", "quantity", "price", "product_id"},
	"subscription":    {"id", "status", "plan", "amount", "currency", "next_at", "ends_at"},
	"membership":      {"id", "plan", "status", "starts_at", "ends_at"},
	"refund":          {"id", "order_id", "amount", "currency", "reason"},
}

// openMapping compiles the source's `event:`; nil when there is none.
func openMapping(s *setup) *mapping {
	t := s.cfg.Event
	if t == nil {
		return nil
	}
	if s.deps.Template == nil {
		s.mistake("event", "templates cannot be used here")
		return nil
	}
	if t.Type == "" {
		s.mistake("event.type", "say which event this is: lead.submitted, order.paid, …")
	}
	m := &mapping{parts: map[string]any{}}
	m.typ, m.id = s.compile("event.type", t.Type), s.compile("event.id", t.ID)
	m.at, m.updated = s.compile("event.time", t.Time), s.compile("event.updated", t.Updated)
	for name, part := range map[string]map[string]any{
		"contact": t.Contact, "order": t.Order, "subscription": t.Subscription, "membership": t.Membership, "refund": t.Refund,
	} {
		if len(part) > 0 {
			m.parts[name] = s.compileAll(name, part)
		}
	}
	if t.Items != nil {
		m.each, m.item = t.Items.Each, map[string]filled{}
		if m.each == "" {
			s.mistake("event.items.each", "say where in the body the list is: order.lines")
		}
		for name, text := range t.Items.Item {
			if !slices.Contains(allowed["items.item"], name) {
				s.mistake("event.items.item."+name, "an item has no %s; it has %s", name, strings.Join(allowed["items.item"], ", "))
				continue
			}
			m.item[name] = s.compile("event.items.item."+name, text)
		}
	}
	return m
}

func (s *setup) compileAll(path string, part map[string]any) map[string]any {
	out := map[string]any{}
	names, limited := allowed[path]
	for _, name := range slices.Sorted(maps.Keys(part)) {
		at := path + "." + name
		if names != nil && !slices.Contains(names, name) || !limited {
			s.mistake("event."+at, "%s has no %s; it has %s", path, name, strings.Join(names, ", "))
			continue
		}
		switch value := part[name].(type) {
		case string:
			out[name] = s.compile("event."+at, value)
		case map[string]any:
			if _, ok := allowed[at]; !ok {
				s.mistake("event."+at, "must be a text")
				continue
			}
			out[name] = s.compileAll(at, value)
		default:
			s.mistake("event."+at, "must be a text: put it in quotes")
		}
	}
	return out
}

func (s *setup) compile(path, text string) filled {
	if text == "" {
		return func(map[string]any) string { return "" }
	}
	run, err := s.deps.Template.Compile(text)
	if err != nil {
		s.mistake(path, "%v", err)
		return nil
	}
	return func(vars map[string]any) string {
		out, err := run(vars)
		if err != nil {
			return ""
		}
		return out
	}
}

var (
	canonicalPerson = personPaths{
		email: "contact.email", first: "contact.first_name", last: "contact.last_name", name: "contact.name",
		phone: "contact.phone", company: "contact.company",
		id: "contact.external_id", consent: "contact.consent", line1: "contact.address.line1",
		line2: "contact.address.line2", city: "contact.address.city",
		region: "contact.address.region", postal: "contact.address.postal_code", country: "contact.address.country",
	}
	canonicalOrder = orderPaths{
		id: "order.id", number: "order.number", total: "order.total", tax: "order.tax", shipping: "order.shipping", discount: "order.discount",
		currency: "order.currency", status: "order.status", paid: "order.paid_at", url: "order.url", items: "items",
		item: itemPaths{sku: "sku", name: "name", quantity: "quantity", price: "price", product: "product_id"},
	}
)

// read makes the one event that the body means.
func (m *mapping) read(d *delivery, body tree, id string) (reading, error) {
	vars := varsOf(d, body)
	result := map[string]any{}
	for name, part := range m.parts {
		result[name] = fill(part.(map[string]any), vars)
	}
	if m.each != "" {
		var items []any
		for _, line := range body.at(m.each).list() {
			vars["item"] = line.v
			one := map[string]any{}
			for name, f := range m.item {
				one[name] = f(vars)
			}
			items = append(items, one)
		}
		result["items"] = items
	}
	t := tree{v: result, doc: body.doc}
	f := fact{typ: m.typ(vars), id: m.id(vars), at: timeOf(m.at(vars)), updated: timeOf(m.updated(vars)), data: canonicalFrom(t)}
	if f.id == "" {
		f.id = id
	}
	f.typ = cleanHeader(f.typ, 100)
	return reading{topic: f.typ, id: id, facts: []fact{f}}, nil
}

func timeOf(text string) time.Time { return newTree(text).time() }

func fill(part map[string]any, vars map[string]any) map[string]any {
	out := map[string]any{}
	for name, f := range part {
		switch f := f.(type) {
		case filled:
			out[name] = f(vars)
		case map[string]any:
			out[name] = fill(f, vars)
		}
	}
	return out
}

func varsOf(d *delivery, body tree) map[string]any {
	header := map[string]any{}
	for name := range d.Header {
		header[strings.ToLower(name)] = d.Header.Get(name)
	}
	query := map[string]any{}
	if q, err := decodeForm(d.RawQuery, ""); err == nil {
		query = q.(map[string]any)
	}
	return map[string]any{"body": body.v, "header": header, "query": query, "received": d.Received.UTC().Format(time.RFC3339Nano)}
}

// canonicalFrom reads a tree of texts in our shape, more leniently than JSON does: dates and amounts in any usual form.
func canonicalFrom(t tree) events.Data {
	var data events.Data
	data.Contact = canonicalPerson.read(t)
	if fields := t.at("contact.fields"); !fields.empty() {
		if data.Contact == nil {
			data.Contact = &events.Contact{}
		}
		data.Contact.Fields = map[string]string{}
		for name := range fields.v.(map[string]any) {
			if text := fields.get(name); text != "" {
				data.Contact.Fields[name] = text
			}
		}
	}
	if !t.at("order").empty() || !t.at("items").empty() {
		data.Order = canonicalOrder.read(t)
		data.Order.Coupons = t.at("order.coupons").one()
	}
	if s := t.at("subscription"); !s.empty() {
		data.Subscription = &events.Subscription{
			ID: s.get("id"), Status: s.get("status"), Plan: s.get("plan"), Amount: s.at("amount").money(), Currency: s.get("currency"),
			NextAt: s.at("next_at").timeRef(), EndsAt: s.at("ends_at").timeRef(),
		}
	}
	if m := t.at("membership"); !m.empty() {
		data.Membership = &events.Membership{
			ID: m.get("id"), Plan: m.get("plan"), Status: m.get("status"), StartsAt: m.at("starts_at").timeRef(), EndsAt: m.at("ends_at").timeRef(),
		}
	}
	if r := t.at("refund"); !r.empty() {
		data.Refund = &events.Refund{
			ID: r.get("id"), OrderID: r.get("order_id"), Amount: positive(r.at("amount").money()),
			Currency: r.get("currency"), Reason: r.get("reason"),
		}
	}
	return data
}

func sortedKeys(m map[string]any) []string { return slices.Sorted(maps.Keys(m)) }
