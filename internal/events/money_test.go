package events

import (
	"encoding/json"
	"testing"

	"github.com/shopspring/decimal"
	"pgregory.net/rapid"
)

func TestParseMoney(t *testing.T) {
	for text, want := range map[string]Money{
		"10.00": "10.00", " 59.90 ": "59.90", "-2.50": "-2.50", "+3": "3", "0": "0", ".5": ".5", "": "", "  ": "",
		"999999999999999.9999": "999999999999999.9999",
	} {
		if got, err := ParseMoney(text); err != nil || got != want {
			t.Errorf("ParseMoney(%q) = %q, %v, want %q", text, got, err, want)
		}
	}
	for _, text := range []string{"1,000.00", "1 000", "1e3", "0x10", "NaN", "-", ".", "--1", "1.2.3", "€5", "12345678901234567890123456789012345678901"} {
		if got, err := ParseMoney(text); err == nil {
			t.Errorf("ParseMoney(%q) = %q, want a refusal", text, got)
		}
	}
}

func TestMoneyFromMinor(t *testing.T) {
	for _, tc := range []struct {
		minor    int64
		exponent int
		want     Money
	}{{6900, 2, "69.00"}, {5, 2, "0.05"}, {-250, 2, "-2.50"}, {1000, 0, "1000"}, {12345, 3, "12.345"}} {
		if got := MoneyFromMinor(tc.minor, tc.exponent); got != tc.want {
			t.Errorf("MoneyFromMinor(%d, %d) = %q, want %q", tc.minor, tc.exponent, got, tc.want)
		}
	}
}

// TestMoneyKeepsItsText: through JSON, as text or as a number, an amount stays what it was, to the letter.
func TestMoneyKeepsItsText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := decimal.New(rapid.Int64().Draw(t, "digits"), -rapid.Int32Range(0, 6).Draw(t, "decimals"))
		text := d.StringFixed(-d.Exponent())
		for _, in := range []string{`"` + text + `"`, text} {
			var m Money
			if err := json.Unmarshal([]byte(in), &m); err != nil {
				t.Fatalf("%s: %v", in, err)
			}
			if string(m) != text || !m.Decimal().Equal(d) {
				t.Fatalf("%s became %q = %s", in, m, m.Decimal())
			}
			out, err := json.Marshal(m)
			if err != nil || string(out) != `"`+text+`"` {
				t.Fatalf("%q became %s, %v", m, out, err)
			}
		}
	})
}

func FuzzMoneyJSON(f *testing.F) {
	for _, seed := range []string{`"10.00"`, `10`, `1e2`, `1e999999999`, `-0.1`, `null`, `"x"`, `"1,0"`, `{}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var m Money
		if json.Unmarshal(b, &m) != nil {
			return
		}
		if again, err := ParseMoney(string(m)); err != nil || again != m {
			t.Errorf("%s was taken as %q, which is no amount: %v", b, m, err)
		}
	})
}
