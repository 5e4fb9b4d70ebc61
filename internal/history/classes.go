package history

import (
	"cmp"
	"context"
	"database/sql"
	"regexp"
	"slices"
	"strings"
	"sync"

	"bridge/internal/events"
)

// class is everything that lists filter by and counts are made of.
type class struct {
	account, source, kind string
	priority              events.Priority
	state                 events.State
	reason                events.Reason
	message               string // shape of the detail of failed and in-doubt events, else ""
}

func (c *class) matches(f *events.Filter) bool {
	return (f.Account == "" || f.Account == c.account) &&
		(f.Source == "" || f.Source == c.source) &&
		(f.Type == "" || f.Type == c.kind) &&
		(f.State == "" || f.State == c.state) &&
		(f.Reason == "" || f.Reason == c.reason) &&
		(f.Message == "" || f.Message == c.message)
}

// shelf is a class with its number and how many events stand there.
type shelf struct {
	class
	id     int64
	events int
	newest int64 // no event of it has a higher n
	stored bool  // its row is in the file
}

// classes holds every class in memory: some hundreds for a shop, some ten thousands for a platform.
type classes struct {
	mu     sync.RWMutex
	byKey  map[class]*shelf
	byID   map[int64]*shelf
	lastID int64
	shapes map[string]bool
}

func loadClasses(ctx context.Context, db *sql.DB) (*classes, error) {
	cs := &classes{byKey: map[class]*shelf{}, byID: map[int64]*shelf{}, shapes: map[string]bool{}}
	rows, err := db.QueryContext(ctx, "SELECT id, account, source, type, priority, state, reason, message, events, newest FROM class")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		s := &shelf{stored: true}
		if err := rows.Scan(&s.id, &s.account, &s.source, &s.kind, &s.priority, &s.state, &s.reason, &s.message, &s.events, &s.newest); err != nil {
			return nil, err
		}
		cs.byKey[s.class], cs.byID[s.id] = s, s
		cs.lastID = max(cs.lastID, s.id)
		cs.shapes[s.message] = true
	}
	return cs, rows.Err()
}

// shelf gives the place of a class, made when it is new. A new one shows no events until the writer commits.
func (cs *classes) shelf(c class) *shelf {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	s := cs.byKey[c]
	if s == nil {
		cs.lastID++
		s = &shelf{class: c, id: cs.lastID}
		cs.byKey[c], cs.byID[s.id] = s, s
	}
	return s
}

func (cs *classes) byNumber(id int64) *shelf {
	cs.mu.RLock()
	defer cs.mu.RUnlock()
	return cs.byID[id]
}

// matching copies the shelves that hold events of the filter, those with the newest events first.
func (cs *classes) matching(f *events.Filter) (found []shelf, matched, total int) {
	cs.mu.RLock()
	defer cs.mu.RUnlock()
	for _, s := range cs.byID {
		total += s.events
		if s.events > 0 && s.matches(f) {
			found = append(found, *s)
			matched += s.events
		}
	}
	slices.SortFunc(found, func(a, b shelf) int { return cmp.Compare(b.newest, a.newest) })
	return found, matched, total
}

func (cs *classes) tallies() []events.Tally {
	cs.mu.RLock()
	defer cs.mu.RUnlock()
	tallies := make([]events.Tally, 0, len(cs.byID))
	for _, s := range cs.byID {
		if s.events > 0 {
			tallies = append(tallies, events.Tally{Account: s.account, Source: s.source, Type: s.kind, Priority: s.priority, State: s.state, Reason: s.reason, Events: s.events})
		}
	}
	return tallies
}

// move is what a batch changes at one shelf.
type move struct {
	events int
	newest int64
}

// commit makes the moves of a committed batch visible.
func (cs *classes) commit(moves map[*shelf]*move) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	for s, m := range moves {
		s.stored = true
		s.events += m.events
		s.newest = max(s.newest, m.newest)
	}
}

// maxShapes bounds how many kinds of messages are told apart; later ones count as otherMessages.
const (
	maxShapes    = 2000
	maxShapeText = 160

	noMessage     = "(no message)"
	otherMessages = "(other messages)"
)

// changing finds what differs between two messages of one kind: quoted text, addresses, numbers and ids.
var changing = regexp.MustCompile(`"[^"]*"|'[^']*'|\S+@\S+|https?://\S+|\b[0-9a-fA-F]{8,}\b|[0-9][0-9.,:TZ-]*`)

// shape makes the messages of one kind the same text: what changes between them becomes "…".
func (cs *classes) shape(detail string) string {
	if detail == "" {
		return noMessage
	}
	text := changing.ReplaceAllString(detail, "…")
	text = strings.Join(strings.Fields(text), " ")
	if r := []rune(text); len(r) > maxShapeText {
		text = string(r[:maxShapeText]) + "…"
	}
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if !cs.shapes[text] {
		if len(cs.shapes) >= maxShapes {
			return otherMessages
		}
		cs.shapes[text] = true
	}
	return text
}
