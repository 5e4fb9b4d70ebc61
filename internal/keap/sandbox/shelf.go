package sandbox

import (
	"cmp"
	"iter"
	"math"
	"slices"
	"sort"
	"time"
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

// shelf holds contacts, by their seats, in an order, and stays in order when one of them changes: a page of a million
// costs no more than a page of a thousand, the first after a change included.
type shelf struct {
	roll   *roll
	rank   ranking
	blocks [][]uint32 // none is empty
	n      int
}

// locate finds the place of x as it was when it was put there: old has the values that it had then.
func (s *shelf) locate(old, x *contact) (block, i int, found bool) {
	compare := func(e uint32) int {
		if e == x.seat {
			return 0
		}
		return s.rank(s.roll.seats[e], old)
	}
	block = sort.Search(len(s.blocks), func(b int) bool { return compare(s.blocks[b][len(s.blocks[b])-1]) >= 0 })
	if block == len(s.blocks) {
		return block, 0, false
	}
	i, found = slices.BinarySearchFunc(s.blocks[block], x.seat, func(e, _ uint32) int { return compare(e) })
	return block, i, found
}

// add puts a contact that is not there in its place.
func (s *shelf) add(x *contact) {
	s.n++
	block, i, _ := s.locate(x, x)
	if block == len(s.blocks) { // behind all others
		if block > 0 && len(s.blocks[block-1]) < blockLength {
			s.blocks[block-1] = append(s.blocks[block-1], x.seat)
			return
		}
		s.blocks = append(s.blocks, append(make([]uint32, 0, blockLength), x.seat))
		return
	}
	rows := slices.Insert(s.blocks[block], i, x.seat)
	s.blocks[block] = rows
	if half := len(rows) / 2; len(rows) > blockLength {
		s.blocks = slices.Insert(s.blocks, block+1, slices.Clone(rows[half:]))
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
	if s.rank(old, x) != 0 {
		s.take(old, x)
		s.add(x)
	}
}

// all are the contacts in their order.
func (s *shelf) all() iter.Seq[*contact] {
	return func(yield func(*contact) bool) {
		for _, rows := range s.blocks {
			for _, seat := range rows {
				if !yield(s.roll.seats[seat]) {
					return
				}
			}
		}
	}
}

// contactByID finds a contact that was neither deleted nor merged away.
func (t *tenant) contactByID(id ref) (*contact, bool) {
	blocks, seats := t.contacts.blocks, t.roll.seats
	block := sort.Search(len(blocks), func(b int) bool { return seats[blocks[b][len(blocks[b])-1]].id >= id })
	if block == len(blocks) {
		return nil, false
	}
	i, found := slices.BinarySearchFunc(blocks[block], id, func(seat uint32, id ref) int { return cmp.Compare(seats[seat].id, id) })
	if !found {
		return nil, false
	}
	return seats[blocks[block][i]], true
}

// holders are the contacts that have a tag.
type holders struct {
	at           column[int64] // when they got it, Unix time in nanoseconds
	byID, byTime shelf
}

// never is when somebody got a tag who has it not.
const never = math.MinInt64

// holdersOf are the contacts that have a tag.
func (t *tenant) holdersOf(tag ref) *holders {
	h := t.tagged[tag]
	if h == nil {
		h = &holders{at: column[int64]{none: never}, byID: shelf{roll: t.roll, rank: byID}}
		h.byTime = shelf{roll: t.roll, rank: func(a, b *contact) int {
			return cmp.Or(cmp.Compare(h.at.at(a.seat), h.at.at(b.seat)), byID(a, b))
		}}
		t.tagged[tag] = h
	}
	return h
}

func (h *holders) add(x *contact, at time.Time) {
	h.at.set(x.seat, at.UnixNano())
	h.byID.add(x)
	h.byTime.add(x)
}

func (h *holders) take(x *contact) {
	h.byID.take(x, x)
	h.byTime.take(x, x)
	h.at.set(x.seat, never)
}

// insert files a contact under its id, or the next one, with the values that it has. Later ones are set by change.
func (t *tenant) insert(x *contact) {
	if x.id == 0 {
		x.id = t.lastID + 1
	}
	t.lastID = max(t.lastID, x.id)
	t.roll.sit(x)
	t.enter(x)
	for _, s := range t.ordered {
		s.add(x)
	}
	for _, a := range x.tags {
		t.holdersOf(a.tag).add(x, a.at)
	}
}

// change lets f change a contact that is filed: in its own values only.
func (t *tenant) change(x *contact, f func()) {
	old := *x
	f()
	t.enter(x)
	for _, s := range t.ordered {
		s.move(&old, x)
	}
}

// remove forgets a contact: its id answers 404 from then on.
func (t *tenant) remove(x *contact) {
	for _, s := range t.ordered {
		s.take(x, x)
	}
	for _, a := range x.tags {
		t.holdersOf(a.tag).take(x)
	}
	for slot := range x.emails {
		t.setEmail(x, slot, "", x.updated)
	}
	t.roll.leave(x)
}
