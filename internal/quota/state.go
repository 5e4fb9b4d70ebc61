package quota

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// Save stores the state before it is relied on. It fails when somebody else owns the quota by now.
type Save func(ctx context.Context, state []byte) error

// unaware is how long an owner that did not leave in good order may go on before it knows that it is none any more: what
// it has reserved counts as spent, and its calls shall not meet the new owner's within a second.
const unaware = time.Second

// state is a Ledger as stored. What happened after At is at most Block calls.
type state struct {
	Version int          `json:"v"`
	At      time.Time    `json:"at"`
	Block   int          `json:"block"`            // permits that may have been used after At
	Recent  [][2]int64   `json:"recent,omitempty"` // [ms before At, calls] of the last minute, newest last
	Day     storedDay    `json:"day"`
	Tenant  storedDay    `json:"tenant_day,omitzero"`
	Minute  int          `json:"minute_limit,omitempty"` // as the server told it
	Skew    int64        `json:"skew_ms,omitempty"`
	Seen    time.Time    `json:"elsewhere_seen,omitzero"`
	Trouble storedClosed `json:"closed,omitzero"`
	Begun   time.Time    `json:"begun"`
	Owed    float64      `json:"owed,omitempty"`
	Today   hours        `json:"today"`
	History []hours      `json:"history,omitempty"` // oldest first, the last one is the day before Day
}

type storedDay struct {
	Number int64 `json:"number"`
	Limit  int   `json:"limit,omitempty"` // as the server told it
	Used   int   `json:"used"`
	Others int   `json:"elsewhere,omitempty"`
	Before int   `json:"before,omitempty"`
	Edge   int   `json:"edge,omitempty"`
}

type storedClosed struct {
	Window Window    `json:"window"`
	Since  time.Time `json:"since"`
	Until  time.Time `json:"until"`
	Tries  int       `json:"tries"`
	Told   bool      `json:"told,omitempty"`
}

// Restore begins with what an earlier owner of the quota stored, nil where there was none. From then on permits
// have to be reserved. What the earlier owner may have used and not stored counts as used just now.
func (l *Ledger) Restore(now time.Time, stored []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.reserves, l.reserved = true, 0
	if len(stored) == 0 {
		l.rollLocked(now)
		return nil
	}
	var s state
	if err := json.Unmarshal(stored, &s); err != nil {
		return fmt.Errorf("the stored quota ledger cannot be read: %w", err)
	}
	if s.Version != 1 || s.Block < 0 || s.Block > Block {
		return fmt.Errorf("the stored quota ledger is of version %d, not 1", s.Version)
	}
	l.restoreLocked(now, &s)
	return nil
}

func (l *Ledger) restoreLocked(now time.Time, s *state) {
	l.skew = time.Duration(s.Skew) * time.Millisecond
	l.restoreDay(&l.day, s.Day)
	l.restoreDay(&l.tenDay, s.Tenant)
	if l.minute.told = s.Minute; s.Minute > 0 && (l.minute.limit == 0 || s.Minute < l.minute.limit) {
		l.minute.limit = s.Minute
	}
	l.seen = s.Seen
	l.plan.today, l.plan.history, l.plan.begun, l.plan.owed = s.Today, s.History, s.Begun, s.Owed
	l.plan.average()
	l.trouble = trouble{window: s.Trouble.Window, since: s.Trouble.Since, last: s.Trouble.Since, until: s.Trouble.Until, tries: s.Trouble.Tries, told: s.Trouble.Told}
	for _, r := range s.Recent {
		at := s.At.Add(-time.Duration(r[0]) * time.Millisecond)
		if at.After(now) { // the clock went back since
			at = now
		}
		for range r[1] {
			l.minute.add(at)
			l.tenant.add(at)
		}
	}
	l.started = true
	now = l.rollLocked(now)
	server := now.Add(l.skew)
	for range s.Block {
		l.minute.add(now)
		l.tenant.add(now)
		l.day.add(server)
		l.tenDay.add(server)
	}
	pause := l.gap
	if s.Block > 0 {
		pause = max(pause, unaware)
	}
	l.next, l.sends = now.Add(pause), now.Add(pause)
}

// Quiet says since when the earlier owner cannot have made a call, where that is known: after Restore, the first call then need
// not wait as long as if it had gone on until now.
func (l *Ledger) Quiet(since time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	open := since.Add(unaware)
	if soon := l.now.Add(l.gap); open.Before(soon) {
		open = soon
	}
	if open.Before(l.next) {
		l.next, l.sends = open, open
	}
}

// restoreDay takes the counts, and the limit that the server told last where that is lower than what is configured now. What
// was configured then means nothing any more.
func (l *Ledger) restoreDay(d *daily, s storedDay) {
	d.number, d.used, d.others, d.before, d.edge = s.Number, s.Used, s.Others, s.Before, s.Edge
	if d.told = s.Limit; s.Limit > 0 && (d.limit == 0 || s.Limit < d.limit) {
		d.limit = s.Limit
	}
}

// Look is how a ledger stands that its owner stored last. What may have been used since counts in the day and at the moment of
// the storing: for people who look, not for calls.
func Look(now time.Time, cfg Config, stored []byte) (Outlook, error) {
	l := New(cfg)
	at := now
	if len(stored) > 0 {
		var s state
		if err := json.Unmarshal(stored, &s); err != nil {
			return Outlook{}, fmt.Errorf("the stored quota ledger cannot be read: %w", err)
		}
		if !s.At.IsZero() && s.At.Before(now) {
			at = s.At
		}
	}
	if err := l.Restore(at, stored); err != nil {
		return Outlook{}, err
	}
	return l.Outlook(now), nil
}

// Reserve writes the state with a new block of permits and then lets them be used. Call it early (Reserved tells)
// and by one goroutine at a time; Take goes on meanwhile with what is left of the earlier block.
func (l *Ledger) Reserve(ctx context.Context, now time.Time, save Save) error {
	l.mu.Lock()
	now = l.rollLocked(now)
	written, granted := l.encodeLocked(now, Block), l.granted
	l.mu.Unlock()
	if err := save(ctx, written); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.reserved = Block - int(l.granted-granted)
	return nil
}

// Reserved is how many permits may be given before the next Reserve.
func (l *Ledger) Reserved() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.reserved
}

// Leave writes the exact state, so that the next owner loses nothing; no permit is given after it.
func (l *Ledger) Leave(ctx context.Context, now time.Time, save Save) error {
	l.mu.Lock()
	now = l.rollLocked(now)
	l.reserves, l.reserved = true, 0
	written := l.encodeLocked(now, 0)
	l.mu.Unlock()
	return save(ctx, written)
}

func (l *Ledger) encodeLocked(now time.Time, block int) []byte {
	s := state{
		Version: 1, At: now.Round(0), Block: block, Skew: l.skew.Milliseconds(), Seen: l.seen.Round(0),
		Minute: l.minute.told, Day: storeDay(&l.day), Tenant: storeDay(&l.tenDay),
		Begun: l.plan.begun, Owed: l.plan.owed, Today: l.plan.today, History: l.plan.history,
		Trouble: storedClosed{l.trouble.window, l.trouble.since.Round(0), l.trouble.until.Round(0), l.trouble.tries, l.trouble.told},
	}
	if l.trouble.window == Open {
		s.Trouble = storedClosed{}
	}
	s.Recent = recent(now, l.minute.own[l.minute.in:], l.minute.others[l.minute.othersIn:])
	b, err := json.Marshal(&s)
	if err != nil {
		panic("quota: the ledger's state has no JSON form: " + err.Error()) // numbers and times only
	}
	return b
}

// recent packs the last minute into tenths of a second, each rounded to its end, which is the careful side.
func recent(now time.Time, own []time.Time, others []stamp) [][2]int64 {
	var packed [][2]int64
	put := func(at time.Time, n int) {
		ago := now.Sub(at).Milliseconds() / 100 * 100
		if last := len(packed) - 1; last >= 0 && packed[last][0] == ago {
			packed[last][1] += int64(n)
			return
		}
		packed = append(packed, [2]int64{ago, int64(n)})
	}
	for _, at := range own {
		put(at, 1)
	}
	for _, o := range others {
		put(o.at, o.n)
	}
	slices.SortStableFunc(packed, func(a, b [2]int64) int { return int(b[0] - a[0]) })
	return packed
}

func storeDay(d *daily) storedDay {
	return storedDay{Number: d.number, Limit: d.told, Used: d.used, Others: d.others, Before: d.before, Edge: d.edge}
}
