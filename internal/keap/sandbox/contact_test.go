package sandbox

import (
	"encoding/json"
	"testing"
)

func TestUpsertV1(t *testing.T) {
	s := newTest(t)
	v := s.do(t, "PUT", "/crm/rest/v1/contacts", `{"duplicate_option":"Email","given_name":"Ann","email_addresses":[{"email":"Ann@Example.com","field":"EMAIL1"}]}`).want(t, 200)
	if got := at(t, v, "id"); got != json.Number("1") {
		t.Errorf("id is %#v, want the number 1", got)
	}
	if got := at(t, v, "email_addresses", 0, "email"); got != "Ann@Example.com" {
		t.Errorf("the address is kept as %v", got)
	}
	v = s.do(t, "PUT", "/crm/rest/v1/contacts", `{"duplicate_option":"Email","family_name":"Lee","email_addresses":[{"email":"ann@example.com","field":"EMAIL1"}]}`).want(t, 200)
	if at(t, v, "id") != json.Number("1") || at(t, v, "given_name") != "Ann" || at(t, v, "family_name") != "Lee" {
		t.Errorf("upsert made %v", v)
	}
	if n := len(s.State("ab123").Contacts); n != 1 {
		t.Errorf("%d contacts, want 1", n)
	}
}
