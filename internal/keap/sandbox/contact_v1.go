package sandbox

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// optionalV1 are the properties that reads of v1 leave out unless they are asked for. The document names these
// three and says "some fields such as". Answers of writes have everything.
var optionalV1 = []string{"custom_fields", "job_title", "lead_source_id"}

// v1Contact is a contact as v1 writes it; ids are numbers.
type v1Contact struct {
	ID            ref          `json:"id"`
	GivenName     string       `json:"given_name,omitempty"`
	FamilyName    string       `json:"family_name,omitempty"`
	MiddleName    string       `json:"middle_name,omitempty"`
	PreferredName string       `json:"preferred_name,omitempty"`
	Prefix        string       `json:"prefix,omitempty"`
	Suffix        string       `json:"suffix,omitempty"`
	SpouseName    string       `json:"spouse_name,omitempty"`
	ContactType   string       `json:"contact_type,omitempty"`
	Locale        string       `json:"preferred_locale,omitempty"`
	SourceType    string       `json:"source_type,omitempty"`
	Birthday      string       `json:"birthday,omitempty"`
	Anniversary   string       `json:"anniversary,omitempty"`
	OwnerID       ref          `json:"owner_id,omitempty"`
	Company       *v1Company   `json:"company,omitempty"`
	CompanyName   string       `json:"company_name,omitempty"`
	EmailStatus   string       `json:"email_status"`
	EmailOptedIn  bool         `json:"email_opted_in"`
	DateCreated   string       `json:"date_created"`
	LastUpdated   string       `json:"last_updated"`
	Emails        []v1Email    `json:"email_addresses"`
	Phones        []v1Phone    `json:"phone_numbers"`
	Faxes         []v1Fax      `json:"fax_numbers"`
	Addresses     []v1Place    `json:"addresses"`
	ScoreValue    string       `json:"ScoreValue"`
	TagIDs        []ref        `json:"tag_ids,omitzero"` // only where one contact is answered
	JobTitle      string       `json:"job_title,omitempty"`
	LeadSourceID  ref          `json:"lead_source_id,omitempty"`
	OptInReason   string       `json:"opt_in_reason,omitempty"`
	Origin        *v1Origin    `json:"origin,omitempty"`
	Relationships []struct{}   `json:"relationships,omitzero"`
	Social        []v1Social   `json:"social_accounts,omitzero"`
	TimeZone      string       `json:"time_zone,omitempty"`
	Website       string       `json:"website,omitempty"`
	CustomFields  []v1CustomID `json:"custom_fields,omitzero"`
}

type v1Company struct {
	ID   ref    `json:"id"`
	Name string `json:"company_name"`
}

type v1Email struct {
	Email string `json:"email"`
	Field string `json:"field"`
}

type v1Phone struct {
	Field     string `json:"field"`
	Number    string `json:"number"`
	Extension string `json:"extension,omitempty"`
	Type      string `json:"type,omitempty"`
	E164      string `json:"number_e164,omitempty"`
}

type v1Fax struct {
	Field  string `json:"field"`
	Number string `json:"number"`
	Type   string `json:"type,omitempty"`
}

type v1Place struct {
	Field      string `json:"field"`
	Line1      string `json:"line1,omitempty"`
	Line2      string `json:"line2,omitempty"`
	Locality   string `json:"locality,omitempty"`
	Region     string `json:"region,omitempty"`
	PostalCode string `json:"postal_code,omitempty"`
	ZipCode    string `json:"zip_code,omitempty"`
	ZipFour    string `json:"zip_four,omitempty"`
	Country    string `json:"country_code,omitempty"`
}

type v1Origin struct {
	Date string `json:"date"`
	IP   string `json:"ip_address"`
}

type v1Social struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

type v1CustomID struct {
	ID      ref             `json:"id"`
	Content json.RawMessage `json:"content"`
}

var emailSlots = [3]string{"EMAIL1", "EMAIL2", "EMAIL3"}

// v1 writes a contact with the optional properties that want names.
func (t *tenant) v1(c *contact, want []string) v1Contact {
	d := c.extra()
	out := v1Contact{
		ID: c.id, GivenName: c.given, FamilyName: c.family, MiddleName: d.middle, PreferredName: d.preferred, Prefix: d.prefix,
		Suffix: d.suffix, SpouseName: d.spouse, ContactType: d.contactType, Locale: d.locale, SourceType: d.source, OwnerID: c.owner,
		Anniversary: d.anniversary, TimeZone: d.timeZone, Website: d.website,
		DateCreated: stamp(c.created), LastUpdated: stamp(c.updated), ScoreValue: "0",
		EmailStatus: statusNames[nonMarketable].v1,
		Emails:      []v1Email{}, Phones: make([]v1Phone, len(c.phones)), Faxes: make([]v1Fax, len(d.faxes)), Addresses: make([]v1Place, len(d.places)),
	}
	if d.birthday != "" {
		out.Birthday = d.birthday + "T00:00:00.000Z"
	}
	for i, e := range c.emails {
		if e == "" {
			continue
		}
		if len(out.Emails) == 0 {
			status := t.addresses[strings.ToLower(e)].status
			out.EmailStatus, out.EmailOptedIn = statusNames[status].v1, status.marketable()
		}
		out.Emails = append(out.Emails, v1Email{e, emailSlots[i]})
	}
	if co, ok := t.companies.get(d.company); ok {
		out.Company, out.CompanyName = &v1Company{d.company, co.name}, co.name
	}
	for i, p := range c.phones {
		out.Phones[i] = v1Phone{p.field, p.number, p.extension, p.kind, p.e164}
	}
	for i, f := range d.faxes {
		out.Faxes[i] = v1Fax{f.field, f.number, f.kind}
	}
	for i, p := range d.places {
		out.Addresses[i] = v1Place{p.field, p.line1, p.line2, p.locality, p.region, p.postal, p.zip, p.zipFour, p.country}
	}
	if slices.Contains(want, "job_title") {
		out.JobTitle = d.jobTitle
	}
	if slices.Contains(want, "lead_source_id") {
		out.LeadSourceID = d.leadSource
	}
	if slices.Contains(want, "custom_fields") {
		out.CustomFields = make([]v1CustomID, len(c.custom))
		for i, v := range c.custom {
			out.CustomFields[i] = v1CustomID{v.field, v.content}
		}
	}
	return out
}

// full1 is the answer about one contact.
func (t *tenant) full1(c *contact, want []string) v1Contact {
	out := t.v1(c, want)
	out.TagIDs = make([]ref, len(c.tags))
	for i, a := range c.tags {
		out.TagIDs[i] = a.tag
	}
	out.OptInReason, out.Relationships = c.optIn, []struct{}{}
	if ip := c.extra().ip; ip != "" {
		out.Origin = &v1Origin{stamp(c.created), ip}
	}
	return out
}

// written1 is the answer of a write. Only it has the social accounts: that a read does not is a known mistake of
// Keap, named in its own document.
func (t *tenant) written1(c *contact) v1Contact {
	out := t.full1(c, optionalV1)
	social := c.extra().social
	out.Social = make([]v1Social, len(social))
	for i, s := range social {
		out.Social[i] = v1Social{s.name, socialTypes[1][slices.Index(socialTypes[2], s.kind)]}
	}
	return out
}

// optionals reads optional_properties of v1; an unknown one is refused in the words that have been seen.
func optionals(c *call) ([]string, error) {
	want := list(c.query, "optional_properties")
	for _, w := range want {
		if !slices.Contains(optionalV1, w) {
			return nil, fmt.Errorf("The following optional-properties are unrecognized: [%s]. Recognized optional-properties: %v", w, optionalV1)
		}
	}
	return want, nil
}

func getContact1(t *tenant, c *call) reply {
	want, err := optionals(c)
	if err != nil {
		return c.bad(err.Error())
	}
	x, found := t.contactByID(c.id(0))
	if !found {
		return c.notFound("Contact", c.args[0])
	}
	c.about("contact", x.id)
	return ok(t.full1(x, want))
}

// putContact1 is the upsert; it answers 200 whether it created or updated.
func putContact1(t *tenant, c *call) reply {
	return t.upsert(c, func(x *contact, _ bool) reply { return ok(t.written1(x)) })
}

func postContact1(t *tenant, c *call) reply {
	w, err := t.readContact(c, nil)
	if err == nil && w.option != "" {
		err = unrecognized("duplicate_option")
	}
	if err == nil {
		err = w.enough()
	}
	if err != nil {
		return c.refuse(err)
	}
	return created(t.written1(t.create(w)))
}

func patchContact1(t *tenant, c *call) reply {
	return t.patch(c, func(x *contact) reply { return ok(t.written1(x)) })
}
