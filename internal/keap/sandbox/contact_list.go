package sandbox

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// criteria are what a search asks for; each must hold.
type criteria struct {
	name   string   // of the search: all that it asks for, in words
	emails []string // one of them; a trailing * is a wildcard
	ids    []ref    // one of them
	tests  []func(*contact) bool
}

func (q *criteria) keep(x *contact) bool {
	return !slices.ContainsFunc(q.tests, func(test func(*contact) bool) bool { return !test(x) })
}

// search gives the contacts that meet the criteria, in an order.
func (t *tenant) search(c *call, q criteria, key string) *shelf {
	if c.flags.searchLag > 0 {
		q.tests = append(q.tests, func(x *contact) bool { return !c.lagging(x) })
	}
	var some []*contact
	switch {
	case q.ids != nil:
		for _, id := range q.ids {
			if x, ok := t.contactByID(id); ok && !slices.Contains(some, x) {
				some = append(some, x)
			}
		}
	case len(q.emails) == 1 && !strings.HasSuffix(q.emails[0], "*"):
		some = t.holders(q.emails[0])
	default:
		if len(q.emails) > 0 {
			q.tests = append(q.tests, func(x *contact) bool { return matchesEmail(x, q.emails) })
		}
		switch {
		case len(q.tests) == 0:
			return t.ordered[key]
		case c.flags.searchLag > 0:
			return t.ordered[key].filtered(q.keep) // who can be found changes with the time
		}
		return t.view(q.name+" by "+key, t.ordered[key], q.keep)
	}
	s := &shelf{rank: rankings[key]}
	for _, x := range some {
		if q.keep(x) {
			s.add(x)
		}
	}
	return s
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
	if rankings[order] == nil {
		return c.bad("Invalid order: " + order)
	}
	var q criteria
	for _, name := range []string{"email", "given_name", "family_name", "since", "until"} {
		q.name += fmt.Sprintf("%s=%q ", name, c.query.Get(name))
	}
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
	found := t.search(c, q, order)
	from, to, frame := c.page1(found.n)
	page := found.cut(from, to, c.query.Get("order_direction") == "DESCENDING")
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
	found := t.search(c, q, key)
	from, to, next, err := c.page2(maxPage, found.n)
	if err != nil {
		return c.bad(err.Error())
	}
	page := found.cut(from, to, descending)
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
	q := criteria{name: c.query.Get("filter")}
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
			return slices.ContainsFunc(x.phones, func(p phone) bool { return slices.Contains(phones, p.field) && f.text(p.number) })
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
