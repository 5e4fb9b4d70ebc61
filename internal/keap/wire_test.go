package keap

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestParseDecimal(t *testing.T) {
	for in, want := range map[string]Decimal{
		"0": "0", "59.90": "59.90", "-5": "-5", "007.10": "7.10", "0.001": "0.001", "+3": "3", "1e2": "100", "1.5E1": "15", "12e-3": "0.012", "-1.50e1": "-15.0",
		"123456789012345678901234567890.123456789": "123456789012345678901234567890.123456789",
	} {
		if got, err := ParseDecimal(in); err != nil || got != want {
			t.Errorf("%q: %q, %v; want %q", in, got, err, want)
		}
	}
	for _, bad := range []string{"", ".5", "5.", "1,5", "1 5", "--1", "+-1", "abc", "1e", "1e999", "0x10", "NaN", "Infinity", "1.2.3", strings.Repeat("9", 61), "1/2"} {
		if got, err := ParseDecimal(bad); err == nil {
			t.Errorf("%q gave %q", bad, got)
		}
	}
}

// What is written is read again as the same digits, in JSON as a number or a string.
func TestDecimalKeepsItsDigits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`-?(0|[1-9][0-9]{0,17})(\.[0-9]{1,8})?`).Draw(t, "amount")
		b, err := json.Marshal(Decimal(text))
		if err != nil || string(b) != text {
			t.Fatalf("written %s, %v", b, err)
		}
		for _, form := range []string{text, `"` + text + `"`} {
			var d Decimal
			if err := json.Unmarshal([]byte(form), &d); err != nil || string(d) != text {
				t.Fatalf("%s read as %q, %v", form, d, err)
			}
		}
	})
}

// Minor units and back is the amount with all its decimals.
func TestMinorUnits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		currency := rapid.SampledFrom([]string{"USD", "EUR", "JPY", "kwd", "CLF", ""}).Draw(t, "currency")
		units := rapid.Int64().Draw(t, "units")
		n := json.Number(jsonInt(units))
		d := (&minor{Amount: n, CurrencyCode: currency}).decimal()
		back, err := minorUnits("x", "price", d, currency)
		if err != nil || back != n {
			t.Fatalf("%d %s: %q and back %s, %v", units, currency, d, back, err)
		}
	})
	for _, tc := range []struct {
		d        Decimal
		currency string
		want     json.Number
	}{{"12.5", "USD", "1250"}, {"12", "JPY", "12"}, {"1.234", "KWD", "1234"}, {"-0.01", "", "-1"}, {"0.005", "USD", ""}, {"1.5", "JPY", ""}, {"", "USD", ""}, {"x", "USD", ""}} {
		got, err := minorUnits("x", "price", tc.d, tc.currency)
		if got != tc.want || (err == nil) != (tc.want != "") {
			t.Errorf("%s %s: %s, %v", tc.d, tc.currency, got, err)
		}
	}
}

func jsonInt(n int64) string {
	b, _ := json.Marshal(n)
	return string(b)
}

func TestIDs(t *testing.T) {
	for in, want := range map[string]id{`12`: "12", `"12"`: "12", `null`: "", `"abc-1"`: "abc-1", `-1`: "-1"} {
		var got id
		if err := json.Unmarshal([]byte(in), &got); err != nil || got != want {
			t.Errorf("%s: %q, %v", in, got, err)
		}
	}
	for _, bad := range []string{`1.5`, `true`, `{}`, `[1]`, `1e3`} {
		var got id
		if err := json.Unmarshal([]byte(bad), &got); err == nil {
			t.Errorf("%s gave %q", bad, got)
		}
	}
	for _, bad := range []string{"", "../1", "1/2", "a b", "1?x", "%2e", "ü"} {
		if err := checkSegment("x", "contact_id", bad); err == nil {
			t.Errorf("%q may be part of a path", bad)
		}
	}
	for _, bad := range []string{"", "0", "-1", "1.5", "abc", "99999999999999999999"} {
		if _, err := number("x", "contact_id", bad); err == nil {
			t.Errorf("%q was taken for a number", bad)
		}
	}
}

func TestInstants(t *testing.T) {
	want := time.Date(2026, 11, 27, 22, 17, 59, 0, time.UTC)
	for _, in := range []string{"2026-11-27T22:17:59Z", "2026-11-27T22:17:59.000Z", "2026-11-27T22:17:59.000000+0000", "2026-11-27T17:17:59-05:00", "2026-11-27T17:17:59-0500"} {
		var got instant
		if err := got.UnmarshalJSON([]byte(`"` + in + `"`)); err != nil || !got.Equal(want) {
			t.Errorf("%s: %s, %v", in, got, err)
		}
	}
	var got instant
	if err := got.UnmarshalJSON([]byte(`"yesterday"`)); err == nil {
		t.Error("yesterday is a time")
	}
	if err := got.UnmarshalJSON([]byte(`null`)); err != nil || !got.IsZero() {
		t.Error("null is not the zero time")
	}
	if got := stamp(want.In(newYork)); got != "2026-11-27T22:17:59.000Z" {
		t.Error(got)
	}
}

func FuzzDecimal(f *testing.F) {
	for _, s := range []string{"1.50", "-0", "1e-30", "00.00", "9e30"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		d, err := ParseDecimal(in)
		if err != nil {
			return
		}
		if !json.Valid([]byte(d)) || len(d) > 120 {
			t.Errorf("%q gives %q", in, d)
		}
		if again, err := ParseDecimal(string(d)); len(d) <= 60 && (err != nil || again != d) {
			t.Errorf("%q gives %q, and that %q, %v", in, d, again, err)
		}
	})
}
