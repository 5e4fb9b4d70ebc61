package sandbox

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// v2Contact is a contact as v2 writes it; ids are text. Which properties an answer has when fields does not name
// them is not documented: all but those of optionalV2 here.
type v2Contact struct {
	ID            string      `json:"id,omitempty"`
	GivenName     string      `json:"given_name,omitempty"`
	FamilyName    string      `json:"family_name,omitempty"`
	MiddleName    string      `json:"middle_name,omitempty"`
	PreferredName string      `json:"preferred_name,omitempty"`
	Prefix        string      `json:"prefix,omitempty"`
	Suffix        string      `json:"suffix,omitempty"`
	JobTitle      string      `json:"job_title,omitempty"`
	SpouseName    string      `json:"spouse_name,omitempty"`
	Website       string      `json:"website,omitempty"`
	ContactType   string      `json:"contact_type,omitempty"`
	Locale        string      `json:"preferred_locale,omitempty"`
	SourceType    string      `json:"source_type,omitempty"`
	BirthDate     string      `json:"birth_date,omitempty"`
	Anniversary   string      `json:"anniversary_date,omitempty"`
	OwnerID       string      `json:"owner_id,omitempty"`
	LeadSourceID  string      `json:"leadsource_id,omitempty"`
	Company       *v2Company  `json:"company,omitempty"`
	CreateTime    string      `json:"create_time,omitempty"`
	UpdateTime    string      `json:"update_time,omitempty"`
	ScoreValue    string      `json:"score_value,omitempty"`
	TimeZone      string      `json:"time_zone,omitempty"`
	ReferralCode  string      `json:"referral_code,omitempty"`
	Assistant     string      `json:"assistant_name,omitempty"`
	AssistantTel  string      `json:"assistant_phone,omitempty"`
	Billing       string      `json:"billing_information,omitempty"`
	Origin        *v1Origin   `json:"origin,omitempty"`
	Emails        []v2Email   `json:"email_addresses,omitzero"`
	Phones        []v1Phone   `json:"phone_numbers,omitzero"`
	Faxes         []v1Fax     `json:"fax_numbers,omitzero"`
	Addresses     []v2Place   `json:"addresses,omitzero"`
	Social        []v1Social  `json:"social_accounts,omitzero"`
	TagIDs        []string    `json:"tag_ids,omitzero"`
	CustomFields  []v2Content `json:"custom_fields,omitzero"`
	Links         []struct{}  `json:"links,omitzero"`
	UTM           []v2UTM     `json:"utm_parameters,omitzero"`
}

type v2Company struct {
	ID   string `json:"id"`
	Name string `json:"company_name"`
}

type v2Email struct {
	Email  string `json:"email"`
	Field  string `json:"field"`
	OptIn  bool   `json:"is_opt_in"`
	Status string `json:"email_opt_status"`
	Reason string `json:"opt_in_reason,omitempty"`
}

type v2Place struct {
	Field      string `json:"field"`
	Line1      string `json:"line1,omitempty"`
	Line2      string `json:"line2,omitempty"`
	Locality   string `json:"locality,omitempty"`
	Region     string `json:"region,omitempty"`
	RegionCode string `json:"region_code,omitempty"`
	PostalCode string `json:"postal_code,omitempty"`
	ZipCode    string `json:"zip_code,omitempty"`
	ZipFour    string `json:"zip_four,omitempty"`
	Country    string `json:"country,omitempty"`
	Code       string `json:"country_code,omitempty"`
}

type v2Content struct {
	ID      string          `json:"id"`
	Content json.RawMessage `json:"content"`
}

type v2UTM struct {
	ID       ref    `json:"id"`
	Keap     string `json:"keapSourceId"`
	Source   string `json:"utmSource,omitempty"`
	Medium   string `json:"utmMedium,omitempty"`
	Term     string `json:"utmTerm,omitempty"`
	Campaign string `json:"utmCampaign,omitempty"`
	Content  string `json:"utmContent,omitempty"`
	First    bool   `json:"firstTouch"`
	Last     bool   `json:"lastTouch"`
	Created  string `json:"dateCreated"`
}

var (
	optionalV2   = []string{"custom_fields", "tag_ids", "links", "utm_parameters", "social_accounts", "job_title", "leadsource_id"}
	propertiesV2 = func() []string {
		var names []string
		for f := range reflect.TypeFor[v2Contact]().Fields() {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			names = append(names, name)
		}
		return names
	}()
	// unwrittenV2 can be asked for and are never there.
	unwrittenV2 = []string{"notes", "account_id", "created_by", "groups", "last_updated_by"}
)

// fields2 reads the fields parameter: the properties of the answer, or nil where none are named.
func (c *call) fields2() ([]string, error) {
	want := list(c.query, "fields")
	for _, w := range want {
		if !slices.Contains(propertiesV2, w) && !slices.Contains(unwrittenV2, w) {
			return nil, fmt.Errorf("Invalid field: %s", w)
		}
	}
	return want, nil
}

// v2 writes a contact with the properties of want; nil wants the default ones. The id is always there.
func (t *tenant) v2(c *contact, want []string) v2Contact {
	d := c.extra()
	out := v2Contact{
		ID: c.id.String(), GivenName: c.given, FamilyName: c.family, MiddleName: d.middle, PreferredName: d.preferred, Prefix: d.prefix,
		Suffix: d.suffix, JobTitle: d.jobTitle, SpouseName: d.spouse, Website: d.website, ContactType: d.contactType, Locale: d.locale,
		SourceType: v2Source(d.source), BirthDate: d.birthday, Anniversary: d.anniversary, OwnerID: c.owner.text(),
		LeadSourceID: d.leadSource.text(), CreateTime: stamp(c.created), UpdateTime: stamp(c.updated), ScoreValue: "0",
		TimeZone: d.timeZone, ReferralCode: d.referral, Assistant: d.assistant, AssistantTel: d.assistantPhone, Billing: d.billing,
		Emails: t.emails2(c), Phones: make([]v1Phone, len(c.phones)), Faxes: make([]v1Fax, len(d.faxes)), Addresses: places2(d),
		TagIDs: make([]string, len(c.tags)), CustomFields: make([]v2Content, len(c.custom)), Links: []struct{}{},
		Social: make([]v1Social, len(d.social)), UTM: utms2(d),
	}
	if co, ok := t.companies.get(d.company); ok {
		out.Company = &v2Company{d.company.String(), co.name}
	}
	if d.ip != "" {
		out.Origin = &v1Origin{stamp(c.created), d.ip}
	}
	for i, p := range c.phones {
		out.Phones[i] = v1Phone{p.field, p.number, p.extension, p.kind, p.e164}
	}
	for i, f := range d.faxes {
		out.Faxes[i] = v1Fax{f.field, f.number, f.kind}
	}
	for i, a := range c.tags {
		out.TagIDs[i] = a.tag.String()
	}
	for i, v := range c.custom {
		out.CustomFields[i] = v2Content{v.field.String(), v.content}
	}
	for i, s := range d.social {
		out.Social[i] = v1Social{s.name, s.kind}
	}
	out.only(want)
	return out
}

func v2Source(s string) string {
	for i, name := range sourceTypes[1] {
		if name == s {
			return sourceTypes[2][i]
		}
	}
	return ""
}

func (t *tenant) emails2(c *contact) []v2Email {
	out := make([]v2Email, 0, 1)
	for i, e := range c.emails {
		if e == "" {
			continue
		}
		status := t.addresses[strings.ToLower(e)].status
		out = append(out, v2Email{e, emailSlots[i], status.marketable(), statusNames[status].v2, c.optIn})
	}
	return out
}

func places2(d *details) []v2Place {
	out := make([]v2Place, len(d.places))
	for i, p := range d.places {
		out[i] = v2Place{p.field, p.line1, p.line2, p.locality, p.region, p.regionCode, p.postal, p.zip, p.zipFour, countryName(p.country), p.country}
	}
	return out
}

func utms2(d *details) []v2UTM {
	out := make([]v2UTM, len(d.utms))
	for i, u := range d.utms {
		out[i] = v2UTM{u.id, u.keapSource, u.source, u.medium, u.term, u.name, u.text, i == 0, i == len(d.utms)-1, stamp(u.at)}
	}
	return out
}

// only empties the properties that are not wanted.
func (v *v2Contact) only(want []string) {
	r := reflect.ValueOf(v).Elem()
	for i, name := range propertiesV2 {
		if want == nil && slices.Contains(optionalV2, name) || want != nil && name != "id" && !slices.Contains(want, name) {
			r.Field(i).SetZero()
		}
	}
}

func (t *tenant) answer2(c *call, status int, x *contact) reply {
	want, err := c.fields2()
	if err != nil {
		return c.bad(err.Error())
	}
	return reply{status: status, body: t.v2(x, want)}
}

func getContact2(t *tenant, c *call) reply {
	x, found := t.contactByID(c.id(0))
	if !found {
		return c.notFound("Contact", c.args[0])
	}
	c.about("contact", x.id)
	return t.answer2(c, 200, x)
}

// postContact2 creates, or upserts where duplicate_option is given: 201 created, 200 updated.
func postContact2(t *tenant, c *call) reply {
	if o := c.query.Get("duplicate_option"); o != "" && !slices.Contains([]string{"Email", "EmailAndName", "EmailAndNameAndCompany"}, o) {
		return c.bad("Invalid duplicate_option: " + o)
	}
	if _, err := c.fields2(); err != nil {
		return c.bad(err.Error())
	}
	return t.upsert(c, func(x *contact, isNew bool) reply {
		if isNew {
			return t.answer2(c, 201, x)
		}
		return t.answer2(c, 200, x)
	})
}

func patchContact2(t *tenant, c *call) reply {
	if _, err := c.fields2(); err != nil {
		return c.bad(err.Error())
	}
	return t.patch(c, func(x *contact) reply { return t.answer2(c, 200, x) })
}

func mergeContacts(t *tenant, c *call) reply {
	var in struct {
		ID        ref `json:"contact_id"`
		Duplicate ref `json:"duplicate_contact_id"`
	}
	if err := c.read(&in); err != nil {
		return c.bad(err.Error())
	}
	winner, ok1 := t.contactByID(in.ID)
	loser, ok2 := t.contactByID(in.Duplicate)
	if !ok1 || !ok2 {
		return c.missing("Contact")
	}
	if winner == loser {
		return c.bad("contact_id and duplicate_contact_id must differ")
	}
	c.about("contact", in.ID, in.Duplicate)
	t.merge(winner, loser, c.now)
	t.happened(c, "contact.edit", winner.id)
	t.happened(c, "contact.delete", loser.id)
	return t.answer2(c, 200, winner)
}
