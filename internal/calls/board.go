package calls

import (
	"container/list"
	"time"

	"bridge/internal/events"
)

// action is what a column does to its contacts.
type action uint8

const (
	applyTag action = iota
	removeTag
	addToSequence
	removeFromSequence
	sendTemplate
)

var actionOperations = [...]string{"tags.apply", "tags.remove", "sequences.add", "sequences.remove", "emails.send_template"}

func (a action) operation() string { return actionOperations[a] }

// isTag tells whether the action also comes in rows: many tags, one contact.
func (a action) isTag() bool { return a == applyTag || a == removeTag }

// columnKey names a column: what is done with which target, in whose Keap.
type columnKey struct {
	account string
	action  action
	target  string // tag id, "automation/sequence", template id
	user    string // Keap user that a template is sent as
}

// rowKey names a row: one contact's tags.
type rowKey struct {
	account string
	action  action
	contact string // Keap contact id
}

// pair is one contact in one column, waiting for a call. Identical wishes are one pair.
type pair struct {
	contact string
	column  *column
	row     *row // nil for what is no tag
	prio    events.Priority
	since   time.Time
	seats   []*seat

	inQueue, inColumn, inRow *list.Element
}

// seat is one step that waits for a pair.
type seat struct {
	step     *events.Step
	key      string // Event.Key
	contact  string // hashed order key
	intend   func() error
	answered chan seatAnswer // holds one
	pair     *pair           // nil once it was sent or withdrawn
}

// seatAnswer is what became of a seat.
type seatAnswer struct {
	err    error
	status int
	sent   bool
	calls  int
	result string // Keap's result for the item, where it gave one
}

type column struct {
	key   columnKey
	pairs list.List // of *pair, oldest first
	of    [len(events.Priorities)]int
	vertex
}

type row struct {
	key   rowKey
	pairs list.List
	vertex
}

// vertex is a row's or column's place in the graph that was drawn last.
type vertex struct {
	drawn  uint64
	number int
}

// board holds what waits: permits for calls that go alone, and pairs. It is arithmetic; the planner's lock guards it.
type board struct {
	solos   [len(events.Priorities)][ranks]list.List // of *solo, oldest first
	queues  [len(events.Priorities)]list.List        // of *pair, oldest first
	columns map[columnKey]*column
	rows    map[rowKey]*row
	full    map[*column]bool
	edges   map[graphKey]int // tag pairs that wait
	people  map[string]int   // what waits for each contact, by hashed order key
	drawing uint64           // the latest graph
	caps    func(columnKey) int
}

// graphKey names a graph of tag pairs: rows and columns of one action in one Keap.
type graphKey struct {
	account string
	action  action
}

// rank orders calls of one priority that go alone: what ends events before what begins them.
type rank uint8

const (
	finding   rank = iota // look-ups that many wait for: tags, custom fields, products
	ending                // goals, orders, notes …
	beginning             // contacts, and looking for one
	ranks
)

// solo is a call that goes alone and waits for its permit.
type solo struct {
	prio     events.Priority
	rank     rank
	account  string
	contact  string // hashed order key
	xmlrpc   bool   // goes over XML-RPC
	errand   *errand
	since    time.Time
	answered chan error // holds one; nil: the permit is there
	at       *list.Element
}

func newBoard(caps func(columnKey) int) *board {
	return &board{columns: map[columnKey]*column{}, rows: map[rowKey]*row{}, full: map[*column]bool{}, edges: map[graphKey]int{}, people: map[string]int{}, caps: caps}
}

func (b *board) addSolo(s *solo) {
	s.at = b.solos[s.prio][s.rank].PushBack(s)
	b.people[s.contact]++
}

// left notes that something no longer waits for a contact.
func (b *board) left(contact string) {
	if b.people[contact]--; b.people[contact] <= 0 {
		delete(b.people, contact)
	}
}

// dropSolo takes a solo off the board; false when it is not there any more.
func (b *board) dropSolo(s *solo) bool {
	if s.at == nil {
		return false
	}
	b.solos[s.prio][s.rank].Remove(s.at)
	s.at = nil
	b.left(s.contact)
	return true
}

// addSeat puts a step into its pair, making it where it is new.
func (b *board) addSeat(s *seat, key columnKey, contact string, prio events.Priority, since time.Time) {
	p := b.pairOf(key, contact, prio, since)
	p.seats = append(p.seats, s)
	s.pair = p
	b.people[s.contact]++
	if prio < p.prio {
		b.raise(p, prio)
	}
}

func (b *board) pairOf(key columnKey, contact string, prio events.Priority, since time.Time) *pair {
	c := b.columns[key]
	if c == nil {
		c = &column{key: key}
		b.columns[key] = c
	}
	var r *row
	if key.action.isTag() {
		r = b.rowOf(rowKey{key.account, key.action, contact})
		for e := r.pairs.Front(); e != nil; e = e.Next() {
			if p := e.Value.(*pair); p.column == c {
				return p
			}
		}
	}
	p := &pair{contact: contact, column: c, row: r, prio: prio, since: since}
	p.inQueue = b.queues[prio].PushBack(p)
	p.inColumn = c.pairs.PushBack(p)
	c.of[prio]++
	if r != nil {
		p.inRow = r.pairs.PushBack(p)
		b.edges[graphKey{key.account, key.action}]++
	}
	if c.pairs.Len() >= b.caps(key) {
		b.full[c] = true
	}
	return p
}

func (b *board) rowOf(key rowKey) *row {
	r := b.rows[key]
	if r == nil {
		r = &row{key: key}
		b.rows[key] = r
	}
	return r
}

// raise moves a pair to a higher priority.
func (b *board) raise(p *pair, prio events.Priority) {
	b.queues[p.prio].Remove(p.inQueue)
	p.column.of[p.prio]--
	p.prio = prio
	p.column.of[prio]++
	p.inQueue = b.queues[prio].PushBack(p)
}

// drop takes a pair off the board.
func (b *board) drop(p *pair) {
	b.queues[p.prio].Remove(p.inQueue)
	c := p.column
	c.pairs.Remove(p.inColumn)
	c.of[p.prio]--
	if c.pairs.Len() < b.caps(c.key) {
		delete(b.full, c)
	}
	if c.pairs.Len() == 0 {
		delete(b.columns, c.key)
	}
	if p.row != nil {
		p.row.pairs.Remove(p.inRow)
		g := graphKey{c.key.account, c.key.action}
		if b.edges[g]--; b.edges[g] == 0 {
			delete(b.edges, g)
		}
		if p.row.pairs.Len() == 0 {
			delete(b.rows, p.row.key)
		}
	}
	for _, s := range p.seats {
		s.pair = nil
		b.left(s.contact)
	}
}

// dropSeat withdraws one step; false when it was sent already.
func (b *board) dropSeat(s *seat) bool {
	p := s.pair
	if p == nil {
		return false
	}
	s.pair = nil
	b.left(s.contact)
	for i, other := range p.seats {
		if other == s {
			p.seats = append(p.seats[:i], p.seats[i+1:]...)
			break
		}
	}
	if len(p.seats) == 0 {
		b.drop(p)
	}
	return true
}

// hurry raises everything that waits for a contact.
func (b *board) hurry(contact string) {
	if b.people[contact] == 0 {
		return
	}
	b.raiseSolos(events.Urgent, func(s *solo) bool { return s.contact == contact })
	for prio := events.Normal; prio <= events.Bulk; prio++ {
		for e, next := b.queues[prio].Front(), (*list.Element)(nil); e != nil; e = next {
			next = e.Next()
			p := e.Value.(*pair)
			for _, s := range p.seats {
				if s.contact == contact {
					b.raise(p, events.Urgent)
					break
				}
			}
		}
	}
}

// raiseErrand raises the look-ups of an errand to the priority of somebody who waits for it.
func (b *board) raiseErrand(e *errand, to events.Priority) {
	b.raiseSolos(to, func(s *solo) bool { return s.errand == e })
}

func (b *board) raiseSolos(to events.Priority, which func(*solo) bool) {
	for prio := to + 1; int(prio) < len(events.Priorities); prio++ {
		for r := range b.solos[prio] {
			for e, next := b.solos[prio][r].Front(), (*list.Element)(nil); e != nil; e = next {
				next = e.Next()
				if s := e.Value.(*solo); which(s) {
					b.dropSolo(s)
					s.prio = to
					b.addSolo(s)
				}
			}
		}
	}
}

// waiting counts by priority: calls that go alone, and pairs.
func (b *board) waiting() (solos, pairs [len(events.Priorities)]int) {
	for prio := range events.Priorities {
		for r := range b.solos[prio] {
			solos[prio] += b.solos[prio][r].Len()
		}
		pairs[prio] = b.queues[prio].Len()
	}
	return solos, pairs
}
