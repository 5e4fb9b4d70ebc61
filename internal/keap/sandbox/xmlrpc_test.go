package sandbox

import (
	"bytes"
	"encoding/xml"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// xmlCall writes a methodCall.
func xmlCall(method string, params ...any) string {
	var b bytes.Buffer
	b.WriteString(`<?xml version="1.0"?><methodCall><methodName>` + method + `</methodName><params>`)
	for _, p := range params {
		b.WriteString("<param>")
		writeXML(&b, p)
		b.WriteString("</param>")
	}
	b.WriteString("</params></methodCall>")
	return b.String()
}

// xmlDo calls a method with a key that means nothing, and reads the answer.
func (s *Server) xmlDo(t *testing.T, method string, params ...any) (any, *fault) {
	t.Helper()
	r := s.do(t, "POST", "/crm/xmlrpc/v1", xmlCall(method, append([]any{"ignored"}, params...)...))
	if r.status != http.StatusOK || r.header.Get("Content-Type") != "text/xml;charset=UTF-8" {
		t.Fatalf("%s: answered %d %s %s", method, r.status, r.header.Get("Content-Type"), r.body)
	}
	var response struct {
		Value *struct {
			Inner []byte `xml:",innerxml"`
		} `xml:"params>param>value"`
		Fault *struct {
			Inner []byte `xml:",innerxml"`
		} `xml:"fault>value"`
	}
	if err := xml.Unmarshal([]byte(r.body), &response); err != nil {
		t.Fatalf("%s: %v", r.body, err)
	}
	if response.Fault != nil {
		m := readXML(t, response.Fault.Inner).(map[string]any)
		return nil, &fault{m["faultCode"].(int), m["faultString"].(string)}
	}
	return readXML(t, response.Value.Inner), nil
}

func readXML(t *testing.T, inner []byte) any {
	t.Helper()
	_, params, err := parseXMLRPC([]byte("<methodCall><methodName>x</methodName><params><param><value>" + string(inner) + "</value></param></params></methodCall>"))
	if err != nil {
		t.Fatalf("%s: %v", inner, err)
	}
	return params[0]
}

func TestRunActionSequence(t *testing.T) {
	s := newTest(t)
	if err := s.Seed(Seed{
		Tags: []Tag{{ID: "5", Name: "Customer"}}, Contacts: []Contact{{ID: "7", Email: "ann@example.com"}},
		ActionSets: []ActionSet{{ID: "42", Name: "Bought", Actions: []Action{{Name: "Tag it", ApplyTag: "Customer"}, {Name: "Tag wrongly", ApplyTag: "99"}}}},
	}); err != nil {
		t.Fatal(err)
	}
	got, f := s.xmlDo(t, "ContactService.runActionSequence", 7, 42)
	want := []any{
		map[string]any{"Action": "Tag it", "Message": "Done", "IsError": false},
		map[string]any{"Action": "Tag wrongly", "Message": "TAG_ID_NOT_FOUND", "IsError": true},
	}
	if diff := cmp.Diff(want, got); f != nil || diff != "" {
		t.Errorf("answered %v %s", f, diff)
	}
	state := s.State("ab123")
	if diff := cmp.Diff([]ActionSetRun{{ContactID: "7", ID: "42", At: morning}}, state.ActionSets); diff != "" {
		t.Errorf("runs: %s", diff)
	}
	if diff := cmp.Diff([]string{"Customer"}, state.Contacts[0].Tags); diff != "" {
		t.Errorf("tags: %s", diff)
	}
	if _, f = s.xmlDo(t, "ContactService.runActionSequence", 8, 42); f == nil || f.code != faultRecordNotFound || !strings.HasPrefix(f.text, "[RecordNotFound]") {
		t.Errorf("an unknown contact is %+v", f)
	}
	if _, f = s.xmlDo(t, "ContactService.runActionSequence", 7, 43); f != nil {
		t.Errorf("an unknown set is refused while unknown ones count: %v", f)
	}
	s.mustSet(t, Settings{KnownOnly: new(true)})
	if _, f = s.xmlDo(t, "ContactService.runActionSequence", 7, 43); f == nil || f.code != faultRecordNotFound {
		t.Errorf("an unknown set is %+v", f)
	}
	calls := s.Calls("ab123")
	if calls.ByOperation["action_sets.run"] != 4 {
		t.Errorf("counted %v", calls.ByOperation)
	}
}

func TestQueryActionSequence(t *testing.T) {
	s := newTest(t)
	if err := s.Seed(Seed{ActionSets: []ActionSet{{ID: "42", Name: "Bought"}, {ID: "7", Name: "New lead"}, {ID: "8", Name: "New member"}}}); err != nil {
		t.Fatal(err)
	}
	got, f := s.xmlDo(t, "DataService.query", "ActionSequence", 1000, 0, map[string]any{"TemplateName": "New%"}, []any{"Id", "TemplateName"}, "Id", true)
	want := []any{map[string]any{"Id": 7, "TemplateName": "New lead"}, map[string]any{"Id": 8, "TemplateName": "New member"}}
	if diff := cmp.Diff(want, got); f != nil || diff != "" {
		t.Errorf("answered %v %s", f, diff)
	}
	if n := s.Calls("").ByOperation["action_sets.list"]; n != 1 {
		t.Errorf("%d calls of action_sets.list", n)
	}
	for name, c := range map[string]struct {
		args []any
		code int
	}{
		"table":     {[]any{"Nothing", 10, 0, map[string]any{}, []any{"Id"}}, faultNoTable},
		"field":     {[]any{"ActionSequence", 10, 0, map[string]any{}, []any{"Nothing"}}, faultNoField},
		"limit":     {[]any{"ActionSequence", 1001, 0, map[string]any{}, []any{"Id"}}, faultParameter},
		"arguments": {[]any{"ActionSequence"}, faultUnexpected},
	} {
		if _, f := s.xmlDo(t, "DataService.query", c.args...); f == nil || f.code != c.code {
			t.Errorf("wrong %s: %+v, want fault %d", name, f, c.code)
		}
	}
}

// TestXMLMethods calls each method that is simulated once and names what it answers.
func TestXMLMethods(t *testing.T) {
	s := newTest(t)
	s.mustSet(t, Settings{Quota: &Quota{Second: new(0)}})
	if err := s.Seed(Seed{Tags: []Tag{{ID: "5", Name: "Customer"}}, CustomFields: []CustomField{{Label: "Shoe Size"}}}); err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	reached := map[string]bool{}
	for _, c := range []struct {
		method string
		params []any
		want   any
	}{
		{"ContactService.add", []any{map[string]any{"FirstName": "Ann", "Email": "ann@example.com", "_ShoeSize": "43"}}, 1},
		{"ContactService.addWithDupCheck", []any{map[string]any{"LastName": "Lee", "Email": "ANN@example.com"}, "Email"}, 1},
		{"ContactService.addWithDupCheck", []any{map[string]any{"FirstName": "Bob", "LastName": "Roe", "Email": "ann@example.com"}, "EmailAndName"}, 2},
		{"ContactService.update", []any{2, map[string]any{"EmailAddress2": "bob@example.com", "Phone1": "555"}}, 2},
		{"ContactService.load", []any{1, []any{"Id", "LastName", "_ShoeSize", "Phone1"}}, map[string]any{"Id": 1, "LastName": "Lee", "_ShoeSize": "43"}},
		{"ContactService.findByEmail", []any{"bob@example.com", []any{"Id"}}, []any{map[string]any{"Id": 2}}},
		{"ContactService.addToGroup", []any{1, 5}, true},
		{"ContactService.addToGroup", []any{1, "5"}, false},
		{"DataService.query", []any{"ContactGroupAssign", 10, 0, map[string]any{"ContactId": 1}, []any{"GroupId", "ContactGroup"}}, []any{map[string]any{"GroupId": 5, "ContactGroup": "Customer"}}},
		{"DataService.findByField", []any{"Contact", 10, 0, "FirstName", "A%", []any{"Id", "Groups"}}, []any{map[string]any{"Id": 1, "Groups": "5"}}},
		{"DataService.count", []any{"Contact", map[string]any{"Phone1": "~null~"}}, 1},
		{"DataService.load", []any{"ContactGroup", 5, []any{"GroupName"}}, map[string]any{"GroupName": "Customer"}},
		{"DataService.add", []any{"ContactGroup", map[string]any{"GroupName": "VIP"}}, 6},
		{"DataService.update", []any{"Contact", 2, map[string]any{"JobTitle": "CTO"}}, 2},
		{"ContactService.removeFromGroup", []any{1, 5}, true},
		{"ContactService.removeFromGroup", []any{1, 5}, false},
		{"ContactService.runActionSequence", []any{1, 9}, []any{map[string]any{"Action": "Action set 9", "Message": "Ran for contact 1", "IsError": false}}},
		{"FunnelService.achieveGoal", []any{"shop", "bought", 1}, []any{map[string]any{"campaignId": 1, "goalId": 1, "message": "Goal achieved", "success": true}}},
		{"APIEmailService.getOptStatus", []any{"ann@example.com"}, 0},
		{"APIEmailService.optIn", []any{"ann@example.com", "asked"}, true},
		{"APIEmailService.getOptStatus", []any{"ann@example.com"}, 1},
		{"APIEmailService.optOut", []any{"ann@example.com", "asked"}, true},
		{"APIEmailService.optIn", []any{"ann@example.com", "again"}, false},
		{"APIEmailService.sendTemplate", []any{[]any{1, 2}, 77}, true},
		{"APIEmailService.sendEmail", []any{[]any{1}, "a@example.com", "~Contact.Email~", "", "", "Text", "Hi", "", "Hello"}, true},
		{"InvoiceService.createBlankOrder", []any{1, "Order", at, 0, 0}, 1},
		{"InvoiceService.addOrderItem", []any{1, 0, 4, 12.5, 2, "Cap", ""}, true},
		{"InvoiceService.addManualPayment", []any{1, 5.0, at, "Cash", "paid", true}, true},
		{"InvoiceService.calculateAmountOwed", []any{1}, 20.0},
		{"ContactService.merge", []any{1, 2}, true},
	} {
		got, f := s.xmlDo(t, c.method, c.params...)
		if f != nil {
			t.Errorf("%s%v: fault %v", c.method, c.params, f)
			continue
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s%v: %s", c.method, c.params, diff)
		}
		reached[c.method] = true
	}
	for name := range xmlMethods {
		if !reached[name] {
			t.Errorf("%s is not tested", name)
		}
	}
}

func TestXMLFaults(t *testing.T) {
	s := newTest(t)
	for name, c := range map[string]struct {
		body string
		code string
	}{
		"empty":         {"", "Premature end of file"},
		"cut":           {xmlCall("ContactService.load", "", 1)[:60], "unexpected EOF"},
		"no XML":        {"hello", "Premature end of file"},
		"another root":  {"<call/>", "found &lt;call&gt;"},
		"deep":          {xmlCall("X.y", nested(40)), "nested too deeply"},
		"unknown":       {xmlCall("AffiliateService.affClawbacks", "", 1), "No such handler"},
		"no parameters": {xmlCall("ContactService.load"), "No method matching arguments"},
	} {
		r := s.do(t, "POST", "/crm/xmlrpc/v1", c.body)
		if r.status != 200 || !strings.Contains(r.body, "<fault>") || !strings.Contains(r.body, c.code) {
			t.Errorf("%s: answered %d %s, want a fault with %q", name, r.status, r.body, c.code)
		}
	}
}

func nested(depth int) any {
	if depth == 0 {
		return "x"
	}
	return []any{nested(depth - 1)}
}

// TestOutages: during a brownout no answer is XML-RPC, and REST works on.
func TestOutages(t *testing.T) {
	s := newTest(t)
	s.mustSet(t, Settings{XMLRPC: "brownout"})
	seen := map[int]bool{}
	for range 8 {
		r := s.do(t, "POST", "/crm/xmlrpc/v1", xmlCall("ContactService.runActionSequence", "", 1, 1))
		if strings.Contains(r.body, "methodResponse") {
			t.Fatalf("answered %s", r.body)
		}
		seen[r.status] = true
	}
	if len(seen) < 3 {
		t.Errorf("a brownout answers %v only", seen)
	}
	s.do(t, "GET", anyCall, "").want(t, 200)
	s.mustSet(t, Settings{XMLRPC: "up"})
	if _, f := s.xmlDo(t, "DataService.count", "Contact", map[string]any{}); f != nil {
		t.Error(f)
	}
}

func FuzzParseXMLRPC(f *testing.F) {
	f.Add([]byte(xmlCall("ContactService.runActionSequence", "key", 7, 42)))
	f.Add([]byte(xmlCall("DataService.query", "key", "ActionSequence", 10, 0, map[string]any{"Id": "%"}, []any{"Id", true, 1.5, time.Unix(0, 0)})))
	f.Add([]byte(`<methodCall><methodName> x </methodName><params><param><value><base64>aGk=</base64></value></param></params></methodCall>`))
	f.Fuzz(func(t *testing.T, body []byte) {
		_, params, err := parseXMLRPC(body)
		if err != nil {
			return
		}
		for _, p := range params { // what was read can be written, and is well-formed
			if err := xml.Unmarshal(xmlResponse(p), new(struct{ XMLName xml.Name })); err != nil {
				t.Fatalf("%v cannot be written: %v", p, err)
			}
		}
	})
}
