package sandbox

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// contact is a person in Keap. What few contacts have is in more, so that a million of them fit into memory.
type contact struct {
	id               ref
	seat             uint32 // in the tenant's roll
	created, updated time.Time
	visible          time.Time // when the call that made it is answered
	given, family    string
	emails           [3]string // EMAIL1–3 as they were written
	owner            ref
	optIn            string // the reason given last
	tags             []applied
	custom           []customValue
	phones           []phone
	more             *details
}

type applied struct {
	tag ref
	at  time.Time
}

type customValue struct {
	field   ref
	content json.RawMessage
}

// details are the rarer properties of a contact.
type details struct {
	middle, preferred, prefix, suffix, jobTitle, spouse, website, contactType string
	birthday, anniversary, timeZone, locale, source, ip, referral             string
	assistant, assistantPhone, billing                                        string
	leadSource, company                                                       ref
	faxes                                                                     []fax
	places                                                                    []place
	social                                                                    []social
	utms                                                                      []utm
}

type phone struct{ field, number, extension, kind, e164 string }
type fax struct{ field, number, kind string }
type social struct{ kind, name string }
type place struct {
	field, line1, line2, locality, region, postal, zip, zipFour, country string
	regionCode                                                           string
}
type utm struct {
	id                                           ref
	keapSource, source, medium, term, name, text string
	at                                           time.Time
}

// with gives room for the rarer properties.
func (c *contact) with() *details {
	if c.more == nil {
		c.more = &details{}
	}
	return c.more
}

var noDetails details

// extra is for reading only.
func (c *contact) extra() *details {
	if c.more == nil {
		return &noDetails
	}
	return c.more
}

// address is an e-mail address: its status is its own, whoever has it.
type address struct {
	holders []*contact // in any slot, oldest first
	status  optStatus
	created time.Time
}

// setEmail writes one slot and keeps the index of addresses.
func (t *tenant) setEmail(c *contact, slot int, email string, now time.Time) {
	old, key := strings.ToLower(c.emails[slot]), strings.ToLower(email)
	c.emails[slot] = email
	if old == key {
		return
	}
	if a := t.addresses[old]; a != nil && !c.hasEmail(old) {
		a.holders = slices.DeleteFunc(a.holders, func(h *contact) bool { return h == c })
	}
	if key == "" {
		return
	}
	a := t.address(key, now)
	if !slices.Contains(a.holders, c) {
		a.holders = append(a.holders, c)
	}
}

// address finds or makes the record of an address. A new one is not marketable: whether Keap calls it NonMarketable
// or UnengagedNonMarketable is not documented.
func (t *tenant) address(email string, now time.Time) *address {
	key := strings.ToLower(email)
	a, ok := t.addresses[key]
	if !ok {
		a = &address{status: nonMarketable, created: now}
		t.addresses[key] = a
	}
	return a
}

// hasEmail looks into all three slots, whatever the case.
func (c *contact) hasEmail(email string) bool {
	return email != "" && slices.ContainsFunc(c.emails[:], func(e string) bool { return strings.EqualFold(e, email) })
}

// holders are the contacts that have an address in any slot, oldest first.
func (t *tenant) holders(email string) []*contact {
	if a := t.addresses[strings.ToLower(email)]; a != nil && email != "" {
		return a.holders
	}
	return nil
}

// duplicate finds the contact that a duplicate check of Keap takes for the same. Which one it takes of several is
// not documented: the oldest here. seen leaves out contacts that a concurrent call is still making.
func (t *tenant) duplicate(option string, w *contact, company ref, seen func(*contact) bool) *contact {
	email := w.emails[0]
	for _, e := range w.emails[1:] {
		email = cmp.Or(email, e)
	}
	for _, c := range t.holders(email) {
		if !seen(c) {
			continue
		}
		if option != "Email" && !(strings.EqualFold(c.given, w.given) && strings.EqualFold(c.family, w.family)) {
			continue
		}
		if option == "EmailAndNameAndCompany" && c.extra().company != company {
			continue
		}
		return c
	}
	return nil
}

// place finds a tag among those of the contact, -1 where it is not there.
func (c *contact) place(tag ref) int {
	return slices.IndexFunc(c.tags, func(a applied) bool { return a.tag == tag })
}

func (c *contact) tagged(tag ref) bool { return c.place(tag) >= 0 }

// setCustom writes one custom field; null clears it.
func (c *contact) setCustom(field ref, content json.RawMessage) {
	c.custom = slices.DeleteFunc(slices.Clone(c.custom), func(v customValue) bool { return v.field == field })
	if len(content) > 0 && string(content) != "null" {
		c.custom = append(c.custom, customValue{field, content})
	}
}

// merge moves what loser has to winner, which keeps its own values, and removes loser.
func (t *tenant) merge(winner, loser *contact, now time.Time) {
	t.change(winner, func() { t.absorb(winner, loser, now) })
	for _, e := range t.orders.rows {
		if e.row.contact == loser.id {
			e.row.contact = winner.id
		}
	}
	for _, e := range t.notes.rows {
		if e.row.contact == loser.id {
			e.row.contact = winner.id
		}
	}
	for _, e := range t.tasks.rows {
		if e.row.contact == loser.id {
			e.row.contact = winner.id
		}
	}
	t.remove(loser)
}

// absorb gives the winner of a merge what it has not of its own.
func (t *tenant) absorb(winner, loser *contact, now time.Time) {
	winner.given, winner.family = cmp.Or(winner.given, loser.given), cmp.Or(winner.family, loser.family)
	winner.owner = cmp.Or(winner.owner, loser.owner)
	for _, email := range loser.emails {
		if free := slices.Index(winner.emails[:], ""); free >= 0 && email != "" && !winner.hasEmail(email) {
			t.setEmail(winner, free, email, now)
		}
	}
	for _, a := range loser.tags {
		if !winner.tagged(a.tag) {
			winner.tags = append(winner.tags, a)
			t.holdersOf(a.tag).add(winner, a.at)
		}
	}
	for _, v := range loser.custom {
		if !slices.ContainsFunc(winner.custom, func(w customValue) bool { return w.field == v.field }) {
			winner.custom = append(winner.custom, v)
		}
	}
	if winner.phones == nil {
		winner.phones = loser.phones
	}
	if winner.more == nil {
		winner.more = loser.more
	}
	winner.updated = now
}
