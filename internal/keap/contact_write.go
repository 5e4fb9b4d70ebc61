package keap

import "time"

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
	SourceType   string // API, WEBFORM, … in v1's words; "" is not sent
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
	Number    string `json:"number"`
	Extension string `json:"extension,omitempty"`
	Type      string `json:"type,omitempty"`
	Field     string `json:"field"`
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
	ID      string `json:"id"`
	Content any    `json:"content"`
}

// DuplicateOption is how an upsert recognises an existing contact.
type DuplicateOption string

// The duplicate options. ByEmailNameCompany compares the linked company record and exists in v2 only.
const (
	ByEmail            DuplicateOption = "Email"
	ByEmailAndName     DuplicateOption = "EmailAndName"
	ByEmailNameCompany DuplicateOption = "EmailAndNameAndCompany"
)

// version is the version of REST that a body is written for.
type version int

const (
	v1 version = 1
	v2 version = 2
)

// name picks a field's name.
func (v version) name(inV1, inV2 string) string {
	if v == v1 {
		return inV1
	}
	return inV2
}

// ref is an id as the version wants it: a number in v1, text in v2.
func (v version) ref(operation, field, id string) (any, error) {
	if v == v1 {
		return number(operation, field, id)
	}
	return id, nil
}

// body checks the contact and writes it in the words of a version.
func (w ContactWrite) body(operation string, v version) (fields, error) {
	w, err := w.checked(operation)
	if err != nil {
		return nil, err
	}
	b := fields{}
	b.put("source_type", v.sourceType(w.SourceType))
	for name, text := range map[string]*string{
		"given_name": w.GivenName, "family_name": w.FamilyName, "middle_name": w.MiddleName, "preferred_name": w.PreferredName,
		"prefix": w.Prefix, "suffix": w.Suffix, "job_title": w.JobTitle, "spouse_name": w.SpouseName, "website": w.Website,
		"contact_type": w.ContactType, "time_zone": w.TimeZone, "preferred_locale": w.PreferredLocale,
		v.name("birthday", "birth_date"): w.Birthday, v.name("anniversary", "anniversary_date"): w.Anniversary,
	} {
		if text != nil {
			b[name] = *text
		}
	}
	for name, id := range map[string]*string{"owner_id": w.OwnerID, v.name("lead_source_id", "leadsource_id"): w.LeadSourceID, "company": w.CompanyID} {
		if id == nil {
			continue
		}
		if b[name], err = v.ref(operation, name, *id); err != nil {
			return nil, err
		}
	}
	if id, ok := b["company"]; ok {
		b["company"] = fields{"id": id}
	}
	if w.OriginIP != "" {
		b["origin"] = fields{"ip_address": w.OriginIP}
	}
	return b, w.lists(operation, v, b)
}

// lists writes what a contact has several of. The opt-in reason belongs to each address in v2.
func (w *ContactWrite) lists(operation string, v version, b fields) error {
	if v == v1 && w.OptInReason != nil {
		b["opt_in_reason"] = *w.OptInReason
	}
	var emails, addresses, custom []fields
	for _, e := range w.Emails {
		email := fields{"email": e.Address, "field": e.Field}
		if v == v2 && w.OptInReason != nil {
			email["opt_in_reason"] = *w.OptInReason
		}
		emails = append(emails, email)
	}
	for _, a := range w.Addresses {
		address := fields{"field": a.Field}
		for name, text := range map[string]string{"line1": a.Line1, "line2": a.Line2, "locality": a.Locality, "postal_code": a.PostalCode, "country_code": a.Country} {
			address.put(name, text)
		}
		code, name := region(a.Region, a.Country)
		address.put("region", name)
		address.put(v.name("region", "region_code"), code) // one of the two is empty
		addresses = append(addresses, address)
	}
	for _, f := range w.CustomFields {
		id, err := v.ref(operation, "custom_fields.id", f.ID)
		if err != nil {
			return err
		}
		custom = append(custom, fields{"id": id, "content": f.Content})
	}
	for name, list := range map[string][]fields{"email_addresses": emails, "addresses": addresses, "custom_fields": custom} {
		if len(list) > 0 {
			b[name] = list
		}
	}
	if len(w.Phones) > 0 {
		b["phone_numbers"] = w.Phones
	}
	return nil
}

// sourceType spells the source types of v1 as v2 wants them.
func (v version) sourceType(text string) string {
	if other, ok := map[string]string{
		"FORMAPIHOSTED": "FORM_API_HOSTED", "FORMAPIINTERNAL": "FORM_API_INTERNAL", "INTERNALFORM": "INTERNAL_FORM", "LANDINGPAGE": "LANDING_PAGE",
	}[text]; ok && v == v2 {
		return other
	}
	return text
}

// isDate tells YYYY-MM-DD, the form in which integrators send the dates that v1 declares as date-time.
func isDate(text string) bool {
	_, err := time.Parse(time.DateOnly, text)
	return err == nil
}
