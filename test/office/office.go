// Package office is a bridge in memory for tests of what operators use: a real history over a log in memory, and
// stand-ins for queue, rules and quotas that change state as the real ones do. It calls no Keap.
package office

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"bridge/internal/events"
	"bridge/internal/history"
	"bridge/internal/ops"
)

// Start is the time at which the office's events begin: some ten hours ago, so that all of them are young.
var Start = time.Now().UTC().Truncate(time.Hour).Add(-10 * time.Hour)

// Office holds the parts. Change the exported fields before they are used.
type Office struct {
	Desk  *ops.Desk
	Index *history.Index

	// What the running parts say.
	AccountList []ops.Account
	SourceList  []ops.Source
	RuleList    []ops.Rule
	ProblemList []ops.Problem

	mu        sync.Mutex
	past      stock           // what NewStocked put into the history
	begin     events.Position // where records begin
	records   []events.LogRecord
	pos       events.Position
	changed   chan struct{}
	events    map[string]*events.Event
	seqs      map[string]uint64
	journals  map[string]events.Journal
	said      map[string]events.Exchange
	messages  map[string]*events.Message
	discarded map[string]events.Outcome // key → the state that it had
	states    map[string]events.Outcome
	Erased    []string // keys
	Published []json.RawMessage
	Broken    error // what every change gives
}

// New opens an office; it closes with the test.
func New(t testing.TB) *Office {
	t.Helper()
	index, err := history.Open(t.Context(), filepath.Join(t.TempDir(), "history.db"), history.Options{Hash: hash})
	if err != nil {
		t.Fatal(err)
	}
	return newOffice(t, index, 0, events.Position{})
}

func newOffice(t testing.TB, index *history.Index, past stock, begin events.Position) *Office {
	o := &Office{
		Index: index, past: past, begin: begin, pos: begin,
		changed: make(chan struct{}), events: map[string]*events.Event{}, seqs: map[string]uint64{},
		journals: map[string]events.Journal{}, said: map[string]events.Exchange{}, messages: map[string]*events.Message{}, discarded: map[string]events.Outcome{}, states: map[string]events.Outcome{},
		AccountList: []ops.Account{{Name: "default", App: "ab123", Group: "ab123", Owner: "bridge-1", Ready: true, Quota: ops.Quota{
			Second: ops.Window{Limit: 10, Used: 3}, Minute: ops.Window{Limit: 240, Used: 61}, Day: ops.Window{Limit: 30000, Used: 812, Elsewhere: 40, ResetsAt: midnight()},
		}}},
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- index.Follow(ctx, o) }()
	o.Desk = ops.New(ops.Options{
		Index: index, Records: index, News: index, Archive: o, Work: o, Planner: o, Live: o, Switches: o,
	})
	t.Cleanup(func() {
		_ = o.Desk.Close()
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("history: %v", err)
		}
		_ = index.Close()
	})
	return o
}

func midnight() *time.Time {
	t := time.Now().UTC().Truncate(24 * time.Hour).Add(24 * time.Hour)
	return &t
}

func hash(text string) string {
	sum := sha256.Sum256([]byte("office" + text))
	return hex.EncodeToString(sum[:])
}

// append puts a record into the log.
func (o *Office) append(rec events.LogRecord) {
	if rec.Event != nil {
		o.pos.Events++
	} else {
		o.pos.Outcomes++
	}
	rec.Position = o.pos
	o.records = append(o.records, rec)
	close(o.changed)
	o.changed = make(chan struct{})
}

// Accept stores an event as the router does.
func (o *Office) Accept(e events.Event, lane events.Priority) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.append(events.LogRecord{Event: &e, Lane: lane, Group: e.Account})
	o.events[e.Key()], o.seqs[e.Key()] = &e, o.pos.Events
}

// Settle records what became of an event.
func (o *Office) Settle(out ...events.Outcome) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, x := range out {
		if x.Kind == events.OutcomeState {
			o.states[x.Key] = x
		}
		if x.Call != nil && x.Call.Exchange != nil {
			x.Call.ID = fmt.Sprint("x", len(o.said))
			o.said[x.Call.ID] = *x.Call.Exchange
		}
	}
	o.append(events.LogRecord{Outcomes: out})
}

// Remember stores what became of an event's steps.
func (o *Office) Remember(key string, j events.Journal) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.journals[key] = j
}

// CaughtUp waits until the history knows everything.
func (o *Office) CaughtUp(t testing.TB) {
	t.Helper()
	o.mu.Lock()
	pos := o.pos
	o.mu.Unlock()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := o.Index.Wait(ctx, pos); err != nil {
		t.Fatal(err)
	}
}

// Tail implements history.Log.
func (o *Office) Tail(ctx context.Context, after events.Position, fn func([]events.LogRecord) error) error {
	if after != o.begin {
		return errors.New("the office's log is read once")
	}
	for at := 0; ; {
		o.mu.Lock()
		recs, changed := slices.Clone(o.records[at:]), o.changed
		o.mu.Unlock()
		at += len(recs)
		if len(recs) > 0 {
			if err := fn(recs); err != nil {
				return err
			}
			continue
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Stored implements ops.Archive.
func (o *Office) Stored(_ context.Context, _, key string, seq uint64) (*events.Event, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if seq > 0 && seq <= o.begin.Events {
		if e := o.past.event(int(seq) - 1); e.Key() == key {
			return &e, nil
		}
	}
	return o.events[key], nil
}

// Message implements ops.Archive.
func (o *Office) Message(_ context.Context, _, key string) (*events.Message, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.messages[key], nil
}

// LoadJournal implements ops.Archive.
func (o *Office) LoadJournal(_ context.Context, _, key string) (events.Journal, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.journals[key], nil
}

// Exchanges implements ops.Archive.
func (o *Office) Exchanges(_ context.Context, ids []string) (map[string]events.Exchange, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	found := map[string]events.Exchange{}
	for _, id := range ids {
		if x, ok := o.said[id]; ok {
			found[id] = x
		}
	}
	return found, nil
}

// Record implements ops.Archive.
func (o *Office) Record(_ context.Context, records ...events.Outcome) error {
	if o.Broken != nil {
		return o.Broken
	}
	o.Settle(records...)
	return nil
}

// change moves an event to a state.
func (o *Office) change(account, key string, seq uint64, s events.State, r events.Reason, job string) {
	o.Settle(events.Outcome{Kind: events.OutcomeState, At: time.Now().UTC(), Account: account, Key: key, Seq: seq, State: s, Reason: r, Job: job})
}

// Replay implements ops.Work.
func (o *Office) Replay(_ context.Context, account, key string, seq uint64, job string) (bool, error) {
	o.change(account, key, seq, events.Waiting, "", job)
	return true, nil
}

// Discard implements ops.Work.
func (o *Office) Discard(_ context.Context, account, key string, seq uint64, job string) (bool, error) {
	o.mu.Lock()
	o.discarded[key] = o.states[key]
	o.mu.Unlock()
	o.change(account, key, seq, events.StateDiscarded, events.Discarded, job)
	return true, nil
}

// Restore implements ops.Work.
func (o *Office) Restore(_ context.Context, account, key string, seq uint64, job string) (bool, error) {
	o.mu.Lock()
	was, ok := o.discarded[key]
	delete(o.discarded, key)
	o.mu.Unlock()
	if ok {
		o.Settle(events.Outcome{Kind: events.OutcomeState, At: time.Now().UTC(), Account: account, Key: key, Seq: seq,
			State: was.State, Reason: was.Reason, Detail: was.Detail, Step: was.Step, Job: job})
	}
	return ok, nil
}

// Resolve implements ops.Work.
func (o *Office) Resolve(_ context.Context, account, key string, seq uint64, step string, happened bool) error {
	j := o.journals[key]
	state := events.StepWaiting
	if happened {
		state = events.StepDone
	}
	j.Marks.Steps[step] = events.Mark{State: state, At: time.Now().UTC()}
	o.Remember(key, j)
	o.change(account, key, seq, events.Done, "", "")
	return nil
}

// Erase implements ops.Work.
func (o *Office) Erase(_ context.Context, _ string, rows []events.Row) (int, error) {
	for _, r := range rows {
		o.mu.Lock()
		delete(o.events, r.Key)
		o.Erased = append(o.Erased, r.Key)
		o.mu.Unlock()
		o.change(r.Account, r.Key, r.Seq, events.StateDiscarded, events.Erased, "")
	}
	return len(rows), nil
}

// Preview implements ops.Planner: a contact, two tags and a goal for every event that has an e-mail address.
func (o *Office) Preview(_ context.Context, e *events.Event) (events.Plan, error) {
	if e.Data.Contact == nil || e.Data.Contact.Email == "" {
		return events.Plan{}, errors.New("event.contact has no e-mail")
	}
	return Plan(e), nil
}

// Plan is what Preview gives.
func Plan(e *events.Event) events.Plan {
	return events.Plan{
		Rules: []string{"purchase"}, Who: events.Person{Email: e.Data.Contact.Email}, Made: Start,
		Steps: []events.Step{
			{ID: "purchase/contact#1", Rule: "purchase", Do: events.DoContact, Contact: &events.ContactStep{Contact: *e.Data.Contact, OptIn: "Bought"}},
			{ID: "purchase/tag:Customer#1", Rule: "purchase", Do: events.DoTag, Target: "Customer"},
			{ID: "purchase/tag:Bought HOODIE#1", Rule: "purchase", Do: events.DoTag, Target: "Bought HOODIE"},
			{ID: "purchase/goal:shop/bought#1", Rule: "purchase", Do: events.DoGoal, Target: "shop/bought", Goal: &events.GoalStep{Integration: "shop", Call: "bought"}},
		},
	}
}

// Accounts implements ops.Live.
func (o *Office) Accounts(context.Context) ([]ops.Account, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.AccountList), nil
}

// Sources implements ops.Live.
func (o *Office) Sources(context.Context) ([]ops.Source, error) { return o.SourceList, nil }

// Rules implements ops.Live.
func (o *Office) Rules(context.Context) ([]ops.Rule, error) { return o.RuleList, nil }

// Problems implements ops.Live.
func (o *Office) Problems(context.Context) ([]ops.Problem, error) { return o.ProblemList, nil }

// Finish implements ops.Live: four calls a second.
func (o *Office) Finish(_ context.Context, _ string, calls int) time.Time {
	return time.Now().UTC().Add(time.Duration(calls) * 250 * time.Millisecond)
}

// Pause implements ops.Switches.
func (o *Office) Pause(_ context.Context, account string) error {
	return o.setPause(account, &ops.Pause{Reason: events.Paused})
}

// Resume implements ops.Switches.
func (o *Office) Resume(_ context.Context, account string) error { return o.setPause(account, nil) }

func (o *Office) setPause(account string, p *ops.Pause) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	for i := range o.AccountList {
		if o.AccountList[i].Name == account {
			o.AccountList[i].Paused = p
		}
	}
	return nil
}

// Publish implements ops.Switches.
func (o *Office) Publish(_ context.Context, _, _ string, cloudEvents []json.RawMessage) ([]ops.Published, error) {
	var out []ops.Published
	for i, raw := range cloudEvents {
		o.Published = append(o.Published, raw)
		if strings.Contains(string(raw), `"refuse"`) {
			out = append(out, ops.Published{Status: ops.Refused, Detail: "it has no type"})
			continue
		}
		out = append(out, ops.Published{ID: fmt.Sprint(i + 1), Status: ops.Accepted})
	}
	return out, nil
}

// Test implements ops.Switches.
func (o *Office) Test(context.Context, string, string) (string, error) { return "shop:test:1", nil }
