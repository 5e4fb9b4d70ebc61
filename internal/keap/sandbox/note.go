package sandbox

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

type note struct {
	contact, user    ref
	title, body      string
	kind             string
	pinned           bool
	created, updated time.Time
}

type v1Note struct {
	ID      ref       `json:"id"`
	Contact ref       `json:"contact_id"`
	Title   string    `json:"title"`
	Body    string    `json:"body"`
	Type    string    `json:"type"`
	User    ref       `json:"user_id,omitempty"`
	Created string    `json:"date_created"`
	Updated string    `json:"last_updated"`
	By      *v1Editor `json:"last_updated_by,omitempty"`
}

type v1Editor struct {
	User   ref    `json:"user_id"`
	Given  string `json:"given_name"`
	Family string `json:"family_name"`
}

type v2Note struct {
	ID      string       `json:"id"`
	Contact string       `json:"contact_id"`
	Title   string       `json:"title"`
	Text    string       `json:"text"`
	Type    string       `json:"type"`
	User    *v2BasicUser `json:"assigned_to_user,omitempty"`
	Created string       `json:"create_time"`
	Updated string       `json:"update_time"`
	Editor  string       `json:"last_updated_by_user_id,omitempty"`
	Author  string       `json:"created_by_user_id,omitempty"`
	Pinned  string       `json:"pinned_at,omitempty"`
}

type v2BasicUser struct {
	ID     string `json:"id"`
	Given  string `json:"given_name"`
	Family string `json:"family_name"`
	Email  string `json:"email_address"`
}

func (t *tenant) note1(id ref, n *note) v1Note {
	out := v1Note{ID: id, Contact: n.contact, Title: n.title, Body: n.body, Type: n.kind, User: n.user, Created: stamp(n.created), Updated: stamp(n.updated)}
	if u, ok := t.users.get(n.user); ok {
		out.By = &v1Editor{n.user, u.GivenName, u.FamilyName}
	}
	return out
}

func (t *tenant) note2(id ref, n *note) v2Note {
	out := v2Note{ID: id.String(), Contact: n.contact.String(), Title: n.title, Text: n.body, Type: n.kind,
		Created: stamp(n.created), Updated: stamp(n.updated), Editor: n.user.text(), Author: n.user.text()}
	if u, ok := t.users.get(n.user); ok {
		out.User = &v2BasicUser{n.user.String(), u.GivenName, u.FamilyName, u.Email}
	}
	if n.pinned {
		out.Pinned = stamp(n.created)
	}
	return out
}

var noteTypes = []string{"Appointment", "Call", "Email", "Fax", "Letter", "Other"}

func createNote1(t *tenant, c *call) reply {
	var in struct {
		Body    string `json:"body"`
		Contact ref    `json:"contact_id"`
		Title   string `json:"title"`
		Type    string `json:"type"`
		User    ref    `json:"user_id"`
	}
	if err := c.read(&in); err != nil {
		return c.bad(err.Error())
	}
	switch {
	case in.Title == "" && in.Body == "":
		return c.bad("Either a title or body is required")
	case in.Type != "" && !slices.Contains(noteTypes, in.Type):
		return c.bad("Invalid type: " + in.Type)
	}
	if _, found := t.contactByID(in.Contact); !found {
		return c.notFound("Contact", in.Contact.String())
	}
	n := &note{contact: in.Contact, user: cmp.Or(in.User, 1), title: in.Title, body: in.Body, kind: cmp.Or(in.Type, "Other"), created: c.now, updated: c.now}
	id := t.addNote(c, n)
	return created(t.note1(id, n))
}

func (t *tenant) addNote(c *call, n *note) ref {
	id := t.notes.put(0, n)
	c.about("contact", n.contact)
	c.about("note", id)
	t.happened(c, "note.add", id)
	return id
}

func createNote2(t *tenant, c *call) reply {
	var in struct {
		Title  string        `json:"title"`
		Text   string        `json:"text"`
		Type   string        `json:"type"`
		User   ref           `json:"user_id"`
		Pinned bool          `json:"is_pinned"`
		Custom []v2ContentIn `json:"custom_fields"`
	}
	if err := c.read(&in); err != nil {
		return c.bad(err.Error())
	}
	switch {
	case in.User == 0:
		return c.bad("user_id is required")
	case in.Title == "" && in.Type == "":
		return c.bad("Either a title or type is required")
	}
	if _, found := t.contactByID(c.id(0)); !found {
		return c.notFound("Contact", c.args[0])
	}
	n := &note{contact: c.id(0), user: in.User, title: in.Title, body: in.Text, kind: cmp.Or(in.Type, "Other"), pinned: in.Pinned, created: c.now, updated: c.now}
	id := t.addNote(c, n)
	return created(t.note2(id, n))
}

// v2ContentIn is a custom field of a record other than a contact; none are defined, so none may be given.
type v2ContentIn struct {
	ID      ref    `json:"id"`
	Content string `json:"content"`
}

func listNotes1(t *tenant, c *call) reply {
	contact, user := c.query.Get("contact_id"), c.query.Get("user_id")
	return reply1(c, "notes", pick(&t.notes, func(_ ref, n *note) bool {
		return (contact == "" || n.contact == parseRef(contact)) && (user == "" || n.user == parseRef(user))
	}, t.note1))
}

// listNotes2 lists the notes of one contact, or all.
func listNotes2(t *tenant, c *call) reply {
	filter, err := c.filter("id", "ids", "title", "contact_id", "assigned_to_user_id", "user_id", "since_time", "until_time")
	if err != nil {
		return c.bad(err.Error())
	}
	since, until, err := bounds(filter, "since_time", "until_time")
	if err != nil {
		return c.bad(err.Error())
	}
	if len(c.args) > 0 {
		if _, found := t.contactByID(c.id(0)); !found {
			return c.notFound("Contact", c.args[0])
		}
	}
	return reply2(c, "notes", pick(&t.notes, func(id ref, n *note) bool {
		if len(c.args) > 0 && n.contact != c.id(0) || !between(n.created, since, until) {
			return false
		}
		for _, f := range filter {
			switch f.name {
			case "id", "ids":
				if !f.number(int64(id)) {
					return false
				}
			case "title":
				if !f.within(n.title) {
					return false
				}
			case "contact_id":
				if !f.number(int64(n.contact)) {
					return false
				}
			case "assigned_to_user_id", "user_id":
				if !f.number(int64(n.user)) {
					return false
				}
			}
		}
		return true
	}, t.note2))
}

// bounds are the two times of a filter.
func bounds(filter []condition, since, until string) (a, b time.Time, err error) {
	for _, f := range filter {
		switch f.name {
		case since:
			a, err = f.instant()
		case until:
			b, err = f.instant()
		}
		if err != nil {
			return a, b, err
		}
	}
	return a, b, nil
}

func getNote(t *tenant, c *call) reply {
	id := c.id(len(c.args) - 1)
	n, found := t.notes.get(id)
	if !found || c.version == 2 && n.contact != c.id(0) {
		return c.notFound("Note", id.String())
	}
	if c.version == 2 {
		return ok(t.note2(id, n))
	}
	return ok(t.note1(id, n))
}

func deleteNote(t *tenant, c *call) reply {
	id := c.id(len(c.args) - 1)
	if !t.notes.remove(id) {
		return c.notFound("Note", id.String())
	}
	t.happened(c, "note.delete", id)
	return none()
}

// patchNote1 changes what is given.
func patchNote1(t *tenant, c *call) reply {
	n, found := t.notes.get(c.id(0))
	if !found {
		return c.notFound("Note", c.args[0])
	}
	var in struct {
		Body    *string `json:"body"`
		Contact ref     `json:"contact_id"`
		Title   *string `json:"title"`
		Type    string  `json:"type"`
		User    ref     `json:"user_id"`
	}
	if err := c.read(&in); err != nil {
		return c.bad(err.Error())
	}
	n.title, n.body = orKeep(in.Title, n.title), orKeep(in.Body, n.body)
	n.kind, n.user, n.contact, n.updated = cmp.Or(in.Type, n.kind), cmp.Or(in.User, n.user), cmp.Or(in.Contact, n.contact), c.now
	t.happened(c, "note.edit", c.id(0))
	return ok(t.note1(c.id(0), n))
}

func orKeep(s *string, have string) string {
	if s == nil {
		return have
	}
	return strings.TrimSpace(*s)
}
