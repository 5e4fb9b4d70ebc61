package calls

import (
	"context"
	"fmt"
	"time"

	"bridge/internal/events"
)

// Ask is what a handler wants of Keap for one contact: one step, or a run of neighbouring tag and untag
// steps (events.Groups) that may share calls.
type Ask struct {
	Account  string
	Priority events.Priority
	Key      string    // Event.Key of the asking event
	Time     time.Time // Event.Updated, else Event.Time: the later one wins where updates of one contact merge
	Person   events.Person
	Contact  string        // hashed order key of the person; "" when unknown
	ID       string        // Keap contact id, "" until a contact step has told it
	Steps    []events.Step // at least one; all of one group
	Arrived  time.Time     // when the event was accepted, for latency

	// Intend is called once, after the permit is there and just before anything that is not safe to repeat is
	// sent; the call is not made when it fails. It must be safe for concurrent use. nil where nothing is recorded.
	Intend func(ctx context.Context, steps []events.Step) error
}

// Result answers one step of an Ask.
type Result struct {
	Step    string // Step.ID
	Err     error  // nil: done. *keap.Error, *Closed, *Invalid or a context error otherwise
	Contact string // Keap contact id, for contact steps
	Created bool   // the contact step created it
	Skipped bool   // nothing was to be done (known to be in Keap already); no call was made
	Calls   int    // calls that served the step, shared ones counted whole
	Status  int    // HTTP status of the last one
	Note    string // what has to be remembered of its outcome: the id of the order, payment, note or task it made
	Sent    bool   // the request that is not safe to repeat was written, and may have taken effect: a failure is in doubt
}

// Closed says that no permit can be had before Until: nothing was sent.
type Closed struct {
	Until  time.Time
	Reason events.Reason
	Detail string // public text
}

func (c *Closed) Error() string {
	return fmt.Sprintf("%s until %s", c.Reason, c.Until.UTC().Format(time.RFC3339))
}

// Invalid says that a step can never work as it stands; nothing was sent.
type Invalid struct {
	Reason events.Reason // TagUnknown, FieldInvalid, TargetUnknown, ContactUnknown, ContactMissing, NoReplacement
	Detail string        // public text, with a hint
}

func (e *Invalid) Error() string { return string(e.Reason) + ": " + e.Detail }

// errStopping answers what waits while the planner closes, and what may not be sent any more; for the asker it is as if
// its own context had ended.
var errStopping = &stopping{}

type stopping struct{}

func (*stopping) Error() string        { return "the planner is closing" }
func (*stopping) Is(target error) bool { return target == context.Canceled }

// Finding is what reading back told of a step that may have happened.
type Finding uint8

// What Check finds.
const (
	CannotTell Finding = iota // Keap has no way to tell
	Happened
	NotHappened
)
