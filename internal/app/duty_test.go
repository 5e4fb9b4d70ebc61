package app

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"bridge/internal/queue"
)

// dutyNotes is one note with compare-and-set, which can be cut off.
type dutyNotes struct {
	fakeNotes
	mu       sync.Mutex
	value    []byte
	revision uint64
	away     map[string]bool // processes that cannot reach it
}

// dutyEnd is one process's way to the note.
type dutyEnd struct {
	*dutyNotes
	process string
}

var errAway = errors.New("the note cannot be reached")

func (n *dutyEnd) Note(context.Context, string) ([]byte, uint64, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.away[n.process] {
		return nil, 0, errAway
	}
	return n.value, n.revision, nil
}

func (n *dutyEnd) SaveNote(_ context.Context, _ string, value []byte, revision uint64) (uint64, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case n.away[n.process]:
		return 0, errAway
	case revision != n.revision:
		return 0, queue.ErrConflict
	}
	n.value = value
	n.revision++
	return n.revision, nil
}

// TestOneProcessDoesTheChores: never two, also when one is cut off; never none for long.
func TestOneProcessDoesTheChores(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		notes := &dutyNotes{away: map[string]bool{}}
		var mu sync.Mutex
		working := map[string]bool{}
		begin := func(process string) (stop func()) {
			ctx, cancel := context.WithCancel(context.Background())
			d := &duty{notes: &dutyEnd{notes, process}, process: process, log: slog.New(slog.DiscardHandler)}
			done := make(chan error, 1)
			go func() {
				done <- d.do(ctx, func(ctx context.Context) {
					mu.Lock()
					working[process] = true
					if len(working) > 1 {
						t.Errorf("%v work at the same time", working)
					}
					mu.Unlock()
					<-ctx.Done()
					mu.Lock()
					delete(working, process)
					mu.Unlock()
				})
			}()
			return func() {
				cancel()
				if err := <-done; err != nil {
					t.Error(err)
				}
			}
		}
		expect := func(process string) {
			t.Helper()
			mu.Lock()
			defer mu.Unlock()
			if !working[process] || len(working) != 1 {
				t.Errorf("%v work, want %s", working, process)
			}
		}
		stopA := begin("a")
		synctest.Wait()
		expect("a")
		stopB := begin("b")
		time.Sleep(time.Minute)
		expect("a")
		notes.mu.Lock()
		notes.away["a"] = true // its connection is gone, it does not know yet
		notes.mu.Unlock()
		time.Sleep(dutyLife + 3*dutyBeat)
		expect("b")
		notes.mu.Lock()
		notes.away["a"] = false
		notes.mu.Unlock()
		time.Sleep(time.Minute)
		expect("b")
		stopB() // gives it back
		time.Sleep(2 * dutyBeat)
		expect("a")
		stopA()
	})
}
