package queue

import (
	"context"
	"testing"
	"time"

	"bridge/internal/events"
)

// TestServerThatIsCutOff: of two ways into a cluster the one in use falls silent without its connection breaking. The process goes
// over to the other one, and takes webhooks again.
func TestServerThatIsCutOff(t *testing.T) {
	t.Parallel()
	url := startExternal(t)
	ways := []*line{startLine(t, url[len("nats://"):]), startLine(t, url[len("nats://"):])}
	opt := externalOptions(t, ways[0].url()+","+ways[1].url())
	b := &bench{Queue: openQueue(t, opt), groups: &testGroups{decide: done}, front: &testFront{}}
	b.start(t)
	accept(t, b.Queue, event("1", "ada@example.com"))
	for _, w := range ways {
		if w.url() == b.nc.ConnectedUrl() {
			w.pause()
		}
	}
	e := event("2", "ada@example.com")
	eventually(t, "webhooks are taken again", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := b.Accept(ctx, []events.Event{e})
		return err == nil
	})
	eventually(t, "they are worked again", func() bool { return b.index.last(e.Key()) == "done" })
}
