package keap

import (
	"cmp"
	"context"
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
	made
	GivenName    string `json:"given_name"`
	FamilyName   string `json:"family_name"`
	OwnerID      id     `json:"owner_id"`
	TagIDs       []id   `json:"tag_ids"`
	EmailStatus  string `json:"email_status"`
	Company      made   `json:"company"`
	CustomFields []struct {
		made
		Content any `json:"content"`
	} `json:"custom_fields"`
	Emails []struct {
		Email  string `json:"email"`
		Field  string `json:"field"`
		Status string `json:"email_opt_status"`
	} `json:"email_addresses"`
	Phones    []Phone `json:"phone_numbers"`
	Addresses []struct {
		Field       string `json:"field"`
		Line1       string `json:"line1"`
		Line2       string `json:"line2"`
		Locality    string `json:"locality"`
		Region      string `json:"region"`
		RegionCode  string `json:"region_code"`
		PostalCode  string `json:"postal_code"`
		ZipCode     string `json:"zip_code"`
		CountryCode string `json:"country_code"`
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
		ID: string(w.ID), GivenName: w.GivenName, FamilyName: w.FamilyName, OwnerID: string(w.OwnerID), Phones: w.Phones,
		Created: w.created(), Updated: w.updated(),
	}
	if w.Company.ID != "0" {
		c.CompanyID = string(w.Company.ID)
	}
	for _, t := range w.TagIDs {
		c.TagIDs = append(c.TagIDs, string(t))
	}
	for _, e := range w.Emails {
		if e.Status == "" && e.Field == emailSlots[0] {
			e.Status = w.EmailStatus
		}
		c.Emails = append(c.Emails, EmailAddress{Address: e.Email, Field: e.Field, Status: e.Status})
	}
	for _, a := range w.Addresses {
		c.Addresses = append(c.Addresses, Address{
			Field: a.Field, Line1: a.Line1, Line2: a.Line2, Locality: a.Locality, Country: a.CountryCode,
			Region: cmp.Or(a.RegionCode, a.Region), PostalCode: cmp.Or(a.PostalCode, a.ZipCode),
		})
	}
	for _, f := range w.CustomFields {
		c.CustomFields = append(c.CustomFields, CustomValue{ID: string(f.ID), Content: f.Content})
	}
	return c
}

// UpsertContact creates the contact or updates the one that by finds, with v1's PUT: values that are not sent stay
// as they are. ByEmailNameCompany exists in v2 only, whose lists replace what is there; "" means ByEmail. Safe to repeat.
//
// Created is read without a second call: see createdBy.
func (c *Client) UpsertContact(ctx context.Context, w ContactWrite, by DuplicateOption) (ContactRef, error) {
	const operation = "contacts.upsert"
	if len(w.Emails) == 0 {
		return ContactRef{}, invalid(operation, "email_addresses", "is empty: Keap finds existing contacts by e-mail")
	}
	if by == ByEmailNameCompany {
		return c.writeV2(ctx, operation, w, url.Values{"duplicate_option": {string(by)}})
	}
	body, err := w.body(operation, v1)
	if err != nil {
		return ContactRef{}, err
	}
	body["duplicate_option"] = cmp.Or(by, ByEmail)
	var got contactWire
	a, err := c.do(ctx, request{operation: operation, method: http.MethodPut, path: "/rest/v1/contacts", body: body}, &got)
	if err != nil {
		return ContactRef{}, err
	}
	return ContactRef{ID: string(got.ID), Created: a.createdBy(&got)}, nil
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

// CreateContact makes a new contact, even if one with the same address exists. Not safe to repeat.
func (c *Client) CreateContact(ctx context.Context, w ContactWrite) (ContactRef, error) {
	const operation = "contacts.create"
	if len(w.Emails)+len(w.Phones)+len(w.Addresses) == 0 {
		return ContactRef{}, invalid(operation, "email_addresses", "is empty, and so are phone_numbers and addresses: Keap wants one of them")
	}
	ref, err := c.writeV2(ctx, operation, w, nil)
	ref.Created = err == nil
	return ref, err
}

// writeV2 tells created from updated by the status: 201 and 200.
func (c *Client) writeV2(ctx context.Context, operation string, w ContactWrite, query url.Values) (ContactRef, error) {
	body, err := w.body(operation, v2)
	if err != nil {
		return ContactRef{}, err
	}
	var got made
	a, err := c.do(ctx, post(operation, "/rest/v2/contacts", body).with(query), &got)
	if err != nil {
		return ContactRef{}, err
	}
	return ContactRef{ID: string(got.ID), Created: a.status == http.StatusCreated}, nil
}

// PatchContact changes what is set, over v1, which leaves the rest alone. Safe to repeat. KindNotFound means that the
// contact was deleted or merged away: look it up again.
func (c *Client) PatchContact(ctx context.Context, contactID string, w ContactWrite) error {
	const operation = "contacts.patch"
	body, err := w.body(operation, v1)
	if err != nil {
		return err
	}
	r := request{operation: operation, method: http.MethodPatch, path: "/rest/v1/contacts/{contact_id}", at: []string{contactID}, body: body}
	_, err = c.do(ctx, r, new(made))
	return err
}

// contactFields are asked for by name because v2 leaves custom fields and tags out by default.
const contactFields = "id,given_name,family_name,email_addresses,phone_numbers,addresses,custom_fields,tag_ids,owner_id,company,create_time,update_time"

// Contact reads one contact with its tags and custom fields. KindNotFound as in PatchContact.
func (c *Client) Contact(ctx context.Context, contactID string) (Contact, error) {
	var got contactWire
	r := get("contacts.get", "/rest/v2/contacts/{contact_id}", contactID).with(url.Values{"fields": {contactFields}})
	if _, err := c.do(ctx, r, &got); err != nil {
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

// FindContacts returns the first contacts that match, oldest first: several may share an address.
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
	query, err := f.query("id asc")
	if err != nil {
		return nil, err
	}
	query.Set("page_size", strconv.Itoa(min(cmp.Or(max(find.Limit, 0), 100), maxPage)))
	query.Set("fields", contactFields)
	return v2List(ctx, c, get(f.operation, "/rest/v2/contacts").with(query), "contacts", (*contactWire).contact)
}

// MergeContacts merges duplicate into contact; the duplicate's id answers 404 from then on.
func (c *Client) MergeContacts(ctx context.Context, contactID, duplicateID string) error {
	const operation = "contacts.merge"
	if err := required(operation, "contact_id", contactID, "duplicate_contact_id", duplicateID); err != nil {
		return err
	}
	_, err := c.do(ctx, post(operation, "/rest/v2/contacts:merge", fields{"contact_id": contactID, "duplicate_contact_id": duplicateID}), nil)
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
	if err := required(operation, "keapSourceId", u.SourceID); err != nil {
		return err
	}
	_, err := c.do(ctx, post(operation, "/rest/v1/contacts/{contact_id}/utm", u, contactID), nil)
	return err
}
