package sandbox

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// customField is a custom field of contacts.
type customField struct {
	label, name string
	kind        string // in the words of v1: Text, WholeNumber …
	options     []string
}

// fieldTypes are v1's names; v2 writes them in capitals with underscores.
var fieldTypes = []string{"Currency", "Date", "DateTime", "DayOfWeek", "Drilldown", "Email", "Month", "ListBox", "Name", "WholeNumber",
	"DecimalNumber", "Percent", "PhoneNumber", "Radio", "Dropdown", "SocialSecurityNumber", "State", "Text", "TextArea", "User",
	"UserListBox", "Website", "Year", "YesNo"}

// capitals turns WholeNumber into WHOLE_NUMBER.
func capitals(s string) string {
	var b strings.Builder
	for i, r := range s {
		if i > 0 && r >= 'A' && r <= 'Z' {
			b.WriteByte('_')
		}
		b.WriteRune(r)
	}
	return strings.ToUpper(b.String())
}

// addField makes a custom field; its name is the label without what is neither letter nor digit.
func (t *tenant) addField(want ref, f customField) ref {
	if f.name == "" {
		f.name = strings.Map(func(r rune) rune {
			if r == '_' || r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' {
				return r
			}
			return -1
		}, f.label)
	}
	return t.fields.put(want, &f)
}

// fieldNamed finds a custom field by id, name (with or without XML-RPC's underscore) or label.
func (t *tenant) fieldNamed(s string) (ref, *customField) {
	for _, e := range t.fields.rows {
		if s == e.id.String() || strings.EqualFold(s, e.row.name) || strings.EqualFold(s, "_"+e.row.name) || strings.EqualFold(s, e.row.label) {
			return e.id, e.row
		}
	}
	return 0, nil
}

func readCustom(w *write, name string, raw json.RawMessage) error {
	var in []struct {
		ID      ref             `json:"id"`
		Content json.RawMessage `json:"content"`
	}
	if err := w.nested(name, raw, &in); err != nil {
		return err
	}
	for _, v := range in {
		f, ok := w.t.fields.get(v.ID)
		if !ok {
			return fmt.Errorf("Custom field %s not found", v.ID)
		}
		if err := f.fits(v.Content); err != nil {
			return fmt.Errorf("Custom field %s (%s): %w", v.ID, f.label, err)
		}
	}
	w.then(func(c *contact) {
		if w.c.version == 2 {
			c.custom = nil
		}
		for _, v := range in {
			c.setCustom(v.ID, slices.Clone(v.Content))
		}
	})
	return nil
}

// fits checks a content against the field's type. Numbers may come as text, lists as text with commas.
func (f *customField) fits(content json.RawMessage) error {
	if len(content) == 0 || string(content) == "null" || string(content) == `""` {
		return nil
	}
	var s string
	isText := json.Unmarshal(content, &s) == nil
	if !isText {
		s = string(content)
	}
	switch f.kind {
	case "WholeNumber", "Year", "User", "DayOfWeek", "Month":
		if _, err := strconv.ParseInt(s, 10, 64); err != nil {
			return fmt.Errorf("%s is no whole number", content)
		}
	case "DecimalNumber", "Currency", "Percent":
		if _, err := strconv.ParseFloat(s, 64); err != nil {
			return fmt.Errorf("%s is no number", content)
		}
	case "Date", "DateTime":
		if _, err := parseInstant(s); err != nil || !isText {
			return fmt.Errorf("%s is no date", content)
		}
	case "YesNo":
		if !slices.Contains([]string{"true", "false", "0", "1", "Yes", "No"}, s) {
			return fmt.Errorf("%s is neither yes nor no", content)
		}
	case "Dropdown", "Radio":
		if len(f.options) > 0 && !slices.Contains(f.options, s) {
			return fmt.Errorf("%s is none of its options", content)
		}
	case "ListBox", "UserListBox":
	default:
		if !isText && (content[0] == '{' || content[0] == '[') {
			return fmt.Errorf("%s is no text", content)
		}
	}
	return length("content", s, 65_535)
}

// v1Field and v2Field are a custom field in a contact model.
type v1Field struct {
	ID      ref        `json:"id"`
	Label   string     `json:"label"`
	Options []v1Option `json:"options"`
	Record  string     `json:"record_type"`
	Type    string     `json:"field_type"`
	Name    string     `json:"field_name"`
}

type v1Option struct {
	ID    string `json:"id"`
	Label string `json:"label"`
}

type v2Field struct {
	ID      string     `json:"id"`
	Label   string     `json:"label"`
	Options []v1Option `json:"options"`
	Record  string     `json:"record_type"`
	Type    string     `json:"field_type"`
	Name    string     `json:"field_name"`
	Group   string     `json:"group_id"`
}

func (f *customField) v1(id ref) v1Field {
	return v1Field{id, f.label, f.choices(), "CONTACT", f.kind, f.name}
}

func (f *customField) v2(id ref) v2Field {
	return v2Field{id.String(), f.label, f.choices(), "CONTACT", capitals(f.kind), f.name, "1"}
}

func (f *customField) choices() []v1Option {
	out := []v1Option{}
	for _, o := range f.options {
		out = append(out, v1Option{o, o})
	}
	return out
}

// contactModel lists the custom fields, and what only appears in answers when it is asked for.
func contactModel(t *tenant, c *call) reply {
	if c.version == 2 {
		return ok(map[string]any{"custom_fields": pick(&t.fields, all, func(id ref, f *customField) v2Field { return f.v2(id) }), "optional_properties": optionalV2})
	}
	return ok(map[string]any{"custom_fields": pick(&t.fields, all, func(id ref, f *customField) v1Field { return f.v1(id) }), "optional_properties": optionalV1})
}

func all[T any](ref, *T) bool { return true }

func createField(t *tenant, c *call) reply {
	var in struct {
		Label   string `json:"label"`
		Type    string `json:"field_type"`
		Group   ref    `json:"group_id"`
		Users   ref    `json:"user_group_id"`
		Options []struct {
			Label string `json:"label"`
		} `json:"options"`
	}
	if err := c.read(&in); err != nil {
		return c.bad(err.Error())
	}
	f := customField{label: in.Label}
	for _, name := range fieldTypes {
		if in.Type == name && c.version == 1 || in.Type == capitals(name) && c.version == 2 {
			f.kind = name
		}
	}
	if in.Label == "" || f.kind == "" {
		return c.bad("label and a field_type of the documented list are required")
	}
	for _, o := range in.Options {
		f.options = append(f.options, o.Label)
	}
	id := t.addField(0, f)
	row, _ := t.fields.get(id)
	if c.version == 2 {
		return created(row.v2(id))
	}
	return created(row.v1(id))
}
