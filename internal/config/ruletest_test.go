package config

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var noon = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)

// TestRulesOfOurOwnFiles runs the tests of the configurations that are handed out.
func TestRulesOfOurOwnFiles(t *testing.T) {
	environment(t)
	for path, want := range map[string]int{"../../configs/bridge.example.yaml": 1, "../../configs/demo.yaml": 4} {
		c, err := Load(path)
		if err != nil {
			t.Fatal(err)
		}
		results := RunTests(c, noon)
		if len(results) != want {
			t.Errorf("%s: %d tests ran, want %d", path, len(results), want)
		}
		for _, r := range results {
			for _, f := range r.Failures {
				t.Errorf("%s:%d: rule %s with %s from %s: %s", r.File, r.Line, r.Rule, r.Payload, r.Source, f)
			}
		}
	}
}

// TestFailingTests: each expectation that is not met is told in words.
func TestFailingTests(t *testing.T) {
	for expect, want := range map[string]string{
		"{tags: [A, B]}":                      "",
		"{tags: [A, B, New]}":                 "",
		"{tags: [A]}":                         `tags: "B" was not expected`,
		"{tags: [A, B, C]}":                   `tags: expected "C", got A, B, New`,
		"{untags: []}":                        `untags: "Off" was not expected`,
		"{calls: 2}":                          "calls: expected 2, got 6",
		"{calls: 6, goals: [s/g]}":            "",
		"{goals: [s/x]}":                      `goals: expected "s/x", got s/g; goals: "s/g" was not expected`,
		"{events: [lead.submitted]}":          "",
		"{events: [order.paid]}":              "events: expected order.paid, got lead.submitted",
		"{rules: [r, other]}":                 "",
		"{rules: [r]}":                        "rules: expected r, got r, other",
		"{matches: false}":                    "the rule matches",
		"{fields: {F: grace@example.com}}":    "",
		"{fields: {F: x}}":                    `fields: expected F to be "x", got "grace@example.com"`,
		"{fields: {G: x}}":                    "fields: G is not written",
		"{reason: ignored}":                   `expected no events and reason ignored, got 1 event and reason ""; the rule matches`,
		"{notes: [N], tasks: [], emails: []}": "",
	} {
		folder := write(t, map[string]string{
			"form.json": `{"id": "1", "email": "grace@example.com"}`,
			"bridge.yaml": fmt.Sprintf(`
accounts:
  a:
    app: ab123
    keap: {service_account_key: KeapAK-0123456789}
    sources:
      forms: {kind: generic, path_secret: 0123456789abcdef, event: {type: lead.submitted, id: "{{body.id}}", contact: {email: "{{body.email}}"}}}
    rules:
      - name: r
        on: lead.submitted
        do: [{contact: {fields: {F: "{{event.contact.email}}"}}}, {tag: [A, B]}, {untag: Off}, {goal: {integration: s, call: g}}, {note: {title: N}}]
        created: [{tag: New}]
        tests:
          - {payload: form.json, expect: %s}
      - {name: other, on: "*", do: [{tag: X}]}
`, expect),
		})
		c, err := Load(filepath.Join(folder, "bridge.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		results := RunTests(c, noon)
		if len(results) != 1 || results[0].Line != 14 || results[0].Source != "forms" {
			t.Fatalf("results are %+v", results)
		}
		if got := strings.Join(results[0].Failures, "; "); got != want {
			t.Errorf("%s: got %q, want %q", expect, got, want)
		}
	}
}
