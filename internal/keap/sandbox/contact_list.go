package sandbox

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// view is the contacts in another order than by id, kept until one changes: a million are sorted once.
type view struct {
	version uint64
	rows    []*contact
}

// sortKeys are the orders of both versions.
var sortKeys = map[string]func(a, b *contact) int{
	"id":           func(a, b *contact) int { return cmp.Compare(a.id, b.id) },
	"date_created": func(a, b *contact) int { return a.created.Compare(b.created) },
	"last_updated": func(a, b *contact) int { return a.updated.Compare(b.updated) },
	"name":         func(a, b *contact) int { return strings.Compare(a.family, b.family) },
	"firstName":    func(a, b *contact) int { return strings.Compare(a.given, b.given) },
	"email":        func(a, b *contact) int { return strings.Compare(a.emails[0], b.emails[0]) },
}

// ordered gives the contacts, or those given, in an order; equal ones by id.
func (t *tenant) ordered(rows []*contact, whole bool, key string, descending bool) []*contact {
	if key == "id" && !descending {
		return rows
	}
	name := fmt.Sprint(key, descending)
	if v, ok := t.views[name]; whole && ok && v.version == t.version {
		return v.rows
	}
	rows = slices.Clone(rows)
	slices.SortFunc(rows, func(a, b *contact) int {
		n := cmp.Or(sortKeys[key](a, b), cmp.Compare(a.id, b.id))
		if descending {
			return -n
		}
		return n
	})
	if whole {
		t.views[name] = view{t.version, rows}
	}
	return rows
}

// criteria are what a search asks for; each must hold.
type criteria struct {
	emails []string // one of them; a trailing * is a wildcard
	ids    []ref    // one of them
	tests  []func(*contact) bool
}

// find gives the contacts that meet the criteria, by id. whole is true where all contacts do.
func (t *tenant) find(c *call, q criteria) (rows []*contact, whole bool) {
	from := t.contacts
	switch {
	case q.ids != nil:
		from = nil
		for _, id := range q.ids {
			if x, ok := t.contactByID(id); ok && !slices.Contains(from, x) {
				from = append(from, x)
			}
		}
	case len(q.emails) == 1 && !strings.HasSuffix(q.emails[0], "*"):
		from = slices.Clone(t.holders(q.emails[0]))
	case len(q.emails) > 0:
		q.tests = append(q.tests, func(x *contact) bool { return matchesEmail(x, q.emails) })
	case len(q.tests) == 0 && c.flags.searchLag == 0:
		return t.contacts, true
	}
	slices.SortFunc(from, sortKeys["id"])
next:
	for _, x := range from {
		if c.lagging(x) {
			continue
		}
		for _, test := range q.tests {
			if !test(x) {
				continue next
			}
		}
		rows = append(rows, x)
	}
	return rows, false
}

func matchesEmail(x *contact, emails []string) bool {
	for _, want := range emails {
		f := condition{op: "==", value: want}
		for _, have := range x.emails {
			if have != "" && f.text(have) {
				return true
			}
		}
	}
	return false
}

func listContacts1(t *tenant, c *call) reply {
	want, err := optionals(c)
	if err != nil {
		return c.bad(err.Error())
	}
	since, until, err := parseBounds(c.query.Get("since"), c.query.Get("until"))
	if err != nil {
		return c.bad(err.Error())
	}
	order := cmp.Or(c.query.Get("order"), "id")
	if sortKeys[order] == nil {
		return c.bad("Invalid order: " + order)
	}
	var q criteria
	if email := c.query.Get("email"); email != "" {
		q.emails = []string{strings.TrimSuffix(email, "*")}
	}
	for name, field := range map[string]func(*contact) string{
		"given_name": func(x *contact) string { return x.given }, "family_name": func(x *contact) string { return x.family },
	} {
		if v := c.query.Get(name); v != "" {
			q.tests = append(q.tests, func(x *contact) bool { return strings.EqualFold(field(x), v) })
		}
	}
	if !since.IsZero() || !until.IsZero() {
		q.tests = append(q.tests, func(x *contact) bool { return between(x.updated, since, until) })
	}
	rows, whole := t.find(c, q)
	rows = t.ordered(rows, whole, order, c.query.Get("order_direction") == "DESCENDING")
	page, frame := page1(c, rows)
	out := struct {
		Contacts []v1Contact `json:"contacts"`
		v1Page
	}{make([]v1Contact, len(page)), frame}
	for i, x := range page {
		out.Contacts[i] = t.v1(x, want)
	}
	return ok(out)
}

// orders2 are v2's names of orders.
var orders2 = map[string]string{"id": "id", "create_time": "date_created", "email": "email", "update_time": "last_updated"}

// order2 reads order_by: "field asc|desc".
func (c *call) order2(names map[string]string) (key string, descending bool, err error) {
	by := c.query.Get("order_by")
	if by == "" {
		return "id", false, nil
	}
	name, direction, _ := strings.Cut(by, " ")
	key, ok := names[name]
	if !ok || direction != "" && !strings.EqualFold(direction, "asc") && !strings.EqualFold(direction, "desc") {
		return "", false, fmt.Errorf("Invalid order_by: %s", by)
	}
	return key, strings.EqualFold(direction, "desc"), nil
}

func listContacts2(t *tenant, c *call) reply {
	want, err := c.fields2()
	if err != nil {
		return c.bad(err.Error())
	}
	key, descending, err := c.order2(orders2)
	if err != nil {
		return c.bad(err.Error())
	}
	q, err := t.criteria2(c)
	if err != nil {
		return c.bad(err.Error())
	}
	rows, whole := t.find(c, q)
	page, next, err := page2(c, maxPage, t.ordered(rows, whole, key, descending))
	if err != nil {
		return c.bad(err.Error())
	}
	out := struct {
		Contacts []v2Contact `json:"contacts"`
		Next     string      `json:"next_page_token"`
	}{make([]v2Contact, len(page)), next}
	for i, x := range page {
		out.Contacts[i] = t.v2(x, want)
	}
	return ok(out)
}

// contactFilters are v2's filters; custom fields are filters by their name besides.
var contactFilters = []string{"email", "given_name", "family_name", "middle_name", "company_id", "contact_ids", "ids", "contact_id",
	"start_update_time", "end_update_time", "phone_number", "phone_fields", "website", "city", "state"}

func (t *tenant) criteria2(c *call) (criteria, error) {
	known := slices.Clone(contactFilters)
	for _, e := range t.fields.rows {
		known = append(known, e.row.name)
	}
	for _, kind := range []string{"billing", "shipping", "other"} {
		for _, part := range []string{"line1", "locality", "region", "postal_code", "country_code"} {
			known = append(known, kind+"_address_"+part)
		}
	}
	filter, err := c.filter(known...)
	if err != nil {
		return criteria{}, err
	}
	var q criteria
	var phones []string
	var number string
	for _, f := range filter {
		switch f.name {
		case "email":
			q.emails = append(q.emails, f.value)
		case "ids", "contact_ids":
			q.ids = []ref{}
			for part := range strings.SplitSeq(f.value, ",") {
				q.ids = append(q.ids, parseRef(strings.TrimSpace(part)))
			}
		case "phone_fields":
			phones = strings.Split(f.value, ",")
		case "phone_number":
			number = f.value
		default:
			test, err := t.test2(f)
			if err != nil {
				return criteria{}, err
			}
			q.tests = append(q.tests, test)
		}
	}
	if number != "" {
		if phones == nil {
			return criteria{}, fmt.Errorf("phone_fields is required when phone_number is given")
		}
		f := condition{name: "phone_number", op: "==", value: number}
		q.tests = append(q.tests, func(x *contact) bool {
			return slices.ContainsFunc(x.extra().phones, func(p phone) bool { return slices.Contains(phones, p.field) && f.text(p.number) })
		})
	}
	return q, nil
}

// test2 is one filter on the contact itself.
func (t *tenant) test2(f condition) (func(*contact) bool, error) {
	switch f.name {
	case "given_name":
		return func(x *contact) bool { return f.text(x.given) }, nil
	case "family_name":
		return func(x *contact) bool { return f.text(x.family) }, nil
	case "middle_name":
		return func(x *contact) bool { return f.text(x.extra().middle) }, nil
	case "website":
		return func(x *contact) bool { return f.text(x.extra().website) }, nil
	case "company_id":
		return func(x *contact) bool { return f.number(int64(x.extra().company)) }, nil
	case "contact_id":
		return func(x *contact) bool { return f.number(int64(x.id)) }, nil
	case "start_update_time", "end_update_time":
		at, err := f.instant()
		if err != nil {
			return nil, err
		}
		if f.name == "start_update_time" {
			return func(x *contact) bool { return between(x.updated, at, time.Time{}) }, nil
		}
		return func(x *contact) bool { return between(x.updated, time.Time{}, at) }, nil
	case "city":
		return func(x *contact) bool { return placeHas(x, "", "locality", f) }, nil
	case "state":
		return func(x *contact) bool { return placeHas(x, "", "region", f) }, nil
	}
	if kind, part, found := strings.Cut(f.name, "_address_"); found {
		return func(x *contact) bool { return placeHas(x, strings.ToUpper(kind), part, f) }, nil
	}
	field, _ := t.fieldNamed(f.name)
	return func(x *contact) bool {
		return slices.ContainsFunc(x.custom, func(v customValue) bool { return v.field == field && f.text(strings.Trim(string(v.content), `"`)) })
	}, nil
}

func placeHas(x *contact, kind, part string, f condition) bool {
	return slices.ContainsFunc(x.extra().places, func(p place) bool {
		if kind != "" && p.field != kind {
			return false
		}
		return f.text(map[string]string{"line1": p.line1, "locality": p.locality, "region": p.region, "postal_code": p.postal + p.zip, "country_code": p.country}[part])
	})
}
