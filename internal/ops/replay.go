package ops

import (
	"context"
	"errors"
	"slices"
	"time"

	"bridge/internal/events"
)

// Selection names events: by ids or keys, or by a filter.
type Selection struct {
	IDs     []string
	Account string // narrows ids that are not clear
	Source  string
	Filter  *events.Filter
}

// maxIDs bounds a selection by ids; more than that is a filter's work.
const maxIDs = 1000

// patience is how long a job is waited for before its id is answered: most are done by then.
const patience = 2 * time.Second

// undoWithin is how long a discard can be undone.
const undoWithin = 30 * 24 * time.Hour

// Replay works events once more, with today's rules; steps that are done do not run again. With dryRun nothing is
// changed: the job tells what it would cost. A filter that names no state means failed events.
func (d *Desk) Replay(ctx context.Context, who string, s Selection, dryRun bool) (Job, error) {
	return d.onMany(ctx, KindReplay, who, s.orFailed(), dryRun, d.replayOne)
}

// Discard drops events that are not done. It can be undone for 30 days. A filter that names no state means failed events:
// what waits or is parked is dropped only when it is named.
func (d *Desk) Discard(ctx context.Context, who string, s Selection, dryRun bool) (Job, error) {
	if s.Filter != nil && *s.Filter == (events.Filter{}) {
		return Job{}, fail(Invalid, "give ids or a filter, as in state=failed", "nothing is chosen")
	}
	return d.onMany(ctx, KindDiscard, who, s.orFailed(), dryRun, d.discardOne)
}

// orFailed has a filter without a state, or another's job, choose failed events.
func (s Selection) orFailed() Selection {
	if s.Filter != nil && s.Filter.State == "" && s.Filter.Job == "" {
		f := *s.Filter
		f.State = events.Failed
		s.Filter = &f
	}
	return s
}

// Undo takes a discard back: its events are where they were.
func (d *Desk) Undo(ctx context.Context, who, jobID string) (Job, error) {
	line, _, err := d.auditOf(ctx, jobID)
	if err != nil {
		return Job{}, err
	}
	if line.Action != KindDiscard {
		return Job{}, fail(Conflict, "", "%s is no discard", jobID)
	}
	if time.Since(line.At) > undoWithin {
		return Job{}, fail(Conflict, "replay the events instead", "%s was more than 30 days ago", jobID)
	}
	s := Selection{Filter: &events.Filter{Job: jobID, State: events.StateDiscarded}}
	return d.onMany(ctx, KindUndo, who, s, false, d.restoreOne)
}

// act does what a job is for to one event, or finds out what it would do. false: it leaves the event alone.
type act func(ctx context.Context, j *job, row events.Row, dryRun bool) (bool, error)

// onMany checks a selection, writes the audit and runs the job.
func (d *Desk) onMany(ctx context.Context, kind, who string, s Selection, dryRun bool, one act) (Job, error) {
	if err := s.check(); err != nil {
		return Job{}, err
	}
	if s.Filter == nil { // a wrong id is told before anything is changed
		for _, id := range s.IDs {
			if _, err := d.find(ctx, Ref{id, s.Account, s.Source}); err != nil {
				return Job{}, err
			}
		}
	}
	j := Job{ID: newJobID(kind), Kind: kind, DryRun: dryRun, Who: who, What: describe(s)}
	if !dryRun {
		if err := d.audit(ctx, events.Outcome{Who: who, Action: kind, Target: describe(s), Job: j.ID, Account: s.account()}); err != nil {
			return Job{}, err
		}
	}
	return d.start(ctx, j, patience, func(ctx context.Context, run *job) error {
		err := d.walk(ctx, s, run, func(row events.Row) error {
			acted, err := one(ctx, run, row, dryRun)
			run.change(func(j *Job) {
				j.Seen++
				switch {
				case err != nil:
				case acted:
					j.Events++
				default:
					j.Passed++
				}
			})
			return err
		})
		if dryRun && err == nil {
			d.estimate(ctx, s, run)
		}
		d.recordEnd(ctx, run, err)
		return err
	})
}

func (s *Selection) check() error {
	switch {
	case s.Filter == nil && len(s.IDs) == 0:
		return fail(Invalid, "give ids or a filter", "nothing is chosen")
	case s.Filter != nil && len(s.IDs) > 0:
		return fail(Invalid, "", "give either ids or a filter")
	case len(s.IDs) > maxIDs:
		return fail(Invalid, "use a filter", "%d ids are more than %d", len(s.IDs), maxIDs)
	case s.Filter != nil:
		return CheckFilter(s.Filter)
	}
	return nil
}

func (s *Selection) account() string {
	if s.Filter != nil {
		return s.Filter.Account
	}
	return s.Account
}

// walk calls fn for every event of the selection. A page is read before its events change, and pages go by the order
// of arrival, which no change moves: none is met twice.
func (d *Desk) walk(ctx context.Context, s Selection, run *job, fn func(events.Row) error) error {
	if s.Filter == nil {
		run.change(func(j *Job) { j.Total = len(s.IDs) })
		for _, id := range s.IDs {
			row, err := d.find(ctx, Ref{id, s.Account, s.Source})
			if err != nil {
				return err
			}
			if err := fn(row); err != nil {
				return err
			}
		}
		return nil
	}
	total, err := d.count(ctx, *s.Filter)
	if err != nil {
		return err
	}
	run.change(func(j *Job) { j.Total = total })
	return d.pages(ctx, *s.Filter, fn)
}

const pageSize = 500

func (d *Desk) pages(ctx context.Context, f events.Filter, fn func(events.Row) error) error {
	for cursor := ""; ; {
		page, err := d.Index.List(ctx, f, pageSize, cursor)
		if err != nil {
			return err
		}
		for _, row := range page.Rows {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := fn(row); err != nil {
				return err
			}
		}
		if cursor = page.Next; cursor == "" {
			return nil
		}
	}
}

// count tells how many events a filter chooses: from the tallies where they can tell, else by reading.
func (d *Desk) count(ctx context.Context, f events.Filter) (int, error) {
	n := 0
	if f.Contact != "" || f.Q != "" || f.Job != "" || f.Message != "" || !f.Since.IsZero() || !f.Until.IsZero() {
		err := d.pages(ctx, f, func(events.Row) error { n++; return nil })
		return n, err
	}
	tallies, err := d.Index.Tallies(ctx)
	for _, t := range tallies {
		if (f.Account == "" || f.Account == t.Account) && (f.Source == "" || f.Source == t.Source) && (f.Type == "" || f.Type == t.Type) &&
			(f.State == "" || f.State == t.State) && (f.Reason == "" || f.Reason == t.Reason) {
			n += t.Events
		}
	}
	return n, err
}

// replayable are the states from which an event can be worked once more. In doubt is not one of them: a person says
// first what happened.
var replayable = []events.State{events.Failed, events.Done, events.StateDiscarded}

func (d *Desk) replayOne(ctx context.Context, j *job, row events.Row, dryRun bool) (bool, error) {
	if !slices.Contains(replayable, row.State) || row.Reason == events.Erased {
		return false, nil
	}
	sample, err := d.sample(ctx, row)
	if err != nil {
		return false, err
	}
	if sample == nil {
		return false, nil
	}
	j.cost(sample, dryRun)
	if dryRun {
		return true, nil
	}
	return d.Work.Replay(ctx, row.Account, row.Key, row.Seq, j.state.ID)
}

// cost adds what replaying one event takes. What has to be looked up is looked up once for all events of an account.
func (j *job) cost(sample *Sample, dryRun bool) {
	j.change(func(state *Job) {
		state.Calls += len(sample.Calls)
		state.Skipped += len(sample.Skipped)
		for _, c := range sample.Lookups {
			if key := sample.Account + "\x00" + c.Operation + "\x00" + c.Subjects[0]; !j.learnt[key] {
				if j.learnt == nil {
					j.learnt = map[string]bool{}
				}
				j.learnt[key] = true
				state.Lookups++
			}
		}
		if sample.Error != "" {
			state.fails(sample.Error)
		}
		if !dryRun {
			return
		}
		if state.ByCall == nil {
			state.ByCall = map[string]int{}
		}
		for _, c := range sample.Calls {
			state.ByCall[c.Operation]++
		}
		if len(state.Samples) < maxSamples {
			state.Samples = append(state.Samples, *sample)
		}
	})
}

// fails counts an event that today's rules cannot work, by why.
func (j *Job) fails(why string) {
	i := slices.IndexFunc(j.WouldFail, func(f Fails) bool { return f.Why == why })
	if i < 0 && len(j.WouldFail) == maxFails {
		i, j.WouldFail[maxFails-1].Why = maxFails-1, "other reasons"
	}
	if i < 0 {
		i = len(j.WouldFail)
		j.WouldFail = append(j.WouldFail, Fails{Why: why})
	}
	j.WouldFail[i].Events++
}

// sample tells what replaying one event would cost; nil when its data is gone. Rules that cannot plan it cost
// nothing, and the sample says so.
func (d *Desk) sample(ctx context.Context, row events.Row) (*Sample, error) {
	e, err := d.stored(ctx, row)
	if gone := (*Error)(nil); errors.As(err, &gone) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	journal, err := d.Archive.LoadJournal(ctx, row.Account, row.Key)
	if err != nil {
		return nil, err
	}
	out := &Sample{Key: row.Key, ID: row.ID, Account: row.Account, Type: row.Type, State: row.State, Rules: []string{}, Calls: []events.Call{}, Lookups: []events.Call{}, Skipped: []string{}}
	plan, err := d.Planner.Preview(ctx, e)
	if err != nil {
		out.Error = err.Error()
		return out, nil
	}
	out.Rules = append(out.Rules, plan.Rules...)
	rest, _ := left(plan, journal)
	out.Calls, out.Lookups = rest.Calls(), rest.Lookups()
	if rest.Nobody() && len(rest.Steps) > 0 {
		out.Error = string(events.ContactMissing) + ": the event has neither an e-mail address nor a phone number"
	}
	for i := range plan.Steps {
		if isDone(journal, plan.Steps[i].ID) {
			out.Skipped = append(out.Skipped, plan.Steps[i].ID)
		}
	}
	return out, nil
}

func (d *Desk) discardOne(ctx context.Context, j *job, row events.Row, dryRun bool) (bool, error) {
	if row.State == events.Done || row.State == events.StateDiscarded {
		return false, nil
	}
	if dryRun {
		return true, nil
	}
	return d.Work.Discard(ctx, row.Account, row.Key, row.Seq, j.state.ID)
}

func (d *Desk) restoreOne(ctx context.Context, j *job, row events.Row, _ bool) (bool, error) {
	if row.State != events.StateDiscarded || row.Reason == events.Erased {
		return false, nil
	}
	return d.Work.Restore(ctx, row.Account, row.Key, row.Seq, j.state.ID)
}

// estimate adds when the calls of a preview would be through, where one account makes them all.
func (d *Desk) estimate(ctx context.Context, s Selection, run *job) {
	j := run.copy()
	account := s.account()
	for _, sample := range j.Samples {
		if account == "" {
			account = sample.Account
		}
		if sample.Account != account {
			return
		}
	}
	if account == "" || d.Live == nil {
		return
	}
	if at := d.Live.Finish(ctx, account, j.Calls+j.Lookups); !at.IsZero() {
		run.change(func(j *Job) { j.Finish = &at })
	}
}
