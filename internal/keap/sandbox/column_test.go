package sandbox

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// TestPatternsDecide holds what a key tells of a text against the text: never wrong, and sure of short ones.
func TestPatternsDecide(t *testing.T) {
	letters := rapid.SampledFrom([]rune("aAbkKs\u212a\u017fëÉ \x00é"))
	texts := rapid.Custom(func(r *rapid.T) string { return rapid.StringOfN(letters, 0, 20, -1).Draw(r, "text") })
	rapid.Check(t, func(r *rapid.T) {
		text := texts.Draw(r, "text")
		value := texts.Draw(r, "other")
		if rapid.Bool().Draw(r, "related") {
			value = strings.ToUpper(string([]rune(text)[:rapid.IntRange(0, len([]rune(text))).Draw(r, "length")]))
		}
		if rapid.Bool().Draw(r, "wildcard") {
			value += "*"
		}
		p := patternOf(value)
		verdict, matches := p.of(keyOf(text)), p.matches(text)
		if verdict == yes && !matches || verdict == no && matches {
			r.Fatalf("the key of %q says %d of %q, which matches: %t", text, verdict, value, matches)
		}
		plain, rest := strings.TrimSuffix(value, "*"), len(text)
		if verdict == look && len(plain) < keyLength && rest < keyLength && keyOf(text) != opaque {
			r.Fatalf("the key of %q does not decide %q", text, value)
		}
	})
}

// TestContactFilters asks for contacts by each kind of filter that v2 has.
func TestContactFilters(t *testing.T) {
	s := newTest(t)
	s.mustSet(t, Settings{Quota: &Quota{Second: new(0), Minute: new(0)}})
	if err := s.Seed(Seed{
		CustomFields: []CustomField{{ID: "1", Label: "LastOrder"}, {ID: "2", Label: "Score", Type: "WholeNumber"}, {ID: "3", Label: "Since", Type: "DateTime"},
			{ID: "4", Label: "Likes", Type: "ListBox"}, {ID: "5", Label: "Member", Type: "YesNo"}},
		Contacts: []Contact{
			{ID: "1", Email: "ann@example.com", Email2: "office@example.com", GivenName: "Ann", FamilyName: "Lee", Phone: "+1 480 555 0100", CompanyID: "7",
				Tags: []string{"Customer"}, CustomFields: map[string]any{"LastOrder": "#17", "Score": 10, "Since": "2026-01-02T00:00:00Z", "Likes": []string{"Tea", "Coffee"}, "Member": "Yes"}},
			{ID: "2", Email: "bob@example.com", GivenName: "Bob", FamilyName: "Lee", CreatedAt: morning.Add(-time.Hour), Tags: []string{"Customer"},
				CustomFields: map[string]any{"LastOrder": "#18", "Score": "9.5", "Since": "2026-03-02", "Likes": "Tea", "Member": "No"}},
			{ID: "3", Email: "zoe@example.com", GivenName: "Zoë Maximiliane Theodora", FamilyName: "Ng"},
		},
	}); err != nil {
		t.Fatal(err)
	}
	s.do(t, "PATCH", v2Contacts+"/3", `{"middle_name":"Q","website":"https://example.com/zoe","addresses":[
		{"field":"BILLING","line1":"1 Main St","locality":"Chandler","region_code":"US-AZ","postal_code":"85225","country_code":"USA"},
		{"field":"SHIPPING","line1":"2 Side St","locality":"Toronto","region_code":"CA-ON","country_code":"CAN"}]}`).want(t, 200)
	ask := func(path string, parameters ...string) string {
		q := url.Values{}
		for i := 0; i < len(parameters); i += 2 {
			q.Set(parameters[i], parameters[i+1])
		}
		r := s.do(t, "GET", path+"?"+q.Encode(), "")
		var page struct{ Contacts []struct{ ID string } }
		if err := json.Unmarshal([]byte(r.body), &page); err != nil || r.status != 200 {
			return fmt.Sprint(r.status)
		}
		ids := ""
		for _, x := range page.Contacts {
			ids += x.ID
		}
		return ids
	}
	for filter, want := range map[string]string{
		"given_name==ANN": "1", "given_name==b*": "2", "given_name==zoë*": "3", "given_name==Zoë Maximiliane Theodora": "3", "given_name==Zoë Maximiliane T": "",
		"family_name==Lee;given_name==Bob": "2", "email==OFFICE@example.com": "1", "email==*b@example.com": "", "email==bo*": "2",
		"email==ann@example.com,zoe*": "13", "email==ann@example.com;email==bob@example.com": "", "ids==3,1,99": "13", "ids==1,2;contact_id>1": "2",
		"contact_id>=2": "23", "company_id==7": "1", "phone_number==+1 480*;phone_fields==PHONE1,PHONE2": "1", "phone_number==+1 480*;phone_fields==PHONE2": "",
		"middle_name==q": "3", "website==https*": "3", "city==Chan*;state==arizona": "3", "city==Toronto": "", "shipping_address_locality==Toronto": "3",
		"billing_address_country_code==USA": "3", "billing_address_postal_code==85225": "3", "lead_source_name==Google*": "",
		"start_update_time==2020-01-01T00:00:00.000Z": "123", "end_update_time==2020-01-01T00:00:00.000Z": "",
		"lastorder==#1*": "12", "LastOrder==#18": "2", "Score>9": "12", "score>=10": "1", "Score<10": "2", "Since>2026-02-01T00:00:00.000Z": "2",
		"Likes==tea": "12", "Likes==Coffee": "1", "Likes==Te*": "", "Member==yes": "1", "Member==Y*": "",
		"nothing==1": "400", "given_name>A": "400", "LastOrder>1": "400", "Since>2026-02-01": "400", "Score>x": "400", "phone_number==1": "400",
	} {
		if got := ask(v2Contacts, "filter", filter); got != want {
			t.Errorf("filter %s gives %q, want %q", filter, got, want)
		}
	}
	s.do(t, "DELETE", v1Contacts+"/1/tags/1", "").want(t, 204)
	s.do(t, "POST", "/crm/rest/v2/tags/1/contacts:applyTags", `{"contact_ids":["1"]}`).want(t, 200)
	tagged := map[string]string{}
	for _, order := range []string{"", "given_name desc", "family_name asc", "email desc", "applied_time asc"} {
		tagged[order] = ask("/crm/rest/v2/tags/1/contacts", "order_by", order)
	}
	want := map[string]string{"": "12", "given_name desc": "21", "family_name asc": "12", "email desc": "21", "applied_time asc": "21"}
	if diff := cmp.Diff(want, tagged); diff != "" {
		t.Error(diff)
	}
	for filter, want := range map[string]string{"email==NONE": "", "given_name==Ann": "1", "since_applied_time==2020-01-01T00:00:00.000Z": "12",
		"until_applied_time==2020-01-01T00:00:00.000Z": "", "until_applied_time==2020-01-01": "400", "city==x": "400"} {
		if got := ask("/crm/rest/v2/tags/1/contacts", "filter", filter); got != want {
			t.Errorf("tagged, filter %s gives %q, want %q", filter, got, want)
		}
	}
}
