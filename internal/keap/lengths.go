package keap

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// Longest values in characters, as Keap's v2 specification gives them. Keap cuts some of what is longer without a
// word, so that longer values are refused here.
const (
	maxShortName    = 40 // given_name, family_name
	maxName         = 100
	maxJobTitle     = 255
	maxTagName      = 255
	maxEmail1       = 75
	maxEmail        = 100
	maxPhone        = 40 // PHONE1 to PHONE3
	maxLatePhone    = 20 // PHONE4 and PHONE5
	maxBillingLine  = 75
	maxBillingCity  = 50
	maxAddressText  = 100
	maxRegion       = 50
	maxPostalCode   = 15
	maxShippingCode = 20
	maxCustomText   = 65_535
)

func tooLong(operation, field, text string, longest int) error {
	if n := utf8.RuneCountInString(text); n > longest {
		return invalid(operation, field, "is %d characters long; Keap keeps %d", n, longest)
	}
	return nil
}

// slot checks the Field of a list item: the first one by default, known, and used once.
func slot(operation, list string, field *string, known []string, used map[string]bool) error {
	if *field == "" {
		*field = known[0]
	}
	switch {
	case !slices.Contains(known, *field):
		return invalid(operation, list, "has no place %.40q; there are %s", *field, strings.Join(known, ", "))
	case used[*field]:
		return invalid(operation, list, "gives %s twice", *field)
	}
	used[*field] = true
	return nil
}

var (
	emailSlots   = []string{"EMAIL1", "EMAIL2", "EMAIL3"}
	phoneSlots   = []string{"PHONE1", "PHONE2", "PHONE3", "PHONE4", "PHONE5"}
	addressSlots = []string{"BILLING", "SHIPPING", "OTHER"}
)

// checked returns a copy whose slots and countries are filled in, or the first thing that Keap would refuse or cut.
func (w ContactWrite) checked(operation string) (ContactWrite, error) {
	for _, f := range []struct {
		field   string
		value   *string
		longest int
	}{
		{"given_name", w.GivenName, maxShortName}, {"family_name", w.FamilyName, maxShortName},
		{"middle_name", w.MiddleName, maxName}, {"preferred_name", w.PreferredName, maxName},
		{"spouse_name", w.SpouseName, maxName}, {"website", w.Website, maxName}, {"job_title", w.JobTitle, maxJobTitle},
	} {
		if f.value == nil {
			continue
		}
		if err := tooLong(operation, f.field, *f.value, f.longest); err != nil {
			return w, err
		}
	}
	for _, f := range []struct {
		field string
		value *string
	}{{"birthday", w.Birthday}, {"anniversary", w.Anniversary}} {
		if f.value != nil && *f.value != "" && !isDate(*f.value) {
			return w, invalid(operation, f.field, "is not a date (YYYY-MM-DD): %.40q", *f.value)
		}
	}
	var err error
	if w.Emails, err = checkedEmails(operation, w.Emails); err != nil {
		return w, err
	}
	if w.Phones, err = checkedPhones(operation, w.Phones); err != nil {
		return w, err
	}
	if w.Addresses, err = checkedAddresses(operation, w.Addresses); err != nil {
		return w, err
	}
	for _, f := range w.CustomFields {
		if text, ok := f.Content.(string); ok {
			if err := tooLong(operation, "custom_fields."+f.ID, text, maxCustomText); err != nil {
				return w, err
			}
		}
	}
	return w, nil
}

func checkedEmails(operation string, in []EmailAddress) ([]EmailAddress, error) {
	out, used := slices.Clone(in), map[string]bool{}
	for i := range out {
		e := &out[i]
		if err := slot(operation, "email_addresses", &e.Field, emailSlots, used); err != nil {
			return nil, err
		}
		longest := maxEmail
		if e.Field == emailSlots[0] {
			longest = maxEmail1
		}
		if err := tooLong(operation, "email_addresses."+e.Field, e.Address, longest); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func checkedPhones(operation string, in []Phone) ([]Phone, error) {
	out, used := slices.Clone(in), map[string]bool{}
	for i := range out {
		p := &out[i]
		if err := slot(operation, "phone_numbers", &p.Field, phoneSlots, used); err != nil {
			return nil, err
		}
		longest := maxPhone
		if p.Field == "PHONE4" || p.Field == "PHONE5" {
			longest = maxLatePhone
		}
		if err := tooLong(operation, "phone_numbers."+p.Field, p.Number, longest); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func checkedAddresses(operation string, in []Address) ([]Address, error) {
	out, used := slices.Clone(in), map[string]bool{}
	for i := range out {
		a := &out[i]
		if err := slot(operation, "addresses", &a.Field, addressSlots, used); err != nil {
			return nil, err
		}
		line, city, code := maxAddressText, maxAddressText, maxPostalCode
		switch a.Field {
		case "BILLING":
			line, city = maxBillingLine, maxBillingCity
		case "SHIPPING":
			code = maxShippingCode
		}
		where := "addresses." + a.Field + "."
		for _, f := range []struct {
			field, value string
			longest      int
		}{
			{"line1", a.Line1, line}, {"line2", a.Line2, line}, {"locality", a.Locality, city},
			{"region", a.Region, maxRegion}, {"postal_code", a.PostalCode, code},
		} {
			if err := tooLong(operation, where+f.field, f.value, f.longest); err != nil {
				return nil, err
			}
		}
		if a.Country == "" {
			if a.Region != "" {
				return nil, invalid(operation, where+"country_code", "is missing: Keap takes no region without a country")
			}
			continue
		}
		country, ok := Country(a.Country)
		if !ok {
			return nil, invalid(operation, where+"country_code", "is no country of ISO 3166-1: %.40q", a.Country)
		}
		a.Country = country
	}
	return out, nil
}
