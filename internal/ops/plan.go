package ops

import "time"

// Plan is what the calls that a day has left are meant for, in figures that a person can follow. All are calls to Keap.
type Plan struct {
	Left     int  `json:"left"`           // that the day still has
	Surplus  int  `json:"surplus"`        // of these, what is over when all that is expected and waits is made; negative: missing
	Forecast bool `json:"forecast"`       // expected from the same hours of the last days; false: from reserve: in the configuration
	Linger   int  `json:"linger_seconds"` // how long tags of normal work wait for company to share a call with

	Urgent Share `json:"urgent"`
	Normal Share `json:"normal"`
	Bulk   Share `json:"bulk"`
}

// Share is the part of a priority in the plan of the day.
type Share struct {
	Waiting  int        `json:"waiting"`
	Expected int        `json:"expected"`      // more until midnight UTC
	Kept     int        `json:"kept"`          // of the day's, kept from this priority for those above it and for other integrations
	ETA      *time.Time `json:"eta"`           // when what waits is made; null when nothing waits
	Tomorrow int        `json:"tomorrow"`      // of what waits, what is not made today …
	Why      string     `json:"why,omitempty"` // … and why
}
