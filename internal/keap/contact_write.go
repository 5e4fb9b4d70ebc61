package keap

import (
	"encoding/json"
	"time"
)

// ContactWrite is what to write of a contact. Only what is set is sent: a nil pointer leaves the value in Keap
// alone, a pointer to "" clears it. Lists are merged item by item over v1, which Upsert and Patch use.
type ContactWrite struct {
	GivenName, FamilyName, MiddleName, PreferredName *string
	Prefix, Suffix, JobTitle, SpouseName, Website    *string
	ContactType                                      *string
	TimeZone                                         *string // only a subset of zones is taken by Keap
	PreferredLocale                                  *string // five characters: en_US
	Birthday, Anniversary                            *string // YYYY-MM-DD

	OwnerID      *string // Keap user id
	CompanyID    *string // id of the company record
	LeadSourceID *string
	SourceType   string // API, WEBFORM, … ; "" is not sent
	OriginIP     string

	// OptInReason makes an address marketable, from the states that Keap allows it from: Unengaged Marketable,
	// Unengaged Non-Marketable, Non-Marketable and Opt-Out: Manual. Without it a new address is not marketable.
	OptInReason *string

	Emails       []EmailAddress
	Phones       []Phone
	Addresses    []Address
	CustomFields []CustomValue
}

// EmailAddress is one of three; Field is EMAIL1 (the default), EMAIL2 or EMAIL3.
type EmailAddress struct {
	Address string
	Field   string
	Status  string // read only: email_status of v1 or email_opt_status of v2
}

// Phone is one of five; Field is PHONE1 (the default) to PHONE5. Number and Type are free text.
type Phone struct {
	Number    string
	Extension string
	Type      string
	Field     string
}

// Address is a postal address; Field is BILLING (the default), SHIPPING or OTHER.
type Address struct {
	Field      string
	Line1      string
	Line2      string
	Locality   string // city
	Region     string // a name ("Arizona"), or a code of ISO 3166-2 with or without its country ("AZ", "US-AZ")
	PostalCode string
	Country    string // alpha-2, alpha-3 or an English name on the way in; alpha-3 on the way out
}

// CustomValue is the content of one custom field, by numeric id; Model.Resolve makes both from text.
type CustomValue struct {
	ID      string
	Content any
}

// DuplicateOption is how an upsert recognises an existing contact.
type DuplicateOption string

// The duplicate options. ByEmailNameCompany compares the linked company record and exists in v2 only.
const (
	ByEmail            DuplicateOption = "Email"
	ByEmailAndName     DuplicateOption = "EmailAndName"
	ByEmailNameCompany DuplicateOption = "EmailAndNameAndCompany"
)

// The request bodies are written once and for each version in its own words: v1Contact, v2Contact.
type v1Contact struct {
	GivenName       *string      `json:"given_name,omitempty"`
	FamilyName      *string      `json:"family_name,omitempty"`
	MiddleName      *string      `json:"middle_name,omitempty"`
	PreferredName   *string      `json:"preferred_name,omitempty"`
	Prefix          *string      `json:"prefix,omitempty"`
	Suffix          *string      `json:"suffix,omitempty"`
	JobTitle        *string      `json:"job_title,omitempty"`
	SpouseName      *string      `json:"spouse_name,omitempty"`
	Website         *string      `json:"website,omitempty"`
	ContactType     *string      `json:"contact_type,omitempty"`
	TimeZone        *string      `json:"time_zone,omitempty"`
	PreferredLocale *string      `json:"preferred_locale,omitempty"`
	Birthday        *string      `json:"birthday,omitempty"`
	Anniversary     *string      `json:"anniversary,omitempty"`
	OwnerID         *json.Number `json:"owner_id,omitempty"`
	LeadSourceID    *json.Number `json:"lead_source_id,omitempty"`
	Company         *v1Reference `json:"company,omitempty"`
	SourceType      string       `json:"source_type,omitempty"`
	Origin          *origin      `json:"origin,omitempty"`
	OptInReason     *string      `json:"opt_in_reason,omitempty"`
	Emails          []emailWire  `json:"email_addresses,omitempty"`
	Phones          []phoneWire  `json:"phone_numbers,omitempty"`
	Addresses       []v1Address  `json:"addresses,omitempty"`
	CustomFields    []v1Custom   `json:"custom_fields,omitempty"`
	DuplicateOption string       `json:"duplicate_option,omitempty"`
}

type v2Contact struct {
	GivenName       *string     `json:"given_name,omitempty"`
	FamilyName      *string     `json:"family_name,omitempty"`
	MiddleName      *string     `json:"middle_name,omitempty"`
	PreferredName   *string     `json:"preferred_name,omitempty"`
	Prefix          *string     `json:"prefix,omitempty"`
	Suffix          *string     `json:"suffix,omitempty"`
	JobTitle        *string     `json:"job_title,omitempty"`
	SpouseName      *string     `json:"spouse_name,omitempty"`
	Website         *string     `json:"website,omitempty"`
	ContactType     *string     `json:"contact_type,omitempty"`
	TimeZone        *string     `json:"time_zone,omitempty"`
	PreferredLocale *string     `json:"preferred_locale,omitempty"`
	BirthDate       *string     `json:"birth_date,omitempty"`
	AnniversaryDate *string     `json:"anniversary_date,omitempty"`
	OwnerID         *string     `json:"owner_id,omitempty"`
	LeadSourceID    *string     `json:"leadsource_id,omitempty"`
	Company         *v2Company  `json:"company,omitempty"`
	SourceType      string      `json:"source_type,omitempty"`
	Origin          *origin     `json:"origin,omitempty"`
	Emails          []emailWire `json:"email_addresses,omitempty"`
	Phones          []phoneWire `json:"phone_numbers,omitempty"`
	Addresses       []v2Address `json:"addresses,omitempty"`
	CustomFields    []v2Custom  `json:"custom_fields,omitempty"`
}

type (
	v1Reference struct {
		ID json.Number `json:"id"`
	}
	v2Company struct {
		ID string `json:"id"`
	}
	origin struct {
		IPAddress string `json:"ip_address"`
	}
	emailWire struct {
		Email       string  `json:"email"`
		Field       string  `json:"field"`
		OptInReason *string `json:"opt_in_reason,omitempty"` // v2 only
	}
	phoneWire struct {
		Number    string `json:"number"`
		Extension string `json:"extension,omitempty"`
		Type      string `json:"type,omitempty"`
		Field     string `json:"field"`
	}
	v1Address struct {
		Field       string `json:"field"`
		Line1       string `json:"line1,omitempty"`
		Line2       string `json:"line2,omitempty"`
		Locality    string `json:"locality,omitempty"`
		Region      string `json:"region,omitempty"`
		PostalCode  string `json:"postal_code,omitempty"`
		CountryCode string `json:"country_code,omitempty"`
	}
	v2Address struct {
		Field       string `json:"field"`
		Line1       string `json:"line1,omitempty"`
		Line2       string `json:"line2,omitempty"`
		Locality    string `json:"locality,omitempty"`
		Region      string `json:"region,omitempty"`
		RegionCode  string `json:"region_code,omitempty"`
		PostalCode  string `json:"postal_code,omitempty"`
		CountryCode string `json:"country_code,omitempty"`
	}
	v1Custom struct {
		ID      json.Number `json:"id"`
		Content any         `json:"content"`
	}
	v2Custom struct {
		ID      string `json:"id"`
		Content any    `json:"content"`
	}
)

// v1 checks the contact and writes it in v1's words.
func (w ContactWrite) v1(operation string) (*v1Contact, error) {
	w, err := w.checked(operation)
	if err != nil {
		return nil, err
	}
	b := &v1Contact{
		GivenName: w.GivenName, FamilyName: w.FamilyName, MiddleName: w.MiddleName, PreferredName: w.PreferredName,
		Prefix: w.Prefix, Suffix: w.Suffix, JobTitle: w.JobTitle, SpouseName: w.SpouseName, Website: w.Website,
		ContactType: w.ContactType, TimeZone: w.TimeZone, PreferredLocale: w.PreferredLocale,
		Birthday: w.Birthday, Anniversary: w.Anniversary, SourceType: w.SourceType, OptInReason: w.OptInReason,
		Origin: originOf(w.OriginIP), Emails: emailsOf(w.Emails, nil), Phones: phonesOf(w.Phones),
	}
	for _, ref := range []struct {
		field string
		from  *string
		to    **json.Number
	}{{"owner_id", w.OwnerID, &b.OwnerID}, {"lead_source_id", w.LeadSourceID, &b.LeadSourceID}} {
		if ref.from == nil {
			continue
		}
		n, err := number(operation, ref.field, *ref.from)
		if err != nil {
			return nil, err
		}
		*ref.to = &n
	}
	if w.CompanyID != nil {
		n, err := number(operation, "company.id", *w.CompanyID)
		if err != nil {
			return nil, err
		}
		b.Company = &v1Reference{n}
	}
	for _, a := range w.Addresses {
		code, name := region(a.Region, a.Country)
		b.Addresses = append(b.Addresses, v1Address{
			Field: a.Field, Line1: a.Line1, Line2: a.Line2, Locality: a.Locality, Region: code + name,
			PostalCode: a.PostalCode, CountryCode: a.Country,
		})
	}
	for _, f := range w.CustomFields {
		n, err := number(operation, "custom_fields.id", f.ID)
		if err != nil {
			return nil, err
		}
		b.CustomFields = append(b.CustomFields, v1Custom{n, f.Content})
	}
	return b, nil
}

// v2 checks the contact and writes it in v2's words, where the opt-in reason belongs to each address.
func (w ContactWrite) v2(operation string) (*v2Contact, error) {
	w, err := w.checked(operation)
	if err != nil {
		return nil, err
	}
	b := &v2Contact{
		GivenName: w.GivenName, FamilyName: w.FamilyName, MiddleName: w.MiddleName, PreferredName: w.PreferredName,
		Prefix: w.Prefix, Suffix: w.Suffix, JobTitle: w.JobTitle, SpouseName: w.SpouseName, Website: w.Website,
		ContactType: w.ContactType, TimeZone: w.TimeZone, PreferredLocale: w.PreferredLocale,
		BirthDate: w.Birthday, AnniversaryDate: w.Anniversary, SourceType: v2SourceType(w.SourceType),
		OwnerID: w.OwnerID, LeadSourceID: w.LeadSourceID,
		Origin: originOf(w.OriginIP), Emails: emailsOf(w.Emails, w.OptInReason), Phones: phonesOf(w.Phones),
	}
	if w.CompanyID != nil {
		b.Company = &v2Company{*w.CompanyID}
	}
	for _, a := range w.Addresses {
		code, name := region(a.Region, a.Country)
		b.Addresses = append(b.Addresses, v2Address{
			Field: a.Field, Line1: a.Line1, Line2: a.Line2, Locality: a.Locality, Region: name, RegionCode: code,
			PostalCode: a.PostalCode, CountryCode: a.Country,
		})
	}
	for _, f := range w.CustomFields {
		b.CustomFields = append(b.CustomFields, v2Custom(f))
	}
	return b, nil
}

// v2SourceType spells the source types of v1 as v2 wants them.
func v2SourceType(v1 string) string {
	switch v1 {
	case "FORMAPIHOSTED":
		return "FORM_API_HOSTED"
	case "FORMAPIINTERNAL":
		return "FORM_API_INTERNAL"
	case "INTERNALFORM":
		return "INTERNAL_FORM"
	case "LANDINGPAGE":
		return "LANDING_PAGE"
	}
	return v1
}

func originOf(ip string) *origin {
	if ip == "" {
		return nil
	}
	return &origin{ip}
}

func emailsOf(in []EmailAddress, reason *string) []emailWire {
	var out []emailWire
	for _, e := range in {
		out = append(out, emailWire{Email: e.Address, Field: e.Field, OptInReason: reason})
	}
	return out
}

func phonesOf(in []Phone) []phoneWire {
	var out []phoneWire
	for _, p := range in {
		out = append(out, phoneWire{Number: p.Number, Extension: p.Extension, Type: p.Type, Field: p.Field})
	}
	return out
}

// date checks YYYY-MM-DD, the form in which integrators send the dates that v1 declares as date-time.
func isDate(text string) bool {
	_, err := time.Parse(time.DateOnly, text)
	return err == nil
}
