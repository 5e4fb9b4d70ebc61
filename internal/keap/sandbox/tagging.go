package sandbox

import (
	"maps"
	"slices"
	"time"
)

// Results of applying a tag, as the v1 document lists them.
const (
	tagSuccess   = "SUCCESS"
	tagDuplicate = "DUPLICATE"
	tagNobody    = "CONTACT_NOT_FOUND"
	tagUnknown   = "TAG_ID_NOT_FOUND"
)

// apply gives a contact a tag.
func (t *tenant) apply(c *call, tag, contact ref) string {
	x, found := t.contactByID(contact)
	if !found {
		return tagNobody
	}
	if _, found = t.tags.get(tag); !found {
		return tagUnknown
	}
	if x.tagged(tag) {
		return tagDuplicate
	}
	t.change(x, func() { x.tags = append(x.tags, applied{tag, c.now}) })
	t.holdersOf(tag).add(x, c.now)
	t.happened(c, "contactGroup.applied", tag, contact)
	return tagSuccess
}

// unapply takes a tag away; taking away what is not there is no error.
func (t *tenant) unapply(c *call, tag, contact ref) bool {
	x, found := t.contactByID(contact)
	if !found || !x.tagged(tag) {
		return false
	}
	t.change(x, func() { x.tags = slices.DeleteFunc(x.tags, func(a applied) bool { return a.tag == tag }) })
	t.holdersOf(tag).take(x)
	t.happened(c, "contactGroup.removed", tag, contact)
	return true
}

// results are what v1 answers: in production a map of ids, in its document a list of {"key": …}. Which one, and
// whether a success is a text or an object, is a setting.
func (c *call) results(by map[ref]string) any {
	switch c.flags.tagResults {
	case "objects":
		out := map[string]any{}
		for id, r := range by {
			out[id.String()] = r
			if r == tagSuccess {
				out[id.String()] = map[string]string{"status": r}
			}
		}
		return out
	case "entries":
		out := []map[string]string{}
		for _, id := range slices.Sorted(maps.Keys(by)) {
			out = append(out, map[string]string{id.String(): by[id]})
		}
		return out
	case "keys":
		out := []map[string]string{}
		for _, id := range slices.Sorted(maps.Keys(by)) {
			out = append(out, map[string]string{"key": by[id]})
		}
		return out
	}
	return namedResults(by)
}

func namedResults(by map[ref]string) map[string]string {
	out := map[string]string{}
	for id, r := range by {
		out[id.String()] = r
	}
	return out
}

// applyRow is v1's many tags for one contact. An unknown tag is told in a 200, an unknown contact is a 404.
func applyRow(t *tenant, c *call) reply {
	var in struct {
		Tags []ref `json:"tagIds"`
	}
	if err := c.read(&in); err != nil {
		return c.bad(err.Error())
	}
	if len(in.Tags) == 0 {
		return c.bad("tagIds is required")
	}
	x, found := t.contactByID(c.id(0))
	if !found {
		return c.notFound("Contact", c.args[0])
	}
	c.about("contact", x.id)
	c.about("tag", in.Tags...)
	by := map[ref]string{}
	for _, id := range in.Tags {
		by[id] = t.apply(c, id, x.id)
	}
	return ok(c.results(by))
}

func removeRow(t *tenant, c *call) reply {
	x, found := t.contactByID(c.id(0))
	if !found {
		return c.notFound("Contact", c.args[0])
	}
	c.about("contact", x.id)
	ids := list(c.query, "ids")
	if len(c.args) > 1 {
		ids = c.args[1:]
	}
	if len(ids) == 0 {
		return c.bad("ids is required")
	}
	for _, id := range ids {
		c.about("tag", parseRef(id))
		t.unapply(c, parseRef(id), x.id)
	}
	return none()
}

// applyColumn is one tag for many contacts: v1's {"ids"} and v2's {"contact_ids"}.
func applyColumn(t *tenant, c *call) reply {
	contacts, err := c.column()
	if err != nil {
		return c.bad(err.Error())
	}
	tag := c.id(0)
	if _, found := t.tags.get(tag); !found && c.version == 2 {
		return c.notFound("Tag", c.args[0])
	}
	c.about("tag", tag)
	c.about("contact", contacts...)
	by := map[ref]string{}
	for _, id := range contacts {
		by[id] = t.apply(c, tag, id)
	}
	if c.version == 2 {
		return ok(map[string]any{"results": namedResults(by)})
	}
	return ok(c.results(by))
}

// removeColumn takes one tag from many contacts: v1 DELETE with ?ids=, v2 POST with a body.
func removeColumn(t *tenant, c *call) reply {
	var contacts []ref
	switch {
	case c.version == 2:
		var err error
		if contacts, err = c.column(); err != nil {
			return c.bad(err.Error())
		}
		if _, found := t.tags.get(c.id(0)); !found {
			return c.notFound("Tag", c.args[0])
		}
	case len(c.args) > 1:
		contacts = []ref{c.id(1)}
	default:
		for _, id := range list(c.query, "ids") {
			contacts = append(contacts, parseRef(id))
		}
		if len(contacts) == 0 {
			return c.bad("ids is required")
		}
	}
	c.about("tag", c.id(0))
	c.about("contact", contacts...)
	for _, id := range contacts {
		t.unapply(c, c.id(0), id)
	}
	return none()
}

// column reads the contacts of a column: contact_ids in v2, ids in v1.
func (c *call) column() ([]ref, error) {
	if c.version == 2 {
		var in struct {
			IDs []ref `json:"contact_ids"`
		}
		err := c.read(&in)
		if err == nil && len(in.IDs) == 0 {
			err = refusal{400, "contact_ids is required"}
		}
		return in.IDs, err
	}
	var in struct {
		IDs []ref `json:"ids"`
	}
	err := c.read(&in)
	if err == nil && len(in.IDs) == 0 {
		err = refusal{400, "ids is required"}
	}
	return in.IDs, err
}

func contactTags1(t *tenant, c *call) reply {
	x, found := t.contactByID(c.id(0))
	if !found {
		return c.notFound("Contact", c.args[0])
	}
	type named struct {
		ID       ref    `json:"id"`
		Name     string `json:"name"`
		Category string `json:"category,omitempty"`
	}
	type row struct {
		Tag named  `json:"tag"`
		At  string `json:"date_applied"`
	}
	rows := []row{}
	for _, a := range x.tags {
		g, _ := t.tags.get(a.tag)
		n := named{ID: a.tag, Name: g.name}
		if cat, ok := t.categories.get(g.category); ok {
			n.Category = cat.name
		}
		rows = append(rows, row{n, stamp(a.at)})
	}
	c.about("contact", x.id)
	return reply1(c, "tags", rows)
}

func contactTags2(t *tenant, c *call) reply {
	x, found := t.contactByID(c.id(0))
	if !found {
		return c.notFound("Contact", c.args[0])
	}
	tests, err := c.tagTests()
	if err != nil {
		return c.bad(err.Error())
	}
	type row struct {
		Tag v2Tag  `json:"tag"`
		At  string `json:"applied_time"`
	}
	rows := []row{}
	for _, a := range x.tags {
		if g, _ := t.tags.get(a.tag); tests(a.tag, g, a.at) {
			rows = append(rows, row{t.tag2(a.tag, g), stamp(a.at)})
		}
	}
	c.about("contact", x.id)
	return reply2(c, "tags", rows)
}

// tagContacts lists who has a tag.
func tagContacts(t *tenant, c *call) reply {
	tag := c.id(0)
	if _, found := t.tags.get(tag); !found {
		return c.notFound("Tag", c.args[0])
	}
	type person struct {
		ID    ref    `json:"id"`
		Email string `json:"email"`
		First string `json:"first_name"`
		Last  string `json:"last_name"`
	}
	type row1 struct {
		Contact person `json:"contact"`
		At      string `json:"date_applied"`
	}
	type row2 struct {
		ID    string `json:"id"`
		Email string `json:"email"`
		First string `json:"given_name"`
		Last  string `json:"family_name"`
		At    string `json:"applied_time"`
	}
	found, descending, err := t.taggedWith(c, tag)
	if err != nil {
		return c.bad(err.Error())
	}
	c.about("tag", tag)
	if c.version == 1 {
		from, to, frame := c.page1(found.n)
		rows := []row1{}
		for _, x := range found.cut(from, to, descending) {
			rows = append(rows, row1{person{x.id, x.emails[0], x.given, x.family}, stamp(x.tags[x.place(tag)].at)})
		}
		return ok(map[string]any{"contacts": rows, "count": frame.Count, "next": frame.Next, "previous": frame.Previous})
	}
	from, to, next, err := c.page2(maxPage, found.n)
	if err != nil {
		return c.bad(err.Error())
	}
	rows := []row2{}
	for _, x := range found.cut(from, to, descending) {
		rows = append(rows, row2{x.id.String(), x.emails[0], x.given, x.family, stamp(x.tags[x.place(tag)].at)})
	}
	return ok(map[string]any{"contacts": rows, "next_page_token": next})
}

// tagOrders are v2's names of the orders of those who have a tag.
var tagOrders = map[string]string{"id": "id", "given_name": "firstName", "family_name": "name", "email": "email", "applied_time": "applied_time"}

// taggedWith gives those who have a tag and pass the filter, in the wanted order.
func (t *tenant) taggedWith(c *call, tag ref) (some *found, descending bool, err error) {
	filter, err := c.filter("email", "given_name", "family_name", "since_applied_time", "until_applied_time")
	if err != nil {
		return nil, false, err
	}
	order, descending, err := c.order2(tagOrders)
	if err != nil {
		return nil, false, err
	}
	h := t.holdersOf(tag)
	var tests []test
	on := &h.byID
	switch order {
	case "id":
	case "applied_time":
		on = &h.byTime
	default:
		on = t.ordered[order]
		tests = append(tests, within(&h.at, time.Time{}, time.Time{}))
	}
	for _, f := range filter {
		switch f.name {
		case "email":
			tests = append(tests, t.roll.among(patternOf(f.value), emailSlots[:]...))
		case "given_name", "family_name":
			tests = append(tests, t.roll.among(patternOf(f.value), f.name))
		default:
			at, err := f.instant()
			if err != nil {
				return nil, false, err
			}
			since, until := at, time.Time{}
			if f.name == "until_applied_time" {
				since, until = until, since
			}
			tests = append(tests, within(&h.at, since, until))
		}
	}
	return on.find(tests...), descending, nil
}
