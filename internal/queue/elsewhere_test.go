package queue

import (
	"context"
	"fmt"
	"testing"
	"time"

	"bridge/internal/events"
)

// TestServerThatIsCutOff: of two ways into a cluster the one that a connection uses falls silent without that breaking. The process
// goes over to the other one, and takes and works webhooks again, whichever of its connections it is, and members or not.
func TestServerThatIsCutOff(t *testing.T) {
	t.Parallel()
	for use, of := range map[string]func(*Queue) *link{
		"work":  func(q *Queue) *link { return q.base },
		"line":  func(q *Queue) *link { return q.line },
		"reads": func(q *Queue) *link { return q.reads },
	} {
		t.Run(use, func(t *testing.T) {
			t.Parallel()
			url := startExternal(t)
			ways := []*line{startLine(t, url[len("nats://"):]), startLine(t, url[len("nats://"):])}
			opt := externalOptions(t, ways[0].url()+","+ways[1].url())
			b := &bench{Queue: openQueue(t, opt), groups: &testGroups{decide: done}, front: &testFront{}}
			b.start(t)
			door := openQueue(t, opt) // takes webhooks only: it is no member
			accept(t, b.Queue, event("1", "ada@example.com"))
			accept(t, door, event("2", "ada@example.com"))
			// Both processes are to be cut off on this connection, and on it only.
			for _, q := range []*Queue{b.Queue, door} {
				for _, l := range []*link{q.base, q.line, q.reads} {
					goOver(t, l, ways[btoi(l == of(q))].url())
				}
			}
			ways[1].pause()
			for i, q := range []*Queue{b.Queue, door} {
				e := event(fmt.Sprint(3+i), "ada@example.com")
				eventually(t, "webhooks are taken again", func() bool {
					ctx, cancel := context.WithTimeout(t.Context(), time.Second)
					defer cancel()
					_, err := q.Accept(ctx, []events.Event{e})
					return err == nil
				})
				eventually(t, "they are worked again", func() bool { return b.index.last(e.Key()) == "done" })
				eventually(t, "they are read again", func() bool {
					ctx, cancel := context.WithTimeout(t.Context(), 2*askAgain)
					defer cancel()
					_, err := q.newest(ctx, streamEvents, subjectEvents+">")
					return err == nil
				})
			}
		})
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// goOver has a connection use one of its ways.
func goOver(t *testing.T, l *link, way string) {
	t.Helper()
	eventually(t, "the connection is where it is to be", func() bool {
		if l.nc.IsConnected() && l.nc.ConnectedUrl() == way {
			return true
		}
		if l.nc.IsConnected() {
			if err := l.nc.ForceReconnect(); err != nil {
				t.Fatal(err)
			}
		}
		return false
	})
}
