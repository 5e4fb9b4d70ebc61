package ops

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"bridge/internal/events"
)

// Status is how the bridge stands. Its JSON is part of the contract with other programs.
type Status struct {
	Accounts map[string]AccountStatus `json:"accounts"`
	Problems []Problem                `json:"problems,omitempty"`
}

// AccountStatus is how one account stands.
type AccountStatus struct {
	Ready    bool       `json:"ready"`
	Quota    Quota      `json:"quota"`
	Backlog  Backlog    `json:"backlog"`
	Parked   int        `json:"parked"`
	Failed   int        `json:"failed"`
	InDoubt  int        `json:"in_doubt"`
	Done     int        `json:"done"`
	ETA      *time.Time `json:"eta"`
	Plan     *Plan      `json:"plan,omitempty"` // of the day, by priority
	Paused   *Pause     `json:"paused"`
	Rate     float64    `json:"rate"` // Keap calls a second over the last minute
	Owner    string     `json:"owner,omitempty"`
	ByReason Reasons    `json:"failed_by_reason"`
	Waits    Reasons    `json:"parked_by_reason"`
	Removed  bool       `json:"removed,omitempty"` // it is not in the configuration (any more) and still has events to settle
}

// Reasons counts events by reason.
type Reasons map[events.Reason]int

// Backlog counts accepted events that are not settled, without the parked, by priority.
type Backlog struct {
	Urgent int `json:"urgent"`
	Normal int `json:"normal"`
	Bulk   int `json:"bulk"`
}

// Total is the whole backlog.
func (b Backlog) Total() int { return b.Urgent + b.Normal + b.Bulk }

func (b *Backlog) add(p events.Priority, n int) {
	switch p {
	case events.Urgent:
		b.Urgent += n
	case events.Bulk:
		b.Bulk += n
	default:
		b.Normal += n
	}
}

// Status tells how every account stands: those configured, and others that still have events to settle.
func (d *Desk) Status(ctx context.Context) (Status, error) {
	accounts, err := d.Live.Accounts(ctx)
	if err != nil {
		return Status{}, err
	}
	tallies, err := d.Index.Tallies(ctx)
	if err != nil {
		return Status{}, err
	}
	problems, err := d.Live.Problems(ctx)
	if err != nil {
		return Status{}, err
	}
	out := Status{Accounts: map[string]AccountStatus{}, Problems: problems}
	for i := range accounts {
		a := &accounts[i]
		s := AccountStatus{Ready: a.Ready, Quota: a.Quota, Plan: a.Plan, Paused: a.Paused, Rate: a.Rate, Owner: a.Owner, ByReason: Reasons{}, Waits: Reasons{}}
		for p, n := range a.Front {
			s.Backlog.add(events.Priority(p), n)
		}
		if !a.ETA.IsZero() {
			s.ETA = &a.ETA
		}
		out.Accounts[a.Name] = s
	}
	for _, t := range tallies {
		if _, known := out.Accounts[t.Account]; !known && t.State != events.Done && t.State != events.StateDiscarded {
			out.Accounts[t.Account] = AccountStatus{Removed: true}
		}
	}
	for _, t := range tallies {
		if s, known := out.Accounts[t.Account]; known {
			s.count(t)
			out.Accounts[t.Account] = s
		}
	}
	for name, s := range out.Accounts {
		out.Accounts[name] = d.withBacklog(ctx, name, s)
	}
	return out, nil
}

// callsAnEvent is what an event of a long backlog comes to, where waiting steps share calls (docs/benchmarks.md: 1.22 to 1.65).
const callsAnEvent = 1.25

// withBacklog puts the end of the work off by the events that nobody has in hand yet: whoever works an account looks some
// thousand events ahead, and knows the calls of these only.
func (d *Desk) withBacklog(ctx context.Context, name string, s AccountStatus) AccountStatus {
	if s.ETA == nil || s.Plan == nil {
		return s
	}
	waiting := s.Plan.Urgent.Waiting + s.Plan.Normal.Waiting + s.Plan.Bulk.Waiting
	more := int(callsAnEvent*float64(s.Backlog.Total())) - waiting
	if more <= 0 {
		return s
	}
	if at := d.Live.Finish(ctx, name, more); at.After(*s.ETA) {
		s.ETA = &at
	}
	return s
}

func (s *AccountStatus) count(t events.Tally) {
	if s.ByReason == nil {
		s.ByReason, s.Waits = Reasons{}, Reasons{}
	}
	switch t.State {
	case events.Waiting, events.Working:
		s.Backlog.add(t.Priority, t.Events)
	case events.Parked:
		s.Parked += t.Events
		s.Waits[t.Reason] += t.Events
	case events.Failed:
		s.Failed += t.Events
		s.ByReason[t.Reason] += t.Events
	case events.InDoubt:
		s.InDoubt += t.Events
		s.ByReason[t.Reason] += t.Events
	case events.Done:
		s.Done += t.Events
	}
}

// Need is something that does not go away without a person. Hint is the command that shows more.
type Need struct {
	Kind    string        `json:"kind"` // failed, in_doubt, credential, source, configuration
	Account string        `json:"account,omitempty"`
	Reason  events.Reason `json:"reason,omitempty"`
	What    string        `json:"what"`
	Hint    string        `json:"hint"`
}

// The kinds of needs.
const (
	NeedFailed        = "failed"
	NeedInDoubt       = "in_doubt"
	NeedCredential    = "credential"
	NeedSource        = "source"
	NeedConfiguration = "configuration"
)

// needsPerson are the reasons of pauses that do not end by themselves.
var needsPerson = []events.Reason{events.Unauthorized, events.RefreshLost}

// Check lists what needs a person, by account; nothing is good news.
func (d *Desk) Check(ctx context.Context) ([]Need, error) {
	status, err := d.Status(ctx)
	if err != nil {
		return nil, err
	}
	sources, err := d.Live.Sources(ctx)
	if err != nil {
		return nil, err
	}
	var needs []Need
	for name, a := range status.Accounts {
		if a.Failed > 0 {
			needs = append(needs, Need{NeedFailed, name, "", number(a.Failed, "event has failed", "events have failed"), "bridge events ls --state failed --account " + name})
		}
		if a.InDoubt > 0 {
			needs = append(needs, Need{NeedInDoubt, name, events.UnknownOutcome, number(a.InDoubt, "event is in doubt", "events are in doubt"), "bridge events ls --state in_doubt --account " + name})
		}
		if a.Paused != nil && slices.Contains(needsPerson, a.Paused.Reason) {
			needs = append(needs, Need{NeedCredential, name, a.Paused.Reason, "Keap does not accept the credential", "bridge keys ls"})
		}
	}
	for _, s := range sources {
		if s.Silent {
			needs = append(needs, Need{Kind: NeedSource, Account: s.Account, What: fmt.Sprintf("source %s is silent", s.Name), Hint: "look at its webhook settings at the sender"})
		}
	}
	for _, p := range status.Problems {
		needs = append(needs, Need{Kind: NeedConfiguration, Account: p.Account, What: p.Where + ": " + p.Message, Hint: "bridge check"})
	}
	slices.SortFunc(needs, func(a, b Need) int { return cmp.Or(cmp.Compare(a.Account, b.Account), cmp.Compare(a.What, b.What)) })
	return needs, nil
}

func number(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// Sample records the day's quota of every account in the log of outcomes; the history of quotas is made of it. It is
// called every few minutes.
func (d *Desk) Sample(ctx context.Context) error {
	accounts, err := d.Live.Accounts(ctx)
	if err != nil {
		return err
	}
	var records []events.Outcome
	now := time.Now().UTC()
	for i := range accounts {
		if day := accounts[i].Quota.Day; day.Used > 0 || day.Elsewhere > 0 {
			records = append(records, events.Outcome{Kind: events.OutcomeQuota, At: now, Account: accounts[i].Name,
				Quota: &events.QuotaReport{Limit: day.Limit, Used: day.Used, Elsewhere: day.Elsewhere}})
		}
	}
	if len(records) == 0 {
		return nil
	}
	return d.Archive.Record(ctx, records...)
}
