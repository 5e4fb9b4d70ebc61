package sandbox

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/mail"
	"slices"
	"strings"
	"unicode/utf8"
)

// write is the reading of a contact from a request body. Nothing is changed until all of it is found right.
type write struct {
	t       *tenant
	c       *call
	changes []func(*contact)
	draft   contact // names and addresses as given, for the duplicate check
	company ref
	phones  int
	places  int
	reason  string // v1's opt_in_reason
	reasons map[string]string
	option  string // duplicate_option of v1's body
}

// refusal is an error with a status of its own.
type refusal struct {
	status  int
	message string
}

func (r refusal) Error() string { return r.message }

// reading reads one property; it is given its place for messages.
type reading func(w *write, name string, raw json.RawMessage) error

// contactProperties are what the two versions let a client write. The lengths are those of the v2 document.
var contactProperties = func() map[int]map[string]reading {
	both := map[string]reading{
		"given_name":       text(40, func(c *contact) *string { return &c.given }),
		"family_name":      text(40, func(c *contact) *string { return &c.family }),
		"middle_name":      text(100, func(c *contact) *string { return &c.with().middle }),
		"preferred_name":   text(100, func(c *contact) *string { return &c.with().preferred }),
		"prefix":           text(255, func(c *contact) *string { return &c.with().prefix }),
		"suffix":           text(255, func(c *contact) *string { return &c.with().suffix }),
		"job_title":        text(255, func(c *contact) *string { return &c.with().jobTitle }),
		"spouse_name":      text(100, func(c *contact) *string { return &c.with().spouse }),
		"website":          text(100, func(c *contact) *string { return &c.with().website }),
		"contact_type":     text(255, func(c *contact) *string { return &c.with().contactType }),
		"time_zone":        text(255, func(c *contact) *string { return &c.with().timeZone }),
		"preferred_locale": text(255, func(c *contact) *string { return &c.with().locale }),
		"owner_id":         readOwner,
		"source_type":      readSource,
		"company":          readCompany,
		"origin":           readOrigin,
		"email_addresses":  readEmails,
		"phone_numbers":    readPhones,
		"fax_numbers":      readFaxes,
		"addresses":        readPlaces,
		"social_accounts":  readSocial,
		"custom_fields":    readCustom,
	}
	birthday := date(func(c *contact) *string { return &c.with().birthday })
	anniversary := date(func(c *contact) *string { return &c.with().anniversary })
	leadSource := id(func(c *contact) *ref { return &c.with().leadSource })
	v1 := map[string]reading{
		"birthday": birthday, "anniversary": anniversary, "lead_source_id": leadSource,
		"opt_in_reason": readReason, "duplicate_option": readOption,
	}
	v2 := map[string]reading{
		"birth_date": birthday, "anniversary_date": anniversary, "leadsource_id": leadSource, "utm_parameters": readUTM,
		"referral_code":       text(255, func(c *contact) *string { return &c.with().referral }),
		"assistant_name":      text(20, func(c *contact) *string { return &c.with().assistant }),
		"assistant_phone":     text(15, func(c *contact) *string { return &c.with().assistantPhone }),
		"billing_information": text(100, func(c *contact) *string { return &c.with().billing }),
	}
	maps.Copy(v1, both)
	maps.Copy(v2, both)
	return map[int]map[string]reading{1: v1, 2: v2}
}()

// readContact reads the body of a create, update or upsert. mask names the properties that count; none: all.
func (t *tenant) readContact(c *call, mask []string) (*write, error) {
	var body map[string]json.RawMessage
	if err := json.Unmarshal(c.body, &body); err != nil {
		return nil, fmt.Errorf("Cannot parse request: %w", err)
	}
	w := &write{t: t, c: c, reasons: map[string]string{}}
	known := contactProperties[c.version]
	for name, raw := range body {
		read, ok := known[name]
		if !ok {
			if c.version == 1 || misspelt(known, name) {
				return nil, unrecognized(name)
			}
			continue
		}
		if string(raw) == "null" || len(mask) > 0 && !slices.Contains(mask, name) {
			continue
		}
		if err := read(w, name, raw); err != nil {
			return nil, err
		}
	}
	return w, nil
}

func misspelt(known map[string]reading, name string) bool {
	for k := range known {
		if strings.EqualFold(k, name) {
			return true
		}
	}
	return false
}

func (w *write) then(change func(*contact)) { w.changes = append(w.changes, change) }

// apply makes the changes, and v1's one reason counts for every address given.
func (w *write) apply(c *contact) {
	for _, change := range w.changes {
		change(c)
	}
	if w.reason != "" {
		for _, email := range c.emails {
			w.t.optInEmail(c, email, w.reason, w.c.now)
		}
		c.optIn = w.reason
	}
	for email, reason := range w.reasons {
		w.t.optInEmail(c, email, reason, w.c.now)
	}
	c.updated = w.c.now
}

func text(most int, field func(*contact) *string) reading {
	return func(w *write, name string, raw json.RawMessage) error {
		var s string
		if err := json.Unmarshal(raw, &s); err != nil {
			return fmt.Errorf("%s must be text", name)
		}
		if err := length(name, s, most); err != nil {
			return err
		}
		*field(&w.draft) = s
		w.then(func(c *contact) { *field(c) = s })
		return nil
	}
}

func length(name, s string, most int) error {
	if n := utf8.RuneCountInString(s); n > most {
		return fmt.Errorf("%s is too long: %d characters, at most %d", name, n, most)
	}
	return nil
}

func date(field func(*contact) *string) reading {
	return func(w *write, name string, raw json.RawMessage) error {
		var i instant
		if err := json.Unmarshal(raw, &i); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		day := ""
		if !i.IsZero() {
			day = i.Format("2006-01-02")
		}
		w.then(func(c *contact) { *field(c) = day })
		return nil
	}
}

func id(field func(*contact) *ref) reading {
	return func(w *write, name string, raw json.RawMessage) error {
		var r ref
		if err := r.UnmarshalJSON(raw); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		w.then(func(c *contact) { *field(c) = r })
		return nil
	}
}

// readOwner answers 500 for a user that does not exist, as Keap has been seen to do.
func readOwner(w *write, name string, raw json.RawMessage) error {
	var r ref
	if err := r.UnmarshalJSON(raw); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if _, ok := w.t.users.get(r); !ok && r != 0 && w.c.flags.knownOnly {
		return refusal{http.StatusInternalServerError, "Invalid owner_id"}
	}
	w.then(func(c *contact) { c.owner = r })
	return nil
}

var sourceTypes = map[int][]string{
	1: {"APPOINTMENT", "FORMAPIHOSTED", "FORMAPIINTERNAL", "WEBFORM", "INTERNALFORM", "LANDINGPAGE", "IMPORT", "MANUAL", "API", "OTHER", "UNKNOWN"},
	2: {"APPOINTMENT", "FORM_API_HOSTED", "FORM_API_INTERNAL", "WEBFORM", "INTERNAL_FORM", "LANDING_PAGE", "IMPORT", "MANUAL", "API", "OTHER", "UNKNOWN", "SOURCE_TYPE_UNSPECIFIED"},
}

func readSource(w *write, name string, raw json.RawMessage) error {
	var s string
	if err := json.Unmarshal(raw, &s); err != nil || !slices.Contains(sourceTypes[w.c.version], s) {
		return fmt.Errorf("%s: no such value: %s", name, raw)
	}
	s = strings.ReplaceAll(s, "_", "")
	w.then(func(c *contact) { c.with().source = s })
	return nil
}

func readCompany(w *write, name string, raw json.RawMessage) error {
	var in struct {
		ID   ref    `json:"id"`
		Name string `json:"company_name"`
	}
	if err := w.nested(name, raw, &in); err != nil {
		return err
	}
	if _, ok := w.t.companies.get(in.ID); !ok && in.ID != 0 {
		return fmt.Errorf("company %s not found", in.ID)
	}
	w.company = in.ID
	w.then(func(c *contact) { c.with().company = in.ID })
	return nil
}

func readOrigin(w *write, name string, raw json.RawMessage) error {
	var in struct {
		IP string `json:"ip_address"`
	}
	if err := w.nested(name, raw, &in); err != nil {
		return err
	}
	w.then(func(c *contact) { c.with().ip = in.IP })
	return nil
}

func readReason(w *write, name string, raw json.RawMessage) error {
	if err := json.Unmarshal(raw, &w.reason); err != nil {
		return fmt.Errorf("%s must be text", name)
	}
	return nil
}

func readOption(w *write, name string, raw json.RawMessage) error {
	if err := json.Unmarshal(raw, &w.option); err != nil || w.option != "Email" && w.option != "EmailAndName" {
		return fmt.Errorf("%s: no such value: %s", name, raw)
	}
	return nil
}

// nested reads an object or list inside the contact with the strictness of the call's version.
func (w *write) nested(name string, raw json.RawMessage, into any) error {
	inner := call{version: w.c.version, body: raw}
	if err := inner.read(into); err != nil {
		if w.c.version == 1 && strings.HasPrefix(err.Error(), "Unrecognized") {
			return err
		}
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

func validEmail(s string) bool {
	a, err := mail.ParseAddress(s)
	return err == nil && a.Address == s
}
