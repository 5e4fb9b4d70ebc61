package keap

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRowResults(t *testing.T) {
	ids := []string{"1831", "2"}
	for _, tc := range []struct {
		name, body string
		want       map[string]string // nil: an error
	}{
		{"map to text", `{"1831":"TAG_ID_NOT_FOUND","2":"SUCCESS"}`, map[string]string{"1831": "TAG_ID_NOT_FOUND", "2": "SUCCESS"}},
		{"map to objects", `{"1831":"FAILURE","2":{"id":2,"name":"Customer"}}`, map[string]string{"1831": "FAILURE", "2": "SUCCESS"}},
		{"map to objects with a result", `{"1831":{"status":"DUPLICATE"},"2":{"result":"NO_PERMISSION"}}`, map[string]string{"1831": "DUPLICATE", "2": "NO_PERMISSION"}},
		{"array of one-entry objects", `[{"1831":"SUCCESS"},{"2":"DUPLICATE"}]`, map[string]string{"1831": "SUCCESS", "2": "DUPLICATE"}},
		{"array of the specification", `[{"key":"SUCCESS"},{"key":"DUPLICATE"}]`, map[string]string{"1831": "SUCCESS", "2": "DUPLICATE"}},
		{"null results", `{"1831":null,"2":""}`, map[string]string{"1831": "UNANSWERED", "2": "UNANSWERED"}},
		{"empty", `{}`, map[string]string{}},
		{"empty array", `[]`, map[string]string{}},
		{"too few of the specification's", `[{"key":"SUCCESS"}]`, nil},
		{"entries of two", `[{"1":"SUCCESS","2":"SUCCESS"}]`, nil},
		{"text", `"SUCCESS"`, nil}, {"number", `7`, nil}, {"array of text", `["SUCCESS","SUCCESS"]`, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := rowResults(json.RawMessage(tc.body), ids)
			if (err == nil) != (tc.want != nil) {
				t.Fatalf("%v, %v", got, err)
			}
			if diff := cmp.Diff(tc.want, got); err == nil && diff != "" {
				t.Error(diff)
			}
		})
	}
	if _, err := rowResults(nil, ids); err == nil {
		t.Error("no results at all are no error")
	}
}

func FuzzRowResults(f *testing.F) {
	f.Add(`{"1":"SUCCESS"}`)
	f.Add(`[{"key":"SUCCESS"},{"2":{}}]`)
	f.Add(`[{"1":null}]`)
	f.Add(`null`)
	f.Fuzz(func(t *testing.T, body string) {
		got, err := rowResults(json.RawMessage(body), []string{"1", "2"})
		if (got == nil) == (err == nil) {
			t.Errorf("%s: %v, %v", body, got, err)
		}
	})
}
