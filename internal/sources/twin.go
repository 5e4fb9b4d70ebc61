package sources

import (
	"errors"
	"time"

	"bridge/internal/events"
)

// patience is how long a fact that names nobody waits for another delivery of the same fact that does. Senders announce one
// fact by several topics, minutes apart at most; the thin one often comes first, and the first one counts.
const patience = 10 * time.Minute

// awaitTwin puts off an event that names nobody until its time is up; whom says what it waits for. The richer delivery
// has the same id: when it has come, the one that waited is recognised as a resend.
func awaitTwin(e *events.Event, now time.Time, whom string) error {
	if c := e.Data.Contact; c != nil && c.Email != "" {
		return nil
	}
	if until := e.Received.Add(patience); now.Before(until) {
		return &Later{At: until, Err: errors.New("waiting for " + whom)}
	}
	return nil
}
