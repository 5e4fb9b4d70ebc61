package sandbox

import (
	"slices"
	"strings"
	"sync"
	"time"
)

// tenant is one Keap application and its data.
type tenant struct {
	app    string
	server *Server // for what hooks need; its lock is never taken while mu is held

	mu        sync.Mutex
	roll      *roll
	contacts  *shelf            // by id
	ordered   map[string]*shelf // all contacts in each of the orders; contacts is one of them
	tagged    map[ref]*holders
	lastID    ref
	addresses map[string]*address // by lower-case e-mail address

	tags        table[tag]
	tagNames    map[string][]*tag
	categories  table[category]
	fields      table[customField]
	users       table[User]
	companies   table[company]
	stages      table[stage]
	products    table[product]
	templates   table[Template]
	sets        table[ActionSet]
	automations table[automation]
	triggers    Triggers

	goals         []GoalRun
	setRuns       []ActionSetRun
	sequenceRuns  []SequenceRun
	orders        table[order]
	payments      table[payment]
	emails        table[Email]
	notes         table[note]
	tasks         table[task]
	opportunities table[opportunity]
	utms          ref
	hooks         []*hook
	due           []*delivery
}

// tenantLocked finds or makes a tenant; a new one is given what every application has, and the common seeds.
func (s *Server) tenantLocked(app string) *tenant {
	t, ok := s.tenants[app]
	if ok {
		return t
	}
	t = s.spareLocked()
	s.spare = nil
	t.app = app
	for _, e := range t.users.rows {
		e.row.Email = strings.Replace(e.row.Email, "@.", "@"+app+".", 1)
	}
	s.tenants[app] = t
	return t
}

// spareLocked is a tenant that nobody has yet, with the common seeds: the next one takes it over. So what many contacts
// take to be seeded is not waited for by the first call.
func (s *Server) spareLocked() *tenant {
	if s.spare == nil {
		s.spare = newTenant("", s)
		for _, packed := range s.base {
			s.spare.seed(packed.unpack(), s.nowLocked())
		}
	}
	return s.spare
}

func newTenant(app string, s *Server) *tenant {
	t := &tenant{app: app, server: s, roll: newRoll(), addresses: map[string]*address{}, tagNames: map[string][]*tag{}, ordered: map[string]*shelf{}, tagged: map[ref]*holders{}}
	for key, rank := range rankings {
		t.ordered[key] = &shelf{roll: t.roll, rank: rank}
	}
	t.contacts = t.ordered["id"]
	t.users.put(1, &User{ID: "1", Email: "owner@" + app + ".example.com", GivenName: "Sandbox", FamilyName: "Owner", Admin: true})
	for i, name := range []string{"New Opportunity", "Qualified", "Won"} {
		t.stages.put(0, &stage{name: name, order: i + 1})
	}
	return t
}

// table holds records by id, in the order of their making. The zero table is empty.
type table[T any] struct {
	rows []entry[T]
	byID map[ref]*T
	last ref
}

type entry[T any] struct {
	id  ref
	row *T
}

// put files a row under id, or under the next free id when it is 0, and returns the id.
func (t *table[T]) put(id ref, row *T) ref {
	if id == 0 {
		id = t.last + 1
	}
	if t.byID == nil {
		t.byID = map[ref]*T{}
	}
	if _, ok := t.byID[id]; ok {
		i := slices.IndexFunc(t.rows, func(e entry[T]) bool { return e.id == id })
		t.rows[i].row = row
	} else {
		t.rows = append(t.rows, entry[T]{id, row})
	}
	t.byID[id] = row
	t.last = max(t.last, id)
	return id
}

func (t *table[T]) get(id ref) (*T, bool) {
	row, ok := t.byID[id]
	return row, ok
}

func (t *table[T]) remove(id ref) bool {
	if _, ok := t.byID[id]; !ok {
		return false
	}
	delete(t.byID, id)
	t.rows = slices.DeleteFunc(t.rows, func(e entry[T]) bool { return e.id == id })
	return true
}

// pick gives the rows that all tests keep, made into answers.
func pick[T, A any](t *table[T], keep func(ref, *T) bool, as func(ref, *T) A) []A {
	out := []A{}
	for _, e := range t.rows {
		if keep(e.id, e.row) {
			out = append(out, as(e.id, e.row))
		}
	}
	return out
}

// between reports whether at lies in [since, until]; zero bounds are open.
func between(at, since, until time.Time) bool {
	return (since.IsZero() || !at.Before(since)) && (until.IsZero() || !at.After(until))
}
