package sandbox

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/shopspring/decimal"
)

// Seed is data to start from. Ids may be left out ("": the next one); what has the id of a record that is there
// takes its place. The parts are filed in an order in which each may name those before it.
type Seed struct {
	App string `json:"app,omitempty"` // one tenant; "": every one, also those that come later

	TagCategories []TagCategory `json:"tag_categories,omitempty"`
	Tags          []Tag         `json:"tags,omitempty"`
	CustomFields  []CustomField `json:"custom_fields,omitempty"`
	Users         []User        `json:"users,omitempty"`
	Companies     []Company     `json:"companies,omitempty"`
	Products      []Product     `json:"products,omitempty"`
	Templates     []Template    `json:"templates,omitempty"`
	ActionSets    []ActionSet   `json:"action_sets,omitempty"`
	Automations   []Automation  `json:"automations,omitempty"`
	Triggers      *Triggers     `json:"triggers,omitempty"`
	Contacts      []Contact     `json:"contacts,omitempty"`
}

// TagCategory is a category of tags.
type TagCategory struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// CustomField is a custom field of contacts.
type CustomField struct {
	ID        string   `json:"id"`
	Label     string   `json:"label"`
	FieldName string   `json:"field_name,omitempty"` // default: the letters, digits and underscores of the label
	Type      string   `json:"type,omitempty"`       // in v1's words: Text (default), WholeNumber, DateTime …
	Options   []string `json:"options,omitempty"`
}

// User is a user of the application.
type User struct {
	ID         string `json:"id"`
	Email      string `json:"email"`
	GivenName  string `json:"given_name"`
	FamilyName string `json:"family_name"`
	Admin      bool   `json:"admin,omitempty"`
	Inactive   bool   `json:"inactive,omitempty"`
}

// Company is a company record.
type Company struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// Product is a product in State and Seed; the price is decimal text.
type Product struct {
	ID    string `json:"id"`
	SKU   string `json:"sku"`
	Name  string `json:"name"`
	Price string `json:"price"`
}

// Automation is an automation with its goals and sequences.
type Automation struct {
	ID        string     `json:"id"`
	Title     string     `json:"title"`
	Goals     []Goal     `json:"goals,omitempty"`
	Sequences []Sequence `json:"sequences,omitempty"`
}

// Goal is a goal of an automation; API goals have an integration and a call name.
type Goal struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	Type        string `json:"type,omitempty"` // default API
	Integration string `json:"integration,omitempty"`
	Call        string `json:"call,omitempty"`
}

// Sequence is a sequence of an automation.
type Sequence struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// Seed files data. It triggers nothing: no action set runs and no hook is called for it. When a part is wrong,
// nothing is filed.
func (s *Server) Seed(data Seed) error {
	if err := data.check(); err != nil {
		return fmt.Errorf("seed: %w", err)
	}
	s.mu.Lock()
	now := s.nowLocked()
	var some []*tenant
	if data.App != "" {
		some = []*tenant{s.tenantLocked(data.App)}
	} else {
		if some = s.someLocked(""); len(some) == 0 {
			some = []*tenant{s.spareLocked()}
		}
		s.base = append(s.base, pack(&data))
	}
	s.mu.Unlock()
	for _, t := range some {
		t.mu.Lock()
		t.seed(&data, now)
		t.mu.Unlock()
	}
	return nil
}

func (d *Seed) check() error {
	for _, x := range d.CustomFields {
		if x.Type != "" && !contains(fieldTypes, x.Type) {
			return fmt.Errorf("custom field %q: type %q is unknown", x.Label, x.Type)
		}
	}
	for _, x := range d.Products {
		if _, err := decimal.NewFromString(cmp.Or(x.Price, "0")); err != nil {
			return fmt.Errorf("product %q: price %q is no amount", x.Name, x.Price)
		}
	}
	for i := range d.Contacts {
		x := &d.Contacts[i]
		if _, known := statusByName(x.EmailStatus); x.EmailStatus != "" && !known {
			return fmt.Errorf("contact %q: email_status %q is unknown", x.Email, x.EmailStatus)
		}
		for name, content := range x.CustomFields {
			if _, err := json.Marshal(content); err != nil {
				return fmt.Errorf("contact %q: custom field %s: %w", x.Email, name, err)
			}
		}
	}
	return nil
}

// seed files what check has found right.
func (t *tenant) seed(d *Seed, now time.Time) {
	for _, x := range d.TagCategories {
		t.categories.put(parseRef(x.ID), &category{name: x.Name, created: now, updated: now})
	}
	for _, x := range d.Tags {
		t.addTag(parseRef(x.ID), tag{name: x.Name, category: t.categoryNamed(x.Category, now), created: now, updated: now})
	}
	for _, x := range d.CustomFields {
		t.addField(parseRef(x.ID), customField{label: x.Label, name: x.FieldName, kind: cmp.Or(x.Type, "Text"), options: x.Options})
	}
	for _, x := range d.Users {
		id := cmp.Or(parseRef(x.ID), t.users.last+1)
		x.ID = id.String()
		t.users.put(id, &x)
	}
	for _, x := range d.Companies {
		t.companies.put(parseRef(x.ID), &company{name: x.Name, created: now, updated: now})
	}
	for _, x := range d.Products {
		price, _ := decimal.NewFromString(cmp.Or(x.Price, "0"))
		t.products.put(parseRef(x.ID), &product{name: x.Name, sku: x.SKU, price: price, created: now, updated: now})
	}
	for _, x := range d.Templates {
		t.templates.put(parseRef(x.ID), &x)
	}
	for _, x := range d.ActionSets {
		t.sets.put(parseRef(x.ID), &x)
	}
	for _, x := range d.Automations {
		t.seedAutomation(x, now)
	}
	if d.Triggers != nil {
		t.triggers = *d.Triggers
	}
	for i := range d.Contacts {
		t.seedContact(&d.Contacts[i], now)
	}
}

func (t *tenant) categoryNamed(name string, now time.Time) ref {
	if name == "" {
		return 0
	}
	for _, e := range t.categories.rows {
		if e.row.name == name || e.id.String() == name {
			return e.id
		}
	}
	return t.categories.put(0, &category{name: name, created: now, updated: now})
}

func (t *tenant) seedAutomation(x Automation, now time.Time) {
	a := &automation{title: x.Title, created: now}
	for _, g := range x.Goals {
		a.goals.put(parseRef(g.ID), &goal{g.Name, cmp.Or(g.Type, "API"), g.Integration, g.Call})
	}
	for _, s := range x.Sequences {
		a.sequences.put(parseRef(s.ID), &sequence{name: s.Name})
	}
	t.automations.put(parseRef(x.ID), a)
}

// seedContact files a contact; tags and custom fields that are not there are made.
func (t *tenant) seedContact(in *Contact, now time.Time) {
	if id := parseRef(in.ID); id != 0 {
		if old, found := t.contactByID(id); found {
			t.remove(old)
		}
	}
	x := &contact{id: parseRef(in.ID), given: in.GivenName, family: in.FamilyName, owner: parseRef(in.OwnerID), optIn: in.OptInReason,
		created: in.CreatedAt, updated: in.UpdatedAt}
	if x.created.IsZero() {
		x.created = now
	}
	if x.updated.IsZero() {
		x.updated = x.created
	}
	for slot, email := range []string{in.Email, in.Email2, in.Email3} {
		if email == "" {
			continue
		}
		t.setEmail(x, slot, email, x.created)
		a := t.address(email, x.created)
		if in.OptInReason != "" {
			a.optIn()
		}
		if status, ok := statusByName(in.EmailStatus); ok {
			a.status = status
		}
	}
	if in.Phone != "" {
		x.phones = []phone{{field: "PHONE1", number: in.Phone}}
	}
	if id := parseRef(in.CompanyID); id != 0 {
		x.with().company = id
	}
	for _, name := range in.Tags {
		id, found := t.tagNamed(name)
		if !found {
			id = t.addTag(0, tag{name: name, created: now, updated: now})
		}
		if !x.tagged(id) {
			x.tags = append(x.tags, applied{id, x.created})
		}
	}
	for name, content := range in.CustomFields {
		id, _ := t.fieldNamed(name)
		if id == 0 {
			id = t.addField(0, customField{label: name, name: strings.TrimPrefix(name, "_"), kind: "Text"})
		}
		b, _ := json.Marshal(content)
		x.setCustom(id, b)
	}
	t.insert(x)
}

// decodeSeed reads a seed, also one with numbers for ids or names for tags, as Keap's own answers and the contacts of
// State have them.
func decodeSeed(body []byte) (data Seed, err error) {
	if err = decodeControl(body, &data); err == nil {
		return data, nil
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var parts map[string]any
	if d.Decode(&parts) != nil {
		return data, err
	}
	if tags, is := parts["tags"].([]any); is {
		for i, tag := range tags {
			if name, is := tag.(string); is {
				tags[i] = map[string]any{"name": name}
			}
		}
	}
	for _, part := range parts {
		textIDs(part)
	}
	worded, err := json.Marshal(parts)
	if err != nil {
		return data, err
	}
	data = Seed{}
	return data, decodeControl(worded, &data)
}

// textIDs makes texts of the numbers that are ids. The contents of custom fields are none.
func textIDs(v any) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			textIDs(e)
		}
	case map[string]any:
		for name, e := range v {
			n, is := e.(json.Number)
			if is && (name == "id" || strings.HasSuffix(name, "_id")) {
				v[name] = n.String()
			} else if name != "custom_fields" {
				textIDs(e)
			}
		}
	}
}
