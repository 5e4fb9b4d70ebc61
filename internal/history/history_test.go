package history

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"bridge/internal/events"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// memoryLog is a Log in memory.
type memoryLog struct {
	mu      sync.Mutex
	records []events.LogRecord
	pos     events.Position
	changed chan struct{}
}

func newMemoryLog() *memoryLog { return &memoryLog{changed: make(chan struct{})} }

func (l *memoryLog) add(rec events.LogRecord) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if rec.Event != nil {
		l.pos.Events++
	} else {
		l.pos.Outcomes++
	}
	rec.Position = l.pos
	l.records = append(l.records, rec)
	close(l.changed)
	l.changed = make(chan struct{})
}

func (l *memoryLog) event(e events.Event, lane events.Priority) {
	l.add(events.LogRecord{Event: &e, Lane: lane})
}

func (l *memoryLog) outcome(o ...events.Outcome) { l.add(events.LogRecord{Outcomes: o}) }

func (l *memoryLog) position() events.Position {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.pos
}

func (l *memoryLog) Tail(ctx context.Context, after events.Position, fn func([]events.LogRecord) error) error {
	l.mu.Lock()
	if after.Events > l.pos.Events || after.Outcomes > l.pos.Outcomes {
		l.mu.Unlock()
		return fmt.Errorf("tail: %w", events.ErrAhead)
	}
	l.mu.Unlock()
	at := 0
	for {
		l.mu.Lock()
		recs, changed := l.records[at:], l.changed
		at = len(l.records)
		l.mu.Unlock()
		var fresh []events.LogRecord
		for _, r := range recs {
			if r.Event != nil && r.Position.Events > after.Events || r.Event == nil && r.Position.Outcomes > after.Outcomes {
				fresh = append(fresh, r)
			}
		}
		if len(fresh) > 0 {
			if err := fn(fresh); err != nil {
				return err
			}
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func testHash(text string) string {
	mac := hmac.New(sha256.New, []byte("a salt for tests"))
	mac.Write([]byte(text))
	return hex.EncodeToString(mac.Sum(nil))
}

func open(t testing.TB, path string) *Index {
	t.Helper()
	ix, err := Open(t.Context(), path, Options{Hash: testHash})
	if err != nil {
		t.Fatal(err)
	}
	ix.pruned = time.Now() // what tests store is old
	t.Cleanup(func() { _ = ix.Close() })
	return ix
}

// follow runs Follow until the test ends.
func follow(t testing.TB, ix *Index, log Log) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- ix.Follow(ctx, log) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Follow: %v", err)
		}
	})
}

func newFollowed(t testing.TB) (*Index, *memoryLog) {
	t.Helper()
	ix, log := open(t, filepath.Join(t.TempDir(), "history.db")), newMemoryLog()
	follow(t, ix, log)
	return ix, log
}

func caughtUp(t testing.TB, ix *Index, log *memoryLog) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := ix.Wait(ctx, log.position()); err != nil {
		t.Fatal(err)
	}
}

var day = time.Date(2026, 8, 3, 9, 0, 0, 0, time.UTC)

// order is a paid order of a person.
func order(n int, account, source, email string) events.Event {
	at := day.Add(time.Duration(n) * time.Second)
	return events.Event{
		ID: fmt.Sprintf("%s:order.paid:%d", source, n), Account: account, Source: source, Kind: "woocommerce", Type: "order.paid",
		Time: at, Received: at,
		Data: events.Data{
			Contact: &events.Contact{Email: email, FirstName: "Ada"},
			Order:   &events.Order{ID: fmt.Sprint(n), Number: fmt.Sprintf("W-%d", n), Total: "10.00", Currency: "EUR"},
		},
	}
}

func state(e events.Event, at time.Time, s events.State, r events.Reason) events.Outcome {
	return events.Outcome{Kind: events.OutcomeState, At: at, Account: e.Account, Key: e.Key(), State: s, Reason: r}
}

func ids(p events.Page) []string {
	var ids []string
	for _, r := range p.Rows {
		ids = append(ids, r.ID)
	}
	return ids
}
