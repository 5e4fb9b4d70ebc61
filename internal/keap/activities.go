package keap

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
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

type noteWire struct {
	ID      id      `json:"id"`
	Title   string  `json:"title"`
	Text    string  `json:"text"`
	Body    string  `json:"body"` // v1
	Type    string  `json:"type"`
	Contact id      `json:"contact_id"`
	User    id      `json:"user_id"` // v1
	Created instant `json:"create_time"`
	DateV1  instant `json:"date_created"`
	Owner   *struct {
		ID id `json:"id"`
	} `json:"assigned_to_user"`
}

// CreateNote writes a note: over v2 as UserID, over v1, where a user is optional, without one. Not safe to repeat.
func (c *Client) CreateNote(ctx context.Context, n Note) (string, error) {
	const operation = "notes.create"
	at, err := segment(operation, "contact_id", n.ContactID)
	if err != nil {
		return "", err
	}
	if n.Title == "" && n.Body == "" && n.Type == "" {
		return "", invalid(operation, "title", "is empty, and so are body and type")
	}
	r := request{operation: operation, method: http.MethodPost, path: "/rest/v2/contacts/" + at + "/notes"}
	body := map[string]any{}
	put(body, "title", n.Title)
	put(body, "type", n.Type)
	if n.UserID != "" {
		put(body, "text", n.Body)
		body["user_id"] = n.UserID
		if n.Title == "" && n.Type == "" {
			body["type"] = "Other"
		}
	} else {
		put(body, "body", n.Body)
		contact, err := number(operation, "contact_id", n.ContactID)
		if err != nil {
			return "", err
		}
		body["contact_id"] = contact
		r.path = "/rest/v1/notes"
	}
	r.body = body
	return c.create(ctx, r)
}

// Notes returns the newest notes of a contact, up to 1,000. Safe to repeat.
func (c *Client) Notes(ctx context.Context, contactID string) ([]Note, error) {
	const operation = "notes.list"
	at, err := segment(operation, "contact_id", contactID)
	if err != nil {
		return nil, err
	}
	query := url.Values{"page_size": {strconv.Itoa(maxPage)}, "order_by": {"create_time desc"}}
	wires, _, err := v2Page[noteWire](ctx, c, listing{operation: operation, path: "/rest/v2/contacts/" + at + "/notes", array: "notes"}, query)
	if err != nil {
		return nil, err
	}
	var notes []Note
	for _, w := range wires {
		n := Note{ID: string(w.ID), ContactID: string(w.Contact), Title: w.Title, Body: w.Text, Type: w.Type, UserID: string(w.User), Created: either(w.Created.Time, w.DateV1.Time)}
		if n.Body == "" {
			n.Body = w.Body
		}
		if w.Owner != nil {
			n.UserID = string(w.Owner.ID)
		}
		if n.ContactID == "" {
			n.ContactID = contactID
		}
		notes = append(notes, n)
	}
	return notes, nil
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
	switch {
	case t.Title == "":
		return "", invalid(operation, "title", "is empty")
	case t.Due.IsZero():
		return "", invalid(operation, "due_time", "is empty")
	case t.Remind != 0 && !slices.Contains(remindMinutes, remind):
		return "", invalid(operation, "remind_time_mins", "is %d; Keap has %v", remind, remindMinutes)
	}
	body := map[string]any{"title": t.Title}
	put(body, "description", t.Description)
	put(body, "type", t.Type)
	r := request{operation: operation, method: http.MethodPost, path: "/rest/v2/tasks", body: body}
	names := map[string]string{"due": "due_time", "remind": "remind_time_mins"}
	if t.UserID != "" {
		body["assigned_to_user_id"] = t.UserID
		put(body, "contact_id", t.ContactID)
	} else {
		r.path, names = "/rest/v1/tasks", map[string]string{"due": "due_date", "remind": "remind_time"}
		if t.ContactID != "" {
			contact, err := number(operation, "contact_id", t.ContactID)
			if err != nil {
				return "", err
			}
			body["contact"] = map[string]json.Number{"id": contact}
		}
	}
	body[names["due"]] = stamp(t.Due)
	if remind > 0 {
		body[names["remind"]] = remind
	}
	return c.create(ctx, r)
}

// Tasks returns the newest tasks of a contact, up to 1,000. Safe to repeat.
func (c *Client) Tasks(ctx context.Context, contactID string) ([]Task, error) {
	f := filter{operation: "tasks.list"}
	f.equal("contact_id", contactID)
	query, err := f.query()
	if err != nil {
		return nil, err
	}
	if query == nil {
		return nil, invalid(f.operation, "contact_id", "is empty")
	}
	query.Set("page_size", strconv.Itoa(maxPage))
	query.Set("order_by", "create_time desc")
	type task struct {
		ID          id      `json:"id"`
		Contact     id      `json:"contact_id"`
		User        id      `json:"assigned_to_user_id"`
		Title       string  `json:"title"`
		Description string  `json:"description"`
		Type        string  `json:"type"`
		Due         instant `json:"due_time"`
		Created     instant `json:"create_time"`
	}
	wires, _, err := v2Page[task](ctx, c, listing{operation: f.operation, path: "/rest/v2/tasks", array: "tasks"}, query)
	if err != nil {
		return nil, err
	}
	var tasks []Task
	for _, w := range wires {
		tasks = append(tasks, Task{
			ID: string(w.ID), ContactID: string(w.Contact), UserID: string(w.User), Title: w.Title,
			Description: w.Description, Type: w.Type, Due: w.Due.Time, Created: w.Created.Time,
		})
	}
	return tasks, nil
}

// create makes a request whose answer is a new thing, and returns its id.
func (c *Client) create(ctx context.Context, r request) (string, error) {
	var got struct {
		ID id `json:"id"`
	}
	a, err := c.do(ctx, r, &got)
	if err != nil {
		return "", err
	}
	if got.ID == "" {
		return "", a.unreadable(r.operation, "no id of what it made", nil)
	}
	return string(got.ID), nil
}

// put sets a value that is not empty.
func put(body map[string]any, name, value string) {
	if value != "" {
		body[name] = value
	}
}
