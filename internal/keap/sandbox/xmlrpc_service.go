package sandbox

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/shopspring/decimal"
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
		x.with().phones = mergeItems(1, x.with().phones, []phone{{field: "PHONE1", number: s}}, func(p phone) string { return p.field })
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
	for _, p := range x.extra().phones {
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
	t.version++
	c.about("contact", x.id)
}

// xmlCreate makes a contact, which is not marketable until optIn is called.
func (t *tenant) xmlCreate(c *call, fields map[string]any) any {
	x := &contact{created: c.now, visible: c.visible}
	t.insert(x)
	t.xmlWrite(c, x, fields)
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
		t.xmlWrite(c, x, fields)
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
	t.xmlWrite(c, x, fields)
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

func xmlRunActionSequence(t *tenant, c *call, p params) (any, error) {
	x, err := t.contactOf(c, &p, 0)
	if err != nil {
		return nil, err
	}
	set := p.id(1)
	if p.err != nil {
		return nil, p.err
	}
	c.about("action_set", set)
	results, known := t.runSet(c, x, set, "")
	if !known {
		return nil, recordNotFound("ActionSequence %s does not exist", set)
	}
	out := []any{}
	for _, r := range results {
		out = append(out, map[string]any{"Action": r.action, "Message": r.message, "IsError": r.failed})
	}
	return out, nil
}

func xmlAchieveGoal(t *tenant, c *call, p params) (any, error) {
	integration, name := p.text(0), p.text(1)
	x, err := t.contactOf(c, &p, 2)
	if err != nil {
		return nil, err
	}
	hits := t.goalsNamed(c, integration, name)
	t.achieve(c, x.id, hits)
	out := []any{}
	for _, h := range hits {
		out = append(out, map[string]any{"campaignId": int(h.automation), "goalId": int(h.goal), "message": goalAchieved, "success": true})
	}
	return out, nil
}

// xmlOptIn works where the status allows it; after an opt-out it does not.
func xmlOptIn(t *tenant, c *call, p params) (any, error) {
	email, _ := p.text(0), p.text(1)
	if p.err != nil {
		return nil, p.err
	}
	a := t.address(email, c.now)
	before := a.status
	a.optIn()
	return a.status != before, nil
}

func xmlOptOut(t *tenant, c *call, p params) (any, error) {
	email, _ := p.text(0), p.text(1)
	if p.err != nil {
		return nil, p.err
	}
	t.address(email, c.now).status = system
	return true, nil
}

func xmlOptStatus(t *tenant, _ *call, p params) (any, error) {
	a := t.addresses[strings.ToLower(p.text(0))]
	switch {
	case p.err != nil:
		return nil, p.err
	case a == nil || !a.status.marketable():
		return 0, nil
	case a.status == doubleOptIn || a.status == confirmed:
		return 2, nil
	}
	return 1, nil
}

func xmlSendTemplate(t *tenant, c *call, p params) (any, error) {
	contacts, template := p.ids(0), p.id(1)
	if p.err != nil {
		return nil, p.err
	}
	if _, known := t.templates.get(template); !known && c.flags.knownOnly {
		return nil, recordNotFound("Template %s does not exist", template)
	}
	t.mail(c, contacts, Email{TemplateID: template.String()})
	return true, nil
}

// xmlSendEmail takes contact ids, from, to, cc, bcc, content type, subject, html, text.
func xmlSendEmail(t *tenant, c *call, p params) (any, error) {
	if len(p.values) == 2 {
		return xmlSendTemplate(t, c, p) // its older form
	}
	contacts, from, subject, html, text := p.ids(0), p.text(1), p.text(6), p.text(7), p.text(8)
	if p.err != nil {
		return nil, p.err
	}
	t.mail(c, contacts, Email{From: from, Subject: subject, HTML: html, Text: text})
	return true, nil
}

func xmlCreateOrder(t *tenant, c *call, p params) (any, error) {
	x, err := t.contactOf(c, &p, 0)
	if err != nil {
		return nil, err
	}
	at, _ := p.at(2).(time.Time)
	o := &order{contact: x.id, title: p.text(1), kind: "Offline", at: at}
	if p.err != nil {
		return nil, p.err
	}
	if err := t.addOrder(c, o, nil); err != nil {
		return nil, err
	}
	return int(t.orders.last), nil
}

// xmlItemTypes are v1's words for the numbers of order items.
var xmlItemTypes = map[int]string{1: "SHIPPING", 2: "TAX", 3: "SERVICE", 4: "PRODUCT", 5: "UPSELL", 6: "FINANCE_CHARGE", 7: "SPECIAL", 8: "PROGRAM",
	9: "SUBSCRIPTION", 10: "SPECIAL_FREE_TRIAL_DAYS", 12: "SPECIAL_ORDER_TOTAL", 13: "SPECIAL_CATEGORY", 14: "SPECIAL_SHIPPING"}

func xmlAddOrderItem(t *tenant, c *call, p params) (any, error) {
	o, found := t.orders.get(p.id(0))
	if !found {
		return nil, recordNotFound("Invoice %s does not exist", p.id(0))
	}
	product, _ := p.at(1).(int)
	kind, _ := p.at(2).(int)
	price, quantity := amountOf(p.at(3)), int(p.id(4))
	if p.err != nil || xmlItemTypes[kind] == "" || quantity < 1 {
		return nil, cmp.Or[error](p.err, fault{faultParameter, "[InvalidParameter]type or quantity"})
	}
	o.nextItem++
	o.items = append(o.items, orderItem{id: o.nextItem, product: ref(product), kind: xmlItemTypes[kind], text: p.text(5), notes: p.text(6), quantity: quantity, price: price})
	o.updated = c.now
	return true, p.err
}

func amountOf(v any) decimal.Decimal {
	d, _ := decimal.NewFromString(fmt.Sprint(v)) // what is no number counts nothing
	return d
}

func xmlAddPayment(t *tenant, c *call, p params) (any, error) {
	id := p.id(0)
	if _, found := t.orders.get(id); !found {
		return nil, recordNotFound("Invoice %s does not exist", id)
	}
	at, _ := p.at(2).(time.Time)
	pay := payment{amount: amountOf(p.at(1)), at: at, kind: p.text(3), note: p.text(4)}
	if p.err != nil {
		return nil, p.err
	}
	_, err := t.pay(c, id, pay)
	return err == nil, err
}

func xmlAmountOwed(t *tenant, _ *call, p params) (any, error) {
	o, found := t.orders.get(p.id(0))
	if !found {
		return nil, cmp.Or[error](p.err, recordNotFound("Invoice does not exist"))
	}
	return o.total().Sub(t.paid(p.id(0))).InexactFloat64(), nil
}
