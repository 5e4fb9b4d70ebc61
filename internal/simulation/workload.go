package simulation

import (
	"bytes"
	_ "embed" // the workload
	"encoding/json"
	"fmt"
	"time"

	"bridge/internal/events"
)

//go:embed blackfriday.json
var blackFriday []byte

// Workload is a shop's busiest day: what falls when, and what it means in Keap.
type Workload struct {
	Name       string      `json:"name"`
	Midnight   time.Time   `json:"midnight"` // UTC; the day begins
	BusyByHour [24]float64 `json:"busy_by_hour"`
	Contacts   struct {
		KnownBefore        int     `json:"known_before"`
		ReturningMadeToday float64 `json:"returning_made_today"` // of those who return; the others were known before
	} `json:"contacts"`
	Tags     map[string]int `json:"tags"` // how many tags there are of each set
	Live     []Sort         `json:"live"`
	BackFill struct {
		Hour     int             `json:"hour"`
		Events   int             `json:"events"`
		Kind     Kind            `json:"kind"`
		Priority events.Priority `json:"priority"`
	} `json:"back_fill"`
	Unmerged map[Kind]int `json:"one_by_one"` // calls of a bridge that looks up and merges nothing
	AtLeast  map[Kind]int `json:"at_least"`   // calls of an event alone
	Call     struct {
		LeastMS int `json:"least_ms"`
		MoreMS  int `json:"more_ms_on_average"` // exponential
	} `json:"call"`
	Column int `json:"column"` // contacts that one call can tag
	Quota  struct {
		Second int `json:"second"`
		Minute int `json:"minute"`
		Day    int `json:"day"`
	} `json:"quota"`
	Days []Load `json:"days"`
}

// Kind is what an event is.
type Kind string

// The kinds.
const (
	Lead       Kind = "lead"
	Purchase   Kind = "purchase"
	Membership Kind = "membership"
)

// Sort says how one kind of live event comes about.
type Sort struct {
	Kind     Kind            `json:"kind"`
	Share    float64         `json:"share"`
	Priority events.Priority `json:"priority"`
	New      float64         `json:"new"`     // how often its contact is new
	Changed  float64         `json:"changed"` // how often the fields of a returning one have changed
	Apply    map[string]int  `json:"apply"`   // distinct tags of each set
	Remove   map[string]int  `json:"remove"`  // distinct from those applied
	Goals    int             `json:"goals"`
}

// Load is how much of the workload falls, and when. The zero times mean the whole day.
type Load struct {
	Live     int  `json:"live"`
	BackFill bool `json:"back_fill"`

	From, Until time.Duration // part of the day in which the live events fall; Until 0: all of it
	Fill        int           // back-fill of another size than the workload's …
	FillAt      time.Duration // … and at another time, where Fill is not 0
}

// String names the load: "20000+back-fill".
func (l Load) String() string {
	name := fmt.Sprint(l.Live)
	if l.Until > 0 {
		name += fmt.Sprintf("@%s-%s", l.From.Round(time.Minute), l.Until.Round(time.Minute))
	}
	switch {
	case l.Fill > 0:
		name += fmt.Sprintf("+%d", l.Fill)
	case l.BackFill:
		name += "+back-fill"
	}
	return name
}

// BlackFriday is the reference workload.
func BlackFriday() *Workload {
	var w Workload
	d := json.NewDecoder(bytes.NewReader(blackFriday))
	d.DisallowUnknownFields()
	if err := d.Decode(&w); err != nil {
		panic("simulation: blackfriday.json: " + err.Error()) // it is compiled in: a mistake of ours
	}
	return &w
}

// sort finds a live kind.
func (w *Workload) sort(k Kind) *Sort {
	for i := range w.Live {
		if w.Live[i].Kind == k {
			return &w.Live[i]
		}
	}
	panic("simulation: no kind " + string(k))
}
