package ops

import (
	"context"
	"encoding/json"
	"time"

	"bridge/internal/events"
)

// Index finds events. history.Index is one.
type Index interface {
	// List gives a page of events, newest first; cursor is Page.Next of the page before.
	List(ctx context.Context, f events.Filter, limit int, cursor string) (events.Page, error)
	// Find gives every event with an id or key; account and source narrow it where they are given.
	Find(ctx context.Context, id, account, source string) ([]events.Row, error)
	Story(ctx context.Context, key string) (story events.Story, ok bool, err error)
	Tallies(ctx context.Context) ([]events.Tally, error)
	FailureGroups(ctx context.Context, account string) ([]events.FailureGroup, error)
}

// Records answers with numbers over time, and with who did what. history.Index is one.
type Records interface {
	Rates(ctx context.Context, q events.Series) ([]events.Rate, error)
	Costs(ctx context.Context, q events.Series) ([]events.RuleCost, error)
	QuotaDays(ctx context.Context, account string, since time.Time) ([]events.DayQuota, error)
	Sources(ctx context.Context, account string) ([]events.Seen, error)
	Audit(ctx context.Context, job string, limit int) ([]events.AuditLine, error)
}

// News tells of events as they are accepted and change. history.Index is one.
type News interface {
	// Watch gives the events that are accepted or change from now on, as they then stand, until stop is called. Whoever
	// is too slow misses some.
	Watch() (news <-chan []events.Row, stop func())
	// Chosen tells which of some events, given by key, a filter chooses.
	Chosen(ctx context.Context, f events.Filter, keys []string) (map[string]bool, error)
}

// Archive is where events and the memory of their steps are. queue.Queue is one.
type Archive interface {
	// Stored gives the event of a row, or nil when nothing of it is left.
	Stored(ctx context.Context, account, key string, seq uint64) (*events.Event, error)
	// Message gives what came over NATS and could not be read, or nil.
	Message(ctx context.Context, account, key string) (*events.Message, error)
	LoadJournal(ctx context.Context, account, key string) (events.Journal, error)
	// Exchanges gives what was said to Keap in calls, by ServedCall.ID; those that are gone are left out.
	Exchanges(ctx context.Context, ids []string) (map[string]events.Exchange, error)
	// Record appends to the log of outcomes.
	Record(ctx context.Context, records ...events.Outcome) error
}

// Work is what operators do to events. queue.Queue is one. job names the replay or discard that asks for it.
type Work interface {
	// Replay works a settled event once more; the worker skips the steps that are done. done is false when the event is
	// not settled any more.
	Replay(ctx context.Context, account, key string, seq uint64, job string) (done bool, err error)
	// Discard drops an event that is not done.
	Discard(ctx context.Context, account, key string, seq uint64, job string) (done bool, err error)
	// Restore puts a discarded event back to where it was.
	Restore(ctx context.Context, account, key string, seq uint64, job string) (done bool, err error)
	// Resolve answers a doubt: the step happened, or it did not. The event then goes on.
	Resolve(ctx context.Context, account, key string, seq uint64, step string, happened bool) error
	// Erase removes a person's data: the events given, and whatever else is kept under the address.
	Erase(ctx context.Context, contact string, rows []events.Row) (erased int, err error)
}

// Planner says what an event would mean with the rules in force now. It calls nothing.
type Planner interface {
	Preview(ctx context.Context, e *events.Event) (events.Plan, error)
}

// Live tells what only the running parts know.
type Live interface {
	Accounts(ctx context.Context) ([]Account, error)
	Sources(ctx context.Context) ([]Source, error)
	Rules(ctx context.Context) ([]Rule, error)
	Problems(ctx context.Context) ([]Problem, error)
	// Finish estimates when so many more calls of an account would be through; zero when it cannot be told.
	Finish(ctx context.Context, account string, calls int) time.Time
}

// Switches change what runs.
type Switches interface {
	Pause(ctx context.Context, account string) error
	Resume(ctx context.Context, account string) error
	// Publish takes CloudEvents as a source of kind nats would. The answer has one entry an event, in order.
	Publish(ctx context.Context, account, source string, cloudEvents []json.RawMessage) ([]Published, error)
	// Test sends a sample event, signed as its sender would, and returns its id.
	Test(ctx context.Context, account, source string) (id string, err error)
}

// Published is what became of one published event.
type Published struct {
	ID     string `json:"id"`
	Status string `json:"status"`
	Detail string `json:"detail,omitempty"`
}

// What becomes of a published event.
const (
	Accepted  = "accepted"
	Duplicate = "duplicate"
	Refused   = "refused"
)
