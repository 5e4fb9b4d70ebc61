package calls

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"bridge/internal/events"
	"bridge/internal/keap"
	"bridge/internal/quota"
	"bridge/internal/secret"
)

// keapCall is one call as the far end saw it.
type keapCall struct {
	At       time.Time
	Name     string   // "row 7", "column 3", "upsert a@example.com", "goal shop/bought 7" …
	Subjects []string // of rows and columns
	Body     string
}

// farEnd stands for Keap where a test needs to say exactly what comes back. It knows a contact for every address
// and a tag for every name that it is told.
type farEnd struct {
	mu       sync.Mutex
	latency  time.Duration
	calls    []keapCall
	contacts map[string]string // id by address
	tags     map[string]string // id by name
	answer   func(keapCall) (status int, body string)
	header   http.Header
	next     int
}

func newFarEnd() *farEnd {
	return &farEnd{latency: 200 * time.Millisecond, contacts: map[string]string{}, tags: map[string]string{}, next: 100}
}

func (f *farEnd) id() string { f.next++; return strconv.Itoa(f.next) }

// names gives what each request is called in tests, in the order of trying.
var names = []struct {
	method, path, name string
}{
	{"PUT", `^/rest/v1/contacts$`, "upsert"}, {"PATCH", `^/rest/v1/contacts/(\d+)$`, "patch $1"}, {"POST", `^/rest/v2/contacts$`, "create"},
	{"GET", `^/rest/v2/contacts$`, "find"}, {"GET", `^/rest/v2/contacts/model$`, "model"},
	{"POST", `^/rest/v1/contacts/(\d+)/tags$`, "row $1"}, {"DELETE", `^/rest/v1/contacts/(\d+)/tags$`, "unrow $1"},
	{"POST", `^/rest/v2/tags/(\d+)/contacts:applyTags$`, "column $1"}, {"POST", `^/rest/v2/tags/(\d+)/contacts:removeTags$`, "uncolumn $1"},
	{"GET", `^/rest/v1/tags$`, "tags"}, {"POST", `^/rest/v2/tags$`, "make tag"},
	{"POST", `^/rest/v2/automations/goals/achieve$`, "goal"}, {"POST", `^/rest/v2/automations/(\d+)/sequences/(\d+):addContacts$`, "sequence $1/$2"},
	{"POST", `^/rest/v2/emails/templates:send$`, "email"}, {"POST", `^/rest/v[12]/.*notes$`, "note"}, {"GET", `^/rest/v2/contacts/(\d+)/notes$`, "notes $1"},
	{"POST", `^/rest/v[12]/tasks$`, "task"}, {"POST", `^/rest/v2/orders$`, "order"}, {"GET", `^/rest/v2/orders$`, "orders"},
	{"GET", `^/rest/v2/orders/(\d+)/payments$`, "payments $1"}, {"POST", `^/rest/v2/orders/(\d+)/payments$`, "payment $1"}, {"GET", `^/rest/v2/products$`, "products"}, {"POST", `^/rest/v2/products$`, "make product"},
	{"POST", `^/xmlrpc/v1$`, "xmlrpc"}, {"GET", `^/rest/v2/oauth/connect/userinfo$`, "userinfo"},
}

func nameOf(method, path string) string {
	for _, n := range names {
		if re := regexp.MustCompile(n.path); n.method == method && re.MatchString(path) {
			return re.ReplaceAllString(path, n.name)
		}
	}
	return method + " " + path
}

// RoundTrip implements http.RoundTripper.
func (f *farEnd) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		body, _ = io.ReadAll(r.Body)
	}
	path, _ := url.PathUnescape(strings.TrimPrefix(r.URL.Path, "/crm"))
	f.mu.Lock()
	call := keapCall{At: time.Now(), Name: nameOf(r.Method, path), Body: string(body)}
	var in struct {
		TagIDs   []json.Number `json:"tagIds"`
		Contacts []string      `json:"contact_ids"`
	}
	_ = json.Unmarshal(body, &in)
	for _, id := range in.TagIDs {
		call.Subjects = append(call.Subjects, id.String())
	}
	call.Subjects = append(call.Subjects, in.Contacts...)
	if ids := r.URL.Query().Get("ids"); ids != "" {
		call.Subjects = strings.Split(ids, ",")
	}
	f.calls = append(f.calls, call)
	status, answer := f.handle(call, r.URL.Query())
	f.mu.Unlock()
	select {
	case <-time.After(f.latency):
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	if status == 0 {
		return nil, io.ErrUnexpectedEOF
	}
	h := http.Header{"Content-Type": {"application/json"}, "Date": {time.Now().UTC().Format(http.TimeFormat)}}
	for k, v := range f.header {
		h[k] = v
	}
	return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(answer)), Request: r}, nil
}

func (f *farEnd) handle(c keapCall, query url.Values) (int, string) {
	if f.answer != nil {
		if status, body := f.answer(c); status != 200 || body != "" {
			return status, body
		}
	}
	verb, _, _ := strings.Cut(c.Name, " ")
	switch verb {
	case "upsert":
		var in struct {
			Emails []struct{ Email string } `json:"email_addresses"`
		}
		_ = json.Unmarshal([]byte(c.Body), &in)
		id, known := f.contacts[in.Emails[0].Email]
		created := time.Now().UTC()
		if !known {
			id = f.id()
			f.contacts[in.Emails[0].Email] = id
		} else {
			created = created.Add(-time.Hour)
		}
		return 200, fmt.Sprintf(`{"id":%s,"date_created":%q,"last_updated":%q}`, id, created.Format(time.RFC3339), time.Now().UTC().Format(time.RFC3339))
	case "find":
		var found []string
		for email, id := range f.contacts {
			if strings.Contains(query.Get("filter"), email) {
				found = append(found, `{"id":"`+id+`"}`)
			}
		}
		return 200, `{"contacts":[` + strings.Join(found, ",") + `]}`
	case "tags":
		var list []string
		for name, id := range f.tags {
			if want := query.Get("name"); want == "" || want == name {
				list = append(list, fmt.Sprintf(`{"id":%s,"name":%q}`, id, name))
			}
		}
		return 200, fmt.Sprintf(`{"tags":[%s],"count":%d}`, strings.Join(list, ","), len(list))
	case "make":
		return 201, fmt.Sprintf(`{"id":%q}`, f.id())
	case "row", "column", "sequence":
		results := map[string]string{}
		for _, s := range c.Subjects {
			results[s] = "SUCCESS"
		}
		body, _ := json.Marshal(results)
		switch verb {
		case "column":
			return 200, `{"results":` + string(body) + `}`
		case "sequence":
			return 200, `{"add_to_automation_sequence_results":` + string(body) + `}`
		}
		return 200, string(body)
	case "unrow", "uncolumn":
		return 204, ""
	case "goal":
		return 200, `{"results":[{"success":true}]}`
	case "email":
		return 202, ""
	case "model":
		return 200, `{"custom_fields":[{"id":"5","label":"Last order","field_name":"LastOrder","field_type":"TEXT"}]}`
	case "notes":
		return 200, `{"notes":[]}`
	case "orders":
		return 200, `{"orders":[]}`
	case "products":
		return 200, `{"products":[]}`
	}
	return 201, `{"id":"` + f.id() + `"}`
}

// log lists the names of the calls so far.
func (f *farEnd) log() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []string
	for _, c := range f.calls {
		name := c.Name
		if len(c.Subjects) > 0 {
			name += " [" + strings.Join(c.Subjects, " ") + "]"
		}
		out = append(out, name)
	}
	return out
}

// memoryMap is a Memory.
type memoryMap struct {
	mu sync.Mutex
	m  map[string][]byte
}

func (m *memoryMap) Contact(_ context.Context, group, contact string) ([]byte, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	v, ok := m.m[group+contact]
	return v, ok, nil
}

func (m *memoryMap) SaveContact(_ context.Context, group, contact string, value []byte, _ time.Duration) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.m[group+contact] = value
	return nil
}

// bench is a planner on a far end, in virtual time.
type bench struct {
	*Planner
	t        *testing.T
	far      *farEnd
	ledger   *quota.Ledger
	account  Account
	reports  []events.Outcome
	reported sync.Mutex
	behind   [len(events.Priorities)]atomic.Int64 // events that are not in hand
}

// inBubble runs a test of a planner in virtual time that begins on a working day.
func inBubble(t *testing.T, limits quota.Limits, test func(*bench)) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(time.Date(2026, 11, 27, 9, 0, 0, 0, time.UTC)))
		b := &bench{t: t, far: newFarEnd(), ledger: quota.New(quota.Config{Limits: limits})}
		client, err := keap.New(keap.Options{
			BaseURL: "http://keap.test/crm", Transport: b.far, Observe: b.ledger.Observe,
			Credential: must(keap.ServiceAccountKey(secret.New("KeapAK-0123456789abcdef"), secret.Text{})),
		})
		if err != nil {
			t.Fatal(err)
		}
		b.account = Account{Keap: client, UserID: "1"}
		b.Planner = New(Config{
			Group: "g", Account: func(name string) (Account, bool) { return b.account, name == "default" }, Ledger: b.ledger,
			Behind: func() (n [len(events.Priorities)]int) {
				for prio := range n {
					n[prio] = int(b.behind[prio].Load())
				}
				return n
			},
			Memory: &memoryMap{m: map[string][]byte{}}, Log: slog.New(slog.DiscardHandler),
			Record: func(o events.Outcome) {
				b.reported.Lock()
				defer b.reported.Unlock()
				b.reports = append(b.reports, o)
			},
		})
		test(b)
		if err := b.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// plenty are limits that nothing here reaches.
var plenty = quota.Limits{Second: 10, Minute: 240, Day: 30000}

// ask makes an ask of one contact whose id is known unless id is "".
func ask(prio events.Priority, who, id string, steps ...events.Step) Ask {
	for i := range steps {
		if steps[i].ID == "" {
			steps[i].ID = fmt.Sprintf("rule/%s:%s#%d", steps[i].Do, steps[i].Target, i+1)
		}
		steps[i].Rule = "rule"
	}
	return Ask{
		Account: "default", Priority: prio, Key: events.KeyOf("default", "shop", who), Time: time.Now(),
		Person: events.Person{Email: who + "@example.com"}, Contact: "hash-" + who, ID: id, Steps: steps,
	}
}

func tag(target string) events.Step {
	return events.Step{Do: events.DoTag, Target: target, Literal: true}
}

func untag(target string) events.Step { return events.Step{Do: events.DoUntag, Target: target} }

func goal(call string) events.Step {
	return events.Step{Do: events.DoGoal, Target: "shop/" + call, Goal: &events.GoalStep{Integration: "shop", Call: call}}
}

func contact(c events.Contact) events.Step {
	return events.Step{Do: events.DoContact, Contact: &events.ContactStep{Contact: c}}
}

// all does asks side by side, each begun after the one before, and gives their results.
func (b *bench) all(asks ...Ask) [][]Result {
	results := make([][]Result, len(asks))
	var doing sync.WaitGroup
	for i := range asks {
		doing.Go(func() { results[i] = b.Do(b.t.Context(), asks[i]) })
		synctest.Wait()
	}
	doing.Wait()
	return results
}

// fine fails the test where a step failed.
func (b *bench) fine(results ...[]Result) {
	b.t.Helper()
	for _, of := range results {
		for _, r := range of {
			if r.Err != nil {
				b.t.Errorf("%s: %v", r.Step, r.Err)
			}
		}
	}
}
