package sandbox

import (
	"encoding/json"
	"iter"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// roll seats the contacts and keeps in columns what they can be searched by. Every filter of both versions reads columns,
// so that a search that nobody made before costs some milliseconds among a million, too.
type roll struct {
	seats []*contact // nil: free
	free  []uint32

	ids, companies   column[int64]
	created, updated column[int64] // Unix time in nanoseconds
	texts            map[string]*column[key]
	custom           map[ref]*column[key]
	numbers          map[ref]*column[float64] // custom fields that are numbers, or dates: milliseconds of Unix time
	options          map[option]*column[bool] // of custom fields that have several
}

// option is one of those chosen in a custom field, in lower case.
type option struct {
	field ref
	text  string
}

func newRoll() *roll {
	return &roll{texts: map[string]*column[key]{}, custom: map[ref]*column[key]{}, numbers: map[ref]*column[float64]{}, options: map[option]*column[bool]{}}
}

// sit gives a contact a seat.
func (r *roll) sit(x *contact) {
	if n := len(r.free); n > 0 {
		x.seat, r.free = r.free[n-1], r.free[:n-1]
		r.seats[x.seat] = x
		return
	}
	x.seat = uint32(len(r.seats))
	r.seats = append(r.seats, x)
}

// leave frees the seat. No shelf may hold it any more.
func (r *roll) leave(x *contact) {
	r.clear(x.seat)
	r.seats[x.seat] = nil
	r.free = append(r.free, x.seat)
}

func (r *roll) clear(seat uint32) {
	for _, c := range r.texts {
		c.clear(seat)
	}
	for _, c := range r.custom {
		c.clear(seat)
	}
	for _, c := range r.options {
		c.clear(seat)
	}
	for _, c := range r.numbers {
		c.clear(seat)
	}
}

// enter writes the values of a contact into the columns, over those that it had.
func (t *tenant) enter(x *contact) {
	r := t.roll
	r.clear(x.seat)
	r.ids.set(x.seat, int64(x.id))
	r.companies.set(x.seat, int64(x.extra().company))
	r.created.set(x.seat, x.created.UnixNano())
	r.updated.set(x.seat, x.updated.UnixNano())
	for name, text := range x.texts() {
		if text != "" {
			columnOf(r.texts, name, key{}).set(x.seat, keyOf(text))
		}
	}
	for _, v := range x.custom {
		f, known := t.fields.get(v.field)
		if !known {
			continue
		}
		switch f.sort() {
		case sortNumber, sortDate:
			columnOf(r.numbers, v.field, math.NaN()).set(x.seat, v.number())
		case sortList:
			for _, o := range v.options() {
				columnOf(r.options, option{v.field, strings.ToLower(o)}, false).set(x.seat, true)
			}
		default:
			columnOf(r.custom, v.field, key{}).set(x.seat, keyOf(v.text()))
		}
	}
}

func columnOf[K, T comparable](all map[K]*column[T], name K, none T) *column[T] {
	c := all[name]
	if c == nil {
		c = &column[T]{none: none}
		all[name] = c
	}
	return c
}

// texts are those of a contact that both versions can search, by the name of their column.
func (c *contact) texts() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		if !yield("given_name", c.given) || !yield("family_name", c.family) ||
			!yield("EMAIL1", c.emails[0]) || !yield("EMAIL2", c.emails[1]) || !yield("EMAIL3", c.emails[2]) {
			return
		}
		for _, p := range c.phones {
			if !yield(p.field, p.number) {
				return
			}
		}
		if c.more == nil || !yield("middle_name", c.more.middle) || !yield("website", c.more.website) {
			return
		}
		for _, p := range c.more.places {
			if !yield(p.field+" line1", p.line1) || !yield(p.field+" locality", p.locality) || !yield(p.field+" region", p.region) ||
				!yield(p.field+" postal_code", p.postal+p.zip) || !yield(p.field+" country_code", p.country) {
				return
			}
		}
	}
}

// textNamed is the text in a column.
func (c *contact) textNamed(name string) string {
	for n, text := range c.texts() {
		if n == name {
			return text
		}
	}
	return ""
}

// text is the content of a custom field without the quotes of JSON.
func (v customValue) text() string {
	var s string
	if json.Unmarshal(v.content, &s) == nil {
		return s
	}
	return string(v.content)
}

// number is the content of a field of numbers or dates, not a number where it is none.
func (v customValue) number() float64 {
	if n, err := strconv.ParseFloat(v.text(), 64); err == nil {
		return n
	}
	if at, err := parseInstant(v.text()); err == nil {
		return unixMillis(at)
	}
	return math.NaN()
}

func unixMillis(at time.Time) float64 { return float64(at.UnixMilli()) }

// options are those chosen: a list, or a text with commas.
func (v customValue) options() []string {
	var list []any
	if json.Unmarshal(v.content, &list) != nil {
		return slices.DeleteFunc(strings.Split(v.text(), ","), func(s string) bool { return s == "" })
	}
	var out []string
	for _, e := range list {
		b, _ := json.Marshal(e)
		out = append(out, customValue{content: b}.text())
	}
	return out
}

// customText is the text of a custom field, "" where the contact has none.
func (c *contact) customText(field ref) string {
	for _, v := range c.custom {
		if v.field == field {
			return v.text()
		}
	}
	return ""
}
