package keap

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// An upsert is told apart by date_created against the answer's Date header: the rule in createdBy.
func TestCreatedOrUpdated(t *testing.T) {
	at := func(seconds int) string {
		return testNow.Add(time.Duration(seconds) * time.Second).Format("2006-01-02T15:04:05.000-0700")
	}
	for _, tc := range []struct {
		name             string
		created, updated string
		want             bool
	}{
		{"created now", at(0), at(0), true},
		{"created now, updated not told", at(0), "", true},
		{"clocks apart by a second", at(1), at(1), true},
		{"clocks behind by two seconds", at(-2), at(-2), true},
		{"created four seconds ago", at(-4), at(-4), false},
		{"created a year ago, updated now", at(-365 * 86400), at(0), false},
		{"created in the future, then updated", at(1), at(4), false},
		{"in another zone", testNow.In(time.FixedZone("", -5*3600)).Format("2006-01-02T15:04:05.000-0700"), "", true},
		{"not told", "", at(0), false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, c := newFake(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Date", testNow.Format(http.TimeFormat))
				says(200, `{"id":"5","date_created":"`+tc.created+`","last_updated":"`+tc.updated+`"}`)(w, r)
			})
			ref, err := c.UpsertContact(context.Background(), ContactWrite{Emails: []EmailAddress{{Address: "a@example.com"}}}, ByEmail)
			if err != nil || ref.Created != tc.want || ref.ID != "5" {
				t.Errorf("%+v, %v", ref, err)
			}
		})
	}
}

func TestCreatedAllowsForASlowAnswer(t *testing.T) {
	a := &answer{took: 9 * time.Second}
	a.observed.Date = testNow
	w := &contactWire{}
	for _, tc := range []struct {
		ago  time.Duration
		want bool
	}{{0, true}, {10 * time.Second, true}, {12 * time.Second, false}} {
		w.DateCreated.Time = testNow.Add(-tc.ago)
		if got := a.createdBy(w); got != tc.want {
			t.Errorf("made %s ago: %v", tc.ago, got)
		}
	}
	a.observed.Date, a.observed.At = time.Time{}, testNow
	if w.DateCreated.Time = testNow; !a.createdBy(w) {
		t.Error("without a Date header our own clock counts")
	}
}

func TestLengthsAreCheckedBeforeSending(t *testing.T) {
	long := func(n int) string { return strings.Repeat("é", n) }
	email := []EmailAddress{{Address: "a@example.com"}}
	address := func(field, part string, n int) ContactWrite {
		a := Address{Field: field, Country: "US"}
		*map[string]*string{"line1": &a.Line1, "line2": &a.Line2, "locality": &a.Locality, "region": &a.Region, "postal_code": &a.PostalCode}[part] = long(n)
		return ContactWrite{Emails: email, Addresses: []Address{a}}
	}
	for _, tc := range []struct {
		field string
		max   int
		write func(n int) ContactWrite
	}{
		{"given_name", 40, func(n int) ContactWrite { return ContactWrite{Emails: email, GivenName: new(long(n))} }},
		{"family_name", 40, func(n int) ContactWrite { return ContactWrite{Emails: email, FamilyName: new(long(n))} }},
		{"middle_name", 100, func(n int) ContactWrite { return ContactWrite{Emails: email, MiddleName: new(long(n))} }},
		{"preferred_name", 100, func(n int) ContactWrite { return ContactWrite{Emails: email, PreferredName: new(long(n))} }},
		{"spouse_name", 100, func(n int) ContactWrite { return ContactWrite{Emails: email, SpouseName: new(long(n))} }},
		{"website", 100, func(n int) ContactWrite { return ContactWrite{Emails: email, Website: new(long(n))} }},
		{"job_title", 255, func(n int) ContactWrite { return ContactWrite{Emails: email, JobTitle: new(long(n))} }},
		{"email_addresses.EMAIL1", 75, func(n int) ContactWrite { return ContactWrite{Emails: []EmailAddress{{Address: long(n)}}} }},
		{"email_addresses.EMAIL2", 100, func(n int) ContactWrite {
			return ContactWrite{Emails: []EmailAddress{{Address: long(n), Field: "EMAIL2"}}}
		}},
		{"phone_numbers.PHONE1", 40, func(n int) ContactWrite { return ContactWrite{Emails: email, Phones: []Phone{{Number: long(n)}}} }},
		{"phone_numbers.PHONE5", 20, func(n int) ContactWrite {
			return ContactWrite{Emails: email, Phones: []Phone{{Number: long(n), Field: "PHONE5"}}}
		}},
		{"addresses.BILLING.line1", 75, func(n int) ContactWrite { return address("", "line1", n) }},
		{"addresses.BILLING.locality", 50, func(n int) ContactWrite { return address("BILLING", "locality", n) }},
		{"addresses.SHIPPING.line2", 100, func(n int) ContactWrite { return address("SHIPPING", "line2", n) }},
		{"addresses.SHIPPING.postal_code", 20, func(n int) ContactWrite { return address("SHIPPING", "postal_code", n) }},
		{"addresses.OTHER.postal_code", 15, func(n int) ContactWrite { return address("OTHER", "postal_code", n) }},
		{"addresses.OTHER.region", 50, func(n int) ContactWrite { return address("OTHER", "region", n) }},
		{"custom_fields.7", 65_535, func(n int) ContactWrite {
			return ContactWrite{Emails: email, CustomFields: []CustomValue{{ID: "7", Content: long(n)}}}
		}},
	} {
		f, c := newFake(t, says(200, `{"id":"1"}`))
		if _, err := c.UpsertContact(context.Background(), tc.write(tc.max), ByEmail); err != nil {
			t.Errorf("%s of %d: %v", tc.field, tc.max, err)
		}
		_, err := c.UpsertContact(context.Background(), tc.write(tc.max+1), ByEmail)
		if e := asError(t, err); e.Kind != KindInvalid || e.Field != tc.field || e.Sent || len(f.requests()) != 1 {
			t.Errorf("%s of %d: %+v", tc.field, tc.max+1, e)
		}
	}
}

func TestWhatKeapWouldRefuse(t *testing.T) {
	email := []EmailAddress{{Address: "a@example.com"}}
	for _, tc := range []struct {
		name  string
		write ContactWrite
		field string
	}{
		{"region without country", ContactWrite{Emails: email, Addresses: []Address{{Region: "AZ"}}}, "addresses.BILLING.country_code"},
		{"unknown country", ContactWrite{Emails: email, Addresses: []Address{{Country: "Atlantis"}}}, "addresses.BILLING.country_code"},
		{"a slot twice", ContactWrite{Emails: []EmailAddress{{Address: "a@example.com"}, {Address: "b@example.com"}}}, "email_addresses"},
		{"an unknown slot", ContactWrite{Emails: email, Phones: []Phone{{Number: "1", Field: "PHONE6"}}}, "phone_numbers"},
		{"a birthday with time", ContactWrite{Emails: email, Birthday: new("2001-02-30")}, "birthday"},
		{"an owner by name", ContactWrite{Emails: email, OwnerID: new("Ada")}, "owner_id"},
		{"a custom field by name", ContactWrite{Emails: email, CustomFields: []CustomValue{{ID: "LastOrder"}}}, "custom_fields.id"},
		{"no e-mail", ContactWrite{Phones: []Phone{{Number: "1"}}}, "email_addresses"},
	} {
		f, c := newFake(t, says(200, `{"id":"1"}`))
		_, err := c.UpsertContact(context.Background(), tc.write, ByEmail)
		if e := asError(t, err); e.Kind != KindInvalid || e.Field != tc.field || e.Hint == "" || len(f.requests()) != 0 {
			t.Errorf("%s: %+v", tc.name, e)
		}
	}
}

func TestWritesDoNotChangeTheirInput(t *testing.T) {
	_, c := newFake(t, says(200, `{"id":"1"}`))
	w := ContactWrite{Emails: []EmailAddress{{Address: "a@example.com"}}, Addresses: []Address{{Country: "DE"}}}
	if _, err := c.UpsertContact(context.Background(), w, ByEmail); err != nil {
		t.Fatal(err)
	}
	if w.Emails[0].Field != "" || w.Addresses[0].Country != "DE" {
		t.Errorf("%+v", w)
	}
}

func TestCountriesAndRegions(t *testing.T) {
	if len(alpha2) != 250 {
		t.Errorf("%d countries; ISO 3166-1 has 249, and Kosovo is added", len(alpha2))
	}
	for in, want := range map[string]string{"US": "USA", "de": "DEU", "GBR": "GBR", "uk": "GBR", "el": "GRC", " Germany ": "DEU", "united states": "USA", "Türkiye": "TUR", "": "", "ZZ": "", "Deutschland": ""} {
		if got, ok := Country(in); got != want || ok != (want != "") {
			t.Errorf("Country(%q) = %q, %v", in, got, ok)
		}
	}
	for _, tc := range []struct{ text, country, code, name string }{
		{"AZ", "USA", "US-AZ", ""}, {"US-AZ", "USA", "US-AZ", ""}, {"Arizona", "USA", "", "Arizona"}, {"JP13", "JPN", "JP-13", ""},
		{"DE-BY", "DEU", "DE-BY", ""}, {"NSW", "AUS", "AU-NSW", ""}, {"CA", "CAN", "CA-CA", ""}, {"US", "USA", "US-US", ""},
		{"DEL", "DEU", "DE-DEL", ""}, {" ON ", "CAN", "CA-ON", ""}, {"", "USA", "", ""}, {"AZ", "", "", "AZ"}, {"Île-de-France", "FRA", "", "Île-de-France"},
	} {
		if code, name := region(tc.text, tc.country); code != tc.code || name != tc.name {
			t.Errorf("region(%q, %q) = %q, %q", tc.text, tc.country, code, name)
		}
	}
}

func TestContactOfBothVersions(t *testing.T) {
	want := Contact{
		ID: "12", GivenName: "Ada", FamilyName: "Example", OwnerID: "3", CompanyID: "9", TagIDs: []string{"4", "5"},
		Emails:       []EmailAddress{{Address: "ada@example.com", Field: "EMAIL1", Status: "SingleOptIn"}},
		Phones:       []Phone{{Number: "555", Field: "PHONE1"}},
		Addresses:    []Address{{Field: "BILLING", Line1: "1 Main St", Region: "Arizona", PostalCode: "85001", Country: "USA"}},
		CustomFields: []CustomValue{{ID: "7", Content: "x"}}, Created: testNow, Updated: testNow.Add(time.Hour),
	}
	v1 := `{"id":12,"given_name":"Ada","family_name":"Example","owner_id":3,"company":{"id":9},"tag_ids":[4,5],"email_status":"SingleOptIn",
		"email_addresses":[{"email":"ada@example.com","field":"EMAIL1"}],"phone_numbers":[{"number":"555","field":"PHONE1"}],
		"addresses":[{"field":"BILLING","line1":"1 Main St","region":"Arizona","zip_code":"85001","country_code":"USA"}],
		"custom_fields":[{"id":7,"content":"x"}],"date_created":"2026-11-27T10:00:00.000+0000","last_updated":"2026-11-27T11:00:00.000+0000"}`
	v2 := `{"id":"12","given_name":"Ada","family_name":"Example","owner_id":"3","company":{"id":"9"},"tag_ids":["4","5"],
		"email_addresses":[{"email":"ada@example.com","field":"EMAIL1","email_opt_status":"SingleOptIn"}],"phone_numbers":[{"number":"555","field":"PHONE1"}],
		"addresses":[{"field":"BILLING","line1":"1 Main St","region":"Arizona","postal_code":"85001","country_code":"USA"}],
		"custom_fields":[{"id":"7","content":"x"}],"create_time":"2026-11-27T10:00:00Z","update_time":"2026-11-27T12:00:00+01:00"}`
	for name, body := range map[string]string{"v1": v1, "v2": v2} {
		_, c := newFake(t, says(200, body))
		got, err := c.Contact(context.Background(), "12")
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v %s", name, err, diff)
		}
	}
}
