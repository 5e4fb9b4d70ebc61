package queue

import (
	"context"
	"fmt"
	"testing"

	"bridge/internal/events"
)

// TestSpool: while the server is away events are taken, across a restart of the process too, and each is worked once
// and in order when it is back.
func TestSpool(t *testing.T) {
	t.Parallel()
	url := startExternal(t)
	wire := startLine(t, url[len("nats://"):])
	worker := startMember(t, url, done)
	opt := externalOptions(t, wire.url())
	opt.DataDir, opt.Spool = t.TempDir(), true
	q := openQueue(t, opt)
	var sent []events.Event
	send := func(n int) {
		for range n {
			e := event(fmt.Sprintf("%03d", len(sent)), "a@example.com")
			accept(t, q, e)
			sent = append(sent, e)
		}
	}
	send(3)
	wire.pause()
	send(5)
	if n := q.intake.spool.waiting.Load(); n == 0 {
		t.Fatal("nothing went to the local disk")
	}
	if known, err := q.Accept(context.Background(), sent[4:5]); err != nil || !known[0] {
		t.Errorf("a resend meanwhile: %v, %v", known, err)
	}
	wire.resume()
	send(3)
	for _, e := range sent {
		eventually(t, e.ID+" is done", func() bool { return worker.index.last(e.Key()) == "done" })
	}
	eventually(t, "the spool is empty", func() bool { return q.intake.spool.waiting.Load() == 0 })
	send(1)
	eventually(t, "what comes later goes the straight way", func() bool { return worker.index.last(sent[len(sent)-1].Key()) == "done" })
	for i, d := range worker.groups.all() {
		if d.Event.ID != sent[i].ID {
			t.Errorf("number %d is %s", i, d.Event.ID)
		}
	}
	if got := len(worker.groups.all()); got != len(sent) {
		t.Errorf("%d deliveries of %d events", got, len(sent))
	}
}

// TestSpoolOutlivesTheProcess: what one process left on the local disk the next one forwards.
func TestSpoolOutlivesTheProcess(t *testing.T) {
	t.Parallel()
	url := startExternal(t)
	wire := startLine(t, url[len("nats://"):])
	opt := externalOptions(t, wire.url())
	opt.DataDir, opt.Spool = t.TempDir(), true
	q := openQueue(t, opt)
	wire.pause()
	e := event("1", "a@example.com")
	accept(t, q, e)
	closeQueue(t, q)
	wire.resume()
	worker := startMember(t, url, done)
	openQueue(t, opt)
	eventually(t, "done", func() bool { return worker.index.last(e.Key()) == "done" })
}
