package calls

import (
	"context"
	"errors"
	"strings"
	"time"

	"bridge/internal/events"
	"bridge/internal/keap"
)

// value is one field's text and when it was true.
type value struct {
	text string
	at   time.Time
}

// Names of fields in flat form; custom fields and UTM values have a prefix.
const (
	customField = "field:"
	utmField    = "utm:"
)

// flatten spells a contact step out, field by field.
func flatten(s *events.ContactStep, at time.Time) map[string]value {
	flat := map[string]value{}
	put := func(name, text string) {
		if text != "" {
			flat[name] = value{text, at}
		}
	}
	c := &s.Contact
	put("email", events.NormalEmail(c.Email))
	put("given_name", c.FirstName)
	put("family_name", c.LastName)
	put("phone", c.Phone)
	if a := c.Address; a != nil {
		put("line1", a.Line1)
		put("line2", a.Line2)
		put("city", a.City)
		put("region", a.Region)
		put("postal_code", a.PostalCode)
		put("country", a.Country)
	}
	put("opt_in", s.OptIn)
	put("company", s.Company)
	put("owner", s.Owner)
	for name, text := range s.Fields {
		flat[customField+name] = value{text, at} // "" clears it
	}
	for name, text := range s.UTM {
		put(utmField+name, text)
	}
	return flat
}

// upsert is the contact write of one or several asks of one contact that have not been sent yet.
type upsert struct {
	flat map[string]value
	done chan struct{}
	ref  keap.ContactRef
	err  error
	sum  Result // what the calls came to
}

// absorb takes another update in: field by field, the later one wins.
func (u *upsert) absorb(flat map[string]value) {
	for name, v := range flat {
		if old, ok := u.flat[name]; !ok || !v.at.Before(old.at) {
			u.flat[name] = v
		}
	}
}

// writeContact does a contact step: nothing where Keap knows all of it already, else one call.
func (t *task) writeContact(ctx context.Context, s *events.Step, r *Result) error {
	if s.Contact.Find {
		err := t.locate(ctx, r)
		r.Contact = t.contact
		return err
	}
	flat := flatten(s.Contact, t.Time)
	m := t.remembered(ctx)
	if m.newer(flat); m.knows(flat) && !t.changedSince(ctx, &m) {
		r.Contact, r.Skipped, t.contact = m.ID, true, m.ID
		return nil
	}
	if err := t.prepareFields(ctx, flat, r); err != nil {
		return err
	}
	key := t.Account + "\x00" + t.memoryKey()
	t.mu.Lock()
	if u := t.merge[key]; u != nil {
		u.absorb(flat)
		t.mu.Unlock()
		return t.follow(ctx, u, r)
	}
	u := &upsert{flat: flat, done: make(chan struct{})}
	t.merge[key] = u
	t.mu.Unlock()
	u.ref, u.err = t.lead(ctx, key, u, &m, s, r)
	u.sum = *r
	close(u.done)
	r.Contact, r.Created, t.contact = u.ref.ID, u.ref.Created, u.ref.ID
	return u.err
}

// follow waits for the write that took this update in. Created is told once.
func (t *task) follow(ctx context.Context, u *upsert, r *Result) error {
	select {
	case <-u.done:
	case <-ctx.Done():
		return ctx.Err()
	}
	r.Contact, r.Calls, r.Status, r.Sent, t.contact = u.ref.ID, u.sum.Calls, u.sum.Status, u.sum.Sent, u.ref.ID
	return u.err
}

// lead writes the contact for everybody who merged into the write.
func (t *task) lead(ctx context.Context, key string, u *upsert, m *person, s *events.Step, r *Result) (keap.ContactRef, error) {
	sealed := false
	seal := func() map[string]value {
		t.mu.Lock()
		defer t.mu.Unlock()
		if !sealed {
			sealed = true
			delete(t.merge, key)
		}
		return u.flat
	}
	defer seal()
	byEmail := s.Contact.Contact.Email != ""
	if !byEmail && m.ID == "" {
		id, err := t.find(ctx, r)
		if err != nil {
			return keap.ContactRef{}, err
		}
		m.ID = id
	}
	var ref keap.ContactRef
	write := request{operation: "contacts.upsert", rank: beginning, step: s, subjects: 1}
	switch {
	case byEmail:
		write.send = func(ctx context.Context) error {
			w, err := t.contactWrite(seal(), true)
			if err == nil {
				ref, err = t.settings.Keap.UpsertContact(ctx, w, keap.ByEmail)
			}
			return err
		}
	case m.ID != "":
		write.operation = "contacts.patch"
		write.send = func(ctx context.Context) error {
			w, err := t.contactWrite(seal(), true)
			if err == nil {
				ref.ID, err = m.ID, t.settings.Keap.PatchContact(ctx, m.ID, w)
			}
			return err
		}
	default:
		write.operation, write.unsafe = "contacts.create", true
		write.send = func(ctx context.Context) error {
			w, err := t.contactWrite(seal(), false)
			if err == nil {
				ref, err = t.settings.Keap.CreateContact(ctx, w)
			}
			return err
		}
	}
	if err := t.call(ctx, r, write); err != nil {
		if !byEmail && m.ID != "" && keap.KindOf(err) == keap.KindNotFound {
			t.remember(ctx, person{})
		}
		return keap.ContactRef{}, err
	}
	m.ID = ref.ID
	m.wrote(u.flat, time.Now())
	t.remember(ctx, *m)
	return ref, t.addUTM(ctx, u.flat, ref.ID, s, r)
}

func flatHas(flat map[string]value, name string) bool { return flat[name].text != "" }

// prepareFields makes sure that what the write names is known here, custom fields and the company record, and that
// the values fit their fields.
func (t *task) prepareFields(ctx context.Context, flat map[string]value, r *Result) error {
	custom := false
	for name := range flat {
		custom = custom || strings.HasPrefix(name, customField)
	}
	if custom {
		if err := t.loadModel(ctx, flat, r); err != nil {
			return err
		}
	}
	if name := flat["company"].text; name != "" {
		if _, err := t.companyID(ctx, name, r); err != nil {
			return err
		}
	}
	if !custom {
		return nil
	}
	_, err := t.contactWrite(flat, true)
	return err
}

// contactWrite is the write in the client's words. An existing contact's owner stays.
func (t *task) contactWrite(flat map[string]value, mayExist bool) (keap.ContactWrite, error) {
	text := func(name string) *string {
		if v, ok := flat[name]; ok {
			return &v.text
		}
		return nil
	}
	w := keap.ContactWrite{GivenName: text("given_name"), FamilyName: text("family_name"), OptInReason: text("opt_in")}
	if flatHas(flat, "email") {
		w.Emails = []keap.EmailAddress{{Address: flat["email"].text}}
	}
	if flatHas(flat, "phone") {
		w.Phones = []keap.Phone{{Number: flat["phone"].text}}
	}
	a := keap.Address{
		Line1: flat["line1"].text, Line2: flat["line2"].text, Locality: flat["city"].text, Region: flat["region"].text,
		PostalCode: flat["postal_code"].text, Country: flat["country"].text,
	}
	if a != (keap.Address{}) {
		w.Addresses = []keap.Address{a}
	}
	if name := flat["company"].text; name != "" {
		id := t.found.known(lookupKey{t.Account, companyRecord, fold(name)})
		w.CompanyID = &id
	}
	if !mayExist {
		w.OwnerID = text("owner")
	}
	model := t.models.known(t.Account)
	for name, v := range flat {
		label, ok := strings.CutPrefix(name, customField)
		if !ok {
			continue
		}
		id, content, err := model.Resolve(label, v.text)
		if err != nil {
			return w, err
		}
		w.CustomFields = append(w.CustomFields, keap.CustomValue{ID: id, Content: content})
	}
	return w, nil
}

// addUTM records where the contact came from, for the first time only: Keap keeps a record each time.
func (t *task) addUTM(ctx context.Context, flat map[string]value, contact string, s *events.Step, r *Result) error {
	u := keap.UTM{
		SourceID: "bridge", Source: flat[utmField+"source"].text, Medium: flat[utmField+"medium"].text,
		Campaign: flat[utmField+"campaign"].text, Content: flat[utmField+"content"].text, Term: flat[utmField+"term"].text,
	}
	if u == (keap.UTM{SourceID: "bridge"}) {
		return nil
	}
	return t.call(ctx, r, request{operation: "contacts.utm", rank: ending, step: s, subjects: 1, send: func(ctx context.Context) error {
		return t.settings.Keap.AddUTM(ctx, contact, u)
	}})
}

// giveOwner gives a new contact its owner.
func (t *task) giveOwner(ctx context.Context, s *events.Step, r *Result) error {
	if len(s.Owner.Users) == 0 {
		r.Skipped = true
		return nil
	}
	w := keap.ContactWrite{OwnerID: &s.Owner.Users[0]}
	return t.onContact(ctx, r, request{operation: "contacts.patch", rank: ending, step: s, subjects: 1, send: func(ctx context.Context) error {
		return t.settings.Keap.PatchContact(ctx, t.contact, w)
	}})
}

// onContact makes a call about the contact, and once more where it is found under another id by now.
func (t *task) onContact(ctx context.Context, r *Result, q request) error {
	err := t.call(ctx, r, q)
	var e *keap.Error
	if !errors.As(err, &e) || e.Kind != keap.KindNotFound {
		return err
	}
	before := t.contact
	if lost := t.relocate(ctx, r); lost != nil {
		return lost
	}
	if t.contact == before {
		return err // the contact is there: something else is missing
	}
	return t.call(ctx, r, q)
}
