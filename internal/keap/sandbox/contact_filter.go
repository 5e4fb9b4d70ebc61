package sandbox

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// criteria are what a search for contacts asks for; each must hold.
type criteria struct {
	some   []*contact // one of them, where narrow
	narrow bool
	tests  []test
}

// only narrows the search down to a few contacts.
func (q *criteria) only(some []*contact) {
	if q.narrow {
		some = slices.DeleteFunc(slices.Clone(some), func(x *contact) bool { return !slices.Contains(q.some, x) })
	}
	q.some, q.narrow = some, true
}

// search gives the contacts that meet the criteria, in an order.
func (t *tenant) search(c *call, q criteria, order string) *found {
	if c.flags.searchLag > 0 {
		q.tests = append(q.tests, within(&t.roll.created, time.Time{}, c.now.Add(-c.flags.searchLag)))
	}
	if !q.narrow {
		return t.ordered[order].find(q.tests...)
	}
	s := &shelf{roll: t.roll, rank: rankings[order]}
	for _, x := range q.some {
		if _, _, there := s.locate(x, x); !there {
			s.add(x)
		}
	}
	return s.find(q.tests...)
}

// email asks for one of several addresses in any slot.
func (t *tenant) email(q *criteria, wanted string) {
	if !strings.ContainsAny(wanted, ",*") && wanted != "NONE" {
		q.only(t.holders(wanted))
		return
	}
	var some []test
	for one := range strings.SplitSeq(wanted, ",") {
		some = append(some, t.roll.among(patternOf(strings.TrimSpace(one)), emailSlots[:]...))
	}
	q.tests = append(q.tests, t.roll.either(some))
}

// either passes who passes one of several tests.
func (r *roll) either(some []test) test {
	if len(some) == 1 {
		return some[0]
	}
	return test{func(seat uint32) verdict {
		best := no
		for i := range some {
			switch some[i].quick(seat) {
			case yes:
				return yes
			case look:
				best = look
			}
		}
		return best
	}, func(x *contact) bool {
		return slices.ContainsFunc(some, func(q test) bool { return q.passes(r, x.seat) })
	}}
}

func (t *tenant) criteria1(c *call, since, until time.Time) (q criteria) {
	if email := c.query.Get("email"); email != "" {
		q.only(t.holders(email))
	}
	for _, name := range []string{"given_name", "family_name"} {
		if v := c.query.Get(name); v != "" {
			q.tests = append(q.tests, t.roll.among(exactly(v), name))
		}
	}
	if !since.IsZero() || !until.IsZero() {
		q.tests = append(q.tests, within(&t.roll.updated, since, until))
	}
	return q
}

// contactFilters are v2's filters, with the operators of each and the columns that a text is looked for in; custom
// fields are filters by their name besides.
var contactFilters = map[string]struct {
	operators string
	texts     []string
}{
	"email": {"==", emailSlots[:]}, "given_name": {"==", []string{"given_name"}}, "family_name": {"==", []string{"family_name"}},
	"middle_name": {"==", []string{"middle_name"}}, "website": {"==", []string{"website"}},
	"city": {"==", []string{"BILLING locality"}}, "state": {"==", []string{"BILLING region"}}, // the primary address
	"company_id": {"==", nil}, "contact_ids": {"==", nil}, "ids": {"==", nil}, "contact_id": {"== > < >= <=", nil},
	"start_update_time": {"==", nil}, "end_update_time": {"==", nil}, "phone_number": {"==", nil}, "phone_fields": {"==", nil},
	"lead_source_name": {"==", nil},
}

func init() {
	for _, kind := range []string{"billing", "shipping", "other"} {
		for _, part := range []string{"line1", "locality", "region", "postal_code", "country_code"} {
			f := contactFilters["email"]
			f.texts = []string{strings.ToUpper(kind) + " " + part}
			contactFilters[kind+"_address_"+part] = f
		}
	}
}

// criteria2 reads v2's filter.
func (t *tenant) criteria2(c *call) (q criteria, err error) {
	filter, err := c.conditions()
	if err != nil {
		return q, err
	}
	var phones []string
	var number string
	for _, f := range filter {
		known, is := contactFilters[f.name]
		if is && !slices.Contains(strings.Fields(known.operators), f.op) {
			return q, fmt.Errorf("Invalid operator %s for filter field: %s", f.op, f.name)
		}
		switch {
		case f.name == "phone_fields":
			phones = strings.Split(f.value, ",")
		case f.name == "phone_number":
			number = f.value
		case is:
			err = t.standard(&q, f, known.texts)
		default:
			var custom test
			custom, err = t.customTest(f)
			q.tests = append(q.tests, custom)
		}
		if err != nil {
			return q, err
		}
	}
	if number != "" {
		if phones == nil {
			return q, fmt.Errorf("phone_fields is required when phone_number is given")
		}
		q.tests = append(q.tests, t.roll.among(patternOf(number), phones...))
	}
	return q, nil
}

// standard is a filter on what every contact has.
func (t *tenant) standard(q *criteria, f condition, texts []string) error {
	switch f.name {
	case "email":
		t.email(q, f.value)
	case "ids", "contact_ids":
		var some []*contact
		for part := range strings.SplitSeq(f.value, ",") {
			if x, found := t.contactByID(parseRef(strings.TrimSpace(part))); found {
				some = append(some, x)
			}
		}
		q.only(some)
	case "company_id":
		q.tests = append(q.tests, f.numbers(&t.roll.companies))
	case "contact_id":
		q.tests = append(q.tests, f.numbers(&t.roll.ids))
	case "start_update_time", "end_update_time":
		at, err := f.instant()
		if err != nil {
			return err
		}
		since, until := at, time.Time{}
		if f.name == "end_update_time" {
			since, until = until, since
		}
		q.tests = append(q.tests, within(&t.roll.updated, since, until))
	case "lead_source_name": // lead sources have ids here and no names: only who has none can be told
		p := patternOf(f.value)
		q.tests = append(q.tests, test{quick: func(uint32) verdict { return verdictOf(p.matches("")) }})
	default:
		q.tests = append(q.tests, t.roll.among(patternOf(f.value), texts...))
	}
	return nil
}

// numbers tests a column of numbers: one of a list of them.
func (f condition) numbers(in *column[int64]) test {
	var wanted []int64
	for part := range strings.SplitSeq(f.value, ",") {
		if n, err := strconv.ParseInt(strings.TrimSpace(part), 10, 64); err == nil {
			wanted = append(wanted, n)
		} else if f.value == "NONE" {
			wanted = append(wanted, 0)
		}
	}
	return test{quick: func(seat uint32) verdict {
		have := in.at(seat)
		return verdictOf(slices.ContainsFunc(wanted, func(want int64) bool { return compares(f.op, have, want) }))
	}}
}

// What a custom field can be searched for by.
const (
	sortText   = iota // a text, or its beginning
	sortChoice        // the whole text
	sortNumber
	sortDate
	sortList // one of several options
)

func (f *customField) sort() int {
	switch f.kind {
	case "WholeNumber", "DecimalNumber", "Currency", "Percent", "Year", "Month", "DayOfWeek", "User":
		return sortNumber
	case "Date", "DateTime":
		return sortDate
	case "ListBox", "UserListBox":
		return sortList
	case "YesNo", "Drilldown":
		return sortChoice
	}
	return sortText
}

// customTest is a filter on a custom field.
func (t *tenant) customTest(f condition) (test, error) {
	id, field := t.fieldFiltered(f.name)
	if field == nil {
		return test{}, fmt.Errorf("Invalid filter field: %s", f.name)
	}
	kind := field.sort()
	if kind != sortNumber && kind != sortDate && f.op != "==" {
		return test{}, fmt.Errorf("Invalid operator %s for filter field: %s", f.op, f.name)
	}
	r := t.roll
	switch kind {
	case sortNumber, sortDate:
		want, err := f.comparable(kind)
		in := columnOf(r.numbers, id, math.NaN())
		return test{quick: func(seat uint32) verdict { return verdictOf(compares(f.op, in.at(seat), want)) }}, err
	case sortList:
		in := cmp.Or(r.options[option{id, strings.ToLower(f.value)}], new(column[bool]))
		return test{quick: func(seat uint32) verdict { return verdictOf(in.at(seat)) }}, nil
	}
	p := patternOf(f.value)
	if kind == sortChoice {
		p = exactly(f.value)
	}
	in := columnOf(r.custom, id, key{})
	return test{func(seat uint32) verdict { return p.of(in.at(seat)) }, func(x *contact) bool { return p.matches(x.customText(id)) }}, nil
}

// comparable is the value of a filter on numbers or dates, as columns have it.
func (f condition) comparable(kind int) (float64, error) {
	if kind == sortDate {
		at, err := f.instant()
		return unixMillis(at), err
	}
	n, err := strconv.ParseFloat(f.value, 64)
	if err != nil {
		return 0, fmt.Errorf("Invalid number in filter %s: %q", f.name, f.value)
	}
	return n, nil
}

// fieldFiltered finds a custom field by its name, whatever the case.
func (t *tenant) fieldFiltered(name string) (ref, *customField) {
	for _, e := range t.fields.rows {
		if strings.EqualFold(name, e.row.name) {
			return e.id, e.row
		}
	}
	return 0, nil
}
