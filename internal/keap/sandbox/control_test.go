package sandbox

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestSeedShowsBeforeTheFirstCall, although nobody's tenant has a name yet.
func TestSeedShowsBeforeTheFirstCall(t *testing.T) {
	s := New(Options{Seed: 1})
	if err := s.Seed(Seed{Contacts: []Contact{{Email: "ann@example.com"}}}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if got := s.State("").Contacts; len(got) != 1 || got[0].Email != "ann@example.com" {
			t.Errorf("contacts %+v", got)
		}
	}
	s.do(t, "GET", anyCall, "").want(t, 200)
	if got := s.State("").Contacts; len(got) != 1 {
		t.Errorf("after the first call %+v", got)
	}
	if got := s.State("zz999").Contacts; len(got) != 0 {
		t.Errorf("a tenant that nobody has holds %+v", got)
	}
}

// TestControl drives the simulator by HTTP alone, as other programs do.
func TestControl(t *testing.T) {
	s := newTest(t)
	s.Reset()
	control := func(method, path, body string, status int) any {
		t.Helper()
		return s.doAs(t, "", method, "/sandbox/"+path, body).want(t, status)
	}
	control("POST", "settings", `{"quota":{"second":10,"minute":240,"day":30000,"scope":"tenant","shape":"rolling"},"latency_ms":[0,0],"headers":"full","retry_after":true,
		"xmlrpc":"up","keys":{"`+testKey+`":{"app":"ab123","state":"ok"}},"clock":"2026-12-31T23:59:00Z"}`, 200)
	control("POST", "faults", `[{"match":{"operation":"tags.list","every":1},"fault":"status:503","times":1}]`, 200)
	control("POST", "elsewhere", `{"calls":40}`, 200)
	control("POST", "seed", `{"contacts":[{"email":"ann@example.com","given_name":"Ann","tags":["Customer"],"custom_fields":{"LastOrder":"17"}}],"tags":[{"id":"9","name":"VIP"}],
		"action_sets":[{"id":"42","name":"Bought"}]}`, 200)
	for _, query := range []string{"state", "state?app=ab123"} {
		if n := len(at(t, control("GET", query, "", 200), "contacts").([]any)); n != 1 {
			t.Errorf("%s before the first call: %d contacts, want the seeded one", query, n)
		}
	}
	if r := s.do(t, "GET", anyCall, ""); r.status != 503 || r.header.Get("x-keap-product-quota-used") != "41" || r.header.Get("Date") != "Thu, 31 Dec 2026 23:59:00 GMT" {
		t.Errorf("the first call: %d %v", r.status, r.header)
	}
	s.do(t, "GET", anyCall, "").want(t, 200)
	s.doAs(t, "KeapAK-somebody-else", "PUT", v1Contacts, createAnn).want(t, 200)

	want := map[string]any{"id": "1", "email": "ann@example.com", "given_name": "Ann", "family_name": "", "tags": []any{"Customer"}, "custom_fields": map[string]any{"LastOrder": "17"},
		"owner_id": "", "opt_in_reason": "", "email_status": "NonMarketable", "created_at": "2026-12-31T23:59:00Z", "updated_at": "2026-12-31T23:59:00Z"}
	state := control("GET", "state?app=ab123", "", 200)
	if diff := cmp.Diff(want, at(t, state, "contacts", 0)); diff != "" {
		t.Errorf("state: %s", diff)
	}
	for _, list := range []string{"goals", "action_sets", "sequences", "orders", "payments", "emails", "notes", "tasks"} {
		if l, is := at(t, state, list).([]any); !is || len(l) != 0 {
			t.Errorf("state has %s %v, want an empty list", list, at(t, state, list))
		}
	}
	if n := len(at(t, control("GET", "state", "", 200), "contacts").([]any)); n != 2 {
		t.Errorf("all tenants have %d contacts, want 2: the seed counts for those that come later, too", n)
	}
	calls := control("GET", "calls?app=ab123", "", 200)
	if diff := cmp.Diff(map[string]any{"total": json.Number("2"), "by_operation": map[string]any{"tags.list": json.Number("2")},
		"by_status":  map[string]any{"200": json.Number("1"), "503": json.Number("1")},
		"violations": map[string]any{"second": json.Number("0"), "minute": json.Number("0"), "day": json.Number("0")},
		"max":        map[string]any{"second": json.Number("2"), "minute": json.Number("2"), "day": json.Number("2")}}, calls); diff != "" {
		t.Errorf("calls: %s", diff)
	}
	log := s.doAs(t, "", "GET", "/sandbox/log?since=1&app=ab123", "")
	var line Line
	if !strings.Contains(log.body, `"subjects":[]`) {
		t.Errorf("subjects are not a list: %s", log.body)
	}
	if lines := strings.Split(strings.TrimSpace(log.body), "\n"); len(lines) != 1 || json.Unmarshal([]byte(lines[0]), &line) != nil || line.N != 2 || line.Credential != "*****bcdef" {
		t.Errorf("log: %s", log.body)
	}
	if all := s.doAs(t, "", "GET", "/sandbox/log?since=2026-12-31T23:58:59Z", ""); strings.Count(all.body, "\n") != 3 || !strings.Contains(all.body, `"fault":"status:503"`) {
		t.Errorf("log since a time: %s", all.body)
	}
	control("POST", "reset", "", 200)
	if got := s.Calls(""); got.Total != 0 || len(s.State("").Contacts) != 0 {
		t.Errorf("a reset leaves %+v", got)
	}
}

func TestControlMistakes(t *testing.T) {
	s := newTest(t)
	for _, c := range []struct{ path, body string }{
		{"settings", `{"quota":{"minutes":1}}`}, {"settings", `{"quota":{"minute":-1}}`}, {"settings", `{"quota":{"shape":"round"}}`}, {"settings", `{"headers":"some"}`},
		{"settings", `{"latency_ms":[2,1]}`}, {"settings", `{"keys":{"KeapAK-1234567890":{"state":"lost"}}}`}, {"settings", `{"clock":"soon"}`}, {"settings", `{} {}`},
		{"faults", `{}`}, {"elsewhere", `{"calls":-1}`}, {"seed", `{"contact":[]}`}, {"seed", `{"custom_fields":[{"label":"x","type":"Poem"}]}`},
		{"seed", `{"products":[{"name":"x","price":"dear"}]}`}, {"seed", `{"contacts":[{"email":"a@example.com","email_status":"Bored"}]}`},
	} {
		v := s.doAs(t, "", "POST", "/sandbox/"+c.path, c.body).want(t, 400)
		if m, _ := at(t, v, "error").(string); m == "" || strings.Contains(m, "KeapAK-1234567890") {
			t.Errorf("%s %s: %q", c.path, c.body, m)
		}
	}
	s.doAs(t, "", "GET", "/sandbox/nothing", "").want(t, 404)
	s.doAs(t, "", "GET", "/sandbox/log?since=soon", "").want(t, 400)
	if r := s.doAs(t, "", "GET", "/sandbox", ""); !strings.Contains(r.body, "simulator") {
		t.Errorf("it does not say what it is: %s", r.body)
	}
}

// TestConcurrentCalls hammers one simulator over HTTP while it is read and set; the race detector looks on.
func TestConcurrentCalls(t *testing.T) {
	s := New(Options{})
	s.mustSet(t, Settings{Quota: &Quota{Second: new(0), Minute: new(0)}})
	if err := s.Seed(Seed{Tags: []Tag{{ID: "1", Name: "Customer"}}}); err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(s)
	defer srv.Close()
	defer http.DefaultClient.CloseIdleConnections()
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := range 25 {
				for _, c := range []struct{ method, path, body string }{
					{"PUT", "/crm/rest/v1/contacts", fmt.Sprintf(`{"duplicate_option":"Email","email_addresses":[{"email":"p%d@example.com","field":"EMAIL1"}]}`, i)},
					{"POST", "/crm/rest/v2/tags/1/contacts:applyTags", `{"contact_ids":["1"]}`},
					{"GET", "/crm/rest/v2/contacts?order_by=email+desc&fields=tag_ids", ""},
					{"GET", "/sandbox/state", ""},
				} {
					req, err := http.NewRequestWithContext(t.Context(), c.method, srv.URL+c.path, strings.NewReader(c.body))
					if err != nil {
						t.Error(err)
						return
					}
					req.Header.Set("X-Keap-API-Key", fmt.Sprintf("%s%d", testKey, w%2))
					res, err := http.DefaultClient.Do(req)
					if err != nil {
						t.Error(err)
						return
					}
					if _, err := bufio.NewReader(res.Body).WriteTo(discard{}); err != nil || res.StatusCode != 200 || res.Header.Get("X-Sandbox") != "true" {
						t.Errorf("%s %s: %d %v", c.method, c.path, res.StatusCode, err)
					}
					_ = res.Body.Close()
				}
			}
		})
	}
	wg.Wait()
	if n := len(s.State("").Contacts); n != 50 {
		t.Errorf("%d contacts in two tenants, want 50", n)
	}
	if got := s.Calls(""); got.Total != 600 || got.Violations != (Counts{}) {
		t.Errorf("counted %+v", got)
	}
}

type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }

func TestLogIsBounded(t *testing.T) {
	l := callLog{most: 10}
	for range 37 {
		l.add(Line{})
	}
	if n := len(l.lines); n < 5 || n > 10 || l.lines[n-1].N != 37 || l.lines[0].N != uint64(38-n) {
		t.Errorf("%d lines, %d to %d", n, l.lines[0].N, l.lines[n-1].N)
	}
	l = callLog{most: 10}
	for range 37 {
		l.add(Line{Subjects: make([]string, 15)})
	}
	if n := len(l.lines); n > 3 || l.subjects != 15*n || l.lines[n-1].N != 37 {
		t.Errorf("%d lines with %d subjects", n, l.subjects)
	}
}

// TestSeedShapes seeds what others hold: ids as numbers, tags by name, and what State gave.
func TestSeedShapes(t *testing.T) {
	s := newTest(t)
	s.Reset()
	s.mustSet(t, Settings{Keys: map[string]Key{testKey: {App: "ab123"}}})
	s.doAs(t, "", "POST", "/sandbox/seed?app=ab123", `{"tags":["VIP",{"id":7,"name":"Customer"}],"action_sets":[{"id":42,"name":"Bought"}],
		"contacts":[{"id":5,"email":"ann@example.com","owner_id":1,"company_id":3,"tags":["VIP"],"custom_fields":{"Partner_id":17}}]}`).want(t, 200)
	state := s.State("ab123")
	if len(state.Tags) != 2 || state.Tags[0].Name != "VIP" || state.Tags[1].ID != "7" {
		t.Errorf("tags are %+v", state.Tags)
	}
	if len(state.Contacts) != 1 || state.Contacts[0].ID != "5" || state.Contacts[0].OwnerID != "1" || state.Contacts[0].CompanyID != "3" {
		t.Fatalf("contacts are %+v", state.Contacts)
	}
	again, err := json.Marshal(map[string]any{"contacts": state.Contacts, "tags": state.Tags})
	if err != nil {
		t.Fatal(err)
	}
	s.doAs(t, "", "POST", "/sandbox/seed?app=ab123", string(again)).want(t, 200)
	if diff := cmp.Diff(state, s.State("ab123")); diff != "" {
		t.Errorf("seeding a state changes it: %s", diff)
	}
	s.doAs(t, "", "POST", "/sandbox/seed", `{"contacts":[{"emial":"ann@example.com"}]}`).want(t, 400)
	s.doAs(t, "", "POST", "/sandbox/seed", `{"tags":[1]}`).want(t, 400)
}
