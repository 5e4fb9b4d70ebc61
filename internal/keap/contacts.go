package keap

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Contact is a contact as Keap returns it, v1 and v2 alike. What the call did not ask for is empty.
type Contact struct {
	ID           string
	GivenName    string
	FamilyName   string
	Emails       []EmailAddress
	Phones       []Phone
	Addresses    []Address
	CustomFields []CustomValue // Content as decoded from JSON, numbers as json.Number
	TagIDs       []string
	OwnerID      string
	CompanyID    string
	Created      time.Time
	Updated      time.Time
}

// ContactRef is the outcome of a write.
type ContactRef struct {
	ID      string
	Created bool // it did not exist before
}

// contactWire is what both versions answer with, each in its own names.
type contactWire struct {
	ID           id     `json:"id"`
	GivenName    string `json:"given_name"`
	FamilyName   string `json:"family_name"`
	OwnerID      id     `json:"owner_id"`
	TagIDs       []id   `json:"tag_ids"`
	EmailStatus  string `json:"email_status"`
	CustomFields []struct {
		ID      id  `json:"id"`
		Content any `json:"content"`
	} `json:"custom_fields"`
	Company *struct {
		ID id `json:"id"`
	} `json:"company"`
	Emails []struct {
		Email  string `json:"email"`
		Field  string `json:"field"`
		Status string `json:"email_opt_status"`
	} `json:"email_addresses"`
	Phones    []phoneWire `json:"phone_numbers"`
	Addresses []struct {
		v2Address
		ZipCode string `json:"zip_code"`
	} `json:"addresses"`
	DateCreated instant `json:"date_created"`
	LastUpdated instant `json:"last_updated"`
	CreateTime  instant `json:"create_time"`
	UpdateTime  instant `json:"update_time"`
}

func (w *contactWire) created() time.Time { return either(w.DateCreated.Time, w.CreateTime.Time) }
func (w *contactWire) updated() time.Time { return either(w.LastUpdated.Time, w.UpdateTime.Time) }

func either(a, b time.Time) time.Time {
	if a.IsZero() {
		return b
	}
	return a
}

func (w *contactWire) contact() Contact {
	c := Contact{
		ID: string(w.ID), GivenName: w.GivenName, FamilyName: w.FamilyName, OwnerID: string(w.OwnerID),
		Created: w.created(), Updated: w.updated(),
	}
	if w.Company != nil && w.Company.ID != "0" {
		c.CompanyID = string(w.Company.ID)
	}
	for _, t := range w.TagIDs {
		c.TagIDs = append(c.TagIDs, string(t))
	}
	for _, e := range w.Emails {
		status := e.Status
		if status == "" && e.Field == emailSlots[0] {
			status = w.EmailStatus
		}
		c.Emails = append(c.Emails, EmailAddress{Address: e.Email, Field: e.Field, Status: status})
	}
	for _, p := range w.Phones {
		c.Phones = append(c.Phones, Phone(p))
	}
	for _, a := range w.Addresses {
		out := Address{Field: a.Field, Line1: a.Line1, Line2: a.Line2, Locality: a.Locality, Region: a.Region, PostalCode: a.PostalCode, Country: a.CountryCode}
		if a.RegionCode != "" {
			out.Region = a.RegionCode
		}
		if out.PostalCode == "" {
			out.PostalCode = a.ZipCode
		}
		c.Addresses = append(c.Addresses, out)
	}
	for _, f := range w.CustomFields {
		c.CustomFields = append(c.CustomFields, CustomValue{ID: string(f.ID), Content: f.Content})
	}
	return c
}

// UpsertContact creates the contact or updates the one that by finds, with v1's PUT: values that are not sent stay
// as they are. ByEmailNameCompany exists in v2 only, whose lists replace what is there. Safe to repeat.
//
// Created is read without a second call: see createdBy.
func (c *Client) UpsertContact(ctx context.Context, w ContactWrite, by DuplicateOption) (ContactRef, error) {
	const operation = "contacts.upsert"
	if by == ByEmailNameCompany {
		return c.writeV2(ctx, operation, w, url.Values{"duplicate_option": {string(by)}})
	}
	body, err := w.v1(operation)
	if err != nil {
		return ContactRef{}, err
	}
	if len(body.Emails) == 0 {
		return ContactRef{}, invalid(operation, "email_addresses", "is empty: Keap finds existing contacts by e-mail")
	}
	body.DuplicateOption = string(by)
	got, a, err := c.writeContact(ctx, request{operation: operation, method: http.MethodPut, path: "/rest/v1/contacts", body: body})
	if err != nil {
		return ContactRef{}, err
	}
	return ContactRef{ID: string(got.ID), Created: a.createdBy(got)}, nil
}

// Keap's clocks show whole seconds in places, and its nodes need not agree to the second.
const clockTolerance = 2 * time.Second

// createdBy tells whether the call made the contact. v1 answers 200 for both, so it is read from the answer: the
// contact was created by it if its date_created does not lie before the sending of the request, by Keap's own clock
// (the Date header less the time that the answer took) and a tolerance of two seconds, and nothing has updated it
// later than that: on an existing contact the same PUT moves last_updated. What cannot be told, because another
// call created the contact within the same two seconds, counts as created.
func (a *answer) createdBy(got *contactWire) bool {
	created, updated := got.created(), got.updated()
	if created.IsZero() {
		return false
	}
	now := a.observed.Date
	if now.IsZero() {
		now = a.observed.At
	}
	if created.Before(now.Add(-a.took - clockTolerance)) {
		return false
	}
	return updated.Sub(created) <= clockTolerance
}

// CreateContact makes a new contact, even if one with the same address exists. Not safe to repeat. utm may be nil.
func (c *Client) CreateContact(ctx context.Context, w ContactWrite) (ContactRef, error) {
	ref, err := c.writeV2(ctx, "contacts.create", w, nil)
	ref.Created = err == nil
	return ref, err
}

func (c *Client) writeV2(ctx context.Context, operation string, w ContactWrite, query url.Values) (ContactRef, error) {
	body, err := w.v2(operation)
	if err != nil {
		return ContactRef{}, err
	}
	if len(body.Emails)+len(body.Phones)+len(body.Addresses) == 0 {
		return ContactRef{}, invalid(operation, "email_addresses", "is empty, and so are phone_numbers and addresses: Keap wants one of them")
	}
	got, a, err := c.writeContact(ctx, request{operation: operation, method: http.MethodPost, path: "/rest/v2/contacts", query: query, body: body})
	if err != nil {
		return ContactRef{}, err
	}
	return ContactRef{ID: string(got.ID), Created: a.status == http.StatusCreated}, nil
}

// PatchContact changes what is set, over v1, which leaves the rest alone. Safe to repeat. KindNotFound means that the
// contact was deleted or merged away: look it up again.
func (c *Client) PatchContact(ctx context.Context, contactID string, w ContactWrite) error {
	const operation = "contacts.patch"
	at, err := segment(operation, "contact_id", contactID)
	if err != nil {
		return err
	}
	body, err := w.v1(operation)
	if err != nil {
		return err
	}
	_, _, err = c.writeContact(ctx, request{operation: operation, method: http.MethodPatch, path: "/rest/v1/contacts/" + at, body: body})
	return err
}

func (c *Client) writeContact(ctx context.Context, r request) (*contactWire, *answer, error) {
	var got contactWire
	a, err := c.do(ctx, r, &got)
	if err != nil {
		return nil, nil, err
	}
	if got.ID == "" {
		return nil, nil, a.unreadable(r.operation, "a contact without id", nil)
	}
	return &got, a, nil
}

// contactFields are asked for by name because v2 leaves custom fields and tags out by default.
const contactFields = "id,given_name,family_name,email_addresses,phone_numbers,addresses,custom_fields,tag_ids,owner_id,company,create_time,update_time"

// Contact reads one contact with its tags and custom fields. KindNotFound as in PatchContact.
func (c *Client) Contact(ctx context.Context, contactID string) (Contact, error) {
	const operation = "contacts.get"
	at, err := segment(operation, "contact_id", contactID)
	if err != nil {
		return Contact{}, err
	}
	got, _, err := c.writeContact(ctx, request{operation: operation, method: http.MethodGet, path: "/rest/v2/contacts/" + at, query: url.Values{"fields": {contactFields}}})
	if err != nil {
		return Contact{}, err
	}
	return got.contact(), nil
}

// Find is what to look contacts up by; what is set must all apply. Limit is at most 1,000; 0: 100.
type Find struct {
	Email                 string // in any of the three places, lower-cased
	Phone                 string // as it stands in any of the five places
	IDs                   []string
	GivenName, FamilyName string
	Limit                 int
}

// FindContacts returns the first contacts that match, oldest first: several may share an address. It asks for
// something in any case, because Keap answers an empty filter with everybody.
func (c *Client) FindContacts(ctx context.Context, find Find) ([]Contact, error) {
	f := filter{operation: "contacts.list"}
	f.equal("email", strings.ToLower(find.Email))
	f.list("ids", find.IDs...)
	f.equal("given_name", find.GivenName)
	f.equal("family_name", find.FamilyName)
	f.equal("phone_number", find.Phone)
	if find.Phone != "" {
		f.list("phone_fields", phoneSlots...)
	}
	query, err := f.query()
	if err != nil {
		return nil, err
	}
	if query == nil {
		return nil, invalid(f.operation, "filter", "is empty")
	}
	if find.Limit <= 0 {
		find.Limit = 100
	}
	query.Set("page_size", strconv.Itoa(min(find.Limit, 1000)))
	query.Set("order_by", "id asc")
	query.Set("fields", contactFields)
	wires, _, err := v2Page[contactWire](ctx, c, listing{operation: f.operation, path: "/rest/v2/contacts", array: "contacts"}, query)
	if err != nil {
		return nil, err
	}
	contacts := make([]Contact, len(wires))
	for i := range wires {
		contacts[i] = wires[i].contact()
	}
	return contacts, nil
}

// MergeContacts merges duplicate into contact; the duplicate's id answers 404 from then on.
func (c *Client) MergeContacts(ctx context.Context, contactID, duplicateID string) error {
	body := map[string]string{"contact_id": contactID, "duplicate_contact_id": duplicateID}
	_, err := c.do(ctx, request{operation: "contacts.merge", method: http.MethodPost, path: "/rest/v2/contacts:merge", body: body}, nil)
	return err
}

// UTM is where a contact came from. SourceID is required: the form's id.
type UTM struct {
	SourceID string `json:"keapSourceId"`
	Source   string `json:"utmSource,omitempty"`
	Medium   string `json:"utmMedium,omitempty"`
	Campaign string `json:"utmCampaign,omitempty"`
	Content  string `json:"utmContent,omitempty"`
	Term     string `json:"utmTerm,omitempty"`
}

// AddUTM records UTM values of an existing contact. Repeating it adds another record.
func (c *Client) AddUTM(ctx context.Context, contactID string, u UTM) error {
	const operation = "contacts.utm"
	at, err := segment(operation, "contact_id", contactID)
	if err != nil {
		return err
	}
	if u.SourceID == "" {
		return invalid(operation, "keapSourceId", "is empty")
	}
	var got json.RawMessage
	_, err = c.do(ctx, request{operation: operation, method: http.MethodPost, path: "/rest/v1/contacts/" + at + "/utm", body: u}, &got)
	return err
}
