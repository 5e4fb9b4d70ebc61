// Package quota says when one more call to Keap may be made, and who may make it.
//
// A Ledger is the conjunction of several windows: the second (as an even pace), the rolling minute, the UTC day
// and the limits of the whole Keap account (tenant). Its answers hold whatever the shape and the phase of the
// server's own windows are: rolling, calendar or spike arrest. What the server's headers say (Observe) makes a
// Ledger more careful within a window, never less.
//
// On top of the windows lies the plan of the day. Work has a Class; calls that higher classes will still need
// before midnight are kept from lower ones. What will be needed is forecast from the same hours of the last days
// and corrected by how today goes.
//
// The package is arithmetic: time is always an argument and nothing here sleeps, logs or talks to anybody but for
// Save, which its caller supplies. A Ledger is safe for concurrent use. Do not share the limits of one credential
// between two Ledgers: neither would know of the other's calls but by the headers.
package quota

import "time"

// Class orders the work of one ledger; lower goes first. The numbers are those of events.Priority.
type Class uint8

// The classes.
const (
	Urgent Class = iota
	Normal
	Bulk
	classes
)

// Window names what kept a call back.
type Window uint8

// The windows. Plan is the day's plan: there are calls left, but higher classes will need them. Throttled is a
// refusal (429) whose window the server did not name. Unsaved means that no permits are reserved: call Reserve.
const (
	Open Window = iota
	Second
	Minute
	Day
	TenantMinute
	TenantDay
	Plan
	Throttled
	Unsaved
)

var windowNames = [...]string{"open", "second", "minute", "day", "tenant minute", "tenant day", "plan", "throttled", "unsaved"}

// String is a name for logs.
func (w Window) String() string {
	if int(w) < len(windowNames) {
		return windowNames[w]
	}
	return "unknown"
}

// Limits are calls per window; 0 is no limit.
type Limits struct {
	Second       int `json:"second,omitempty"`
	Minute       int `json:"minute,omitempty"`
	Day          int `json:"day,omitempty"`
	TenantMinute int `json:"tenant_minute,omitempty"`
	TenantDay    int `json:"tenant_day,omitempty"`
}

// Shares of the day's limit that are kept from lower classes while there is no history to forecast from; 0 to 1.
type Shares struct {
	Urgent float64 `json:"urgent"`
	Normal float64 `json:"normal"`
}

// Config is what a Ledger starts from.
type Config struct {
	Limits  Limits
	Reserve Shares
}

// Answer is what Take says. When OK is false, At is when asking again may help and Window what opens last of all
// that is closed now. At is never before the time that was asked with.
type Answer struct {
	OK     bool
	At     time.Time
	Window Window
}

const (
	// pace stretches the second: permits are 1/limit × pace apart, so that requests that leave in step and arrive some
	// 40 ms out of step still keep the distance that a spike arrest wants. It costs nothing: for Keap's service
	// account keys the minute binds at half of that rate.
	pace = 1.4
	// leastPace is what is kept of that where the minute allows a higher rate (OAuth2: 25 a second, 1,500 a minute).
	leastPace = 1.1
	// minuteSpan is the rolling minute with a margin for requests that arrive late: a call may be a quarter of a second longer on
	// its way than the one that takes its place a minute later. It costs 0.4 % of the throughput. With 60 ms one call of
	// 208,721 in a long torture on a busy machine met a full minute.
	minuteSpan = time.Minute + 250*time.Millisecond
	// midnightGuard is how far from 00:00 UTC a call counts for both days: the server's clock is known to a second.
	midnightGuard = 2 * time.Second
	// headroom is what lower classes leave free of each rolling minute, so that urgent work finds a place at once.
	headroom = 5
	// Block is how many permits are reserved ahead in the stored state, and so how many a crash can cost.
	Block = 10
)
