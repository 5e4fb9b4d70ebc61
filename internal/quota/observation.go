package quota

import "time"

// Observation is what one answer of Keap says about the quota. Everything in it may be unknown:
// headers can be missing, blank or odd (on 429s above all).
type Observation struct {
	Operation  string        // what was asked for, as in the log of calls
	Sent       time.Time     // when the request was written
	At         time.Time     // when the answer was there
	Status     int           // HTTP status; 429 is a refusal
	Date       time.Time     // the server's own clock (Date header); zero when unknown
	RetryAfter time.Duration // 0 when not given

	Minute       Reading // x-keap-product-throttle-*
	Day          Reading // x-keap-product-quota-*
	TenantMinute Reading // x-keap-tenant-throttle-*, first window
	TenantDay    Reading // x-keap-tenant-throttle-*, second window
}

// Reading is one window as the server counts it.
type Reading struct {
	Known     bool // Limit and at least one of Used and Available were given
	Limit     int
	Used      int
	Available int
	Resets    time.Time // zero when not given
}
