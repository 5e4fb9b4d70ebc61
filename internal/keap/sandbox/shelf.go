package sandbox

import (
	"cmp"
	"iter"
	"runtime"
	"slices"
	"sort"
	"sync"
)

// ranking compares two contacts; those that are equal in it stand by id.
type ranking func(a, b *contact) int

// rankings are what the lists of both versions can be ordered by.
var rankings = map[string]ranking{
	"id":           byID,
	"date_created": func(a, b *contact) int { return cmp.Or(a.created.Compare(b.created), byID(a, b)) },
	"last_updated": func(a, b *contact) int { return cmp.Or(a.updated.Compare(b.updated), byID(a, b)) },
	"name":         func(a, b *contact) int { return cmp.Or(cmp.Compare(a.family, b.family), byID(a, b)) },
	"firstName":    func(a, b *contact) int { return cmp.Or(cmp.Compare(a.given, b.given), byID(a, b)) },
	"email":        func(a, b *contact) int { return cmp.Or(cmp.Compare(a.emails[0], b.emails[0]), byID(a, b)) },
}

func byID(a, b *contact) int { return cmp.Compare(a.id, b.id) }

// blockLength bounds how many contacts are moved when one comes or goes.
const blockLength = 1024

// shelf holds contacts in an order, and stays in order when one of them changes: a page of a million costs no more
// than a page of a thousand, the first after a change included.
type shelf struct {
	rank   ranking
	keep   func(*contact) bool // nil: every contact
	blocks [][]*contact        // none is empty
	n      int
}

// has reports whether a contact belongs on the shelf.
func (s *shelf) has(x *contact) bool { return s.keep == nil || s.keep(x) }

// locate finds the place of x as it was when it was put there: old has the values that it had then.
func (s *shelf) locate(old, x *contact) (block, i int, found bool) {
	compare := func(e *contact) int {
		if e == x {
			return 0
		}
		return s.rank(e, old)
	}
	block = sort.Search(len(s.blocks), func(b int) bool { return compare(s.blocks[b][len(s.blocks[b])-1]) >= 0 })
	if block == len(s.blocks) {
		return block, 0, false
	}
	i, found = slices.BinarySearchFunc(s.blocks[block], old, func(e, _ *contact) int { return compare(e) })
	return block, i, found
}

// add puts a contact that is not there in its place.
func (s *shelf) add(x *contact) {
	s.n++
	block, i, _ := s.locate(x, x)
	if block == len(s.blocks) { // behind all others
		if block > 0 && len(s.blocks[block-1]) < blockLength {
			s.blocks[block-1] = append(s.blocks[block-1], x)
			return
		}
		s.blocks = append(s.blocks, append(make([]*contact, 0, blockLength), x))
		return
	}
	rows := slices.Insert(s.blocks[block], i, x)
	s.blocks[block] = rows
	if half := len(rows) / 2; len(rows) > blockLength {
		s.blocks = slices.Insert(s.blocks, block+1, slices.Clone(rows[half:]))
		clear(rows[half:])
		s.blocks[block] = rows[:half]
	}
}

// take removes a contact that had old's values when it was put there.
func (s *shelf) take(old, x *contact) {
	block, i, found := s.locate(old, x)
	if !found {
		return
	}
	s.n--
	s.blocks[block] = slices.Delete(s.blocks[block], i, i+1)
	if len(s.blocks[block]) == 0 {
		s.blocks = slices.Delete(s.blocks, block, block+1)
	}
}

// move puts a contact that has changed from old's values where it belongs now.
func (s *shelf) move(old, x *contact) {
	same := s.rank(old, x) == 0
	if same && s.keep == nil {
		return
	}
	wanted := s.has(x)
	if _, _, found := s.locate(old, x); found && same && wanted {
		return
	}
	s.take(old, x)
	if wanted {
		s.add(x)
	}
}

// all are the contacts in their order.
func (s *shelf) all() iter.Seq[*contact] {
	return func(yield func(*contact) bool) {
		for _, rows := range s.blocks {
			for _, x := range rows {
				if !yield(x) {
					return
				}
			}
		}
	}
}

// cut copies the contacts from one place to another, counted from the other end when descending.
func (s *shelf) cut(from, to int, descending bool) []*contact {
	if descending {
		from, to = s.n-to, s.n-from
	}
	out := make([]*contact, 0, to-from)
	skip := from
	for _, rows := range s.blocks {
		if skip >= len(rows) {
			skip -= len(rows)
			continue
		}
		out = append(out, rows[skip:min(len(rows), skip+to-from-len(out))]...)
		if skip = 0; len(out) == to-from {
			break
		}
	}
	if descending {
		slices.Reverse(out)
	}
	return out
}

// contactByID finds a contact that was neither deleted nor merged away.
func (t *tenant) contactByID(id ref) (*contact, bool) {
	blocks := t.contacts.blocks
	block := sort.Search(len(blocks), func(b int) bool { return blocks[b][len(blocks[b])-1].id >= id })
	if block == len(blocks) {
		return nil, false
	}
	i, found := slices.BinarySearchFunc(blocks[block], id, func(x *contact, id ref) int { return cmp.Compare(x.id, id) })
	if !found {
		return nil, false
	}
	return blocks[block][i], true
}

// shelves are all that a contact may stand on: every order, and the searches that are kept.
func (t *tenant) shelves() iter.Seq[*shelf] {
	return func(yield func(*shelf) bool) {
		for _, s := range t.ordered {
			if !yield(s) {
				return
			}
		}
		for _, v := range t.views {
			if !yield(v.shelf) {
				return
			}
		}
	}
}

// insert files a contact under its id, or the next one, with the values that it has. Later ones are set by change.
func (t *tenant) insert(x *contact) {
	if x.id == 0 {
		x.id = t.lastID + 1
	}
	t.lastID = max(t.lastID, x.id)
	for _, a := range x.tags {
		t.holdersOf(a.tag).add(x)
	}
	for s := range t.shelves() {
		if s.has(x) {
			s.add(x)
		}
	}
}

// holdersOf are the contacts that have a tag.
func (t *tenant) holdersOf(tag ref) *shelf {
	s := t.tagged[tag]
	if s == nil {
		s = &shelf{rank: byID}
		t.tagged[tag] = s
	}
	return s
}

// change lets f change a contact that is filed: in its own values only.
func (t *tenant) change(x *contact, f func()) {
	old := *x
	f()
	for s := range t.shelves() {
		s.move(&old, x)
	}
}

// remove forgets a contact: its id answers 404 from then on.
func (t *tenant) remove(x *contact) {
	old := *x
	for s := range t.shelves() {
		s.take(&old, x)
	}
	for _, a := range x.tags {
		t.holdersOf(a.tag).take(&old, x)
	}
	for slot := range x.emails {
		t.setEmail(x, slot, "", old.updated)
	}
}

// view is a search that is kept.
type view struct {
	name  string
	shelf *shelf
}

// maxViews bounds how many searches are kept: each takes 8 bytes a contact found, and a look at every change.
const maxViews = 8

// view gives those of all contacts that meet a test, in the order in which all stand: of the searches of this name (the
// test in words), all are gone through the first time only.
func (t *tenant) view(name string, all *shelf, keep func(*contact) bool) *shelf {
	at := slices.IndexFunc(t.views, func(v view) bool { return v.name == name })
	if at < 0 {
		v := view{name, all.filtered(keep)}
		if len(t.views) >= maxViews {
			t.views = slices.Delete(t.views, 0, 1) // the one that was asked for longest ago
		}
		t.views = append(t.views, v)
		return v.shelf
	}
	v := t.views[at]
	t.views = append(slices.Delete(t.views, at, at+1), v)
	return v.shelf
}

// filtered goes through all contacts of a shelf, on all processors.
func (s *shelf) filtered(keep func(*contact) bool) *shelf {
	from := s.blocks
	parts := make([][]*contact, runtime.GOMAXPROCS(0))
	var wg sync.WaitGroup
	for i := range parts {
		wg.Go(func() {
			for _, rows := range from[i*len(from)/len(parts) : (i+1)*len(from)/len(parts)] {
				for _, x := range rows {
					if keep(x) {
						parts[i] = append(parts[i], x)
					}
				}
			}
		})
	}
	wg.Wait()
	some := &shelf{rank: s.rank, keep: keep}
	for _, part := range parts {
		some.n += len(part)
		for rows := range slices.Chunk(part, blockLength) {
			some.blocks = append(some.blocks, slices.Clip(rows))
		}
	}
	return some
}
