package sources

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"bridge/internal/events"

	"github.com/shopspring/decimal"
)

// tree is one value of a decoded body: JSON, form or XML alike. Reading never fails; what is not there, or is of another
// shape than expected (PHP writes [] for an empty object), reads as empty. Only amounts that are there and cannot be
// read are noted, in doc.bad, because leaving them out would change what the event says.
type tree struct {
	v    any // nil, bool, string, json.Number, []any, map[string]any
	path string
	doc  *doc
}

// doc belongs to one body.
type doc struct {
	bad []string
	own map[string]int // decimals of currencies that the sender counts otherwise than ISO 4217
}

// exponent is how many decimals the minor unit of a currency stands for in this body.
func (d *doc) exponent(currency string) int {
	if e, ok := d.own[strings.ToUpper(currency)]; ok {
		return e
	}
	return exponent(currency)
}

func newTree(v any) tree { return tree{v: v, doc: &doc{}} }

// at follows a path of keys and list positions ("line_items.0.sku"). Of several paths with | between them it takes the
// first that is not empty. A key with dots in it is found as it stands.
func (t tree) at(path string) tree {
	if path == "" {
		return tree{doc: t.doc}
	}
	for {
		one, rest, more := strings.Cut(path, "|")
		got := t.walk(one)
		if !more || !got.empty() {
			got.path = one
			return got
		}
		path = rest
	}
}

func (t tree) walk(path string) tree {
	for {
		head, tail, more := strings.Cut(path, ".")
		if m, ok := t.v.(map[string]any); ok && more {
			if v, ok := m[path]; ok {
				return tree{v: v, doc: t.doc}
			}
		}
		switch v := t.v.(type) {
		case map[string]any:
			t.v = v[head]
		case []any:
			i, err := strconv.Atoi(head)
			if err != nil || i < 0 || i >= len(v) {
				return tree{doc: t.doc}
			}
			t.v = v[i]
		default:
			return tree{doc: t.doc}
		}
		if !more {
			return t
		}
		path = tail
	}
}

func (t tree) empty() bool {
	switch v := t.v.(type) {
	case nil:
		return true
	case string:
		return t.text() == ""
	case []any:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0
	}
	return false
}

// text is a scalar as text, without blanks around it and without NUL bytes; "" for everything else. The word null is
// empty too: several PHP senders write their nulls so.
func (t tree) text() string {
	switch v := t.v.(type) {
	case string:
		if strings.IndexByte(v, 0) >= 0 {
			v = strings.ReplaceAll(v, "\x00", "")
		}
		if v = strings.TrimSpace(v); v != "null" {
			return v
		}
	case json.Number:
		return v.String()
	case bool:
		return strconv.FormatBool(v)
	}
	return ""
}

// get is at(path).text().
func (t tree) get(path string) string { return t.at(path).text() }

// is tells whether the text at path is one of words.
func (t tree) is(path string, words ...string) bool { return slices.Contains(words, t.get(path)) }

// list is the elements of a list; of an object that PHP made of a list (keys 0, 1, …) its values in order; of any other
// object itself, because XML and some forms write a list of one so.
func (t tree) list() []tree {
	switch v := t.v.(type) {
	case []any:
		out := make([]tree, len(v))
		for i := range v {
			out[i] = tree{v: v[i], path: t.path, doc: t.doc}
		}
		return out
	case map[string]any:
		if len(v) == 0 {
			return nil
		}
		out := make([]tree, 0, len(v))
		for i := range len(v) {
			item, ok := v[strconv.Itoa(i)]
			if !ok {
				return []tree{t}
			}
			out = append(out, tree{v: item, path: t.path, doc: t.doc})
		}
		return out
	}
	return nil
}

// find is the first element of the list at t whose text at key is want.
func (t tree) find(key, want string) tree {
	for _, item := range t.list() {
		if item.get(key) == want {
			return item
		}
	}
	return tree{doc: t.doc}
}

// texts is the text of every element at key.
func (t tree) texts(key string) []string {
	var out []string
	for _, item := range t.list() {
		if key != "" {
			item = item.at(key)
		}
		if s := item.text(); s != "" {
			out = append(out, s)
		}
	}
	return out
}

// money is an amount in major units.
func (t tree) money() events.Money {
	text := t.text()
	if text == "" {
		return ""
	}
	var m events.Money
	var err error
	if _, number := t.v.(json.Number); number {
		err = m.UnmarshalJSON([]byte(text))
	} else {
		m, err = events.ParseMoney(text)
	}
	if err != nil {
		t.doc.bad = append(t.doc.bad, fmt.Sprintf("%s: %v", t.path, err))
	}
	return m
}

// minor is an amount in minor units of the currency.
func (t tree) minor(currency string) events.Money {
	text := t.text()
	if text == "" {
		return ""
	}
	n, err := strconv.ParseInt(strings.TrimSuffix(text, ".0"), 10, 64)
	if err != nil {
		t.doc.bad = append(t.doc.bad, fmt.Sprintf("%s: %.40q is not a whole number of minor units", t.path, text))
		return ""
	}
	return events.MoneyFromMinor(n, t.doc.exponent(currency))
}

// maxExponent bounds numbers in E notation: calculating with 1e999999999 would fill the memory.
const maxExponent = 30

// number is a decimal number of a sane size.
func (t tree) number() (decimal.Decimal, bool) {
	text := t.text()
	if text == "" || len(text) > 2*maxExponent || strings.ContainsAny(text, ":TZ") { // times are asked for their number, too
		return decimal.Zero, false
	}
	d, err := decimal.NewFromString(text)
	return d, err == nil && d.Exponent() >= -maxExponent && d.Exponent() <= maxExponent
}

// exponents of ISO 4217 other than 2.
var exponents = map[string]int{
	"BIF": 0, "CLP": 0, "DJF": 0, "GNF": 0, "ISK": 0, "JPY": 0, "KMF": 0, "KRW": 0, "PYG": 0, "RWF": 0, "UGX": 0,
	"VND": 0, "VUV": 0, "XAF": 0, "XOF": 0, "XPF": 0,
	"BHD": 3, "IQD": 3, "JOD": 3, "KWD": 3, "LYD": 3, "OMR": 3, "TND": 3,
}

func exponent(currency string) int {
	if e, ok := exponents[strings.ToUpper(currency)]; ok {
		return e
	}
	return 2
}

// timeLayouts are the ways in which senders write times; those without a zone are UTC.
var timeLayouts = []string{
	time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04:05.999999999", "2006-01-02T15:04:05Z0700",
	"2006-01-02 15:04:05 MST", "2006-01-02 15:04", "2006-01-02",
}

// time is a point in time, from text or from seconds or milliseconds since 1970; zero when it is none.
func (t tree) time() time.Time {
	text := t.text()
	if text == "" {
		return time.Time{}
	}
	if d, ok := t.number(); ok && d.IsPositive() {
		if d.GreaterThan(decimal.New(1, 15)) {
			return time.Time{}
		}
		n := d.IntPart()
		if n > 1e11 { // milliseconds: in seconds it would be the year 5138
			return time.UnixMilli(n).UTC()
		}
		if n > 1e8 { // seconds since 1973; smaller numbers are no time
			return time.Unix(n, 0).UTC()
		}
		return time.Time{}
	}
	layouts := timeLayouts
	if len(text) == len(timeLayouts[1]) { // without a zone, as shops write nearly all of theirs
		layouts = layouts[1:]
	}
	for _, layout := range layouts {
		if at, err := time.Parse(layout, text); err == nil {
			if at.Year() < 1970 || at.Year() > 9999 { // 0000-00-00 is MySQL's word for none
				return time.Time{}
			}
			return at.UTC()
		}
	}
	return time.Time{}
}

func (t tree) timeRef() *time.Time {
	if at := t.time(); !at.IsZero() {
		return &at
	}
	return nil
}

// one is the text as a list, empty where there is none.
func (t tree) one() []string {
	if s := t.text(); s != "" {
		return []string{s}
	}
	return nil
}

// has tells whether an object has the key, whatever its value.
func (t tree) has(key string) bool {
	m, _ := t.v.(map[string]any)
	_, ok := m[key]
	return ok
}

// int is a whole number, 0 when it is none.
func (t tree) int() int64 {
	n, err := strconv.ParseInt(t.text(), 10, 64)
	if err != nil {
		return 0
	}
	return n
}
