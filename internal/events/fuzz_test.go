package events

import (
	"reflect"
	"testing"
)

// FuzzEvent: whatever can be read as a stored event can be written, and says the same when it is read again.
func FuzzEvent(f *testing.F) {
	f.Add([]byte(`{"specversion":"1.0","id":"1","type":"order.paid","account":"default","via":"shop","time":"2026-11-20T11:00:00Z","data":{"contact":{"email":"ada@example.com","fields":{"a":"b"}},"order":{"total":"1e2","items":[{"sku":"A","quantity":2,"price":5}]},"raw":{"a":[1,null]}}}`))
	f.Add([]byte(`{"specversion":"1.0","id":"\u0000","type":"t","updated":"2026-11-20T11:00:00+23:59","data":{"raw":1e999}}`))
	f.Add([]byte(`{"specversion":"1.0","id":"1","type":"t","time":"2026-01-01T00:00:00+24:00"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var e, again Event
		if e.UnmarshalJSON(b) != nil {
			return
		}
		out, err := e.MarshalJSON()
		if err != nil {
			return // a time that cannot be written; sources refuses it
		}
		if err := again.UnmarshalJSON(out); err != nil {
			t.Fatalf("%s cannot be read: %v", out, err)
		}
		if twice, err := again.MarshalJSON(); err != nil || !reflect.DeepEqual(out, twice) {
			t.Fatalf("%s\nbecame\n%s, %v", out, twice, err)
		}
	})
}
