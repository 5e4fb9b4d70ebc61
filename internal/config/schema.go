package config

import (
	"encoding"
	"encoding/json"
	"net/netip"
	"reflect"
	"strconv"
	"strings"
	"time"

	"bridge/internal/secret"
	"bridge/internal/sources"
)

// Schema is the JSON Schema (2020-12) of a configuration file: a whole document, or the body of one account. It is made
// from the types that the decoder fills, so that editors and bridge check agree. It ends with a newline.
func Schema() []byte {
	s := schemas{}
	root := schema{
		"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "bridge configuration",
		"anyOf": []schema{s.of(reflect.TypeFor[document](), ""), s.of(reflect.TypeFor[Account](), "")},
		"$defs": s,
	}
	text, err := json.MarshalIndent(root, "", "  ")
	if err != nil {
		panic("config: the schema is plain data: " + err.Error())
	}
	return append(text, '\n')
}

type schema = map[string]any

// schemas are those of structs, by name.
type schemas map[string]schema

var (
	// reference to a value outside, which may stand for anything
	outside = schema{"type": "string", "pattern": `\$\{(env|file):`}
	// a text; YAML's numbers and switches are texts too where a text is expected: ids, codes
	anyText = schema{"type": []string{"string", "number", "boolean"}}
)

// of describes a type; tag holds what the field says of itself.
func (s schemas) of(t reflect.Type, tag reflect.StructTag) schema {
	switch t {
	case reflect.TypeFor[secret.Text](), reflect.TypeFor[Percent](), reflect.TypeFor[netip.Prefix](), reflect.TypeFor[time.Duration]():
		return schema{"type": "string"}
	case reflect.TypeFor[sources.Size]():
		return schema{"type": []string{"string", "integer"}}
	case reflect.TypeFor[sources.Secrets]():
		return oneOrMany(schema{"type": "string"})
	}
	switch t.Kind() {
	case reflect.Pointer:
		return s.of(t.Elem(), tag)
	case reflect.Struct:
		return s.object(t)
	case reflect.Map:
		return schema{"type": []string{"object", "null"}, "additionalProperties": s.of(t.Elem(), "")}
	case reflect.Slice:
		return oneOrMany(s.of(t.Elem(), tag))
	case reflect.Bool:
		return orOutside(schema{"type": "boolean"})
	case reflect.Int, reflect.Int64:
		whole := schema{"type": "integer"}
		if least, err := strconv.Atoi(tag.Get("minimum")); err == nil {
			whole["minimum"] = least
		}
		return orOutside(whole)
	case reflect.Float64:
		return orOutside(schema{"type": "number"})
	case reflect.Interface:
		return schema{}
	}
	return text(tag)
}

func text(tag reflect.StructTag) schema {
	if words := tag.Get("enum"); words != "" {
		return orOutside(schema{"enum": strings.Split(words, ",")})
	}
	if pattern := tag.Get("pattern"); pattern != "" {
		return orOutside(schema{"type": "string", "pattern": pattern})
	}
	return anyText
}

func orOutside(s schema) schema { return schema{"anyOf": []schema{s, outside}} }

func oneOrMany(item schema) schema {
	return schema{"anyOf": []schema{item, {"type": "array", "items": item}}}
}

// object describes a struct once and refers to it.
func (s schemas) object(t reflect.Type) schema {
	name := t.String()
	ref := schema{"$ref": "#/$defs/" + name}
	if _, known := s[name]; known {
		return ref
	}
	properties := schema{}
	about := schema{"type": []string{"object", "null"}, "properties": properties, "additionalProperties": false}
	s[name] = about
	for i := range t.NumField() {
		f := t.Field(i)
		key, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if key == "" || key == "-" {
			continue
		}
		value := s.of(f.Type, f.Tag)
		if key == "kind" && t == reflect.TypeFor[sources.Config]() {
			value = orOutside(schema{"enum": kinds()})
		}
		if doc := f.Tag.Get("doc"); doc != "" {
			value = schema{"description": doc, "allOf": []schema{value}}
		}
		properties[key] = value
	}
	if reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) {
		s[name] = schema{"anyOf": []schema{anyText, about}}
	}
	return ref
}

func kinds() []string {
	var names []string
	for _, k := range sources.Kinds() {
		names = append(names, k.Name)
	}
	return names
}
