package sandbox

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

const (
	v1Contacts = "/crm/rest/v1/contacts"
	v2Contacts = "/crm/rest/v2/contacts"
)

func TestUpsert(t *testing.T) {
	s := newTest(t)
	v := s.do(t, "PUT", v1Contacts, `{"duplicate_option":"Email","given_name":"Ann","email_addresses":[{"email":"Ann@Example.com","field":"EMAIL1"}]}`).want(t, 200)
	if got := at(t, v, "id"); got != json.Number("1") {
		t.Errorf("id is %#v, want the number 1", got)
	}
	if got := at(t, v, "email_addresses", 0, "email"); got != "Ann@Example.com" {
		t.Errorf("the address is kept as %v", got)
	}
	v = s.do(t, "PUT", v1Contacts, `{"duplicate_option":"Email","family_name":"Lee","email_addresses":[{"email":"ann@example.com","field":"EMAIL1"}]}`).want(t, 200)
	if at(t, v, "id") != json.Number("1") || at(t, v, "given_name") != "Ann" || at(t, v, "family_name") != "Lee" {
		t.Errorf("upsert made %v", v)
	}
	s.do(t, "PUT", v1Contacts, `{"duplicate_option":"EmailAndName","given_name":"Bo","family_name":"Lee","email_addresses":[{"email":"ann@example.com","field":"EMAIL1"}]}`).want(t, 200)
	s.do(t, "POST", v1Contacts, `{"email_addresses":[{"email":"ann@example.com","field":"EMAIL1"}]}`).want(t, 201)
	if n := len(s.State("ab123").Contacts); n != 3 {
		t.Errorf("%d contacts, want 3: another name and a plain creation make new ones", n)
	}
	v = s.do(t, "POST", v2Contacts+"?duplicate_option=Email", `{"email_addresses":[{"email":"ANN@example.com","field":"EMAIL1"}]}`).want(t, 200)
	if at(t, v, "id") != "1" {
		t.Errorf("v2 updates %v, want the oldest, with its id as text", at(t, v, "id"))
	}
}

// TestMatchingSlots: an address is found in any slot, and stays where it is.
func TestMatchingSlots(t *testing.T) {
	s := newTest(t)
	if err := s.Seed(Seed{Contacts: []Contact{{Email: "work@example.com", Email3: "home@example.com"}}}); err != nil {
		t.Fatal(err)
	}
	s.do(t, "PUT", v1Contacts, `{"duplicate_option":"Email","given_name":"Ann","email_addresses":[{"email":"HOME@example.com","field":"EMAIL1"}]}`).want(t, 200)
	got := s.State("").Contacts
	if len(got) != 1 || got[0].Email != "work@example.com" || got[0].Email3 != "home@example.com" || got[0].GivenName != "Ann" {
		t.Errorf("contacts are %+v", got)
	}
	for _, path := range []string{v1Contacts + "?email=home%40example.com", v2Contacts + "?filter=email%3D%3Dhome%40example.com", v2Contacts + "?filter=email==HOME*"} {
		if v := s.do(t, "GET", path, "").want(t, 200); len(at(t, v, "contacts").([]any)) != 1 {
			t.Errorf("%s finds %v", path, v)
		}
	}
	if v := s.do(t, "GET", v2Contacts+"?email=nobody%40example.com", "").want(t, 200); len(at(t, v, "contacts").([]any)) != 1 {
		t.Error("v2 heeds a query parameter that it does not know")
	}
}

// TestMergeAndReplace: v1 merges lists item by item, v2 replaces those that are sent.
func TestMergeAndReplace(t *testing.T) {
	s := newTest(t)
	seed := Seed{CustomFields: []CustomField{{ID: "11", Label: "Size"}, {ID: "12", Label: "Colour"}},
		Contacts: []Contact{{Email: "ann@example.com", Email2: "two@example.com", Phone: "1", CustomFields: map[string]any{"Size": "M", "Colour": "red"}}}}
	if err := s.Seed(seed); err != nil {
		t.Fatal(err)
	}
	s.do(t, "PATCH", v1Contacts+"/1", `{"custom_fields":[{"id":12,"content":"blue"}],"email_addresses":[{"email":"new@example.com","field":"EMAIL1"}]}`).want(t, 200)
	got := s.State("").Contacts[0]
	if diff := cmp.Diff(map[string]any{"Size": "M", "Colour": "blue"}, got.CustomFields); diff != "" || got.Email2 != "two@example.com" || got.Email != "new@example.com" {
		t.Errorf("v1 left %+v", got)
	}
	s.do(t, "PATCH", v2Contacts+"/1", `{"custom_fields":[{"id":"11","content":"L"}],"email_addresses":[{"email":"ann@example.com","field":"EMAIL1"}]}`).want(t, 200)
	got = s.State("").Contacts[0]
	if diff := cmp.Diff(map[string]any{"Size": "L"}, got.CustomFields); diff != "" || got.Email2 != "" || got.Phone != "1" {
		t.Errorf("v2 left %+v", got)
	}
	s.do(t, "PATCH", v2Contacts+"/1", `{"phone_numbers":[]}`).want(t, 200)
	if got = s.State("").Contacts[0]; got.Phone != "" {
		t.Errorf("v2 left the phone %s", got.Phone)
	}
}

// TestContactRefusals: what is wrong changes nothing.
func TestContactRefusals(t *testing.T) {
	long := strings.Repeat("x", 41)
	email := `"email_addresses":[{"email":"ann@example.com","field":"EMAIL1"}]`
	for _, c := range []struct{ method, path, body, message string }{
		{"PUT", v1Contacts, `{"referral_code":"x",` + email + `}`, "Unrecognized property: referral_code"},
		{"PUT", v1Contacts, `{"email_addresses":[{"email":"ann@example.com","field":"EMAIL1","opt_in_reason":"x"}]}`, "Unrecognized property: opt_in_reason"},
		{"PUT", v1Contacts, `{"Given_Name":"x",` + email + `}`, "Unrecognized property: Given_Name"},
		{"POST", v1Contacts, `{"duplicate_option":"Email",` + email + `}`, "Unrecognized property: duplicate_option"},
		{"PUT", v1Contacts, `{"duplicate_option":"EmailAndNameAndCompany",` + email + `}`, "duplicate_option: no such value"},
		{"PUT", v1Contacts, `{"given_name":"Ann"}`, "email_addresses or phone_numbers"},
		{"PUT", v1Contacts, `{"given_name":"` + long + `",` + email + `}`, "given_name is too long"},
		{"PUT", v1Contacts, `{"email_addresses":[{"email":"ann","field":"EMAIL1"}]}`, "no e-mail address"},
		{"PUT", v1Contacts, `{"email_addresses":[{"email":"ann@example.com"}]}`, "want EMAIL1 to EMAIL3"},
		{"PUT", v1Contacts, `{"custom_fields":[{"id":99,"content":"x"}],` + email + `}`, "Custom field 99 not found"},
		{"PUT", v1Contacts, `{"custom_fields":[{"id":11,"content":"many"}],` + email + `}`, "no whole number"},
		{"PUT", v1Contacts, `{"addresses":[{"field":"BILLING","region":"CA"}],` + email + `}`, "COUNTRY CODE needed if Region Exists"},
		{"PUT", v1Contacts, `{"addresses":[{"field":"BILLING","region":"XX","country_code":"USA"}],` + email + `}`, "BILLING Region is invalid"},
		{"PUT", v1Contacts, `{"addresses":[{"field":"SHIPPING","country_code":"US"}],` + email + `}`, "SHIPPING Country is invalid"},
		{"PUT", v1Contacts, `{"addresses":[{"field":"OTHER","zip_code":"1","postal_code":"2"}],` + email + `}`, "want one of them"},
		{"PUT", v1Contacts, `{"birthday":"last May",` + email + `}`, "no date"},
		{"PUT", v1Contacts, `{"owner_id":"me",` + email + `}`, "no id"},
		{"PUT", v1Contacts, `{`, "Cannot parse request"},
		{"POST", v2Contacts, `{"Given_name":"x",` + email + `}`, "Unrecognized property: Given_name"},
		{"POST", v2Contacts, `{"given_name":"x"}`, "email_addresses, phone_numbers, or addresses"},
		{"POST", v2Contacts + "?duplicate_option=Phone", `{` + email + `}`, "Invalid duplicate_option"},
		{"POST", v2Contacts + "?fields=shoe", `{` + email + `}`, "Invalid field"},
		{"GET", v2Contacts + "?filter=shoe%3D%3D43", "", "Invalid filter field: shoe"},
		{"GET", v2Contacts + "?filter=phone_number%3D%3D1", "", "phone_fields is required"},
		{"GET", v2Contacts + "?filter=start_update_time%3D%3D2026-11-23", "", "no date and time"},
		{"GET", v2Contacts + "?order_by=shoe+asc", "", "Invalid order_by"},
		{"GET", v2Contacts + "?page_token=%21", "", "Invalid page token"},
		{"GET", v1Contacts + "?order=shoe", "", "Invalid order"},
		{"GET", v1Contacts + "?optional_properties=shoe", "", "The following optional-properties are unrecognized"},
		{"GET", v1Contacts + "?since=yesterday", "", "since"},
	} {
		s := newTest(t)
		if err := s.Seed(Seed{CustomFields: []CustomField{{ID: "11", Label: "Count", Type: "WholeNumber"}}}); err != nil {
			t.Fatal(err)
		}
		v := s.do(t, c.method, c.path, c.body).want(t, 400)
		if m := at(t, v, "message").(string); !strings.Contains(m, c.message) {
			t.Errorf("%s %s %s: %q, want %q", c.method, c.path, c.body, m, c.message)
		}
		if strings.Contains(c.path, "/v2/") && (at(t, v, "code") != json.Number("400") || at(t, v, "status") == nil || at(t, v, "details") == nil) {
			t.Errorf("v2 error is %v", v)
		}
		if n := len(s.State("").Contacts); n != 0 {
			t.Errorf("%s %s %s made %d contacts", c.method, c.path, c.body, n)
		}
	}
}

func TestUnknownOwner(t *testing.T) {
	s := newTest(t)
	body := `{"owner_id":"9","email_addresses":[{"email":"ann@example.com","field":"EMAIL1"}]}`
	s.do(t, "POST", v1Contacts, body).want(t, 201)
	s.mustSet(t, Settings{KnownOnly: new(true)})
	s.do(t, "POST", v1Contacts, body).want(t, 500)
}

// TestOptIn: a reason makes an address marketable only from four statuses.
func TestOptIn(t *testing.T) {
	for status, want := range map[string]string{
		"NonMarketable": "SingleOptIn", "UnengagedMarketable": "SingleOptIn", "Manual": "SingleOptIn", "ListUnsubscribe": "ListUnsubscribe",
		"System": "System", "Confirmed": "Confirmed", "HardBounce": "HardBounce",
	} {
		s := newTest(t)
		if err := s.Seed(Seed{Contacts: []Contact{{Email: "ann@example.com", EmailStatus: status}}}); err != nil {
			t.Fatal(err)
		}
		v := s.do(t, "PUT", v1Contacts, `{"duplicate_option":"Email","opt_in_reason":"Asked","email_addresses":[{"email":"ann@example.com","field":"EMAIL1"}]}`).want(t, 200)
		if got := at(t, v, "email_status"); got != want || at(t, v, "opt_in_reason") != "Asked" {
			t.Errorf("%s becomes %v, want %s", status, got, want)
		}
	}
	s := newTest(t)
	if v := s.do(t, "POST", v1Contacts, `{"email_addresses":[{"email":"ann@example.com","field":"EMAIL1"}]}`).want(t, 201); at(t, v, "email_opted_in") != false {
		t.Errorf("a new address without reason is %v", v)
	}
}

// TestMergedAway: the losing id answers 404, and what it had is the winner's.
func TestMergedAway(t *testing.T) {
	s := newTest(t)
	if err := s.Seed(Seed{Contacts: []Contact{{Email: "ann@example.com", Tags: []string{"A"}}, {Email: "ann@home.example.com", Tags: []string{"A", "B"}}}}); err != nil {
		t.Fatal(err)
	}
	s.do(t, "POST", v2Contacts+":merge", `{"contact_id":"1","duplicate_contact_id":"2"}`).want(t, 200)
	s.do(t, "GET", v1Contacts+"/2", "").want(t, 404)
	s.do(t, "POST", v1Contacts+"/2/tags", `{"tagIds":[1]}`).want(t, 404)
	got, err := s.Contact("ab123", "ANN@home.example.com")
	if err != nil || got.ID != "1" || cmp.Diff([]string{"A", "B"}, got.Tags) != "" {
		t.Errorf("the winner is %+v, %v", got, err)
	}
	s.do(t, "POST", v2Contacts+":merge", `{"contact_id":"1","duplicate_contact_id":"1"}`).want(t, 400)
}

func TestPaging(t *testing.T) {
	s := newTest(t)
	s.mustSet(t, Settings{Quota: &Quota{Second: new(0)}})
	if err := s.Seed(Seed{Contacts: people(25)}); err != nil {
		t.Fatal(err)
	}
	walk := func(path, next string) (ids []string) {
		t.Helper()
		for range 10 {
			v := s.do(t, "GET", path, "").want(t, 200)
			page := at(t, v, "contacts").([]any)
			if len(page) == 0 {
				t.Errorf("%s is an empty page", path)
			}
			for _, c := range page {
				ids = append(ids, fmt.Sprint(at(t, c, "id")))
			}
			token := at(t, v, next).(string)
			if token == "" {
				return ids
			}
			if path = v2Contacts + "?page_size=10&page_token=" + token; strings.HasPrefix(token, "http") {
				path = strings.TrimPrefix(token, "http://keap.example.com")
			}
		}
		t.Fatalf("%s never ends", path)
		return nil
	}
	var want []string
	for i := range 25 {
		want = append(want, fmt.Sprint(i+1))
	}
	for _, c := range []struct{ path, next string }{{v1Contacts + "?limit=5", "next"}, {v2Contacts + "?page_size=10", "next_page_token"}} {
		if diff := cmp.Diff(want, walk(c.path, c.next)); diff != "" {
			t.Errorf("%s: %s", c.path, diff)
		}
	}
	s.mustSet(t, Settings{PageTokens: "url", EndlessNext: new(true)})
	if diff := cmp.Diff(want, walk(v2Contacts+"?page_size=10", "next_page_token")); diff != "" {
		t.Errorf("with addresses as tokens: %s", diff)
	}
	v := s.do(t, "GET", v1Contacts+"?offset=30&order=last_updated&order_direction=DESCENDING", "").want(t, 200)
	if at(t, v, "next") == "" || len(at(t, v, "contacts").([]any)) != 0 || at(t, v, "count") != json.Number("25") {
		t.Errorf("beyond the end of an endless list: %v", v)
	}
	v = s.do(t, "GET", v1Contacts+"?limit=1&order=date_created&order_direction=DESCENDING", "").want(t, 200)
	if at(t, v, "contacts", 0, "id") != json.Number("25") {
		t.Errorf("the youngest is %v", v)
	}
}

// TestDuplicates: with the switch, two upserts that overlap both create.
func TestDuplicates(t *testing.T) {
	for _, duplicates := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s := New(Options{})
			s.mustSet(t, Settings{Duplicates: &duplicates, LatencyMS: &[2]int{200, 200}})
			done := make(chan result, 2)
			for range 2 {
				go func() { done <- s.do(t, "PUT", v1Contacts, createAnn) }()
			}
			(<-done).want(t, 200)
			(<-done).want(t, 200)
			s.do(t, "PUT", v1Contacts, createAnn).want(t, 200)
			want := 1
			if duplicates {
				want = 2
			}
			if n := len(s.State("").Contacts); n != want {
				t.Errorf("duplicates %v: %d contacts, want %d", duplicates, n, want)
			}
		})
	}
}

func TestSearchLag(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{})
		s.mustSet(t, Settings{SearchLagMS: new(3000)})
		s.do(t, "PUT", v1Contacts, createAnn).want(t, 200)
		count := func() int {
			return len(at(t, s.do(t, "GET", v1Contacts+"?email=ann@example.com", "").want(t, 200), "contacts").([]any))
		}
		if n := count(); n != 0 {
			t.Errorf("a new contact is found at once")
		}
		s.do(t, "GET", v1Contacts+"/1", "").want(t, 200)
		if err := sleep(t.Context(), 3*time.Second); err != nil {
			t.Fatal(err)
		}
		if n := count(); n != 1 {
			t.Errorf("%d found after the lag", n)
		}
	})
}

// TestTriggers: Keap's two settings run an action set for contacts that the API adds and updates.
func TestTriggers(t *testing.T) {
	s := newTest(t)
	if err := s.Seed(Seed{Triggers: &Triggers{ContactAdded: "42", ContactUpdated: "43"}}); err != nil {
		t.Fatal(err)
	}
	s.do(t, "PUT", v1Contacts, createAnn).want(t, 200)
	s.do(t, "PUT", v1Contacts, createAnn).want(t, 200)
	want := []ActionSetRun{{"1", "42", morning, "contact_added"}, {"1", "43", morning, "contact_updated"}}
	if diff := cmp.Diff(want, s.State("").ActionSets); diff != "" {
		t.Error(diff)
	}
}

func TestContactMissing(t *testing.T) {
	s := newTest(t)
	for _, c := range []struct{ method, path string }{
		{"GET", v1Contacts + "/9"}, {"PATCH", v1Contacts + "/9"}, {"DELETE", v1Contacts + "/9"}, {"GET", v1Contacts + "/9/tags"}, {"GET", v1Contacts + "/abc"},
		{"GET", v2Contacts + "/9"}, {"PATCH", v2Contacts + "/9"}, {"DELETE", v2Contacts + "/9"}, {"GET", v2Contacts + "/9/notes"},
	} {
		if r := s.do(t, c.method, c.path, "{}"); r.status != http.StatusNotFound || r.header.Get("Content-Type") == "" {
			t.Errorf("%s %s: %d %s", c.method, c.path, r.status, r.body)
		}
	}
}
