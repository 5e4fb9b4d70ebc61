package keap

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"time"
)

// id reads an id that Keap writes as a number (v1, some of v2) or as text (v2).
type id string

func (i *id) UnmarshalJSON(b []byte) error {
	text := string(b)
	if text == "null" {
		*i = ""
		return nil
	}
	if strings.HasPrefix(text, `"`) {
		if err := json.Unmarshal(b, &text); err != nil {
			return err
		}
	} else if _, err := strconv.ParseInt(text, 10, 64); err != nil {
		return fmt.Errorf("%.40q is not an id", text)
	}
	*i = id(text)
	return nil
}

// number turns an id into the JSON number that v1 wants.
func number(operation, field, text string) (json.Number, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n <= 0 {
		return "", invalid(operation, field, "%.40q is not an id: v1 takes whole numbers", text)
	}
	return json.Number(strconv.FormatInt(n, 10)), nil
}

func numbers(operation, field string, ids []string) ([]json.Number, error) {
	if len(ids) == 0 {
		return nil, invalid(operation, field, "is empty")
	}
	out := make([]json.Number, len(ids))
	for i, text := range ids {
		n, err := number(operation, field, text)
		if err != nil {
			return nil, err
		}
		out[i] = n
	}
	return out, nil
}

// checkSegment checks an id that becomes part of a path.
func checkSegment(operation, field, text string) error {
	if text == "" {
		return invalid(operation, field, "is empty")
	}
	for _, r := range text {
		if !(r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '-' || r == '_') {
			return invalid(operation, field, "%.40q is not an id", text)
		}
	}
	return nil
}

// required checks pairs of a field and its text.
func required(operation string, pairs ...string) error {
	for i := 0; i < len(pairs); i += 2 {
		if strings.TrimSpace(pairs[i+1]) == "" {
			return invalid(operation, pairs[i], "is empty")
		}
	}
	return nil
}

// made is embedded in answers that must tell an id.
type made struct {
	ID id `json:"id"`
}

func (m *made) lacksID() bool { return m.ID == "" }

// fields is a request body.
type fields map[string]any

// put sets a text that is not empty.
func (f fields) put(name, text string) {
	if text != "" {
		f[name] = text
	}
}

// putTime sets an instant that is not zero, in UTC with milliseconds.
func (f fields) putTime(name string, t time.Time) {
	if !t.IsZero() {
		f[name] = stamp(t)
	}
}

// Decimal is an exact amount as decimal text: "59.90". "" is no amount. In JSON it is written as a number with the
// same digits and read from a number or a string.
type Decimal string

// Exponents beyond this are no amounts; spelling them out would cost memory.
const maxExponent = 30

// ParseDecimal takes plain decimal text or a JSON number with a small exponent.
func ParseDecimal(text string) (Decimal, error) {
	refuse := fmt.Errorf("%.40q is not a decimal amount", text)
	mantissa, exponent, scientific := strings.Cut(strings.ToLower(text), "e")
	digits := strings.TrimLeft(mantissa, "+-")
	whole, fraction, point := strings.Cut(digits, ".")
	if len(text) > 60 || len(mantissa)-len(digits) > 1 || whole == "" || point && fraction == "" || strings.Trim(whole+fraction, "0123456789") != "" {
		return "", refuse
	}
	if scientific {
		e, err := strconv.Atoi(exponent)
		if err != nil || e < -maxExponent || e > maxExponent {
			return "", refuse
		}
		r, ok := new(big.Rat).SetString(text)
		if !ok {
			return "", refuse
		}
		return Decimal(r.FloatString(max(0, len(fraction)-e))), nil
	}
	whole = strings.TrimLeft(whole, "0")
	if whole == "" {
		whole = "0"
	}
	out := whole
	if point {
		out += "." + fraction
	}
	if strings.HasPrefix(mantissa, "-") {
		out = "-" + out
	}
	return Decimal(out), nil
}

// MarshalJSON writes the amount as a JSON number, digit for digit.
func (d Decimal) MarshalJSON() ([]byte, error) {
	if d == "" {
		return []byte("null"), nil
	}
	parsed, err := ParseDecimal(string(d))
	return []byte(parsed), err
}

// UnmarshalJSON reads a number or a string.
func (d *Decimal) UnmarshalJSON(b []byte) error {
	text := strings.Trim(string(b), `"`)
	if text == "null" || text == "" {
		*d = ""
		return nil
	}
	parsed, err := ParseDecimal(text)
	*d = parsed
	return err
}

// amount checks a Decimal before it is sent.
func amount(operation, field string, d Decimal) error {
	if d == "" {
		return nil
	}
	if _, err := ParseDecimal(string(d)); err != nil {
		return invalid(operation, field, "is not a decimal amount: %.40q", string(d))
	}
	return nil
}

// minor is v2's form of money on the way back: minor units and a currency.
type minor struct {
	Amount       json.Number `json:"amount"`
	CurrencyCode string      `json:"currency_code"`
}

// currencyDigits lists the currencies of ISO 4217 whose minor unit is not a hundredth.
var currencyDigits = map[string]int{
	"BIF": 0, "CLP": 0, "DJF": 0, "GNF": 0, "ISK": 0, "JPY": 0, "KMF": 0, "KRW": 0, "PYG": 0, "RWF": 0, "UGX": 0,
	"UYI": 0, "VND": 0, "VUV": 0, "XAF": 0, "XOF": 0, "XPF": 0,
	"BHD": 3, "IQD": 3, "JOD": 3, "KWD": 3, "LYD": 3, "OMR": 3, "TND": 3, "CLF": 4, "UYW": 4,
}

// minorScale is how many minor units make a major one, and the decimals that this takes.
func minorScale(currency string) (*big.Int, int) {
	digits, listed := currencyDigits[strings.ToUpper(currency)]
	if !listed {
		digits = 2
	}
	return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(digits)), nil), digits
}

// decimal spells minor units out; "" where there are none or they are no whole number.
func (m *minor) decimal() Decimal {
	n, ok := new(big.Int).SetString(string(m.Amount), 10)
	if !ok {
		return ""
	}
	scale, digits := minorScale(m.CurrencyCode)
	return Decimal(new(big.Rat).SetFrac(n, scale).FloatString(digits))
}

// minorUnits writes an amount in hundredths (or what the currency has) for the operations of v2 that want those.
func minorUnits(operation, field string, d Decimal, currency string) (json.Number, error) {
	if err := amount(operation, field, d); err != nil {
		return "", err
	}
	r, ok := new(big.Rat).SetString(string(d))
	if !ok {
		return "", invalid(operation, field, "is empty")
	}
	scale, digits := minorScale(currency)
	if r.Mul(r, new(big.Rat).SetInt(scale)); !r.IsInt() {
		return "", invalid(operation, field, "has more than %d decimals: %.40q", digits, string(d))
	}
	return json.Number(r.Num().String()), nil
}

// stamp is an instant as Keap's filters and bodies want it: UTC with milliseconds.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// instant reads the times of both versions: with Z or an offset with or without colon, with any fraction.
type instant struct{ time.Time }

func (t *instant) UnmarshalJSON(b []byte) error {
	text := string(bytes.Trim(b, `"`))
	if text == "null" || text == "" {
		t.Time = time.Time{}
		return nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05Z0700", "2006-01-02T15:04Z07:00", "2006-01-02"} {
		if parsed, err := time.Parse(layout, text); err == nil {
			t.Time = parsed.UTC()
			return nil
		}
	}
	return fmt.Errorf("%.40q is not a time", text)
}
