package sandbox

import (
	"runtime"
	"slices"
	"sync"
	"time"
)

// test is one condition of a search. The column tells most of it.
type test struct {
	quick func(seat uint32) verdict
	look  func(*contact) bool // nil where the column tells everything
}

// passes holds a contact against a test.
func (q *test) passes(r *roll, seat uint32) bool {
	v := q.quick(seat)
	return v == yes || v == look && q.look(r.seats[seat])
}

func verdictOf(hit bool) verdict {
	if hit {
		return yes
	}
	return no
}

// among tests one of several texts of a contact: of its addresses, say. The empty text is looked for in all of them.
func (r *roll) among(p pattern, names ...string) test {
	columns := make([]*column[key], len(names))
	for i, name := range names {
		columns[i] = r.texts[name]
		if columns[i] == nil {
			columns[i] = new(column[key])
		}
	}
	if len(columns) == 1 {
		only := columns[0]
		return test{func(seat uint32) verdict { return p.of(only.at(seat)) }, func(x *contact) bool { return p.matches(x.textNamed(names[0])) }}
	}
	if p.text == "" && !p.prefix {
		return test{quick: func(seat uint32) verdict {
			return verdictOf(!slices.ContainsFunc(columns, func(c *column[key]) bool { return c.at(seat) != key{} }))
		}}
	}
	return test{func(seat uint32) verdict {
		best := no
		for _, c := range columns {
			switch p.of(c.at(seat)) {
			case yes:
				return yes
			case look:
				best = look
			}
		}
		return best
	}, func(x *contact) bool {
		return slices.ContainsFunc(names, func(name string) bool { return p.matches(x.textNamed(name)) })
	}}
}

// within tests an instant in a column; zero bounds are open.
func within(at *column[int64], since, until time.Time) test {
	return test{quick: func(seat uint32) verdict {
		v := at.at(seat)
		return verdictOf(v != never && (since.IsZero() || v >= since.UnixNano()) && (until.IsZero() || v <= until.UnixNano()))
	}}
}

// found are those of a shelf that pass all tests.
type found struct {
	shelf  *shelf
	tests  []test
	passed []int // of each block; nil: there are no tests
	n      int
}

// few is how many blocks are not worth a second processor.
const few = 16

// find goes through a shelf, on all processors.
func (s *shelf) find(tests ...test) *found {
	f := &found{shelf: s, tests: tests, n: s.n}
	if len(tests) == 0 {
		return f
	}
	f.passed = make([]int, len(s.blocks))
	parts := runtime.GOMAXPROCS(0)
	if len(s.blocks) <= few {
		parts = 1
	}
	var wg sync.WaitGroup
	for i := range parts {
		from, to := i*len(s.blocks)/parts, (i+1)*len(s.blocks)/parts
		count := func() {
			for b := from; b < to; b++ {
				f.passed[b] = f.count(s.blocks[b])
			}
		}
		if i == parts-1 {
			count()
		} else {
			wg.Go(count)
		}
	}
	wg.Wait()
	f.n = 0
	for _, n := range f.passed {
		f.n += n
	}
	return f
}

func (f *found) count(seats []uint32) (n int) {
	for _, seat := range seats {
		if f.keeps(seat) {
			n++
		}
	}
	return n
}

func (f *found) keeps(seat uint32) bool {
	for i := range f.tests {
		if !f.tests[i].passes(f.shelf.roll, seat) {
			return false
		}
	}
	return true
}

// cut gives the contacts from one place to another, counted from the other end when descending.
func (f *found) cut(from, to int, descending bool) []*contact {
	if descending {
		from, to = f.n-to, f.n-from
	}
	out := make([]*contact, 0, to-from)
	place := 0 // of the first of a block
	for b, seats := range f.shelf.blocks {
		n := len(seats)
		if f.passed != nil {
			n = f.passed[b]
		}
		first := place
		if place += n; place <= from {
			continue
		}
		if first >= to {
			break
		}
		for _, seat := range seats {
			if f.passed != nil && !f.keeps(seat) {
				continue
			}
			if first >= from && first < to {
				out = append(out, f.shelf.roll.seats[seat])
			}
			first++
		}
	}
	if descending {
		slices.Reverse(out)
	}
	return out
}
