package calls

import (
	"time"

	"bridge/internal/events"
)

const (
	// exactBelow is how many waiting pairs a graph may have for the exact cover, which takes well under a millisecond
	// up to there; above it the greedy choice is made.
	exactBelow = 10_000
	// starved is how long pairs that need not wait for company are put behind contacts before they go first.
	starved = 30 * time.Second
)

// batch is one row or one column that goes now.
type batch struct {
	column *column // nil: a row
	row    *row
	pairs  []*pair
	prio   events.Priority // that its permit is taken with
}

func (t *batch) account() string {
	if t.column != nil {
		return t.column.key.account
	}
	return t.row.key.account
}

func (t *batch) action() action {
	if t.column != nil {
		return t.column.key.action
	}
	return t.row.key.action
}

// ready tells whether anything of a priority may go now.
func (b *board) ready(prio events.Priority, l lingering, now time.Time) bool {
	for r := range b.solos[prio] {
		if b.solos[prio][r].Len() > 0 {
			return true
		}
	}
	oldest := b.queues[prio].Front()
	if oldest == nil {
		return false
	}
	return l[prio] == 0 || l.due(oldest.Value.(*pair), now) || b.fullOf(prio) != nil
}

// wakes is when the next pair will have waited long enough; the zero time when none waits for that. What is overdue
// already waits for a permit, not for a time.
func (b *board) wakes(l lingering, now time.Time) time.Time {
	var at time.Time
	for prio := events.Normal; prio <= events.Bulk; prio++ {
		if oldest := b.queues[prio].Front(); oldest != nil {
			if due := oldest.Value.(*pair).since.Add(max(l[prio], starved)); due.After(now) && (at.IsZero() || due.Before(at)) {
				at = due
			}
		}
	}
	return at
}

// fullOf is a full column with a pair of that priority, the one with the oldest pair.
func (b *board) fullOf(prio events.Priority) *column {
	var first *column
	for c := range b.full {
		if c.of[prio] > 0 && (first == nil || oldestOf(c).since.Before(oldestOf(first).since)) {
			first = c
		}
	}
	return first
}

func oldestOf(c *column) *pair { return c.pairs.Front().Value.(*pair) }

// next takes what is to go with a permit of that priority: a solo or a batch. ready comes first.
func (b *board) next(prio events.Priority, l lingering, now time.Time) (*solo, *batch) {
	oldest := b.queues[prio].Front()
	if prio == events.Urgent {
		for r := finding; r <= ending; r++ {
			if s := b.firstSolo(prio, r); s != nil {
				return s, nil
			}
		}
		if oldest != nil {
			return nil, b.clear(oldest.Value.(*pair), prio)
		}
		return b.firstSolo(prio, beginning), nil
	}
	if oldest != nil && l.due(oldest.Value.(*pair), now) {
		return nil, b.clear(oldest.Value.(*pair), prio)
	}
	if c := b.fullOf(prio); c != nil {
		return nil, b.takeColumn(c, oldestOf(c), prio)
	}
	for r := range ranks {
		if s := b.firstSolo(prio, r); s != nil {
			return s, nil
		}
	}
	if oldest != nil {
		return nil, b.clear(oldest.Value.(*pair), prio)
	}
	return nil, nil
}

func (b *board) firstSolo(prio events.Priority, r rank) *solo {
	e := b.solos[prio][r].Front()
	if e == nil {
		return nil
	}
	s := e.Value.(*solo)
	b.dropSolo(s)
	return s
}

// clear takes the row or the column of a pair, whichever serves better.
func (b *board) clear(p *pair, prio events.Priority) *batch {
	if p.row == nil {
		return b.takeColumn(p.column, p, prio)
	}
	inRow, inColumn := p.row.pairs.Len(), min(p.column.pairs.Len(), b.caps(p.column.key))
	byRow := inRow > inColumn
	switch {
	case inRow == 1 || inColumn == 1:
	case prio == events.Urgent && b.urgentRows(p) == 1:
		byRow = urgentIn(p.row) > 1 || inRow >= inColumn
	default:
		if inCover, both := b.coverSide(p, prio == events.Urgent); !both {
			byRow = inCover
		}
	}
	if byRow {
		return b.takeRow(p.row, prio)
	}
	return b.takeColumn(p.column, p, prio)
}

func urgentIn(r *row) int {
	n := 0
	for e := r.pairs.Front(); e != nil; e = e.Next() {
		if e.Value.(*pair).prio == events.Urgent {
			n++
		}
	}
	return n
}

// urgentRows counts the rows with urgent pairs in the graph of a pair, up to 2.
func (b *board) urgentRows(p *pair) int {
	for e := b.queues[events.Urgent].Front(); e != nil; e = e.Next() {
		if q := e.Value.(*pair); q.row != nil && q.row != p.row && q.column.key.account == p.column.key.account && q.column.key.action == p.column.key.action {
			return 2
		}
	}
	return 1
}

// coverSide tells whether the least number of calls for the pair's graph takes its row; both is set when it takes
// row and column, or when the graph is too large to ask.
func (b *board) coverSide(p *pair, urgentOnly bool) (byRow, both bool) {
	g := graphKey{p.column.key.account, p.column.key.action}
	if b.edges[g] >= exactBelow {
		return false, true
	}
	b.drawing++
	var (
		edges   [][]int
		columns int
	)
	for prio := range b.queues {
		if urgentOnly && events.Priority(prio) != events.Urgent {
			continue
		}
		for e := b.queues[prio].Front(); e != nil; e = e.Next() {
			q := e.Value.(*pair)
			if q.row == nil || q.column.key.account != g.account || q.column.key.action != g.action {
				continue
			}
			if q.row.drawn != b.drawing {
				q.row.drawn, q.row.number = b.drawing, len(edges)
				edges = append(edges, nil)
			}
			if q.column.drawn != b.drawing {
				q.column.drawn, q.column.number = b.drawing, columns
				columns++
			}
			edges[q.row.number] = append(edges[q.row.number], q.column.number)
		}
	}
	inRows, inCols := cover(edges, columns)
	byRow = inRows[p.row.number]
	return byRow, byRow && inCols[p.column.number]
}

func (b *board) takeRow(r *row, prio events.Priority) *batch {
	t := &batch{row: r, prio: prio}
	for e := r.pairs.Front(); e != nil; e = e.Next() {
		t.pairs = append(t.pairs, e.Value.(*pair))
	}
	return b.lift(t)
}

// takeColumn takes a pair and as many others of its column as a call may carry, the oldest ones.
func (b *board) takeColumn(c *column, must *pair, prio events.Priority) *batch {
	t := &batch{column: c, prio: prio, pairs: []*pair{must}}
	most := b.caps(c.key)
	for e := c.pairs.Front(); e != nil && len(t.pairs) < most; e = e.Next() {
		if p := e.Value.(*pair); p != must {
			t.pairs = append(t.pairs, p)
		}
	}
	return b.lift(t)
}

// lift takes a batch off the board. Its seats stay with its pairs.
func (b *board) lift(t *batch) *batch {
	for _, p := range t.pairs {
		b.drop(p)
	}
	return t
}
