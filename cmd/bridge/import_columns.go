package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"bridge/internal/events"
)

// column puts one value into a contact; put is nil for a column without a name.
type column struct {
	name string
	put  func(*events.Contact, string)
}

// known are the columns that the bridge has a place for, each under the names that exports give it, without blanks,
// dashes and capitals. Keap's own export is among them.
var known = []struct {
	names string
	put   func(*events.Contact, string)
}{
	{"email emailaddress email1 mail", func(c *events.Contact, v string) { c.Email = v }},
	{"firstname givenname forename", func(c *events.Contact, v string) { c.FirstName = v }},
	{"lastname surname familyname", func(c *events.Contact, v string) { c.LastName = v }},
	{"phone phone1 phonenumber telephone mobile", func(c *events.Contact, v string) { c.Phone = v }},
	{"company companyname organization organisation", func(c *events.Contact, v string) { c.Company = v }},
	{"externalid", func(c *events.Contact, v string) { c.ExternalID = v }},
	{"consent", func(c *events.Contact, v string) { c.Consent = v }},
	{"line1 address address1 street streetaddress streetaddress1", func(c *events.Contact, v string) { addressOf(c).Line1 = v }},
	{"line2 address2 streetaddress2", func(c *events.Contact, v string) { addressOf(c).Line2 = v }},
	{"city town", func(c *events.Contact, v string) { addressOf(c).City = v }},
	{"region state province", func(c *events.Contact, v string) { addressOf(c).Region = v }},
	{"postalcode zip zipcode postcode", func(c *events.Contact, v string) { addressOf(c).PostalCode = v }},
	{"country countrycode", func(c *events.Contact, v string) { addressOf(c).Country = v }},
}

// The columns that a rejects file has besides the file's own; they are passed over when it is imported after correction.
const (
	rejectLine   = "reject_line"
	rejectReason = "reject_reason"
)

func addressOf(c *events.Contact) *events.Address {
	if c.Address == nil {
		c.Address = &events.Address{}
	}
	return c.Address
}

// columnsOf understands the first row.
func columnsOf(header []string) ([]column, error) {
	columns := make([]column, len(header))
	taken := map[string]string{} // what a column means → its name
	for i, name := range header {
		name = strings.TrimSpace(name)
		if name == "" {
			continue
		}
		meaning, put := meaningOf(name)
		if before, twice := taken[meaning]; twice {
			return nil, fmt.Errorf("the columns %q and %q mean the same", before, name)
		}
		taken[meaning] = name
		columns[i] = column{name, put}
	}
	if taken["email"] == "" && taken["phone"] == "" {
		return nil, errors.New("no column is named email or phone: the first row has to hold the names of the columns")
	}
	return columns, nil
}

// meaningOf finds the place of a column; what has none becomes a field under its own name.
func meaningOf(name string) (meaning string, put func(*events.Contact, string)) {
	plain := strings.NewReplacer(" ", "", "_", "", "-", "", ".", "").Replace(strings.ToLower(name))
	for _, k := range known {
		for n := range strings.FieldsSeq(k.names) {
			if n == plain {
				first, _, _ := strings.Cut(k.names, " ")
				return first, k.put
			}
		}
	}
	if name == rejectLine || name == rejectReason {
		return name, func(*events.Contact, string) {}
	}
	return "field " + name, func(c *events.Contact, v string) {
		if c.Fields == nil {
			c.Fields = map[string]string{}
		}
		c.Fields[name] = v
	}
}

func jsonOf(v any) (string, error) {
	b, err := json.Marshal(v)
	return string(b), err
}
