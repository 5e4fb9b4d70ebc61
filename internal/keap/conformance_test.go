package keap

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// specFolder holds Keap's OpenAPI documents, which are not part of this repository.
const specFolder = "../../../shared/keap-specs/"

// deviations are what our requests do against the letter of Keap's documents, each with its reason.
var deviations = map[string]string{
	"contacts.upsert: at '/birthday': '2001-02-03' is not valid date-time":  "v1 declares date-time; integrators send the date, as we do",
	"contacts.patch: at '/birthday': '2001-02-03' is not valid date-time":   "v1 declares date-time; integrators send the date, as we do",
	"tasks.create for a user: at '/remind_time_mins': value must be one of": "the document lists the integers as texts",
}

// document is one of Keap's OpenAPI documents.
type document struct {
	paths    map[string]any
	base     string // what its paths lack of ours
	compiler *jsonschema.Compiler
}

// documents reads both; nil where they are not there, which is said.
func documents(t *testing.T) map[string]*document {
	t.Helper()
	v1, err := os.ReadFile(specFolder + "keap-rest-v1-2025-11-05.json")
	if errors.Is(err, fs.ErrNotExist) {
		t.Logf("Keap's OpenAPI documents are not at %s: requests are not validated against them", specFolder)
		return nil
	}
	v2, err2 := os.ReadFile(specFolder + "keap-rest-v2-swagger.yml")
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	if v2, err = yaml.YAMLToJSON(v2); err != nil {
		t.Fatal(err)
	}
	return map[string]*document{"/crm/rest/v1/": newDocument(t, v1, "/crm/rest"), "/crm/rest/v2/": newDocument(t, v2, "/crm")}
}

func newDocument(t *testing.T, b []byte, base string) *document {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	closeObjects(doc)
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("keap.json", doc); err != nil {
		t.Fatal(err)
	}
	return &document{paths: doc.(map[string]any)["paths"].(map[string]any), base: base, compiler: c}
}

// closeObjects makes properties that a schema does not name an error, as v1 does on the wire, and lets the content
// of custom fields be anything: v1's document says object, and integrations send texts and numbers.
func closeObjects(v any) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			closeObjects(e)
		}
	case map[string]any:
		if properties, ok := v["properties"].(map[string]any); ok && v["type"] == "object" && v["additionalProperties"] == nil {
			v["additionalProperties"] = false
			if content, ok := properties["content"].(map[string]any); ok && properties["id"] != nil {
				delete(content, "type")
			}
		}
		for _, e := range v {
			closeObjects(e)
		}
	}
}

// find gives the operation of a path; one without variables wins.
func (d *document) find(method, path string) (template string, operation map[string]any) {
	path = strings.TrimPrefix(path, d.base)
	for _, candidate := range slices.Sorted(maps.Keys(d.paths)) {
		if !fits(candidate, path) {
			continue
		}
		op, ok := d.paths[candidate].(map[string]any)[strings.ToLower(method)].(map[string]any)
		if ok && (operation == nil || strings.Count(candidate, "{") < strings.Count(template, "{")) {
			template, operation = candidate, op
		}
	}
	return template, operation
}

func fits(template, path string) bool {
	want, have := strings.Split(template, "/"), strings.Split(path, "/")
	if len(want) != len(have) {
		return false
	}
	for i, w := range want {
		_, verb, variable := strings.Cut(w, "}")
		if !variable && w != have[i] || variable && (!strings.HasSuffix(have[i], verb) || verb == "" && strings.Contains(have[i], ":")) {
			return false
		}
	}
	return true
}

// check says what of a request the document does not know.
func (d *document) check(r asked) error {
	target, err := url.Parse(r.target)
	if err != nil {
		return err
	}
	template, op := d.find(r.method, target.Path)
	if op == nil {
		return fmt.Errorf("the document has no %s %s", r.method, target.Path)
	}
	known := map[string]bool{}
	parameters, _ := op["parameters"].([]any)
	for _, p := range parameters {
		known[p.(map[string]any)["name"].(string)] = true
	}
	for name := range target.Query() {
		if !known[name] {
			return fmt.Errorf("the document has no parameter %s of %s %s", name, r.method, template)
		}
	}
	body, has := op["requestBody"].(map[string]any)
	if r.body == "" {
		if has && body["required"] == true {
			return errors.New("a body is required")
		}
		return nil
	}
	if !has {
		return errors.New("the document has no body")
	}
	at := fmt.Sprintf("keap.json#/paths/%s/%s/requestBody/content/application~1json/schema",
		strings.NewReplacer("~", "~0", "/", "~1", "{", "%7B", "}", "%7D").Replace(template), strings.ToLower(r.method))
	schema, err := d.compiler.Compile(at)
	if err != nil {
		return err
	}
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(r.body))
	if err != nil {
		return err
	}
	return schema.Validate(v)
}

// Every request of the table of operations is one that Keap's documents know, with nothing that they do not.
func TestRequestsConform(t *testing.T) {
	docs := documents(t)
	if docs == nil {
		return
	}
	used := map[string]bool{}
	for _, op := range operations() {
		f, c := newFake(t, says(op.status, op.answer))
		if _, err := op.call(context.Background(), c); err != nil {
			t.Fatal(op.name, err)
		}
		r := f.requests()[0]
		err := docs[r.target[:len("/crm/rest/v1/")]].check(r)
		if err == nil {
			continue
		}
		explained := false
		for deviation := range deviations {
			name, what, _ := strings.Cut(deviation, ": ")
			if op.name == name && strings.Contains(err.Error(), what) {
				used[deviation], explained = true, true
			}
		}
		if !explained {
			t.Errorf("%s: %v", op.name, err)
		}
	}
	for deviation, reason := range deviations {
		if !used[deviation] {
			t.Errorf("the deviation %q (%s) does not occur any more", deviation, reason)
		}
	}
}

// TestConformanceTable holds the requests' part of docs/keap-conformance.md: run with UPDATE_DOCS=1 to write it.
func TestConformanceTable(t *testing.T) {
	var table strings.Builder
	table.WriteString("| request | against the document | why |\n| --- | --- | --- |\n")
	for _, deviation := range slices.Sorted(maps.Keys(deviations)) {
		name, what, _ := strings.Cut(deviation, ": ")
		fmt.Fprintf(&table, "| %s | %s | %s |\n", name, what, deviations[deviation])
	}
	table.WriteString("| every one with a custom field | v1 wants an object as its content | any JSON is taken, and texts and lists are sent |\n")
	const file, begin, end = "../../docs/keap-conformance.md", "<!-- requests -->\n", "<!-- end of requests -->"
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
