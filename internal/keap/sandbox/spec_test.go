package sandbox

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// specFolder holds Keap's OpenAPI documents, which are not part of this repository.
const specFolder = "../../../../shared/keap-specs/"

// spec is one of Keap's OpenAPI documents.
type spec struct {
	root     map[string]any
	prefix   string // of our paths, before those of the document
	compiler *jsonschema.Compiler
	compiled map[string]*jsonschema.Schema
}

// loadSpecs reads both documents; nil where they are not there, which is said.
func loadSpecs(t *testing.T) map[string]*spec {
	t.Helper()
	v1, err := os.ReadFile(specFolder + "keap-rest-v1-2025-11-05.json")
	if errors.Is(err, fs.ErrNotExist) {
		t.Logf("Keap's OpenAPI documents are not at %s: answers are not validated against them", specFolder)
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	v2, err := os.ReadFile(specFolder + "keap-rest-v2-swagger.yml")
	if err != nil {
		t.Fatal(err)
	}
	if v2, err = yaml.YAMLToJSON(v2); err != nil {
		t.Fatal(err)
	}
	return map[string]*spec{
		"/crm/rest/v1/": newSpec(t, v1, "/crm/rest"),
		"/crm/rest/v2/": newSpec(t, v2, "/crm"),
	}
}

func newSpec(t *testing.T, b []byte, prefix string) *spec {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	anyContent(doc)
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("keap.json", doc); err != nil {
		t.Fatal(err)
	}
	return &spec{doc.(map[string]any), prefix, c, map[string]*jsonschema.Schema{}}
}

// anyContent takes the type from the content of custom fields: v1's document says object, and integrations send and
// get texts and numbers.
func anyContent(v any) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			anyContent(e)
		}
	case map[string]any:
		if content, is := v["content"].(map[string]any); is && v["id"] != nil && content["type"] == "object" {
			delete(content, "type")
		}
		for _, e := range v {
			anyContent(e)
		}
	}
}

// operation finds the path of the document that a request falls under; one without variables wins.
func (s *spec) operation(method, path string) (string, map[string]any) {
	path, _, _ = strings.Cut(path, "?")
	path = strings.TrimPrefix(strings.NewReplacer("%3A", ":", "%3a", ":").Replace(path), s.prefix)
	best, vars := "", 1000
	for template := range s.root["paths"].(map[string]any) {
		if n, hit := underTemplate(template, path); hit && n < vars && s.at(template, method) != nil {
			best, vars = template, n
		}
	}
	if best == "" {
		return "", nil
	}
	return best, s.at(best, method)
}

func (s *spec) at(template, method string) map[string]any {
	op, _ := s.root["paths"].(map[string]any)[template].(map[string]any)[strings.ToLower(method)].(map[string]any)
	return op
}

func underTemplate(template, path string) (vars int, hit bool) {
	want, have := strings.Split(template, "/"), strings.Split(path, "/")
	if len(want) != len(have) {
		return 0, false
	}
	for i, w := range want {
		if !strings.HasPrefix(w, "{") {
			if w != have[i] {
				return 0, false
			}
			continue
		}
		_, verb, _ := strings.Cut(w, "}")
		if !strings.HasSuffix(have[i], verb) || verb == "" && strings.Contains(have[i], ":") {
			return 0, false
		}
		vars++
	}
	return vars, true
}

// validate checks an answer against the document: status, presence of a body, schema, and no property besides.
func (s *spec) validate(method, path string, r result) error {
	template, op := s.operation(method, path)
	if op == nil {
		return fmt.Errorf("the document has no %s %s", method, path)
	}
	answer, _ := op["responses"].(map[string]any)[fmt.Sprint(r.status)].(map[string]any)
	if answer == nil {
		return fmt.Errorf("the document has no answer %d", r.status)
	}
	kinds, _ := answer["content"].(map[string]any)
	content, _ := kinds["application/json"].(map[string]any)
	if content == nil || content["schema"] == nil {
		if r.body != "" {
			return fmt.Errorf("the document has no body for %d, answered %s", r.status, r.body)
		}
		return nil
	}
	at := fmt.Sprintf("keap.json#/paths/%s/%s/responses/%d/content/application~1json/schema",
		strings.NewReplacer("~", "~0", "/", "~1", "{", "%7B", "}", "%7D").Replace(template), strings.ToLower(method), r.status)
	return s.check(at, content["schema"].(map[string]any), r.body, undocumented[template])
}

func (s *spec) check(at string, schema map[string]any, body string, undocumented []string) error {
	sch, done := s.compiled[at]
	if !done {
		var err error
		if sch, err = s.compiler.Compile(at); err != nil {
			return err
		}
		s.compiled[at] = sch
	}
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(body))
	if err != nil {
		return err
	}
	if err := sch.Validate(v); err != nil {
		return fmt.Errorf("%w in %s", err, body)
	}
	extra := slices.DeleteFunc(s.extras(schema, v, ""), func(e string) bool { return slices.Contains(undocumented, e) })
	if len(extra) > 0 {
		return fmt.Errorf("properties that the document does not have: %v in %s", extra, body)
	}
	return nil
}

// extras lists the properties that a value has and its schema has not.
func (s *spec) extras(schema map[string]any, v any, at string) (out []string) {
	for {
		ref, is := schema["$ref"].(string)
		if !is {
			break
		}
		schema = s.root["components"].(map[string]any)["schemas"].(map[string]any)[strings.TrimPrefix(ref, "#/components/schemas/")].(map[string]any)
	}
	switch v := v.(type) {
	case []any:
		items, _ := schema["items"].(map[string]any)
		for _, e := range v {
			out = append(out, s.extras(items, e, at+"[]")...)
		}
	case map[string]any:
		known, is := schema["properties"].(map[string]any)
		if !is {
			return nil
		}
		for name, inner := range v {
			if p, is := known[name].(map[string]any); is {
				out = append(out, s.extras(p, inner, at+"."+name)...)
			} else {
				out = append(out, at+"."+name)
			}
		}
	}
	return out
}
