package history

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"bridge/internal/events"
)

// failingLog fails some times before it is the log that it stands for.
type failingLog struct {
	Log
	left int
	err  error
}

func (l *failingLog) Tail(ctx context.Context, after events.Position, fn func([]events.LogRecord) error) error {
	if l.left > 0 {
		l.left--
		return l.err
	}
	return l.Log.Tail(ctx, after, fn)
}

// TestLogIsTriedAgain holds that a log that cannot be read for a while does not end what follows it.
func TestLogIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ix, log := open(t, filepath.Join(t.TempDir(), "history.db")), newMemoryLog()
		log.event(order(1, "default", "shop", "ada@example.com"), events.Normal)
		begun := time.Now()
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- ix.Follow(ctx, &failingLog{log, 4, errors.New("connection lost")}) }()
		caughtUp(t, ix, log)
		if took := time.Since(begun); took != 7500*time.Millisecond {
			t.Errorf("four failures were waited out in %s, want 0.5 + 1 + 2 + 4 s", took)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if err := ix.Close(); err != nil {
			t.Fatal(err)
		}
		if err := ix.Follow(t.Context(), log); !errors.Is(err, errClosed) {
			t.Errorf("Follow of a closed index: %v", err)
		}
	})
}

// TestAtOddsWithItself spoils what two tables say of each other under a running index, again and again.
func TestAtOddsWithItself(t *testing.T) {
	for name, statement := range map[string]string{
		"an unknown class": "UPDATE event SET class = 9",
		"a row too many":   "INSERT INTO event SELECT (SELECT max(n) FROM event) + 1, randomblob(16), seq, id, class, step, detail, received, changed, until, attempts, calls, rules, person, number FROM event LIMIT 1",
		"a lost table":     "DROP TABLE class",
	} {
		t.Run(name, func(t *testing.T) {
			ix, log := newFollowed(t)
			for n := range 3 {
				e := order(n, "default", "shop", "ada@example.com")
				log.event(e, events.Normal)
				caughtUp(t, ix, log)
				ix.writing.Lock()
				if _, err := ix.store.write.ExecContext(t.Context(), statement); err != nil {
					t.Error(err)
				}
				ix.writing.Unlock()
				log.outcome(state(e, day, events.Done, ""))
				log.event(order(100+n, "another", "shop", "bob@example.com"), events.Normal)
				caughtUp(t, ix, log)
			}
			p, err := ix.List(t.Context(), events.Filter{}, 100, "")
			if err != nil || len(p.Rows) != 6 {
				t.Errorf("%d rows, %v; want 6", len(p.Rows), err)
			}
		})
	}
}

// TestFolderTakenAway holds that an index whose file cannot be made anew comes back once it can.
func TestFolderTakenAway(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "data")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	ix := open(t, filepath.Join(folder, "history.db"))
	if err := os.RemoveAll(folder); err != nil {
		t.Fatal(err)
	}
	if err := ix.rebuild(t.Context()); err == nil {
		t.Fatal("an index was made in a folder that is not there")
	}
	if _, err := ix.List(t.Context(), events.Filter{}, 1, ""); !errors.Is(err, errAway) {
		t.Errorf("List: %v, want %v", err, errAway)
	}
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	log := newMemoryLog()
	log.event(order(1, "default", "shop", "ada@example.com"), events.Normal)
	follow(t, ix, log)
	caughtUp(t, ix, log)
}

// TestOneAtATime holds that nobody opens a file that is in use, and that it is free again after Close.
func TestOneAtATime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history.db")
	first := open(t, path)
	if _, err := Open(t.Context(), path, Options{Hash: testHash}); !errors.Is(err, ErrInUse) {
		t.Fatalf("a second index of one file: %v, want %v", err, ErrInUse)
	}
	if err := errors.Join(first.Close(), first.Close()); err != nil {
		t.Fatal(err)
	}
	if err := open(t, path).Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), path, Options{}); err == nil {
		t.Error("an index without a hash was opened")
	}
}
