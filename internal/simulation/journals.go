package simulation

import (
	"context"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"bridge/internal/events"
)

// store is what outlives every process: journals, contact memory, turns and the ledger. Its entries have versions, so
// that a former owner that writes late is refused, as in package queue.
type store struct {
	mu       sync.Mutex
	journals map[string]*journal
	contacts map[string]remembered
	turns    map[string]uint64
	ledger   []byte
	writes   int                              // of the ledger
	saved    func(key string, m events.Marks) // hears of every change of marks; may be nil
}

type journal struct {
	version int
	plan    *events.Plan
	marks   events.Marks
}

type remembered struct {
	value []byte
	until time.Time
}

func newStore() *store {
	return &store{journals: map[string]*journal{}, contacts: map[string]remembered{}, turns: map[string]uint64{}}
}

// forget drops the journal of an event that is settled for good.
func (s *store) forget(key string) {
	s.mu.Lock()
	delete(s.journals, key)
	s.mu.Unlock()
}

// answer resolves a doubt as a person does: the step in doubt gets the state that say names, given the Keap id of the
// event's contact.
func (s *store) answer(key string, say func(contact string) events.StepState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	j := s.journals[key]
	steps := maps.Clone(j.marks.Steps)
	for id, m := range steps {
		if m.State == events.StepDoubt {
			m.State = say(j.marks.Contact)
			steps[id] = m
		}
	}
	j.marks.Steps = steps
	j.version++
}

// view is the store as one process sees it.
type view struct {
	*store
	lease *lease
	mu    sync.Mutex // before store.mu
	known map[string]int
}

// marks is what is remembered of an event's steps.
func (s *store) marks(key string) events.Marks {
	s.mu.Lock()
	defer s.mu.Unlock()
	if j := s.journals[key]; j != nil {
		return j.marks
	}
	return events.Marks{}
}

// lease is one process's ownership of the group; it is good until the next process comes. It is a queue.Lease.
type lease struct {
	inbox *inbox
	epoch uint64
	nudge <-chan struct{} // there may be something to take
	dead  atomic.Bool     // the process is: it writes nothing any more
}

// Valid tells whether no other process owns the group.
func (l *lease) Valid() bool { return l.inbox.owner() == l.epoch && !l.dead.Load() }

// Epoch grows with each change of owner.
func (l *lease) Epoch() uint64 { return l.epoch }

// Quiet is when the former owner cannot act any more: the simulated one is told of the next owner late, if at all.
func (l *lease) Quiet() time.Time { return time.Now() }

// Ledger is the state of the quota ledger that was stored last.
func (l *lease) Ledger(context.Context) ([]byte, error) {
	s := l.inbox.store
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ledger, nil
}

// SaveLedger stores the state of the quota ledger.
func (l *lease) SaveLedger(_ context.Context, state []byte) error {
	if !l.Valid() {
		return errNotOwner
	}
	s := l.inbox.store
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ledger = slices.Clone(state)
	return nil
}

// LoadJournal is part of dispatch.Memory.
func (v *view) LoadJournal(_ context.Context, _, key string) (events.Journal, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.store.mu.Lock()
	defer v.store.mu.Unlock()
	j := v.journals[key]
	if j == nil {
		v.known[key] = 0
		return events.Journal{}, nil
	}
	v.known[key] = j.version
	marks := j.marks
	marks.Steps = maps.Clone(marks.Steps)
	return events.Journal{Plan: j.plan, Marks: marks}, nil
}

// SavePlan is part of dispatch.Memory.
func (v *view) SavePlan(_ context.Context, _, key string, plan events.Plan) error {
	return v.change(key, func(j *journal) {
		plan.Steps = slices.Clone(plan.Steps)
		j.plan = &plan
	})
}

// SaveMarks is part of dispatch.Memory.
func (v *view) SaveMarks(_ context.Context, _, key string, marks events.Marks) error {
	marks.Steps = maps.Clone(marks.Steps)
	return v.change(key, func(j *journal) { j.marks = marks })
}

func (v *view) change(key string, change func(*journal)) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.store.mu.Lock()
	defer v.store.mu.Unlock()
	j := v.journals[key]
	if j == nil {
		j = &journal{}
		v.journals[key] = j
	}
	if j.version != v.known[key] || v.lease.dead.Load() {
		return errNotOwner
	}
	change(j)
	j.version++
	v.known[key] = j.version
	return nil
}

// Turn is part of dispatch.Memory.
func (v *view) Turn(_ context.Context, account, name string) (uint64, error) {
	v.store.mu.Lock()
	defer v.store.mu.Unlock()
	n := v.turns[account+"/"+name]
	v.turns[account+"/"+name] = n + 1
	return n, nil
}

// Contact is part of calls.Memory.
func (v *view) Contact(_ context.Context, group, contact string) ([]byte, bool, error) {
	v.store.mu.Lock()
	defer v.store.mu.Unlock()
	r, ok := v.contacts[group+"/"+contact]
	if !ok || time.Now().After(r.until) {
		return nil, false, nil
	}
	return r.value, true, nil
}

// SaveContact is part of calls.Memory.
func (v *view) SaveContact(_ context.Context, group, contact string, value []byte, ttl time.Duration) error {
	v.store.mu.Lock()
	defer v.store.mu.Unlock()
	if v.lease.dead.Load() {
		return errNotOwner
	}
	v.contacts[group+"/"+contact] = remembered{slices.Clone(value), time.Now().Add(ttl)}
	return nil
}
