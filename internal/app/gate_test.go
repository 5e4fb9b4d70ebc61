package app

import (
	"context"
	"io"
	"log/slog"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/trace/noop"

	"bridge/internal/config"
	"bridge/internal/dispatch"
	"bridge/internal/events"
)

// counting is a dispatch.Handler that finishes what it is given.
type counting struct{ n atomic.Int64 }

func (c *counting) Handle(context.Context, events.Delivery) events.Verdict {
	c.n.Add(1)
	return events.Verdict{Kind: events.VerdictDone}
}

// EventBySeq implements dispatch.Reloader.
func (c *counting) EventBySeq(_ context.Context, seq uint64) (*events.Event, error) {
	return &events.Event{ID: strconv.FormatUint(seq, 10), Account: "a"}, nil
}

// TestPausedAccountHoldsUpNobody: the other accounts of its quota group find room, and it goes on when it is resumed,
// even with what was about to be parked at that moment.
func TestPausedAccountHoldsUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
		gs := &groups{metrics: newMetrics(), log: quiet, open: map[string]*group{}, trace: newTracing(noop.NewTracerProvider()), worlds: &worlds{}}
		gs.worlds.use(&config.Config{})
		gs.gate = newGate(nil, quiet, gs.resumed)
		gs.gate.use(map[string]time.Time{"a": time.Now()}, 1)
		done := &counting{}
		lane := dispatch.NewLane(&observed{done, gs}, done, dispatch.DefaultLimits, quiet)
		gs.open["g"] = &group{lane: lane}
		settled := func(context.Context, events.Verdict) error { return nil }
		const n = 3000
		for i := range n {
			name := strconv.Itoa(i)
			lane.Take(events.Delivery{Seq: uint64(i), Contact: name, Event: events.Event{ID: name, Account: "a"}}, settled)
		}
		synctest.Wait()
		if room, _ := lane.Room(); room != dispatch.DefaultLimits.Deliveries || done.n.Load() != 0 {
			t.Errorf("room for %d, %d handled", room, done.n.Load())
		}
		gs.gate.use(nil, 0) // an older list than the one in force
		if !gs.gate.shut("a") {
			t.Error("an older list came into force")
		}
		gs.gate.use(nil, 2)
		time.Sleep(10 * time.Minute)
		if done.n.Load() != n {
			t.Errorf("%d of %d done after the pause", done.n.Load(), n)
		}
		if err := lane.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
