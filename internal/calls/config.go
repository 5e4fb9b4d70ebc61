package calls

import (
	"context"
	"log/slog"
	"time"

	"bridge/internal/events"
	"bridge/internal/keap"
	"bridge/internal/quota"
)

// Config is what a Planner is made of. Account, Ledger, Memory and Log are required.
type Config struct {
	Group string

	// Account gives the settings of a configured account of this group. It may change its answers at run time.
	Account func(name string) (Account, bool)

	// Ledger counts the calls. Its Observe must get what every client of the group sees. Save stores it before it is
	// relied on; nil: it lives in memory only.
	Ledger *quota.Ledger
	Save   quota.Save

	// Owned tells whether the group is still this process's to call for. It is asked right before a request is
	// written, because a process may have been paused since it was given the permit. nil: always.
	Owned func() bool

	Memory Memory
	Record func(events.Outcome) // takes every call that was made; it must not block. nil: nobody listens

	// Behind is how many events of each priority wait that are not in hand yet; nil: none. It is asked often.
	Behind func() [len(events.Priorities)]int

	// Returned is told that XML-RPC answers again, for which action sets of an account were given back; it must not
	// block. nil: they come back when they were told to.
	Returned func(account string)

	Log *slog.Logger
}

// Account is one account as the planner needs it.
type Account struct {
	Keap       *keap.Client
	Moved      bool   // it is in another quota group by now: its events are given back
	UserID     string // Keap user for notes, tasks and e-mails that name none; "" = none
	Batch      int    // contacts that one call carries at most; 0: 200. Template e-mails go to 20 at most
	Tags       TagPolicy
	ActionSets map[string]ActionSet // by id
	Products   map[string]string    // Keap product id by SKU, where it shall not be looked up
}

// TagPolicy says which tags may be created that Keap does not have.
type TagPolicy struct {
	Create string // none, literal (or ""): names that stand in a rule as they are, any
	PerDay int    // any: at most so many names made of an event's content a day; 0: 50
}

// ActionSet is what an action set becomes when XML-RPC is gone.
type ActionSet struct {
	Name        string
	ReplaceWith []Replacement // in order; empty: nothing replaces it
}

// Replacement is one step in the place of an action set; one field is set.
type Replacement struct {
	Tag      string
	Goal     *events.GoalStep
	Sequence *events.SequenceStep
}

// Memory remembers contacts over restarts; *queue.Queue has it. Values are small and hold no personal data. It must
// be safe for concurrent use. A failure costs a look-up, never an event.
type Memory interface {
	Contact(ctx context.Context, group, contact string) (value []byte, known bool, err error)
	SaveContact(ctx context.Context, group, contact string, value []byte, ttl time.Duration) error
}

const (
	// columnCap is how many contacts one call carries where Account.Batch does not say; Keap documents no limit. doubtCap is the same where a lost
	// answer cannot be made up for by reading back, so that one lost answer leaves few events in doubt.
	columnCap = 200
	doubtCap  = 20

	// bulkLinger is how long tags of bulk work wait for company while there are permits for it. When the day will not be
	// enough, those of normal work wait longLinger. When even normal work moves to tomorrow, leads wait hours for their
	// turn: then leftLinger lets 500 more of 20,000 events end today than longLinger does, and the slowest ones half an hour
	// sooner. Bulk work waits as long in both cases, because its columns fill slowly then.
	bulkLinger = 90 * time.Second
	longLinger = 30 * time.Minute
	leftLinger = 2 * time.Hour
	// lastFlush is how long before midnight tags of normal work begin to wait less. By then few calls may be left an hour.
	lastFlush = 45 * time.Minute
	// stalled is how long nothing but pairs that linger may be in hand, with more events behind them: company could come
	// from those alone, and they from a pair that goes.
	stalled = 5 * time.Second

	// parkAfter is how long a closed window is waited out; for longer ones events are given back to be parked.
	parkAfter = 2 * time.Minute
	// mostFlying bounds the calls that are on their way at one time.
	mostFlying = 64
)
