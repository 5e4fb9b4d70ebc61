package ops

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"bridge/internal/events"
)

// Options are the parts that a Desk works with; all but Log are required, and a command that only reads may leave
// out what it does not use.
type Options struct {
	Index    Index
	Records  Records
	News     News
	Archive  Archive
	Work     Work
	Planner  Planner
	Live     Live
	Switches Switches
	Keap     Keap         // nil: nothing is asked of Keap
	Remains  []string     // what the store keeps of erased data for a while, in words
	Log      *slog.Logger // slog.Default() when nil
}

// Desk carries out what operators ask for. It is safe for concurrent use.
type Desk struct {
	Options

	life   context.Context // ends with Close; jobs run under it
	end    context.CancelFunc
	closed sync.WaitGroup
	jobs   jobs
}

// New makes a Desk. Close it.
func New(opt Options) *Desk {
	if opt.Log == nil {
		opt.Log = slog.Default()
	}
	d := &Desk{Options: opt, jobs: jobs{byID: map[string]*job{}}}
	d.life, d.end = context.WithCancel(context.Background())
	return d
}

// Close stops the jobs that run and waits for them. What they have done stays done.
func (d *Desk) Close() error {
	d.jobs.shut()
	d.end()
	d.closed.Wait()
	return nil
}

// audit records a change before it is made. What cannot be recorded is not done.
func (d *Desk) audit(ctx context.Context, o events.Outcome) error {
	o.Kind, o.At = events.OutcomeAudit, time.Now().UTC()
	if err := d.Archive.Record(ctx, o); err != nil {
		return err
	}
	d.Log.Info("operator", "who", o.Who, "action", o.Action, "account", o.Account, "job", o.Job)
	return nil
}

// Ref names one event: by its id or key, with account and source where the id alone is not clear.
type Ref struct {
	ID      string
	Account string
	Source  string
}

// find gives the one event that ref names.
func (d *Desk) find(ctx context.Context, ref Ref) (events.Row, error) {
	if ref.ID == "" {
		return events.Row{}, fail(Invalid, "", "an event id is needed")
	}
	rows, err := d.Index.Find(ctx, ref.ID, ref.Account, ref.Source)
	if err != nil {
		return events.Row{}, err
	}
	switch len(rows) {
	case 0:
		return events.Row{}, fail(NotFound, "bridge events ls --q finds events by order number or e-mail address", "there is no event %q", ref.ID)
	case 1:
		return rows[0], nil
	default:
		return events.Row{}, fail(Ambiguous, "name the account and the source too", "%d events have the id %q", len(rows), ref.ID)
	}
}
