package keap

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestContactModel(t *testing.T) {
	_, c := newFake(t, says(200, `{"custom_fields":[{"id":"7","label":"Last order","field_name":"LastOrder","field_type":"WHOLE_NUMBER","options":[]},
		{"id":8,"label":"Size","field_name":"Size","field_type":"DROPDOWN","options":[{"id":"S","label":"Small"},{"id":"L"}]}],"optional_properties":["notes"]}`))
	m, err := c.ContactModel(context.Background())
	want := Model{Fields: []CustomField{{ID: "7", Label: "Last order", Name: "LastOrder", Type: "WHOLE_NUMBER"}, {ID: "8", Label: "Size", Name: "Size", Type: "DROPDOWN", Options: []string{"Small", "L"}}}}
	if diff := cmp.Diff(want, m); err != nil || diff != "" {
		t.Error(err, diff)
	}
}

func TestResolve(t *testing.T) {
	kinds := []string{"TEXT", "WHOLE_NUMBER", "DECIMAL_NUMBER", "CURRENCY", "PERCENT", "DATE", "DATE_TIME", "YES_NO", "DROPDOWN", "LIST_BOX", "MONTH", "DAY_OF_WEEK", "YEAR", "USER", "TextArea", "WholeNumber", "EMAIL"}
	var m Model
	for i, k := range kinds {
		f := CustomField{ID: string(rune('A' + i)), Label: k + " label", Name: "f" + strings.ReplaceAll(k, "_", ""), Type: k}
		if k == "DROPDOWN" || k == "LIST_BOX" {
			f.Options = []string{"Red", "Green, light", "Blue"}
		}
		m.Fields = append(m.Fields, f)
	}
	n := func(s string) any { return json.Number(s) }
	for _, tc := range []struct {
		kind, text string
		want       any
		says       string // part of the error
	}{
		{"TEXT", " x ", "x", ""}, {"TEXT", "", nil, ""}, {"TEXT", strings.Repeat("x", 65_536), nil, "65536 characters"}, {"EMAIL", "a@example.com", "a@example.com", ""},
		{"WHOLE_NUMBER", "42", n("42"), ""}, {"WHOLE_NUMBER", "-007", n("-7"), ""}, {"WHOLE_NUMBER", "4.5", nil, "whole number"}, {"WHOLE_NUMBER", "3000000000", nil, "takes"}, {"WholeNumber", "x", nil, "whole number"},
		{"DECIMAL_NUMBER", "1.50", Decimal("1.50"), ""}, {"CURRENCY", "12,50", nil, "wants a number"}, {"CURRENCY", "1e3", Decimal("1000"), ""}, {"PERCENT", "7%", Decimal("7"), ""},
		{"DATE", "2026-02-28", "2026-02-28", ""}, {"DATE", "2026-02-30", nil, "wants a date"}, {"DATE", "2026-11-27T23:00:00-05:00", "2026-11-27", ""}, {"DATE", "27.11.2026", nil, "wants a date"},
		{"DATE_TIME", "2026-11-27T23:00:00-05:00", "2026-11-28T04:00:00.000Z", ""}, {"DATE_TIME", "2026-11-27 23:00", nil, "with its zone"}, {"DATE_TIME", "2026-11-27", "2026-11-27T00:00:00.000Z", ""},
		{"YES_NO", "True", n("1"), ""}, {"YES_NO", "no", n("0"), ""}, {"YES_NO", "maybe", nil, "yes or no"},
		{"DROPDOWN", "red", "Red", ""}, {"DROPDOWN", "green, light", "Green, light", ""}, {"DROPDOWN", "Pink", nil, "there are: Red, Green, light, Blue"},
		{"LIST_BOX", "blue, RED,", []string{"Blue", "Red"}, ""}, {"LIST_BOX", "Green, light", []string{"Green, light"}, ""}, {"LIST_BOX", "Red, Pink", nil, `no option "Pink"`},
		{"MONTH", "march", n("3"), ""}, {"MONTH", "13", nil, "takes 1 to 12"}, {"DAY_OF_WEEK", "Saturday", n("7"), ""}, {"YEAR", "2026", n("2026"), ""}, {"USER", "0", nil, "takes 1"},
	} {
		id, got, err := m.Resolve(tc.kind+" LABEL", tc.text)
		if tc.says == "" {
			if diff := cmp.Diff(tc.want, got); err != nil || diff != "" || id == "" {
				t.Errorf("%s %q: %v %s", tc.kind, tc.text, err, diff)
			}
			continue
		}
		if e := asError(t, err); e.Kind != KindInvalid || e.Field != tc.kind+" LABEL" || !strings.Contains(e.Message, tc.says) || e.Hint == "" {
			t.Errorf("%s %.40q: %+v", tc.kind, tc.text, e)
		}
	}
}

func TestFieldsByName(t *testing.T) {
	m := Model{Fields: []CustomField{{ID: "1", Label: "Size", Name: "_Size0"}, {ID: "2", Label: "size", Name: "Size1"}, {ID: "3", Label: "Size1", Name: "Colour"}}}
	for name, want := range map[string]string{"_size0": "1", "Size0": "1", "size1": "2", "Colour": "3", "3": "3"} {
		if f, err := m.Field(name); err != nil || f.ID != want {
			t.Errorf("%s: %+v, %v", name, f, err)
		}
	}
	if e := asError(t, second(m.Field("SIZE"))); !strings.Contains(e.Message, "2 custom fields") || !strings.Contains(e.Hint, "_Size0") {
		t.Errorf("%+v", e)
	}
	if e := asError(t, second(m.Field("Shoe"))); !strings.Contains(e.Hint, "Size, Size1, size") {
		t.Errorf("%+v", e)
	}
}

func second[T any](_ T, err error) error { return err }
