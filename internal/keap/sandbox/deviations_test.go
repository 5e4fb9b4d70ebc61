package sandbox

import (
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// onTheWire is one way in which Keap answers otherwise than its documents say, and the simulator with it.
type onTheWire struct {
	name       string
	documented string // what Keap's documents say
	actual     string // what is on the wire
	settings   Settings
	key        string // "": a good one

	method, path, body string
	status             int
	contains           string // of the body
	unsaid             bool   // the documents are silent: there is nothing to hold the answer against
}

// wireDeviations are those that concern more than one operation. Those of single operations are in deviations and
// undocumented, which the walk uses. Names are those of docs/keap-conformance.md.
var wireDeviations = []onTheWire{
	{name: "v1 errors", documented: "a serialised Java Throwable", actual: `{"message": "…"}`,
		method: "GET", path: "/crm/rest/v1/contacts/999", status: 404, contains: `{"message":`, unsaid: true},
	{name: "v1 refuses with 400", documented: "no 400 at any operation", actual: "400 for a region that is none, a missing address and the like",
		method: "POST", path: "/crm/rest/v1/contacts", body: `{"given_name":"Nobody"}`, status: 400, contains: `{"message":`},
	{name: "v1 unknown property", documented: "nothing", actual: "400, Unrecognized property",
		method: "PUT", path: "/crm/rest/v1/contacts", body: `{"duplicate_option":"Email","referral_code":"R"}`, status: 400, contains: "Unrecognized property: referral_code"},
	{name: "v2 unknown query parameter", documented: "nothing", actual: "ignored: the whole list comes",
		method: "GET", path: "/crm/rest/v2/contacts?email=nobody%40example.com", status: 200, contains: `"ann@example.com"`, unsaid: true},
	{name: "429", documented: "no 429 at any operation", actual: `the gateway's {"code":"429",…} with the code as text`,
		settings: Settings{Quota: &Quota{Day: new(0), Minute: new(1)}}, method: "GET", path: "/crm/rest/v2/contacts", status: 429, contains: `"code":"429"`},
	{name: "429, older form", documented: "no 429 at any operation", actual: "the gateway's fault (setting throttle: apigee)",
		settings: Settings{Quota: &Quota{Minute: new(1)}, Throttle: "apigee"}, method: "GET", path: "/crm/rest/v1/contacts", status: 429, contains: "policies.ratelimit."},
	{name: "401", documented: "v1: a Throwable; v2: {code, message, status, details}", actual: "the gateway's fault, for unknown paths too",
		key: "none", method: "GET", path: "/crm/rest/v2/nowhere", status: 401, contains: `"errorcode":"oauth.v2.InvalidAccessToken"`, unsaid: true},
	{name: "v2 page token", documented: "a token", actual: "an absolute URL at times (setting page_tokens: url)",
		settings: Settings{PageTokens: "url"}, method: "GET", path: "/crm/rest/v2/contacts?page_size=1", status: 200, contains: `"next_page_token":"http`, unsaid: true},
	{name: "v1 next page", documented: "the next page", actual: "never ends at times (setting endless_next)",
		settings: Settings{EndlessNext: new(true)}, method: "GET", path: "/crm/rest/v1/contacts?offset=900", status: 200, contains: `"next":"http`, unsaid: true},
	{name: "v1 custom field content", documented: "an object", actual: "any JSON: texts, numbers, lists",
		method: "GET", path: "/crm/rest/v1/contacts/1?optional_properties=custom_fields", status: 200, contains: `"content":"#17"`, unsaid: true},
	{name: "credentials", documented: "OAuth2 only", actual: "X-Keap-API-Key, Authorization: Bearer and ?access_token=, for keys and tokens alike",
		method: "GET", path: "/crm/rest/v1/tags", status: 200, contains: `"tags"`, unsaid: true},
	{name: "not simulated", documented: "v1 has no 501", actual: "this simulator's own: 501 with method and path, never a made-up success",
		method: "GET", path: "/crm/rest/v1/affiliates", status: 501, contains: "GET /crm/rest/v1/affiliates"},
}

func TestWireDeviations(t *testing.T) {
	specs := loadSpecs(t)
	for _, d := range wireDeviations {
		t.Run(d.name, func(t *testing.T) {
			s := newTest(t)
			if err := s.Seed(Seed{
				CustomFields: []CustomField{{ID: "1", Label: "LastOrder"}},
				Contacts:     []Contact{{Email: "ann@example.com", CustomFields: map[string]any{"LastOrder": "#17"}}, {Email: "bob@example.com"}},
			}); err != nil {
				t.Fatal(err)
			}
			s.mustSet(t, d.settings)
			key := testKey
			if d.key != "" {
				key = ""
			}
			r := s.doAs(t, key, d.method, d.path, d.body)
			if d.status == http.StatusTooManyRequests { // the first call is within the limit
				r = s.doAs(t, key, d.method, d.path, d.body)
			}
			if r.status != d.status || !strings.Contains(r.body, d.contains) {
				t.Errorf("answered %d %s, want %d with %s", r.status, r.body, d.status, d.contains)
			}
			for prefix, doc := range specs {
				if strings.HasPrefix(d.path, prefix) && !d.unsaid && doc.validate(d.method, d.path, r) == nil {
					t.Error("the document says the same: this is no deviation")
				}
			}
		})
	}
}

// TestConformanceTable holds the answers' part of docs/keap-conformance.md: run with UPDATE_DOCS=1 to write it.
func TestConformanceTable(t *testing.T) {
	var table strings.Builder
	table.WriteString("| name | Keap's documents say | on the wire |\n| --- | --- | --- |\n")
	for _, d := range wireDeviations {
		fmt.Fprintf(&table, "| %s | %s | %s |\n", d.name, d.documented, d.actual)
	}
	for _, operation := range slices.Sorted(maps.Keys(deviations)) {
		fmt.Fprintf(&table, "| `%s` | another shape | %s |\n", operation, deviations[operation])
	}
	for _, path := range slices.Sorted(maps.Keys(undocumented)) {
		fmt.Fprintf(&table, "| `%s` | nothing of `%s` | the property is there: what is made must be found again |\n", path, strings.Join(undocumented[path], "`, `"))
	}
	const file, begin, end = "../../../docs/keap-conformance.md", "<!-- answers -->\n", "<!-- end of answers -->"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, opened := strings.Cut(string(text), begin)
	have, after, closed := strings.Cut(rest, end)
	if !opened || !closed {
		t.Fatalf("%s has no %s … %s", file, begin, end)
	}
	if os.Getenv("UPDATE_DOCS") != "" {
		if err := os.WriteFile(file, []byte(before+begin+table.String()+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(table.String(), have); diff != "" {
		t.Errorf("%s is not what the tests hold (-tests +file):\n%s", file, diff)
	}
}
