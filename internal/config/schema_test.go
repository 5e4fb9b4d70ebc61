package config

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

func validator(t *testing.T) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(Schema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("bridge.json", doc); err != nil {
		t.Fatal(err)
	}
	return c.MustCompile("bridge.json")
}

// plainValue reads a YAML file as an editor does.
func plainValue(t *testing.T, path string) any {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	d := &decoder{file: path, expander: expander{lookup: func(name string) (string, bool) { return "${env:" + name + "}", true }}}
	var value any
	d.decode(d.parse(content), reflect.ValueOf(&value).Elem())
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	value, err = jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return value
}

func TestSchemaTakesOurOwnFiles(t *testing.T) {
	s := validator(t)
	account := filepath.Join(write(t, map[string]string{"one.yaml": shop("A")}), "one.yaml")
	for _, path := range []string{"../../configs/bridge.example.yaml", "../../configs/demo.yaml", account} {
		if err := s.Validate(plainValue(t, path)); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// TestSchemaFindsShapes: what is wrong in shape is found by editors too; what takes understanding is left to check.
func TestSchemaFindsShapes(t *testing.T) {
	s := validator(t)
	for _, name := range []string{
		"unknown-key", "unknown-key-in-rule", "number-expected", "zero-quota", "text-for-mapping", "mapping-for-text", "tags-create", "unknown-source-kind",
		"application-code", "a-list", "a-text",
	} {
		if err := s.Validate(plainValue(t, "testdata/bad/"+name+".yaml")); err == nil {
			t.Errorf("%s is valid by the schema", name)
		}
	}
}
