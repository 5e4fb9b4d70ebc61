package queue

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"bridge/internal/events"
)

// How long the memory of an event's steps is kept. While the event may still run it outlives the log; once all is done,
// OUTCOMES tells what was done, and restoreMarks can bring it back for a late replay. It finds what was done first: what
// an operator had done besides is remembered as long as the log.
const (
	memoryAfterLog = 30 * 24 * time.Hour
	memoryDone     = 7 * 24 * time.Hour
)

const memoryBytes = 4 << 20 // of one group of writes

// memory is what has to be remembered between two runs of an event, and a few things besides. Its writes go out in
// groups.
type memory struct {
	q     *Queue
	write *gather[remembering]

	mu    sync.Mutex
	memos map[string]*memo // by Event.Key, while the event is in hand or being written

	turns sync.Mutex
}

type remembering struct {
	msg  *nats.Msg
	done chan remembered // nil: nobody waits
}

type remembered struct {
	seq uint64
	err error
}

// memo is one event's journal while somebody needs it. Plan and marks are stored together as one value: one
// write tells both, and an event costs one key.
type memo struct {
	users int  // guarded by memory.mu
	seal  seal // guarded by memory.mu

	mu     sync.Mutex
	loaded bool
	seq    uint64 // of the stored value, 0 when there is none: a write expects it, so a former owner that wakes cannot overwrite
	plan   json.RawMessage
	steps  []events.Step // of the plan: ID and Only
	marks  json.RawMessage
	kept   bool // an operator had something done again
}

// journal is the stored form.
type journal struct {
	Plan  json.RawMessage `json:"plan,omitempty"`
	Marks json.RawMessage `json:"marks,omitempty"`
	Kept  bool            `json:"kept,omitempty"`
}

func startMemory(q *Queue) *memory {
	m := &memory{q: q, memos: map[string]*memo{}}
	m.write = startGather(batchMost, memoryBytes, m.writeGroup)
	return m
}

func (m *memory) stop(ctx context.Context) error { return m.write.stop(ctx) }

func (m *memory) writeGroup(group []remembering) {
	ctx := context.Background() // each request is bounded by requestTimeout
	if len(group) >= batchFrom {
		msgs := make([]*nats.Msg, len(group))
		for i, r := range group {
			msgs[i] = r.msg
		}
		answers, err := m.q.publishBatch(ctx, msgs)
		if !lostRace(err) {
			for i, r := range group {
				a := remembered{err: err}
				if err == nil {
					a.seq = answers[i].seq
				}
				m.answer(r, a)
			}
			return
		}
		unbatch(msgs) // one lost race refuses the whole batch without naming it
	}
	for _, r := range group {
		ack, err := m.q.js.PublishMsg(ctx, r.msg)
		if err != nil {
			m.answer(r, remembered{err: err})
			continue
		}
		m.answer(r, remembered{seq: ack.Sequence})
	}
}

func (m *memory) answer(r remembering, a remembered) {
	if r.done != nil {
		r.done <- a
	}
	if a.err != nil {
		m.q.log.Error("the memory of steps cannot be written", "err", a.err)
	}
}

// put stores a message for the memory and returns when it is durable, with its sequence.
func (m *memory) put(ctx context.Context, msg *nats.Msg) (uint64, error) {
	r := remembering{msg: msg, done: make(chan remembered, 1)}
	if err := m.write.add(r, msg.Size(), 0); err != nil {
		return 0, err
	}
	select {
	case a := <-r.done:
		return a.seq, a.err
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// memoryMsg makes a message for a key of the memory; ttl 0 keeps it for good.
func memoryMsg(key string, value []byte, ttl time.Duration) *nats.Msg {
	msg := &nats.Msg{Subject: subjectMemory + key, Data: value, Header: nats.Header{}}
	if ttl > 0 {
		msg.Header.Set(jetstream.MsgTTLHeader, max(ttl, time.Second).Truncate(time.Second).String())
	}
	return msg
}

// load reads a value and its sequence, which is 0 when there is none.
func (m *memory) load(ctx context.Context, key string) (value []byte, seq uint64, err error) {
	msg, err := m.q.newest(ctx, streamMemory, subjectMemory+key)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, fmt.Errorf("read the memory of steps: %w", err)
	}
	return msg.Data, msg.Sequence, nil
}

// hold keeps an event's journal at hand until release. fresh says that nothing can be stored yet; s is what it is sealed
// with, empty where the caller does not know.
func (m *memory) hold(key string, fresh bool, s seal) *memo {
	m.mu.Lock()
	defer m.mu.Unlock()
	j, ok := m.memos[key]
	if !ok {
		j = &memo{loaded: fresh}
		m.memos[key] = j
	}
	if s.key != nil {
		j.seal = s
	}
	j.users++
	return j
}

func (m *memory) release(key string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if j := m.memos[key]; j != nil {
		if j.users--; j.users == 0 {
			delete(m.memos, key)
		}
	}
}

// inHand tells whether somebody works on the event in this process.
func (m *memory) inHand(key string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.memos[key] != nil
}

// forget lets go of what can be read again: parked events stay in hand for hours.
func (m *memory) forget(key string) {
	j := m.hold(key, false, seal{})
	defer m.release(key)
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.plan != nil || j.marks != nil {
		j.loaded, j.plan, j.steps, j.marks = false, nil, nil, nil
	}
}

// with runs change on the event's journal and stores the result when it asks for that.
func (m *memory) with(ctx context.Context, key string, change func(*memo) (write bool, err error)) error {
	j := m.hold(key, false, seal{})
	defer m.release(key)
	j.mu.Lock()
	defer j.mu.Unlock()
	if !j.loaded {
		if err := m.read(ctx, key, j); err != nil {
			return err
		}
	}
	write, err := change(j)
	if err != nil || !write {
		return err
	}
	return m.store(ctx, key, j)
}

// store writes a journal as it stands in j.
func (m *memory) store(ctx context.Context, key string, j *memo) error {
	value, ttl, err := j.encode(m.q.opt.Retention)
	if err != nil {
		return err
	}
	m.mu.Lock()
	s := j.seal
	m.mu.Unlock()
	if value, err = s.close(value); err != nil {
		return err
	}
	msg := memoryMsg(journalKey(key), value, ttl)
	msg.Header.Set(jetstream.ExpectedLastSubjSeqHeader, strconv.FormatUint(j.seq, 10))
	if j.seq, err = m.put(ctx, msg); err != nil {
		j.loaded = false // what is stored now is not known
		return fmt.Errorf("write the memory of steps: %w", err)
	}
	return nil
}

func journalKey(key string) string { return "journal." + key }

func (m *memory) read(ctx context.Context, key string, j *memo) error {
	value, seq, err := m.load(ctx, journalKey(key))
	if err != nil {
		return err
	}
	m.mu.Lock()
	known := j.seal
	m.mu.Unlock()
	value, known, err = m.q.unseal(ctx, value, known)
	if errors.Is(err, errUnsealed) { // nobody can work or replay the event any more
		value, err = nil, nil
	}
	if err != nil {
		return err
	}
	m.mu.Lock()
	j.seal = known
	m.mu.Unlock()
	var stored journal
	if value != nil {
		if err := json.Unmarshal(value, &stored); err != nil {
			return fmt.Errorf("read a journal: %w", err)
		}
	}
	var plan events.Plan
	if stored.Plan != nil {
		if err := json.Unmarshal(stored.Plan, &plan); err != nil {
			return fmt.Errorf("read a plan: %w", err)
		}
	}
	j.loaded, j.seq, j.plan, j.marks, j.steps, j.kept = true, seq, stored.Plan, stored.Marks, outline(plan.Steps), stored.Kept
	return nil
}

// outline keeps of steps what tells whether they are done.
func outline(steps []events.Step) []events.Step {
	short := make([]events.Step, len(steps))
	for i, s := range steps {
		short[i] = events.Step{ID: s.ID, Only: s.Only}
	}
	return short
}

// encode gives the stored form. Once nothing is left to do, the steps of the plan go: the marks tell all that a replay
// or a second delivery needs.
func (j *memo) encode(retention time.Duration) ([]byte, time.Duration, error) {
	stored, ttl := journal{Plan: j.plan, Marks: j.marks, Kept: j.kept}, retention+memoryAfterLog
	if j.allDone() {
		if !j.kept {
			ttl = memoryDone
		}
		var plan events.Plan
		if err := json.Unmarshal(j.plan, &plan); err != nil {
			return nil, 0, fmt.Errorf("shorten a plan: %w", err)
		}
		plan.Steps = nil
		short, err := json.Marshal(plan)
		if err != nil {
			return nil, 0, err
		}
		stored.Plan = short
	}
	value, err := json.Marshal(stored)
	return value, ttl, err
}

func (j *memo) allDone() bool {
	var marks events.Marks
	return len(j.steps) > 0 && json.Unmarshal(j.marks, &marks) == nil && nothingLeft(j.steps, &marks)
}

// nothingLeft tells whether every step that applies is done or skipped.
func nothingLeft(steps []events.Step, marks *events.Marks) bool {
	return !slices.ContainsFunc(steps, func(s events.Step) bool {
		state := marks.Steps[s.ID].State
		applies := s.Only == events.Always || (s.Only == events.IfCreated) == marks.Created
		return applies && state != events.StepDone && state != events.StepSkipped
	})
}

// LoadJournal returns what is remembered of an event's steps; empty when nothing is.
func (q *Queue) LoadJournal(ctx context.Context, _, key string) (events.Journal, error) {
	var out events.Journal
	err := q.memory.with(ctx, key, func(j *memo) (bool, error) {
		if j.plan != nil {
			out.Plan = &events.Plan{}
			if err := json.Unmarshal(j.plan, out.Plan); err != nil {
				return false, err
			}
		}
		if j.marks != nil {
			return false, json.Unmarshal(j.marks, &out.Marks)
		}
		return false, nil
	})
	return out, err
}

// SavePlan stores an event's plan and keeps its marks. It returns when the plan is durable.
func (q *Queue) SavePlan(ctx context.Context, _, key string, plan events.Plan) error {
	raw, err := json.Marshal(plan)
	if err != nil {
		return fmt.Errorf("encode a plan: %w", err)
	}
	return q.memory.with(ctx, key, func(j *memo) (bool, error) {
		j.plan, j.steps = raw, outline(plan.Steps)
		return true, nil
	})
}

// SaveMarks stores what became of an event's steps and keeps its plan. It returns when the marks are durable.
func (q *Queue) SaveMarks(ctx context.Context, _, key string, marks events.Marks) error {
	raw, err := json.Marshal(marks)
	if err != nil {
		return fmt.Errorf("encode marks: %w", err)
	}
	return q.memory.with(ctx, key, func(j *memo) (bool, error) {
		j.marks = raw
		return true, nil
	})
}

// Turn counts: 0, 1, 2, … for each account and name, across restarts and processes. A number may be skipped, none is
// given twice.
func (q *Queue) Turn(ctx context.Context, account, name string) (uint64, error) {
	q.memory.turns.Lock()
	defer q.memory.turns.Unlock()
	key := "turn." + token(account) + "." + hashToken(name)
	for {
		value, seq, err := q.memory.load(ctx, key)
		if err != nil {
			return 0, err
		}
		var n uint64
		if len(value) == 8 {
			n = binary.BigEndian.Uint64(value)
		}
		next := binary.BigEndian.AppendUint64(nil, n+1)
		_, err = q.put(ctx, &nats.Msg{Subject: subjectMemory + key, Data: next}, jetstream.WithExpectLastSequencePerSubject(seq))
		if err == nil {
			return n, nil
		}
		if !lostRace(err) {
			return 0, fmt.Errorf("count a turn: %w", err)
		}
	}
}
