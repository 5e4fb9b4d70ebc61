package console

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"bridge/internal/events"
	"bridge/internal/ops"
	"bridge/test/office"
)

// TestOpenAPINamesEveryRoute holds that the document and the routes are the same.
func TestOpenAPINamesEveryRoute(t *testing.T) {
	var doc struct {
		OpenAPI string
		Paths   map[string]map[string]struct {
			OperationID string
			Description string
		}
	}
	if err := json.Unmarshal(openAPIDocument, &doc); err != nil {
		t.Fatal(err)
	}
	if doc.OpenAPI != "3.1.0" {
		t.Errorf("OpenAPI %s", doc.OpenAPI)
	}
	want := map[string]string{"GET /healthz": "", "GET /readyz": "", "GET /metrics": ""}
	for _, r := range apiRoutes {
		needs := ""
		if r.role > Nobody {
			needs = "Needs the role " + r.role.String() + "."
		}
		want[r.method+" "+r.path] = needs
	}
	got, ids := map[string]string{}, map[string]bool{}
	for path, methods := range doc.Paths {
		for method, op := range methods {
			got[strings.ToUpper(method)+" "+path] = op.Description
			if op.OperationID == "" || ids[op.OperationID] {
				t.Errorf("%s %s has the operationId %q", method, path, op.OperationID)
			}
			ids[op.OperationID] = true
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("routes (-code +document):\n%s", diff)
	}
}

// TestAnswersAreAsDescribed checks real answers against the document's schemas. Fields that the schemas do not name are
// mistakes too.
func TestAnswersAreAsDescribed(t *testing.T) {
	d := fullDesk(t)
	failed, doubt := d.Fail(1, "ada@example.com"), d.Doubt(2, "bob@example.com")
	d.Succeed(office.Order(3, "default", "shop", "bob@example.com"), events.Normal)
	if err := d.Desk.Sample(t.Context()); err != nil {
		t.Fatal(err)
	}
	d.CaughtUp(t)
	schemas := compiledSchemas(t)
	var job ops.Job
	d.answer(200, &job, "POST", "/api/replays", `{"filter":{"state":"failed"},"dry_run":true}`)
	for _, tt := range []struct {
		status             int
		method, path, real string
		body               string
	}{
		{200, "get", "/api/status", "/api/status", ""},
		{200, "get", "/api/check", "/api/check", ""},
		{200, "get", "/api/events", "/api/events?limit=2", ""},
		{200, "get", "/api/events/{id}", "/api/events/" + failed.ID, ""},
		{200, "get", "/api/events/{id}/plan", "/api/events/" + failed.ID + "/plan", ""},
		{200, "get", "/api/failures", "/api/failures", ""},
		{200, "get", "/api/accounts", "/api/accounts", ""},
		{200, "get", "/api/sources", "/api/sources", ""},
		{200, "get", "/api/rules", "/api/rules", ""},
		{200, "get", "/api/costs", "/api/costs", ""},
		{200, "get", "/api/rates", "/api/rates?step=minute", ""},
		{200, "get", "/api/quota", "/api/quota", ""},
		{200, "get", "/api/jobs", "/api/jobs", ""},
		{200, "get", "/api/jobs/{id}", "/api/jobs/" + job.ID, ""},
		{200, "post", "/api/replays", "/api/replays", fmt.Sprintf(`{"ids":[%q]}`, failed.ID)},
		{200, "post", "/api/discards", "/api/discards", fmt.Sprintf(`{"ids":[%q],"dry_run":true}`, doubt.ID)},
		{202, "post", "/api/events", "/api/events", `{"account":"default","source":"crm","events":[{}]}`},
		{202, "post", "/api/sources/{account}/{source}/test", "/api/sources/default/shop/test", `{}`},
		{200, "post", "/api/erasures", "/api/erasures", `{"contact":"ada@example.com"}`},
		{200, "get", "/api/audit", "/api/audit", ""},
	} {
		t.Run(tt.method+" "+tt.path, func(t *testing.T) {
			text := d.answer(tt.status, nil, strings.ToUpper(tt.method), tt.real, tt.body)
			value, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
			if err != nil {
				t.Fatal(err)
			}
			if err := schemas(tt.method, tt.path, fmt.Sprint(tt.status), "application/json").Validate(value); err != nil {
				t.Errorf("%v\nin %s", err, text)
			}
		})
	}
	_, text := d.ask("GET", "/api/events/nope", "")
	value, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if err := schemas("get", "/api/events/{id}", "default", "application/problem+json").Validate(value); err != nil {
		t.Errorf("a problem: %v", err)
	}
}

// fullDesk has something of everything.
func fullDesk(t *testing.T) *desk {
	d := newDesk(t, nil)
	until := time.Now().UTC().Add(time.Hour)
	d.AccountList[0].Paused, d.AccountList[0].ETA = &ops.Pause{Reason: events.QuotaDay, Until: &until}, until
	d.AccountList[0].Credentials = []ops.Credential{{Kind: "service account key", Masked: "*****c5169", Created: until, LastUsed: until, Active: true}}
	d.AccountList[0].ActionSets = []ops.ActionSet{{ID: "42", Name: "Bought something", Replaced: "goal shop/bought", Ends: until}}
	d.SourceList = []ops.Source{{
		Account: "default", Name: "shop", Kind: "woocommerce", Address: "https://bridge.example.com/hooks/default/shop",
		Setup: []string{"WooCommerce → Settings → Advanced → Webhooks; delivery URL https://bridge.example.com/hooks/default/shop"}, Testable: true, Refused: 2,
		Requests: []ops.Request{{At: until, Status: 401, Outcome: "unauthorized", Why: "the signature is wrong"}},
	}, {Account: "default", Name: "crm", Kind: "nats", Subject: "ingest.default.crm", Silent: true}}
	d.RuleList = []ops.Rule{{Account: "default", Name: "purchase", On: []string{"order.paid"}, When: "event.order.total >= 10.0", Do: []string{"contact", "tag Customer"}, At: "bridge.yaml:12:9"}}
	d.ProblemList = []ops.Problem{{Account: "default", Where: "bridge.yaml:3:1", Message: "unknown key", Since: until}}
	return d
}

// compiledSchemas closes every object of the document, so that a field which nobody described is found.
func compiledSchemas(t *testing.T) func(method, path, status, kind string) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(openAPIDocument))
	if err != nil {
		t.Fatal(err)
	}
	closeObjects(doc)
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("openapi.json", doc); err != nil {
		t.Fatal(err)
	}
	return func(method, path, status, kind string) *jsonschema.Schema {
		escape := strings.NewReplacer("~", "~0", "/", "~1").Replace
		// The braces of a path are not allowed in a URL's fragment as they are.
		at := strings.NewReplacer("{", "%7B", "}", "%7D").Replace(escape(path))
		s, err := c.Compile("openapi.json#/paths/" + at + "/" + method + "/responses/" + status + "/content/" + escape(kind) + "/schema")
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
}

func closeObjects(v any) {
	switch v := v.(type) {
	case map[string]any:
		if _, described := v["properties"].(map[string]any); described && v["type"] == "object" {
			v["additionalProperties"] = false
		}
		for _, inner := range v {
			closeObjects(inner)
		}
	case []any:
		for _, inner := range v {
			closeObjects(inner)
		}
	}
}

func TestOpenAPIIsServed(t *testing.T) {
	d := newDesk(t, withTokens)
	res, text := d.ask("GET", "/openapi.json", "")
	if res.StatusCode != http.StatusOK || text != string(openAPIDocument) {
		t.Errorf("%d, %d bytes", res.StatusCode, len(text))
	}
}
