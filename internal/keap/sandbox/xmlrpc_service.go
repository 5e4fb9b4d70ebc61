package sandbox

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// xmlContactFields are the contact fields of XML-RPC with a way to read and write them.
var xmlContactFields = map[string]struct {
	get func(*contact) any
	set func(*tenant, *call, *contact, string)
}{
	"Id":            {get: func(x *contact) any { return int(x.id) }},
	"FirstName":     {func(x *contact) any { return x.given }, func(_ *tenant, _ *call, x *contact, s string) { x.given = s }},
	"LastName":      {func(x *contact) any { return x.family }, func(_ *tenant, _ *call, x *contact, s string) { x.family = s }},
	"Email":         {func(x *contact) any { return x.emails[0] }, func(t *tenant, c *call, x *contact, s string) { t.setEmail(x, 0, s, c.now) }},
	"EmailAddress2": {func(x *contact) any { return x.emails[1] }, func(t *tenant, c *call, x *contact, s string) { t.setEmail(x, 1, s, c.now) }},
	"EmailAddress3": {func(x *contact) any { return x.emails[2] }, func(t *tenant, c *call, x *contact, s string) { t.setEmail(x, 2, s, c.now) }},
	"Phone1": {xmlPhone, func(_ *tenant, _ *call, x *contact, s string) {
		x.phones = mergeItems(1, x.phones, []phone{{field: "PHONE1", number: s}}, func(p phone) string { return p.field })
	}},
	"OwnerID":     {func(x *contact) any { return int(x.owner) }, func(_ *tenant, _ *call, x *contact, s string) { x.owner = parseRef(s) }},
	"JobTitle":    {func(x *contact) any { return x.extra().jobTitle }, func(_ *tenant, _ *call, x *contact, s string) { x.with().jobTitle = s }},
	"Website":     {func(x *contact) any { return x.extra().website }, func(_ *tenant, _ *call, x *contact, s string) { x.with().website = s }},
	"ContactType": {func(x *contact) any { return x.extra().contactType }, func(_ *tenant, _ *call, x *contact, s string) { x.with().contactType = s }},
	"DateCreated": {get: func(x *contact) any { return x.created }},
	"LastUpdated": {get: func(x *contact) any { return x.updated }},
	"Groups": {get: func(x *contact) any {
		ids := make([]string, len(x.tags))
		for i, a := range x.tags {
			ids[i] = a.tag.String()
		}
		return strings.Join(ids, ",")
	}},
}

func xmlPhone(x *contact) any {
	for _, p := range x.phones {
		if p.field == "PHONE1" {
			return p.number
		}
	}
	return ""
}

// xmlContact reads the wanted fields of a contact; those without value are left out.
func (t *tenant) xmlContact(x *contact, names []string) (map[string]any, error) {
	out := map[string]any{}
	for _, name := range names {
		f, known := xmlContactFields[name]
		if known {
			if v := f.get(x); v != "" && v != 0 {
				out[name] = v
			}
			continue
		}
		field, _ := t.fieldNamed(name)
		if field == 0 {
			return nil, fault{faultNoField, "[NoFieldFound]No field found: Contact." + name}
		}
		for _, v := range x.custom {
			var s any
			if v.field == field && json.Unmarshal(v.content, &s) == nil {
				out[name] = fmt.Sprint(s)
			}
		}
	}
	return out, nil
}

// xmlFields checks the fields of a struct before anything is written.
func (t *tenant) xmlFields(fields map[string]any) error {
	for name := range fields {
		if f, known := xmlContactFields[name]; known && f.set != nil {
			continue
		}
		if field, _ := t.fieldNamed(name); field == 0 || !strings.HasPrefix(name, "_") {
			return fault{faultNoField, "[NoFieldFound]No field found: Contact." + name}
		}
	}
	return nil
}

func (t *tenant) xmlWrite(c *call, x *contact, fields map[string]any) {
	for name, v := range fields {
		if f, known := xmlContactFields[name]; known {
			f.set(t, c, x, fmt.Sprint(v))
			continue
		}
		field, _ := t.fieldNamed(name)
		b, _ := json.Marshal(v) // values of the parser are plain
		x.setCustom(field, b)
	}
	x.updated = c.now
	c.about("contact", x.id)
}

// xmlCreate makes a contact, which is not marketable until optIn is called.
func (t *tenant) xmlCreate(c *call, fields map[string]any) any {
	x := &contact{id: t.lastID + 1, created: c.now, visible: c.visible}
	t.xmlWrite(c, x, fields)
	t.insert(x)
	t.happened(c, "contact.add", x.id)
	t.trigger(c, t.triggers.ContactAdded, "contact_added", x)
	return int(x.id)
}

func xmlAdd(t *tenant, c *call, p params) (any, error) {
	fields := p.fields(0)
	if err := cmp.Or(p.err, t.xmlFields(fields)); err != nil {
		return nil, err
	}
	return t.xmlCreate(c, fields), nil
}

func xmlAddWithDupCheck(t *tenant, c *call, p params) (any, error) {
	fields, option := p.fields(0), p.text(1)
	if err := cmp.Or(p.err, t.xmlFields(fields)); err != nil {
		return nil, err
	}
	if !slices.Contains([]string{"Email", "EmailAndName", "EmailAndNameAndCompany"}, option) {
		return nil, fmt.Errorf("duplicate check %q is unknown", option)
	}
	draft := contact{given: fmt.Sprint(fields["FirstName"]), family: fmt.Sprint(fields["LastName"])}
	draft.emails[0], _ = fields["Email"].(string)
	if x := t.duplicate(option, &draft, 0, func(*contact) bool { return true }); x != nil {
		t.change(x, func() { t.xmlWrite(c, x, fields) })
		t.happened(c, "contact.edit", x.id)
		t.trigger(c, t.triggers.ContactUpdated, "contact_updated", x)
		return int(x.id), nil
	}
	return t.xmlCreate(c, fields), nil
}

// contactOf finds the contact of a parameter.
func (t *tenant) contactOf(c *call, p *params, n int) (*contact, error) {
	id := p.id(n)
	if p.err != nil {
		return nil, p.err
	}
	x, found := t.contactByID(id)
	if !found {
		return nil, recordNotFound("Contact %s does not exist", id)
	}
	c.about("contact", id)
	return x, nil
}

func xmlUpdate(t *tenant, c *call, p params) (any, error) {
	x, err := t.contactOf(c, &p, 0)
	if err != nil {
		return nil, err
	}
	fields := p.fields(1)
	if err := cmp.Or(p.err, t.xmlFields(fields)); err != nil {
		return nil, err
	}
	t.change(x, func() { t.xmlWrite(c, x, fields) })
	t.happened(c, "contact.edit", x.id)
	t.trigger(c, t.triggers.ContactUpdated, "contact_updated", x)
	return int(x.id), nil
}

func xmlLoad(t *tenant, c *call, p params) (any, error) {
	x, err := t.contactOf(c, &p, 0)
	if err != nil {
		return nil, err
	}
	names := p.names(1)
	if p.err != nil {
		return nil, p.err
	}
	return t.xmlContact(x, names)
}

func xmlFindByEmail(t *tenant, _ *call, p params) (any, error) {
	email, names := p.text(0), p.names(1)
	if p.err != nil {
		return nil, p.err
	}
	out := []any{}
	for _, x := range t.holders(email) {
		row, err := t.xmlContact(x, names)
		if err != nil {
			return nil, err
		}
		out = append(out, row)
	}
	return out, nil
}

func xmlMerge(t *tenant, c *call, p params) (any, error) {
	winner, err := t.contactOf(c, &p, 0)
	if err != nil {
		return nil, err
	}
	loser, err := t.contactOf(c, &p, 1)
	if err != nil {
		return nil, err
	}
	if winner == loser {
		return false, nil
	}
	t.merge(winner, loser, c.now)
	return true, nil
}

// xmlAddToGroup answers false where the contact has the tag already.
func xmlAddToGroup(t *tenant, c *call, p params) (any, error) {
	x, err := t.contactOf(c, &p, 0)
	if err != nil {
		return nil, err
	}
	tag := p.id(1)
	if p.err != nil {
		return nil, p.err
	}
	c.about("tag", tag)
	switch t.apply(c, tag, x.id) {
	case tagSuccess:
		return true, nil
	case tagDuplicate:
		return false, nil
	}
	return nil, recordNotFound("ContactGroup %s does not exist", tag)
}

func xmlRemoveFromGroup(t *tenant, c *call, p params) (any, error) {
	x, err := t.contactOf(c, &p, 0)
	if err != nil {
		return nil, err
	}
	tag := p.id(1)
	if p.err != nil {
		return nil, p.err
	}
	c.about("tag", tag)
	return t.unapply(c, tag, x.id), nil
}
