package dispatch

import (
	"time"

	"bridge/internal/events"
)

// Hurry makes the parked delivery at this position due now, because something about it was changed.
func (l *Lane) Hurry(seq uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, ln := range l.lines {
		for q := range ln.queues {
			if len(ln.queues[q]) > 0 && ln.queues[q][0].Seq == seq && ln.queues[q][0].timer != nil {
				ln.queues[q][0].timer.Reset(0)
				return
			}
		}
	}
}

// wakeGap is between two deliveries that Wake makes due.
const wakeGap = 20 * time.Millisecond

// Wake makes the deliveries of an account due that were parked for a reason which is no more, one after another.
func (l *Lane) Wake(account string, reason events.Reason) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var after time.Duration
	for _, ln := range l.lines {
		for q := range ln.queues {
			if len(ln.queues[q]) == 0 {
				continue
			}
			if h := ln.queues[q][0]; h.timer != nil && h.reason == reason && h.Event.Account == account && time.Until(h.due) > after {
				h.timer.Reset(after)
				after += wakeGap
			}
		}
	}
}
