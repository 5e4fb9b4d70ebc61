package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"bridge/internal/events"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeLog is a log of batches; each record's position is its place.
type fakeLog struct {
	mu      sync.Mutex
	records []events.LogRecord
	more    chan struct{}
}

func newFakeLog() *fakeLog { return &fakeLog{more: make(chan struct{})} }

func (l *fakeLog) write(r events.LogRecord) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r.Position = events.Position{Outcomes: uint64(len(l.records) + 1)}
	l.records = append(l.records, r)
	close(l.more)
	l.more = make(chan struct{})
}

func (l *fakeLog) End(context.Context) (events.Position, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return events.Position{Outcomes: uint64(len(l.records))}, nil
}

func (l *fakeLog) Tail(ctx context.Context, after events.Position, fn func([]events.LogRecord) error) error {
	for at := after.Outcomes; ; {
		l.mu.Lock()
		if at > uint64(len(l.records)) {
			l.mu.Unlock()
			return events.ErrAhead
		}
		batch, more := slices.Clone(l.records[at:]), l.more
		l.mu.Unlock()
		if len(batch) > 0 {
			if err := fn(batch); err != nil {
				return err
			}
			at += uint64(len(batch))
			continue
		}
		select {
		case <-more:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

type fakeNotes struct {
	mu       sync.Mutex
	value    []byte
	revision uint64
}

func (n *fakeNotes) Note(context.Context, string) ([]byte, uint64, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.value, n.revision, nil
}

func (n *fakeNotes) SaveNote(_ context.Context, _ string, value []byte, revision uint64) (uint64, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if revision != n.revision {
		return 0, errors.New("changed by somebody else")
	}
	n.value = value
	n.revision++
	return n.revision, nil
}

// fakeReceiver takes what it is told unless it is down.
type fakeReceiver struct {
	mu    sync.Mutex
	down  bool
	tries int
	told  []Message
}

func (*fakeReceiver) Name() string          { return "fake" }
func (*fakeReceiver) Wants(typ string) bool { return typ != InDoubt }

func (r *fakeReceiver) Send(_ context.Context, m Message) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tries++
	if r.down {
		return &Refused{Status: 503}
	}
	r.told = append(r.told, m)
	return nil
}

func (r *fakeReceiver) set(down bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.down = down
}

func (r *fakeReceiver) seen() (told []Message, tries int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.told), r.tries
}

// keysOf are the events that messages name.
func keysOf(told []Message) []string {
	var keys []string
	for _, m := range told {
		for _, e := range m.Data.(*Trouble).Events {
			keys = append(keys, e.ID)
		}
	}
	return keys
}

func failedRecord(key string, at time.Time) events.LogRecord {
	return events.LogRecord{Outcomes: []events.Outcome{{Kind: events.OutcomeState, State: events.Failed, Reason: events.KeapRejected, Account: "default", Key: key, At: at}}}
}

// run follows in the background until stop.
func (f *Follower) start(t *testing.T) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// TestRestartsLoseNothing: what fails while nobody follows, and what a receiver does not take before a stop, is told after
// the next start; what happened before the first start is not.
func TestRestartsLoseNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, notes, r := newFakeLog(), &fakeNotes{}, &fakeReceiver{}
		log.write(failedRecord("before", time.Now()))
		follower := func() *Follower {
			return &Follower{Receiver: r, Log: log, Notes: notes, Logger: slog.New(slog.DiscardHandler)}
		}
		stop := follower().start(t)
		synctest.Wait()
		log.write(failedRecord("one", time.Now()))
		synctest.Wait()
		r.set(true)
		log.write(failedRecord("two", time.Now()))
		time.Sleep(time.Minute)
		stop()
		log.write(failedRecord("three", time.Now()))
		log.write(events.LogRecord{Outcomes: []events.Outcome{{Kind: events.OutcomeState, State: events.InDoubt, Key: "not wanted"}}})
		r.set(false)
		stop = follower().start(t)
		synctest.Wait()
		stop()
		told, tries := r.seen()
		if want := []string{"one", "two", "three"}; !slices.Equal(keysOf(told), want) {
			t.Errorf("told %v, want %v", keysOf(told), want)
		}
		if tries < 6 || tries > 12 {
			t.Errorf("%d tries, of which a minute's with growing pauses", tries)
		}
	})
}

// TestPatienceEnds: a receiver that is gone for days gets what is a day old, once more, and does not hold up what follows.
func TestPatienceEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, r := newFakeLog(), &fakeReceiver{down: true}
		gone := 0
		f := &Follower{Receiver: r, Log: log, Notes: &fakeNotes{}, Logger: slog.New(slog.DiscardHandler), Observe: func(_ string, told bool) {
			if !told {
				gone++
			}
		}}
		stop := f.start(t)
		synctest.Wait()
		log.write(failedRecord("lost", time.Now()))
		synctest.Wait()
		log.write(failedRecord("fresh", time.Now().Add(20*time.Hour)))
		time.Sleep(patience + time.Hour)
		r.set(false)
		time.Sleep(time.Hour)
		stop()
		told, tries := r.seen()
		if !slices.Equal(keysOf(told), []string{"fresh"}) || gone != 1 {
			t.Errorf("told %v, %d given up", keysOf(told), gone)
		}
		if least := int(patience / (2 * lastRetry)); tries < least || tries > 8*least {
			t.Errorf("%d tries in %v", tries, patience)
		}
	})
}

// TestOlderStore: a position beyond the logs (they are from a backup) begins at their end.
func TestOlderStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, r := newFakeLog(), &fakeReceiver{}
		value, err := json.Marshal(events.Position{Outcomes: 99})
		if err != nil {
			t.Fatal(err)
		}
		f := &Follower{Receiver: r, Log: log, Notes: &fakeNotes{value: value, revision: 1}, Logger: slog.New(slog.DiscardHandler)}
		stop := f.start(t)
		time.Sleep(2 * readAgain)
		log.write(failedRecord("after", time.Now()))
		synctest.Wait()
		stop()
		if told, _ := r.seen(); !slices.Equal(keysOf(told), []string{"after"}) {
			t.Errorf("told %v", keysOf(told))
		}
	})
}

func TestMessages(t *testing.T) {
	at := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	until := at.Add(time.Hour)
	var storm []events.Outcome
	for i := range 100 {
		storm = append(storm, events.Outcome{Kind: events.OutcomeState, State: events.Failed, Reason: events.TagUnknown, Account: "a", Key: fmt.Sprint(i), At: at, Detail: "ada@example.com"})
	}
	storm = append(storm,
		events.Outcome{Kind: events.OutcomeState, State: events.Failed, Reason: events.TagUnknown, Account: "b", Key: "x", At: at},
		events.Outcome{Kind: events.OutcomeState, State: events.InDoubt, Reason: events.UnknownOutcome, Account: "a", Key: "y", Step: "r/goal:1", At: at},
		events.Outcome{Kind: events.OutcomeState, State: events.Done, Account: "a", Key: "z", At: at},
		events.Outcome{Kind: events.OutcomeAudit, Action: "pause", Account: "a", Who: "ann", At: at},
		events.Outcome{Kind: events.OutcomeAudit, Action: "resume", Account: "a", At: at},
		events.Outcome{Kind: events.OutcomeAudit, Action: ActionPaused, Account: "b", Reason: events.QuotaDay, Until: &until, At: at},
		events.Outcome{Kind: events.OutcomeAudit, Action: ActionSilent, Account: "a", Target: "shop", At: at},
	)
	hook := &events.Event{ID: "keap:1", Account: "a", Type: "keap.contact.edit", Subject: "contact/7", Time: at, Data: events.Data{Contact: &events.Contact{ExternalID: "7"}, Raw: json.RawMessage(`{"object":{"id":7}}`)}}
	sale := &events.Event{ID: "shop:1", Account: "a", Type: "order.paid"}
	list := Messages([]events.LogRecord{{Event: hook}, {Event: sale}, {Outcomes: storm}})
	var got []string
	ids := map[string]bool{}
	for _, m := range list {
		body, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		var ce struct {
			SpecVersion, ID, Type, Source, Account string
			Data                                   struct {
				Count  int
				Events []any
				Reason string
				Until  string
				Source string
				Object struct{ ID int }
			}
		}
		if err := json.Unmarshal(body, &ce); err != nil || ce.SpecVersion != "1.0" || ids[ce.ID] || ce.Source != "/accounts/"+ce.Account {
			t.Errorf("%s: %v", body, err)
		}
		ids[ce.ID] = true
		got = append(got, fmt.Sprintf("%s %s %s %d/%d %s%s %d", ce.Type, ce.Account, ce.Data.Reason, len(ce.Data.Events), ce.Data.Count, ce.Data.Until, ce.Data.Source, ce.Data.Object.ID))
		if slices.Contains([]byte(body), '@') {
			t.Errorf("personal data: %s", body)
		}
	}
	want := []string{
		"keap.contact.edit a  0/0  7", "bridge.failed a tag.unknown 20/100  0", "bridge.failed b tag.unknown 1/1  0",
		"bridge.in_doubt a unknown_outcome 1/1  0", "bridge.paused a paused 0/0  0", "bridge.paused b quota.day 0/0 2026-11-23T11:00:00Z 0",
		"bridge.source_silent a  0/0 shop 0",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%q\nwant\n%q", got, want)
	}
}

func TestWants(t *testing.T) {
	for pattern, want := range map[string]bool{"*": true, "keap.*": true, "keap.contact.*": true, "keap.contact.edit": true, "bridge.*": false, "keap": false} {
		if got := Wants([]string{"bridge.failed", pattern}, "keap.contact.edit"); got != want {
			t.Errorf("%s: %v", pattern, got)
		}
	}
}
