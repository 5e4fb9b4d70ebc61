package keap

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Model is what an application has added to its contacts: the custom fields. Ask for it once and keep it.
type Model struct {
	Fields []CustomField
}

// CustomField is one custom field. Name is the database name ("_LastOrder" without its underscore or with it, as Keap
// tells it), Label what people see.
type CustomField struct {
	ID      string
	Label   string
	Name    string
	Type    string   // WHOLE_NUMBER in v2, WholeNumber in v1: both are understood
	Options []string // of Dropdown, Radio, ListBox: the labels
}

// ContactModel reads the custom fields of contacts.
func (c *Client) ContactModel(ctx context.Context) (Model, error) {
	type option struct {
		ID    id     `json:"id"`
		Label string `json:"label"`
	}
	var got struct {
		CustomFields []struct {
			ID      id       `json:"id"`
			Label   string   `json:"label"`
			Name    string   `json:"field_name"`
			Type    string   `json:"field_type"`
			Options []option `json:"options"`
		} `json:"custom_fields"`
	}
	if _, err := c.do(ctx, get("contacts.model", "/rest/v2/contacts/model"), &got); err != nil {
		return Model{}, err
	}
	var m Model
	for _, f := range got.CustomFields {
		field := CustomField{ID: string(f.ID), Label: f.Label, Name: f.Name, Type: f.Type}
		for _, o := range f.Options {
			label := o.Label
			if label == "" {
				label = string(o.ID)
			}
			field.Options = append(field.Options, label)
		}
		m.Fields = append(m.Fields, field)
	}
	return m, nil
}

// Field finds a custom field by label, field name (with or without its underscore) or id, whatever the case. The
// error is an *Error of KindInvalid that names what there is.
func (m Model) Field(name string) (CustomField, error) {
	wanted := strings.TrimSpace(name)
	var found []CustomField
	for _, f := range m.Fields {
		if f.ID == wanted || strings.EqualFold(strings.TrimPrefix(f.Name, "_"), strings.TrimPrefix(wanted, "_")) {
			return f, nil
		}
		if strings.EqualFold(strings.TrimSpace(f.Label), wanted) {
			found = append(found, f)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		var labels []string
		for _, f := range m.Fields {
			labels = append(labels, f.Label)
		}
		slices.Sort(labels)
		return CustomField{}, &Error{Kind: KindInvalid, Field: name,
			Message: fmt.Sprintf("Keap has no custom field %.80q", name),
			Hint:    "create it in Keap or correct the name; " + known(labels)}
	}
	return CustomField{}, &Error{Kind: KindInvalid, Field: name,
		Message: fmt.Sprintf("%d custom fields have the label %.80q", len(found), name), Hint: "name it by its field name: " + found[0].Name}
}

// Resolve turns a field's name and a text into the id and the content that Keap wants, and refuses text that is not
// of the field's type. Empty text clears the field (nil).
func (m Model) Resolve(name, text string) (id string, content any, err error) {
	f, err := m.Field(name)
	if err != nil {
		return "", nil, err
	}
	content, err = f.content(strings.TrimSpace(text))
	if err != nil {
		return "", nil, &Error{Kind: KindInvalid, Field: name, Hint: hints[KindInvalid],
			Message: fmt.Sprintf("custom field %.80q (%s) %s", f.Label, f.Type, err)}
	}
	return f.ID, content, nil
}

// content converts text by the type of the field. The field types are those of both specifications' contact model.
func (f CustomField) content(text string) (any, error) {
	if text == "" {
		return nil, nil
	}
	switch f.plainType() {
	case "wholenumber", "user", "year", "month", "dayofweek":
		return f.whole(text)
	case "decimalnumber", "currency", "percent":
		d, err := ParseDecimal(strings.TrimSuffix(text, "%"))
		if err != nil {
			return nil, fmt.Errorf("wants a number, not %.40q", text)
		}
		return d, nil
	case "date":
		return f.date(text)
	case "datetime":
		t, err := parseTime(text)
		if err != nil {
			return nil, err
		}
		return stamp(t), nil
	case "yesno":
		return yesNo(text)
	case "dropdown", "radio":
		return f.option(text)
	case "listbox", "userlistbox":
		return f.list(text)
	}
	if n := utf8.RuneCountInString(text); n > maxCustomText {
		return nil, fmt.Errorf("is %d characters long; Keap keeps %d", n, maxCustomText)
	}
	return text, nil
}

// plainType is the type without the differences between v1 and v2.
func (f CustomField) plainType() string { return strings.ToLower(strings.ReplaceAll(f.Type, "_", "")) }

var (
	months = []string{"January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"}
	days   = []string{"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"}
)

func (f CustomField) whole(text string) (any, error) {
	names, low, high := []string(nil), int64(-1<<31), int64(1<<31-1)
	switch f.plainType() {
	case "month":
		names, low, high = months, 1, 12
	case "dayofweek":
		names, low, high = days, 1, 7
	case "year":
		low, high = 1, 9999
	case "user":
		low = 1
	}
	if i := slices.IndexFunc(names, func(n string) bool { return strings.EqualFold(n, text) }); i >= 0 {
		return json.Number(strconv.Itoa(i + 1)), nil
	}
	n, err := strconv.ParseInt(strings.TrimPrefix(text, "+"), 10, 64)
	if err != nil {
		return nil, fmt.Errorf("wants a whole number, not %.40q", text)
	}
	if n < low || n > high {
		return nil, fmt.Errorf("takes %d to %d, not %d", low, high, n)
	}
	return json.Number(strconv.FormatInt(n, 10)), nil
}

func (f CustomField) date(text string) (any, error) {
	if isDate(text) {
		return text, nil
	}
	// Of a time its date counts as it is written, not as it is in UTC.
	if _, err := parseTime(text); err != nil || !isDate(text[:10]) {
		return nil, fmt.Errorf("wants a date (YYYY-MM-DD), not %.40q", text)
	}
	return text[:10], nil
}

// parseTime takes times with a zone; a date alone is its midnight in UTC.
func parseTime(text string) (time.Time, error) {
	var t instant
	if t.UnmarshalJSON([]byte(strconv.Quote(text))) != nil || t.IsZero() {
		return time.Time{}, fmt.Errorf("wants a time with its zone (2026-11-27T10:00:00Z), not %.40q", text)
	}
	return t.Time, nil
}

// yesNo gives 1 and 0, as XML-RPC and the application's own storage have it; the specifications name no form.
func yesNo(text string) (any, error) {
	switch strings.ToLower(text) {
	case "yes", "true", "1", "y", "on":
		return json.Number("1"), nil
	case "no", "false", "0", "n", "off":
		return json.Number("0"), nil
	}
	return nil, fmt.Errorf("wants yes or no, not %.40q", text)
}

func (f CustomField) option(text string) (string, error) {
	if len(f.Options) == 0 {
		return text, nil
	}
	for _, o := range f.Options {
		if strings.EqualFold(strings.TrimSpace(o), text) {
			return o, nil
		}
	}
	return "", fmt.Errorf("has no option %.40q; there are: %s", text, oneLine(strings.Join(f.Options, ", ")))
}

// list reads options separated by commas, and gives an array: undocumented, as is the other form in use, a text. An option that holds a comma itself is found when it stands alone.
func (f CustomField) list(text string) (any, error) {
	if len(f.Options) > 0 {
		if o, err := f.option(text); err == nil {
			return []string{o}, nil
		}
	}
	var out []string
	for part := range strings.SplitSeq(text, ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		o, err := f.option(part)
		if err != nil {
			return nil, err
		}
		out = append(out, o)
	}
	return out, nil
}

// known lists the labels that there are.
func known(labels []string) string {
	if len(labels) == 0 {
		return "the account has none at all"
	}
	return "there are: " + oneLine(strings.Join(labels, ", "))
}
