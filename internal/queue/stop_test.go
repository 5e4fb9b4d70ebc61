package queue

import (
	"context"
	"testing"
	"time"

	"bridge/internal/events"
)

// TestStopWithoutServer: a process that was looking for work when the server fell silent can be stopped and closed
// all the same, about as soon as it was told to.
func TestStopWithoutServer(t *testing.T) {
	if testing.Short() {
		t.Skip("several requests have to time out: not with -short")
	}
	t.Parallel()
	url := startExternal(t)
	wire := startLine(t, url[len("nats://"):])
	b := startMember(t, wire.url(), done)
	e := event("1", "a@example.com")
	accept(t, b.Queue, e)
	eventually(t, "the event is done", func() bool { return b.index.last(e.Key()) == "done" })
	wire.pause()
	for _, group := range b.groups.names() {
		b.work.wake(group, events.Priorities[:]...)
	}
	<-time.After(2 * noAnswer) // it has asked, and got no answer
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = b.Stop(ctx) // it cannot leave the others properly
		_ = b.Close(ctx)
	}()
	select {
	case <-stopped:
	case <-time.After(patience / 4): // it had a second; a request to the server may take ten
		t.Error("still not stopped")
	}
	wire.resume()
	<-stopped
}
