package sandbox

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// peopled is a simulator with two contacts and two tags.
func peopled(t *testing.T) *Server {
	t.Helper()
	s := newTest(t)
	s.mustSet(t, Settings{Quota: &Quota{Second: new(0)}})
	if err := s.Seed(Seed{
		Tags:     []Tag{{ID: "5", Name: "Customer"}, {ID: "6", Name: "VIP"}},
		Contacts: []Contact{{ID: "1", Email: "ann@example.com", Tags: []string{"VIP"}}, {ID: "2", Email: "bob@example.com"}},
	}); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestTagResults(t *testing.T) {
	for form, want := range map[string]string{
		"map":     `{"5":"SUCCESS","6":"DUPLICATE","99":"TAG_ID_NOT_FOUND"}`,
		"objects": `{"5":{"status":"SUCCESS"},"6":"DUPLICATE","99":"TAG_ID_NOT_FOUND"}`,
		"entries": `[{"5":"SUCCESS"},{"6":"DUPLICATE"},{"99":"TAG_ID_NOT_FOUND"}]`,
		"keys":    `[{"key":"SUCCESS"},{"key":"DUPLICATE"},{"key":"TAG_ID_NOT_FOUND"}]`,
	} {
		s := peopled(t)
		s.mustSet(t, Settings{TagResults: form})
		r := s.do(t, "POST", "/crm/rest/v1/contacts/1/tags", `{"tagIds":[5,6,99]}`)
		r.want(t, 200)
		if r.body != want {
			t.Errorf("%s: %s, want %s", form, r.body, want)
		}
		got, err := s.Contact("", "ann@example.com")
		if diff := cmp.Diff([]string{"VIP", "Customer"}, got.Tags); diff != "" || err != nil {
			t.Errorf("tags: %s %v", diff, err)
		}
	}
}

func TestTagColumns(t *testing.T) {
	s := peopled(t)
	r := s.do(t, "POST", "/crm/rest/v2/tags/6/contacts%3AapplyTags", `{"contact_ids":["1","2",3]}`)
	r.want(t, 200)
	if want := `{"results":{"1":"DUPLICATE","2":"SUCCESS","3":"CONTACT_NOT_FOUND"}}`; r.body != want {
		t.Errorf("answered %s, want %s", r.body, want)
	}
	s.do(t, "POST", "/crm/rest/v2/tags/99/contacts:applyTags", `{"contact_ids":["1"]}`).want(t, 404)
	s.do(t, "POST", "/crm/rest/v2/tags/6/contacts:applyTags", `{"contact_ids":[]}`).want(t, 400)
	s.do(t, "POST", "/crm/rest/v1/contacts/1/tags", `{"tagids":[5]}`).want(t, 400)
	for range 2 { // removing what is not there is no error
		s.do(t, "POST", "/crm/rest/v2/tags/6/contacts:removeTags", `{"contact_ids":["1","2"]}`).want(t, 204)
	}
	s.do(t, "POST", "/crm/rest/v1/contacts/1/tags", `{"tagIds":[5,6]}`).want(t, 200)
	for _, path := range []string{"?ids=5%2C6", "?ids=5,6", "?ids=5&ids=6"} {
		s.do(t, "DELETE", "/crm/rest/v1/contacts/1/tags"+path, "").want(t, 204)
		if got, err := s.Contact("", "ann@example.com"); err != nil || len(got.Tags) != 0 {
			t.Errorf("%s leaves %v, %v", path, got.Tags, err)
		}
		s.do(t, "POST", "/crm/rest/v1/contacts/1/tags", `{"tagIds":[5,6]}`).want(t, 200)
	}
	log := s.Log("ab123", morning.Add(-1), 0)
	if diff := cmp.Diff([]string{"tag:6", "contact:1", "contact:2", "contact:3"}, log[0].Subjects); diff != "" {
		t.Errorf("subjects: %s", diff)
	}
}

func TestTagNames(t *testing.T) {
	s := peopled(t)
	long := strings.Repeat("ü", 300)
	s.do(t, "POST", "/crm/rest/v1/tags", `{"name":"`+long+`"}`).want(t, 200)
	if got := s.State("").Tags[2].Name; got != long[:2*255] {
		t.Errorf("kept %d bytes of a long name", len(got))
	}
	for _, path := range []string{"/crm/rest/v1/tags?name=customer", "/crm/rest/v2/tags?filter=name%3D%3DCUST*", "/crm/rest/v2/tags?filter=name==Customer"} {
		v := s.do(t, "GET", path, "").want(t, 200)
		if len(at(t, v, "tags").([]any)) != 1 || at(t, v, "tags", 0, "name") != "Customer" {
			t.Errorf("%s finds %v", path, v)
		}
	}
	s.do(t, "POST", "/crm/rest/v1/tags", `{"name":"x","category":{"id":9}}`).want(t, 400)
	s.do(t, "POST", "/crm/rest/v2/tags", `{"description":"x"}`).want(t, 400)
}

// TestGoals: each achievement is a run; unknown goals count unless only known ones do.
func TestGoals(t *testing.T) {
	s := peopled(t)
	if err := s.Seed(Seed{Automations: []Automation{{ID: "7", Title: "Shop", Goals: []Goal{{ID: "3", Name: "Bought", Integration: "shop", Call: "bought"}}}}}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		s.do(t, "POST", "/crm/rest/v1/campaigns/goals/shop/bought", `{"contact_id":1}`).want(t, 201)
	}
	s.do(t, "POST", "/crm/rest/v1/campaigns/goals/sh%2Fop/a%20b%3Ac", `{"contact_id":"2"}`).want(t, 201)
	want := []GoalRun{
		{ContactID: "1", Integration: "shop", Call: "bought", Automation: "7", Goal: "3", At: morning},
		{ContactID: "1", Integration: "shop", Call: "bought", Automation: "7", Goal: "3", At: morning},
		{ContactID: "2", Integration: "sh/op", Call: "a b:c", Automation: "8", Goal: "1", At: morning},
	}
	if diff := cmp.Diff(want, s.State("").Goals); diff != "" {
		t.Error(diff)
	}
	s.mustSet(t, Settings{KnownOnly: new(true)})
	if r := s.do(t, "POST", "/crm/rest/v1/campaigns/goals/shop/sold", `{"contact_id":1}`); r.status != 201 || r.body != "[]" {
		t.Errorf("an unknown goal: %d %s, want 201 []", r.status, r.body)
	}
	s.do(t, "POST", "/crm/rest/v1/campaigns/goals/shop/bought", `{"contact_id":9}`).want(t, 404)
	s.do(t, "POST", "/crm/rest/v2/automations/goals/achieve", `{"contact_id":1,"integration":"shop"}`).want(t, 400)
	s.do(t, "POST", "/crm/rest/v2/automations/goals/achieve", `{"contact_id":1,"automation_id":7,"goal_id":9}`).want(t, 404)
}

func TestSequences(t *testing.T) {
	s := peopled(t)
	r := s.do(t, "POST", "/crm/rest/v2/automations/12/sequences/3:addContacts", `{"contact_ids":["1","2","9"]}`)
	r.want(t, 200)
	if want := `{"add_to_automation_sequence_results":{"1":"SUCCESS","2":"SUCCESS","9":"CONTACT_DOES_NOT_EXIST"}}`; r.body != want {
		t.Errorf("answered %s, want %s", r.body, want)
	}
	r = s.do(t, "POST", "/crm/rest/v1/campaigns/12/sequences/3/contacts", `{"ids":[1]}`)
	if r.body != `{"1":"ALREADY_IN_SEQUENCE"}` {
		t.Errorf("answered %s", r.body)
	}
	s.do(t, "DELETE", "/crm/rest/v1/campaigns/12/sequences/3/contacts/1", "").want(t, 204)
	want := []SequenceRun{{ContactID: "1", Automation: "12", Sequence: "3", At: morning, RemovedAt: &morning}, {ContactID: "2", Automation: "12", Sequence: "3", At: morning}}
	if diff := cmp.Diff(want, s.State("").Sequences); diff != "" {
		t.Error(diff)
	}
	s.mustSet(t, Settings{KnownOnly: new(true)})
	s.do(t, "POST", "/crm/rest/v2/automations/12/sequences/4:addContacts", `{"contact_ids":["1"]}`).want(t, 404)
}

func TestOrders(t *testing.T) {
	s := peopled(t)
	if err := s.Seed(Seed{Products: []Product{{ID: "9", SKU: "CAP", Name: "Cap", Price: "12.50"}}}); err != nil {
		t.Fatal(err)
	}
	order := `{"contact_id":1,"order_date":"2026-11-23T08:00:00.5+01:00","order_title":"#1","order_type":"Online","order_items":[
		{"product_id":"9","quantity":2},{"product_id":0,"quantity":1,"price":"0.10","item_type":"TAX"},{"product_id":0,"quantity":3,"price":"0.20","item_type":"SHIPPING"}]}`
	s.do(t, "POST", "/crm/rest/v1/orders", order).want(t, 201)
	pay := `{"payment_amount":"%","charge_now":false,"payment_method_type":"CASH"}`
	s.do(t, "POST", "/crm/rest/v1/orders/1/payments", strings.Replace(pay, "%", "25.71", 1)).want(t, 400)
	s.do(t, "POST", "/crm/rest/v1/orders/1/payments", strings.Replace(pay, "%", "25.70", 1)).want(t, 201)
	s.do(t, "POST", "/crm/rest/v1/orders/1/payments", strings.Replace(pay, "%", "-5.70", 1)).want(t, 201)
	state := s.State("")
	if got := state.Orders[0]; got.Total != "25.7" || got.Paid != "20" || len(got.Items) != 3 || got.Items[0].Name != "Cap" {
		t.Errorf("the order is %+v", got)
	}
	if diff := cmp.Diff([]Payment{{"1", "1", "25.7", "CASH", "", morning}, {"2", "1", "-5.7", "CASH", "", morning}}, state.Payments); diff != "" {
		t.Error(diff)
	}
	for _, body := range []string{
		strings.Replace(order, `"order_type":"Online"`, `"order_type":"online"`, 1), strings.Replace(order, `"quantity":2`, `"quantity":0`, 1),
		strings.Replace(order, `"0.10"`, `"-1"`, 1), strings.Replace(order, `"order_date"`, `"order_dat"`, 1), strings.Replace(order, "TAX", "VAT", 1),
	} {
		s.do(t, "POST", "/crm/rest/v1/orders", body).want(t, 400)
	}
	s.do(t, "POST", "/crm/rest/v1/orders", strings.Replace(order, `"contact_id":1`, `"contact_id":99`, 1)).want(t, 404)
	if n := len(s.State("").Orders); n != 1 {
		t.Errorf("%d orders, want 1", n)
	}
}

func TestSendTemplate(t *testing.T) {
	s := peopled(t)
	if err := s.Seed(Seed{Templates: []Template{{ID: "77", Title: "Thanks"}}}); err != nil {
		t.Fatal(err)
	}
	r := s.do(t, "POST", "/crm/rest/v2/emails/templates:send", `{"template_id":"77","contact_ids":["1","2","9"],"user_id":"1"}`)
	r.want(t, 202)
	if r.body != "" || r.header.Get("Content-Type") != "" {
		t.Errorf("202 with %q of %q", r.body, r.header.Get("Content-Type"))
	}
	want := []Email{{ID: "1", ContactID: "1", TemplateID: "77", UserID: "1", Subject: "Thanks", To: "ann@example.com", At: morning},
		{ID: "2", ContactID: "2", TemplateID: "77", UserID: "1", Subject: "Thanks", To: "bob@example.com", At: morning}}
	if diff := cmp.Diff(want, s.State("").Emails); diff != "" {
		t.Error(diff)
	}
	s.do(t, "POST", "/crm/rest/v2/emails/templates:send", `{"template_id":"77","contact_ids":["1"]}`).want(t, 400)
	s.mustSet(t, Settings{KnownOnly: new(true)})
	s.do(t, "POST", "/crm/rest/v2/emails/templates:send", `{"template_id":"78","contact_ids":["1"],"user_id":"1"}`).want(t, 404)
}

// TestNotesAndTasks: what is wanting is refused, what is made is in the state.
func TestNotesAndTasks(t *testing.T) {
	s := peopled(t)
	s.do(t, "POST", "/crm/rest/v1/notes", `{"contact_id":1}`).want(t, 400)
	s.do(t, "POST", "/crm/rest/v1/notes", `{"contact_id":1,"title":"x","type":"Chat"}`).want(t, 400)
	s.do(t, "POST", "/crm/rest/v2/contacts/1/notes", `{"title":"x"}`).want(t, 400)
	s.do(t, "POST", "/crm/rest/v1/tasks", `{"title":"x"}`).want(t, 400)
	s.do(t, "POST", "/crm/rest/v1/tasks", `{"title":"x","due_date":"2026-12-01T00:00:00Z","remind_time":7}`).want(t, 400)
	s.do(t, "POST", "/crm/rest/v2/tasks", `{"title":"x"}`).want(t, 400)
	s.do(t, "POST", "/crm/rest/v1/notes", `{"contact_id":"1","title":"Called","body":"…"}`).want(t, 201)
	s.do(t, "POST", "/crm/rest/v1/tasks", `{"title":"Call","due_date":"2026-12-01T00:00:00.000+0100","contact":{"id":2}}`).want(t, 200)
	state := s.State("")
	if diff := cmp.Diff([]Note{{ID: "1", ContactID: "1", Title: "Called", Body: "…", Type: "Other", UserID: "1"}}, state.Notes, cmpopts.IgnoreFields(Note{}, "At")); diff != "" {
		t.Error(diff)
	}
	if len(state.Tasks) != 1 || state.Tasks[0].ContactID != "2" || state.Tasks[0].DueAt.Format("02 15") != "30 23" {
		t.Errorf("tasks are %+v", state.Tasks)
	}
}

// TestTaskIsChanged as a client of v1 does it: it sends back what it has read, with a change.
func TestTaskIsChanged(t *testing.T) {
	s := newTest(t)
	made := s.do(t, "POST", "/crm/rest/v1/tasks", `{"title":"Call","due_date":"2026-12-01T10:00:00Z"}`).want(t, 200).(map[string]any)
	made["title"] = "Call again"
	body, err := json.Marshal(made)
	if err != nil {
		t.Fatal(err)
	}
	for method, body := range map[string]string{"PUT": string(body), "PATCH": `{"title":"Call again","remind_time":15}`} {
		if v := s.do(t, method, "/crm/rest/v1/tasks/1", body).want(t, 200); at(t, v, "title") != "Call again" || at(t, v, "due_date") != made["due_date"] {
			t.Errorf("%s: %v", method, v)
		}
	}
	s.do(t, "PATCH", "/crm/rest/v1/tasks/1", `{"remind_time":7}`).want(t, 400)
	if v := s.do(t, "PATCH", "/crm/rest/v1/tasks/1", `{"completed":true}`).want(t, 200); at(t, v, "completed") != true || at(t, v, "completion_date") == nil || at(t, v, "title") != "Call again" {
		t.Errorf("completed: %v", v)
	}
	s.do(t, "PUT", "/crm/rest/v1/tasks/2", `{"title":"x"}`).want(t, 404)
}
