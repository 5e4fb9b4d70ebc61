package sandbox

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// State is what the CRM holds and what was done to it. Ids are text.
type State struct {
	Contacts      []Contact      `json:"contacts"`
	Goals         []GoalRun      `json:"goals"`
	ActionSets    []ActionSetRun `json:"action_sets"`
	Sequences     []SequenceRun  `json:"sequences"`
	Orders        []Order        `json:"orders"`
	Payments      []Payment      `json:"payments"`
	Emails        []Email        `json:"emails"`
	Notes         []Note         `json:"notes"`
	Tasks         []Task         `json:"tasks"`
	Opportunities []Opportunity  `json:"opportunities"`
	Tags          []Tag          `json:"tags"`
	Products      []Product      `json:"products"`
	Hooks         []Hook         `json:"hooks"`
}

// Contact is a contact in State and Seed. Tags are names, custom fields go by their field name.
type Contact struct {
	ID           string         `json:"id"`
	Email        string         `json:"email"`
	Email2       string         `json:"email2,omitempty"`
	Email3       string         `json:"email3,omitempty"`
	Phone        string         `json:"phone,omitempty"`
	GivenName    string         `json:"given_name"`
	FamilyName   string         `json:"family_name"`
	Tags         []string       `json:"tags"`
	CustomFields map[string]any `json:"custom_fields"`
	OwnerID      string         `json:"owner_id"`
	OptInReason  string         `json:"opt_in_reason"`
	EmailStatus  string         `json:"email_status,omitempty"` // in v1's words
	CompanyID    string         `json:"company_id,omitempty"`
	CreatedAt    time.Time      `json:"created_at"`
	UpdatedAt    time.Time      `json:"updated_at"`
}

// Tag is a tag in State and Seed.
type Tag struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	Category string `json:"category,omitempty"` // name
}

// Order is an order in State; amounts are exact decimal text.
type Order struct {
	ID            string      `json:"id"`
	ContactID     string      `json:"contact_id"`
	Title         string      `json:"title"`
	Type          string      `json:"type"`
	Total         string      `json:"total"`
	Paid          string      `json:"paid"`
	InvoiceNumber string      `json:"invoice_number,omitempty"`
	PromoCodes    []string    `json:"promo_codes,omitempty"`
	Items         []OrderItem `json:"items"`
	OrderedAt     time.Time   `json:"ordered_at"`
	At            time.Time   `json:"at"`
}

// OrderItem is one line of an Order.
type OrderItem struct {
	ProductID   string `json:"product_id"`
	Type        string `json:"type"`
	Name        string `json:"name,omitempty"`
	Description string `json:"description,omitempty"`
	Quantity    int    `json:"quantity"`
	Price       string `json:"price"`
}

// Payment is a payment in State.
type Payment struct {
	ID      string    `json:"id"`
	OrderID string    `json:"order_id"`
	Amount  string    `json:"amount"`
	Type    string    `json:"type"`
	Notes   string    `json:"notes,omitempty"`
	At      time.Time `json:"at"`
}

// Note is a note in State.
type Note struct {
	ID        string    `json:"id"`
	ContactID string    `json:"contact_id"`
	Title     string    `json:"title"`
	Body      string    `json:"body"`
	Type      string    `json:"type"`
	UserID    string    `json:"user_id"`
	At        time.Time `json:"at"`
}

// Task is a task in State.
type Task struct {
	ID          string    `json:"id"`
	ContactID   string    `json:"contact_id"`
	Title       string    `json:"title"`
	Description string    `json:"description,omitempty"`
	UserID      string    `json:"user_id"`
	DueAt       time.Time `json:"due_at"`
	At          time.Time `json:"at"`
}

// Opportunity is an opportunity in State.
type Opportunity struct {
	ID        string    `json:"id"`
	ContactID string    `json:"contact_id"`
	Title     string    `json:"title"`
	StageID   string    `json:"stage_id"`
	UserID    string    `json:"user_id,omitempty"`
	At        time.Time `json:"at"`
}

// State returns what one tenant holds, or all of them when app is "". What was seeded shows before the first call.
func (s *Server) State(app string) State {
	s.mu.Lock()
	some := s.someLocked(app)
	s.mu.Unlock()
	out := State{Contacts: []Contact{}, Goals: []GoalRun{}, ActionSets: []ActionSetRun{}, Sequences: []SequenceRun{}, Orders: []Order{}, Payments: []Payment{},
		Emails: []Email{}, Notes: []Note{}, Tasks: []Task{}, Opportunities: []Opportunity{}, Tags: []Tag{}, Products: []Product{}, Hooks: []Hook{}}
	for _, t := range some {
		t.addTo(&out)
	}
	return out
}

// someLocked are the tenants that app means: those of keys that settings placed are there before their first call. Where
// none is known yet it is one as the first call will make it.
func (s *Server) someLocked(app string) []*tenant {
	for _, k := range s.settings.keys {
		if k.App != "" && (app == "" || app == k.App) {
			s.tenantLocked(k.App)
		}
	}
	if app == "" && len(s.tenants) == 0 && len(s.base) > 0 {
		return []*tenant{s.spareLocked()}
	}
	var some []*tenant
	for _, name := range slices.Sorted(maps.Keys(s.tenants)) {
		if app == "" || app == name {
			some = append(some, s.tenants[name])
		}
	}
	return some
}

func (t *tenant) addTo(out *State) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for x := range t.contacts.all() {
		out.Contacts = append(out.Contacts, t.contactState(x))
	}
	out.Goals = append(out.Goals, t.goals...)
	out.ActionSets = append(out.ActionSets, t.setRuns...)
	out.Sequences = append(out.Sequences, t.sequenceRuns...)
	out.Emails = append(out.Emails, pick(&t.emails, all, func(_ ref, e *Email) Email { return *e })...)
	out.Orders = append(out.Orders, pick(&t.orders, all, t.orderState)...)
	out.Payments = append(out.Payments, pick(&t.payments, all, func(id ref, p *payment) Payment {
		return Payment{id.String(), p.order.String(), p.amount.String(), p.kind, p.note, p.at}
	})...)
	out.Notes = append(out.Notes, pick(&t.notes, all, func(id ref, n *note) Note {
		return Note{id.String(), n.contact.String(), n.title, n.body, n.kind, n.user.text(), n.created}
	})...)
	out.Tasks = append(out.Tasks, pick(&t.tasks, all, func(id ref, x *task) Task {
		return Task{id.String(), x.contact.text(), x.title, x.body, x.user.text(), x.due, x.created}
	})...)
	out.Opportunities = append(out.Opportunities, pick(&t.opportunities, all, func(id ref, o *opportunity) Opportunity {
		return Opportunity{id.String(), o.contact.String(), o.title, o.stage.String(), o.user.text(), o.created}
	})...)
	out.Tags = append(out.Tags, pick(&t.tags, all, func(id ref, x *tag) Tag {
		g := Tag{ID: id.String(), Name: x.name}
		if cat, ok := t.categories.get(x.category); ok {
			g.Category = cat.name
		}
		return g
	})...)
	out.Products = append(out.Products, pick(&t.products, all, func(id ref, p *product) Product {
		return Product{id.String(), p.sku, p.name, p.price.String()}
	})...)
	for _, h := range t.hooks {
		out.Hooks = append(out.Hooks, h.public())
	}
}

func (t *tenant) contactState(x *contact) Contact {
	out := Contact{
		ID: x.id.String(), Email: x.emails[0], Email2: x.emails[1], Email3: x.emails[2], GivenName: x.given, FamilyName: x.family,
		Tags: make([]string, len(x.tags)), CustomFields: map[string]any{}, OwnerID: x.owner.text(), OptInReason: x.optIn,
		CompanyID: x.extra().company.text(), CreatedAt: x.created, UpdatedAt: x.updated,
	}
	if len(x.phones) > 0 {
		out.Phone = x.phones[0].number
	}
	if a := t.addresses[strings.ToLower(x.emails[0])]; a != nil {
		out.EmailStatus = statusNames[a.status].v1
	}
	for i, a := range x.tags {
		g, _ := t.tags.get(a.tag)
		out.Tags[i] = g.name
	}
	for _, v := range x.custom {
		f, _ := t.fields.get(v.field)
		var content any
		_ = json.Unmarshal(v.content, &content) // it was JSON when it came
		out.CustomFields[f.name] = content
	}
	return out
}

func (t *tenant) orderState(id ref, o *order) Order {
	out := Order{ID: id.String(), ContactID: o.contact.String(), Title: o.title, Type: o.kind, Total: o.total().String(), Paid: t.paid(id).String(),
		InvoiceNumber: o.invoiceNumber, PromoCodes: o.promos, OrderedAt: o.at, At: o.created, Items: make([]OrderItem, len(o.items))}
	for i, it := range o.items {
		out.Items[i] = OrderItem{it.product.String(), it.kind, it.name, it.text, it.quantity, it.price.String()}
	}
	return out
}

// Contact finds a contact of a tenant ("": any) in State by one of its e-mail addresses.
func (s *Server) Contact(app, email string) (Contact, error) {
	s.mu.Lock()
	some := maps.Clone(s.tenants)
	s.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(some)) {
		if app != "" && app != name {
			continue
		}
		t := some[name]
		t.mu.Lock()
		if found := t.holders(email); len(found) > 0 {
			out := t.contactState(found[0])
			t.mu.Unlock()
			return out, nil
		}
		t.mu.Unlock()
	}
	return Contact{}, fmt.Errorf("no contact has the address %s", email)
}
