package sandbox

import (
	"errors"
	"fmt"
	"time"
)

func deleteContact(t *tenant, c *call) reply {
	x, found := t.contactByID(c.id(0))
	if !found {
		return c.notFound("Contact", c.args[0])
	}
	c.about("contact", x.id)
	t.remove(x)
	t.happened(c, "contact.delete", x.id)
	return none()
}

// refuse answers an error of reading a body.
func (c *call) refuse(err error) reply {
	if r := (refusal{}); errors.As(err, &r) {
		return c.fail(r.status, r.message)
	}
	return c.bad(err.Error())
}

// enough checks what a new contact needs.
func (w *write) enough() error {
	if w.draft.emails != [3]string{} || w.phones > 0 || w.c.version == 2 && w.places > 0 {
		return nil
	}
	if w.c.version == 2 {
		return fmt.Errorf("Contact must contain at least one item in email_addresses, phone_numbers, or addresses")
	}
	return fmt.Errorf("Contact must contain at least one item in email_addresses or phone_numbers")
}

// create makes a contact and runs what Keap's settings say for contacts added through the API.
func (t *tenant) create(w *write) *contact {
	x := &contact{id: t.lastID + 1, created: w.c.now, updated: w.c.now, visible: w.c.visible}
	w.apply(x)
	t.insert(x)
	w.c.about("contact", x.id)
	t.happened(w.c, "contact.add", x.id)
	t.trigger(w.c, t.triggers.ContactAdded, "contact_added", x)
	return x
}

func (t *tenant) update(w *write, x *contact) {
	t.change(x, func() { w.apply(x) })
	w.c.about("contact", x.id)
	t.happened(w.c, "contact.edit", x.id)
	t.trigger(w.c, t.triggers.ContactUpdated, "contact_updated", x)
}

// upsert creates a contact or updates the one that the duplicate check finds.
func (t *tenant) upsert(c *call, answer func(x *contact, isNew bool) reply) reply {
	w, err := t.readContact(c, nil)
	if err != nil {
		return c.refuse(err)
	}
	option := w.option
	if c.version == 2 {
		option = c.query.Get("duplicate_option")
	}
	if option != "" {
		seen := func(x *contact) bool { return !c.flags.duplicates || !x.visible.After(c.now) }
		if x := t.duplicate(option, &w.draft, w.company, seen); x != nil {
			t.update(w, x)
			return answer(x, false)
		}
	}
	if err := w.enough(); err != nil {
		return c.refuse(err)
	}
	return answer(t.create(w), true)
}

func (t *tenant) patch(c *call, answer func(*contact) reply) reply {
	x, found := t.contactByID(c.id(0))
	if !found {
		return c.notFound("Contact", c.args[0])
	}
	w, err := t.readContact(c, list(c.query, "update_mask"))
	if err == nil && w.option != "" {
		err = unrecognized("duplicate_option")
	}
	if err != nil {
		return c.refuse(err)
	}
	t.update(w, x)
	return answer(x)
}

func parseBounds(since, until string) (a, b time.Time, err error) {
	if since != "" {
		if a, err = parseInstant(since); err != nil {
			return a, b, fmt.Errorf("since: %w", err)
		}
	}
	if until != "" {
		if b, err = parseInstant(until); err != nil {
			return a, b, fmt.Errorf("until: %w", err)
		}
	}
	return a, b, nil
}

func createUTM(t *tenant, c *call) reply {
	x, found := t.contactByID(c.id(0))
	if !found {
		return c.notFound("Contact", c.args[0])
	}
	var in struct {
		Keap     string `json:"keapSourceId"`
		Source   string `json:"utmSource"`
		Medium   string `json:"utmMedium"`
		Campaign string `json:"utmCampaign"`
		Content  string `json:"utmContent"`
		Term     string `json:"utmTerm"`
	}
	if err := c.read(&in); err != nil {
		return c.bad(err.Error())
	}
	if in.Keap == "" {
		return c.bad("keapSourceId is required")
	}
	id := t.addUTM(x, utm{keapSource: in.Keap, source: in.Source, medium: in.Medium, term: in.Term, name: in.Campaign, text: in.Content, at: c.now})
	c.about("contact", x.id)
	return created(struct {
		ID       ref    `json:"contactUtmId"`
		Keap     string `json:"keapSourceId"`
		Source   string `json:"utmSource"`
		Medium   string `json:"utmMedium"`
		Campaign string `json:"utmCampaign"`
		Content  string `json:"utmContent"`
		Term     string `json:"utmTerm"`
	}{id, in.Keap, in.Source, in.Medium, in.Campaign, in.Content, in.Term})
}
