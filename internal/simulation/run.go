package simulation

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"bridge/internal/events"
	"bridge/internal/keap/sandbox"
)

// simKey is the service account key that the bridge calls with.
const simKey = "KeapAK-simulation-0000000000000000000000000000"

// Setup says what to run of the reference workload.
type Setup struct {
	Load Load
	Seed uint64

	OneByOne bool    // with the planner of other tools instead of ours
	Forecast float64 // what the ledger's history expects, as a share of what comes; 0: it has no history
	DayLimit int     // 0: the workload's
	Weather  Weather
	Patience time.Duration // how long after the day's begin events may be unfinished; 0: a week
	Log      *slog.Logger  `json:"-"` // nil: none
}

// trial is one run under way.
type trial struct {
	Setup
	*Workload
	day    *Day
	keap   *sandbox.Server
	inbox  *inbox
	store  *store
	plans  plans
	tagIDs map[string]string
	log    *slog.Logger

	now    atomic.Pointer[process] // that owns the group
	buried sync.WaitGroup          // processes that end behind the scenes
	meter  *meter
	clerk  *clerk
}

// Run runs a day and measures it. Call it in a testing/synctest bubble, where it takes seconds. An error means that the
// run itself failed; what the day should not have been is in the report.
func Run(s Setup) (*Report, error) {
	w := BlackFriday()
	r := &trial{Setup: s, Workload: w, day: w.Day(s.Seed, s.Load), store: newStore(), log: s.Log}
	r.inbox = newInbox(r.store)
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	if r.Patience == 0 {
		r.Patience = 7 * 24 * time.Hour
	}
	// Bubbles begin in 2000.
	time.Sleep(time.Until(r.day.Begins.Add(-2 * time.Hour)))
	if err := r.keapBefore(); err != nil {
		return nil, err
	}
	if err := r.evening(); err != nil {
		return nil, err
	}
	if err := r.live(); err != nil {
		return nil, err
	}
	return r.report()
}

func (r *trial) dayLimit() int {
	if r.DayLimit > 0 {
		return r.DayLimit
	}
	return r.Workload.Quota.Day
}

// begins is when the first event may fall.
func (r *trial) begins() time.Time { return r.day.Begins.Add(r.Load.From) }

// evening writes the contacts of the day that were known before, two hours before midnight, the way everything is
// written: so they are in Keap, and in the bridge's memory.
func (r *trial) evening() error {
	var before []*entry
	seen := map[int]bool{}
	for i := range r.day.Arrivals {
		if c := r.day.Arrivals[i].Contact; c < r.day.Known && !seen[c] {
			seen[c] = true
			before = append(before, newEntry(&Arrival{N: len(before), At: time.Now(), Kind: Lead, Priority: 1, Contact: c, Writes: true}))
		}
	}
	r.plan(before)
	if err := r.open(); err != nil {
		return err
	}
	r.inbox.add(before...)
	r.inbox.last()
	if err := r.await(r.inbox.empty, r.day.Begins.Add(-time.Minute)); err != nil {
		return fmt.Errorf("the evening before: %w", err)
	}
	return r.now.Load().Close(context.Background())
}

// plan makes the plans of these events known.
func (r *trial) plan(list []*entry) {
	r.plans.arrivals = make(map[string]*Arrival, len(list))
	for _, e := range list {
		r.plans.arrivals[e.event.ID] = e.Arrival
	}
}

func (r *trial) await(done <-chan struct{}, until time.Time) error {
	ctx, cancel := context.WithDeadline(context.Background(), until)
	defer cancel()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return errors.New("not everything was finished in time")
	}
}

// live runs the day itself.
func (r *trial) live() error {
	time.Sleep(time.Until(r.begins().Add(-2 * time.Second)))
	r.inbox, r.store.ledger, r.store.journals = newInbox(r.store), nil, map[string]*journal{}
	if r.Forecast > 0 {
		r.store.ledger = r.history(time.Now())
	}
	entries := make([]*entry, len(r.day.Arrivals))
	for i := range r.day.Arrivals {
		entries[i] = newEntry(&r.day.Arrivals[i])
		if r.OneByOne {
			entries[i].lane = events.Normal // of priorities it knows nothing
		}
	}
	r.plan(entries)
	r.meter = newMeter(r)
	r.clerk = &clerk{trial: r, goals: map[string]int{}, stated: map[string]int{}}
	r.inbox.heard = r.clerk.hear
	if err := r.open(); err != nil {
		return err
	}
	stop := make(chan struct{})
	var owned sync.WaitGroup
	owned.Go(func() { r.arrive(entries, stop) })
	owned.Go(func() { r.meter.work(stop) })
	owned.Go(func() { r.clerk.work(stop) })
	weather := make(chan error, 1)
	owned.Go(func() { weather <- r.storm(stop) })
	err := r.await(r.inbox.empty, r.day.Begins.Add(r.Patience))
	close(stop)
	owned.Wait()
	r.meter.unfinished = err != nil
	err = <-weather
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	err = errors.Join(err, r.now.Load().Close(ctx))
	r.buried.Wait()
	return err
}

// arrive lets the events come at their times.
func (r *trial) arrive(entries []*entry, stop <-chan struct{}) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for i := 0; i < len(entries); {
		timer.Reset(time.Until(entries[i].At))
		select {
		case <-stop:
			return
		case <-timer.C:
		}
		first := i
		for i < len(entries) && !entries[i].At.After(time.Now()) {
			i++
		}
		r.inbox.add(entries[first:i]...)
	}
	r.inbox.last()
}
