package calls

import (
	"context"
	"errors"
	"testing"

	"bridge/internal/events"
)

// TestFormerOwnerWritesNothing: a process that is paused between its permit and the request finds the group taken
// when it wakes. What it had not written yet stays unwritten, and the askers are told that it was not sent.
func TestFormerOwnerWritesNothing(t *testing.T) {
	inBubble(t, plenty, func(b *bench) {
		owned := true
		b.c.Owned = func() bool { return owned }
		b.fine(b.all(ask(events.Normal, "a", "7", goal("before")))...)
		pause := func(context.Context, []events.Step) error { // the intention is on disk, then the process is paused
			owned = false
			return nil
		}
		for _, steps := range [][]events.Step{{goal("x")}, {tag("3")}, {{Do: events.DoSequence, Target: "1/2", Sequence: &events.SequenceStep{Automation: "1", Sequence: "2"}}}} {
			owned = steps[0].Do != events.DoTag // no intention is recorded for tags
			a := ask(events.Normal, "a", "7", steps...)
			a.Intend = pause
			for _, r := range b.all(a)[0] {
				if !errors.Is(r.Err, context.Canceled) || r.Sent || r.Calls > 0 {
					t.Errorf("%s: %+v", steps[0].Do, r)
				}
			}
		}
		b.expect("goal")
	})
}
