package keap

import (
	"context"
	"net/url"
	"slices"
	"time"
)

// Note is a note on a contact. One of Title, Body and Type is needed.
type Note struct {
	ID        string // read only
	ContactID string
	Title     string
	Body      string
	Type      string // Appointment, Call, Email, Fax, Letter, Other, or what a Classic application has configured
	UserID    string // Keap user that it is written as; "" = the credential's, where Keap knows one
	Created   time.Time
}

// CreateNote writes a note: over v2 as UserID, over v1, where a user is optional, without one. Not safe to repeat.
func (c *Client) CreateNote(ctx context.Context, n Note) (string, error) {
	const operation = "notes.create"
	if n.Title == "" && n.Body == "" && n.Type == "" {
		return "", invalid(operation, "title", "is empty, and so are body and type")
	}
	body := fields{}
	body.put("title", n.Title)
	body.put("type", n.Type)
	if n.UserID == "" {
		contact, err := number(operation, "contact_id", n.ContactID)
		if err != nil {
			return "", err
		}
		body["contact_id"] = contact
		body.put("body", n.Body)
		return c.create(ctx, post(operation, "/rest/v1/notes", body))
	}
	body["user_id"] = n.UserID
	body.put("text", n.Body)
	if n.Title == "" && n.Type == "" {
		body["type"] = "Other" // v2 wants a title or a type
	}
	return c.create(ctx, post(operation, "/rest/v2/contacts/{contact_id}/notes", body, n.ContactID))
}

// Notes returns the newest notes of a contact, up to 1,000. Safe to repeat.
func (c *Client) Notes(ctx context.Context, contactID string) ([]Note, error) {
	type wire struct {
		made
		Title   string  `json:"title"`
		Text    string  `json:"text"`
		Type    string  `json:"type"`
		User    made    `json:"assigned_to_user"`
		Created instant `json:"create_time"`
	}
	r := get("notes.list", "/rest/v2/contacts/{contact_id}/notes", contactID).with(url.Values{"order_by": {"create_time desc"}})
	return v2List(ctx, c, r, "notes", func(w *wire) Note {
		return Note{ID: string(w.ID), ContactID: contactID, Title: w.Title, Body: w.Text, Type: w.Type, UserID: string(w.User.ID), Created: w.Created.Time}
	})
}

// Task is something for a Keap user to do about a contact.
type Task struct {
	ID          string // read only
	ContactID   string
	Title       string
	Description string
	Type        string
	Due         time.Time
	Remind      time.Duration // before Due; 0: no reminder. One of the steps that Keap has: 5 min to 2 days
	UserID      string        // who is to do it; "" = nobody, over v1
	Created     time.Time
}

// remindMinutes are the reminders that Keap has.
var remindMinutes = []int{5, 10, 15, 30, 60, 120, 240, 480, 1440, 2880}

// CreateTask makes a task: over v2 for UserID, over v1, where a user is optional, without one. Not safe to repeat.
func (c *Client) CreateTask(ctx context.Context, t Task) (string, error) {
	const operation = "tasks.create"
	remind := int(t.Remind / time.Minute)
	if err := required(operation, "title", t.Title); err != nil {
		return "", err
	}
	switch {
	case t.Due.IsZero():
		return "", invalid(operation, "due_time", "is empty")
	case t.Remind != 0 && !slices.Contains(remindMinutes, remind):
		return "", invalid(operation, "remind_time_mins", "is %d; Keap has %v", remind, remindMinutes)
	}
	v := v2
	if t.UserID == "" {
		v = v1
	}
	body := fields{"title": t.Title}
	body.put("description", t.Description)
	body.put("type", t.Type)
	body.put("assigned_to_user_id", t.UserID)
	body.putTime(v.name("due_date", "due_time"), t.Due)
	if remind > 0 {
		body[v.name("remind_time", "remind_time_mins")] = remind
	}
	if t.ContactID != "" {
		contact, err := v.ref(operation, "contact_id", t.ContactID)
		if err != nil {
			return "", err
		}
		if v == v1 {
			body["contact"] = fields{"id": contact}
		} else {
			body["contact_id"] = contact
		}
	}
	return c.create(ctx, post(operation, v.name("/rest/v1/tasks", "/rest/v2/tasks"), body))
}

// Tasks returns the newest tasks of a contact, up to 1,000. Safe to repeat.
func (c *Client) Tasks(ctx context.Context, contactID string) ([]Task, error) {
	f := filter{operation: "tasks.list"}
	f.equal("contact_id", contactID)
	query, err := f.query("create_time desc")
	if err != nil {
		return nil, err
	}
	type wire struct {
		made
		Contact     id      `json:"contact_id"`
		User        id      `json:"assigned_to_user_id"`
		Title       string  `json:"title"`
		Description string  `json:"description"`
		Type        string  `json:"type"`
		Due         instant `json:"due_time"`
		Created     instant `json:"create_time"`
	}
	return v2List(ctx, c, get(f.operation, "/rest/v2/tasks").with(query), "tasks", func(w *wire) Task {
		return Task{
			ID: string(w.ID), ContactID: string(w.Contact), UserID: string(w.User), Title: w.Title,
			Description: w.Description, Type: w.Type, Due: w.Due.Time, Created: w.Created.Time,
		}
	})
}

// create makes a request whose answer is a new thing, and returns its id.
func (c *Client) create(ctx context.Context, r request) (string, error) {
	var got made
	if _, err := c.do(ctx, r, &got); err != nil {
		return "", err
	}
	return string(got.ID), nil
}
