package sources

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// slowJSON is decodeJSON by encoding/json, without a bound of depth.
func slowJSON(b []byte) (any, error) {
	decoder := json.NewDecoder(bytes.NewReader(b))
	decoder.UseNumber()
	var v any
	if err := decoder.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows")
	}
	return v, nil
}

// FuzzJSON holds decodeJSON to what encoding/json takes, refuses and makes of it.
func FuzzJSON(f *testing.F) {
	for _, text := range []string{
		`{"a":[1,{"b":null}],"c":"\u0000","a":-0.5e+3}`, ` [ true , false , null , "" , {} , [] ] `, `"\ud83d\ude00 \ud800 \" \\ \/ \b\f\n\r\t"`,
		"\"\xff\xc3\x28\"", "\"a\x01b\"", "\"\\\x01\"", `"\x"`, `"\u12"`, `01`, `-`, `1.`, `.5`, `1e`, `1e+`, `+1`, `-01`, `nul`, `truex`, `{"a" 1}`, `{"a":1,}`, `[1,]`, `[1 2]`, `{1:2}`, `{"a":1`,
		`"open`, `"open\`, `1 2`, `{}}`, ``, ` `, "\ufeff1", `[` + strings.Repeat(`{"k":1},`, 20) + `1]`, "\"\u2028é\"",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 1<<16 {
			t.Skip()
		}
		got, err := decodeJSON(b)
		if errors.Is(err, errTooDeep) {
			return
		}
		want, wrong := slowJSON(b)
		if (err == nil) != (wrong == nil) {
			t.Fatalf("%q: %v, and encoding/json says %v", b, err, wrong)
		}
		if diff := cmp.Diff(want, got); err == nil && diff != "" {
			t.Fatalf("%q: %s", b, diff)
		}
	})
}

func TestJSONDepth(t *testing.T) {
	for _, pair := range []string{"[]", "{}"} {
		open := map[string]string{"[]": "[", "{}": `{"a":`}[pair]
		deep := func(n int) string { return strings.Repeat(open, n-1) + pair + strings.Repeat(pair[1:], n-1) }
		if _, err := decodeJSON([]byte(deep(maxDepth))); err != nil {
			t.Error(err)
		}
		if _, err := decodeJSON([]byte(deep(maxDepth + 1))); !errors.Is(err, errTooDeep) {
			t.Errorf("%d levels: %v", maxDepth+1, err)
		}
		if _, err := decodeJSON([]byte(strings.Repeat(open, 1<<20))); !errors.Is(err, errTooDeep) {
			t.Errorf("no end of levels: %v", err)
		}
	}
}

func BenchmarkDecodeJSON(b *testing.B) {
	body := []byte(`{"id":1,"number":"1","total":"34.90","billing":{"first_name":"Ann","email":"ann@example.com","city":"Springfield"},"line_items":[{"id":1,"sku":"A","price":30}],"meta_data":[{"key":"_note","value":"` + strings.Repeat("x", 600) + `"}]}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := decodeJSON(body); err != nil {
			b.Fatal(err)
		}
	}
}
