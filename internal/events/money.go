package events

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/shopspring/decimal"
)

// Money is an exact decimal amount in major units, as text: "59.90". The currency stands beside it,
// because senders give it once for many amounts. "" means that the sender gave no amount. The text is kept
// to the letter, so that 10.00 stays 10.00.
type Money string

// maxMoneyText bounds what is parsed; the longest amounts in use (15 digits and 4 decimals) are far below.
const maxMoneyText = 40

// ParseMoney accepts decimal text with an optional sign ("59.90", "-5", "1200"). Exponents, blanks inside and
// thousands separators are refused: guessing at them changes amounts. Blanks around the amount are dropped.
func ParseMoney(text string) (Money, error) {
	t := strings.TrimSpace(text)
	if t == "" {
		return "", nil
	}
	digits := 0
	for i, r := range t {
		switch {
		case r >= '0' && r <= '9':
			digits++
		case r == '.' && !strings.Contains(t[:i], "."):
		case (r == '-' || r == '+') && i == 0:
		default:
			return "", fmt.Errorf("%.40q is not a decimal amount", text)
		}
	}
	if digits == 0 || len(t) > maxMoneyText {
		return "", fmt.Errorf("%.40q is not a decimal amount", text)
	}
	return Money(strings.TrimPrefix(t, "+")), nil
}

// MoneyFromMinor turns an amount in minor units (cents) into Money; exponent is how many of its digits are
// decimals (2 for EUR, 0 for JPY, 3 for KWD).
func MoneyFromMinor(minor int64, exponent int) Money {
	return Money(decimal.New(minor, int32(-exponent)).StringFixed(int32(exponent)))
}

// MoneyOf gives the amount of a decimal.
func MoneyOf(d decimal.Decimal) Money { return Money(d.String()) }

// Decimal is the amount for arithmetic; zero for "" and for text that ParseMoney would refuse.
func (m Money) Decimal() decimal.Decimal {
	d, err := decimal.NewFromString(string(m))
	if err != nil {
		return decimal.Zero
	}
	return d
}

// UnmarshalJSON takes a JSON string or number and keeps its text.
func (m *Money) UnmarshalJSON(b []byte) error {
	text := string(b)
	if text == "null" {
		*m = ""
		return nil
	}
	if strings.HasPrefix(text, `"`) {
		if err := json.Unmarshal(b, &text); err != nil {
			return err
		}
	} else if strings.ContainsAny(text, "eE") {
		d, err := decimal.NewFromString(text)
		if err != nil || d.Exponent() < -maxMoneyText || d.Exponent() > maxMoneyText {
			return fmt.Errorf("%.40s is not a decimal amount", text)
		}
		text = d.String()
	}
	parsed, err := ParseMoney(text)
	*m = parsed
	return err
}
