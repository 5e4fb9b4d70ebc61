package events

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// wire is what encoding/json would write.
func wire(e *Event) cloudEvent {
	ce := cloudEvent{
		SpecVersion: "1.0", ID: e.ID, Source: "/accounts/" + e.Account + "/sources/" + e.Source, Type: e.Type,
		Subject: e.Subject, Time: e.Time, DataContentType: "application/json",
		Account: e.Account, Via: e.Source, Kind: e.Kind, Received: e.Received, TraceParent: e.TraceParent,
		Rule: e.Rule, Priority: e.Priority, Enrich: e.Enrich, Data: e.Data,
	}
	if !e.Updated.IsZero() {
		ce.Updated = &e.Updated
	}
	return ce
}

// sameJSON fails unless AppendJSON says what encoding/json says.
func sameJSON(t rapid.TB, e *Event) {
	t.Helper()
	var got, want any
	b, err := e.AppendJSON([]byte("before"))
	if err != nil {
		t.Fatal(err)
	}
	text := strings.TrimPrefix(string(b), "before")
	if strings.ContainsAny(text, "\n\r") {
		t.Fatalf("more than one line: %q", text)
	}
	if err := json.Unmarshal([]byte(text), &got); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	b, err = json.Marshal(wire(e))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatal(diff)
	}
}

// fill sets every field to something, so that one that AppendJSON does not know shows.
func fill(v reflect.Value, text func() string) {
	switch v.Interface().(type) {
	case time.Time:
		v.Set(reflect.ValueOf(time.Date(2026, 11, 20, 9, 59, 2, 7, time.FixedZone("", 3600))))
		return
	case json.RawMessage:
		v.Set(reflect.ValueOf(json.RawMessage("{\"a\":\n\t[1, {}]\r\n}")))
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), text)
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), text)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fill(v.Index(0), text)
		fill(v.Index(1), text)
	case reflect.Map:
		v.Set(reflect.ValueOf(map[string]string{text(): text(), "b": text()}))
	case reflect.String:
		v.SetString(text())
	case reflect.Int64:
		v.SetInt(-3)
	case reflect.Bool:
		v.SetBool(true)
	default:
		panic("a kind of field that events had none of: " + v.Kind().String())
	}
}

// TestAppendJSONWritesEveryField: with whatever is in the texts, and with any part left out.
func TestAppendJSONWritesEveryField(t *testing.T) {
	sameJSON(t, &Event{})
	rapid.Check(t, func(t *rapid.T) {
		odd := rapid.OneOf(rapid.String(), rapid.StringMatching(`[a-z<>&"\\\x00-\x20\x{2028}é]*`), rapid.Just("\xff\xfe"))
		var e Event
		fill(reflect.ValueOf(&e).Elem(), func() string { return odd.Draw(t, "text") })
		parts := reflect.ValueOf(&e.Data).Elem()
		for i := range parts.NumField() {
			if rapid.Bool().Draw(t, "without "+parts.Type().Field(i).Name) {
				parts.Field(i).SetZero()
			}
		}
		sameJSON(t, &e)
	})
}

func TestAppendJSONRefusesTimesThatNobodyReads(t *testing.T) {
	if b, err := (&Event{Time: time.Date(12026, 1, 1, 0, 0, 0, 0, time.UTC)}).AppendJSON(nil); err == nil {
		t.Errorf("written: %s", b)
	}
}

func BenchmarkAppendJSON(b *testing.B) {
	var e Event
	fill(reflect.ValueOf(&e).Elem(), func() string { return "some text" })
	e.Data.Raw = json.RawMessage(`{"a":"` + strings.Repeat("x", 1000) + `"}`)
	var room []byte
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if room, err = e.AppendJSON(room[:0]); err != nil {
			b.Fatal(err)
		}
	}
}
