package ops

import (
	"context"
	"errors"
	"slices"

	"bridge/internal/events"
)

// List gives a page of events, newest first.
func (d *Desk) List(ctx context.Context, f events.Filter, limit int, cursor string) (events.Page, error) {
	if err := CheckFilter(&f); err != nil {
		return events.Page{}, err
	}
	page, err := d.Index.List(ctx, f, limit, cursor)
	if errors.Is(err, events.ErrCursor) {
		return page, fail(Invalid, "begin at the first page", "the cursor is not valid")
	}
	return page, err
}

// CheckFilter refuses states and reasons that do not exist: a misspelt one would find nothing, or everything.
func CheckFilter(f *events.Filter) error {
	if f.State != "" && !slices.Contains(events.States, f.State) {
		return fail(Invalid, "", "%q is no state of an event", f.State)
	}
	if f.Reason != "" && !slices.Contains(events.Reasons, f.Reason) {
		return fail(Invalid, "", "%q is no reason", f.Reason)
	}
	if !f.Since.IsZero() && !f.Until.IsZero() && !f.Since.Before(f.Until) {
		return fail(Invalid, "", "since is not before until")
	}
	return nil
}

// Sheet is everything known of one event.
type Sheet struct {
	events.Story
	Event *events.Event // nil when its data is gone: erased, or past its retention
	Plan  *events.Plan  // as stored when it was first worked; nil before
	Lines []StepLine    // the steps in order

	Message *events.Message // what came instead of an event; nil where one could be read

	// Said is what was sent and answered in the last calls that served it, by ServedCall.ID, as far as it is still kept.
	Said map[string]events.Exchange
}

// maxSaid is of how many calls of an event it is shown what was said.
const maxSaid = 100

// StepLine is one step of an event with what became of it.
type StepLine struct {
	N int // 1, 2, …: how a doubt is answered on the command line
	events.StepReport
	Note string
}

// Show tells everything about one event.
func (d *Desk) Show(ctx context.Context, ref Ref) (Sheet, error) {
	row, err := d.find(ctx, ref)
	if err != nil {
		return Sheet{}, err
	}
	story, ok, err := d.Index.Story(ctx, row.Key)
	if err != nil {
		return Sheet{}, err
	}
	if !ok {
		return Sheet{}, fail(NotFound, "", "there is no event %q", ref.ID)
	}
	sheet := Sheet{Story: story}
	if sheet.Event, err = d.Archive.Stored(ctx, row.Account, row.Key, row.Seq); err != nil {
		return Sheet{}, err
	}
	if sheet.Event == nil && row.Seq == 0 {
		if sheet.Message, err = d.Archive.Message(ctx, row.Account, row.Key); err != nil {
			return Sheet{}, err
		}
	}
	journal, err := d.Archive.LoadJournal(ctx, row.Account, row.Key)
	if err != nil {
		return Sheet{}, err
	}
	sheet.Plan = journal.Plan
	sheet.Lines = stepLines(journal, story.Steps)
	sheet.Said, err = d.said(ctx, story.Served)
	return sheet, err
}

func (d *Desk) said(ctx context.Context, calls []events.ServedCall) (map[string]events.Exchange, error) {
	var ids []string
	for _, c := range calls[max(0, len(calls)-maxSaid):] {
		if c.ID != "" {
			ids = append(ids, c.ID)
		}
	}
	if len(ids) == 0 {
		return nil, nil
	}
	return d.Archive.Exchanges(ctx, ids)
}

// stepLines joins what the memory of steps knows with what was last reported: the memory is ahead while an event is
// being worked, the report outlives it.
func stepLines(j events.Journal, reports []events.StepReport) []StepLine {
	var lines []StepLine
	byID := map[string]int{}
	add := func(r events.StepReport, note string) {
		byID[r.ID] = len(lines)
		lines = append(lines, StepLine{N: len(lines) + 1, StepReport: r, Note: note})
	}
	if j.Plan != nil {
		for i := range j.Plan.Steps {
			s := &j.Plan.Steps[i]
			r := events.StepReport{ID: s.ID, Rule: s.Rule, Do: s.Do, Target: s.Target, State: events.StepWaiting}
			m, marked := j.Marks.Steps[s.ID]
			if marked {
				r.State, r.Calls, r.Attempts = m.State, m.Calls, m.Attempts
			}
			add(r, m.Note)
		}
	}
	for _, r := range reports {
		at, known := byID[r.ID]
		switch {
		case !known:
			add(r, "")
		case lines[at].State == events.StepWaiting || len(lines[at].Attempts) < len(r.Attempts):
			note := lines[at].Note
			lines[at].StepReport, lines[at].Note = r, note
		}
	}
	return lines
}

// Compare shows what an event would mean with today's rules beside what is stored.
type Compare struct {
	Today   events.Plan
	Lines   []CompareLine
	Calls   []events.Call // that a replay would make
	Lookups []events.Call // … and at most these, for what is not known yet
}

// CompareLine is one step on either side.
type CompareLine struct {
	Step   events.Step
	Change string // same, added, removed
	Done   bool   // it ran already; a replay skips it
}

// The changes of a CompareLine.
const (
	Same    = "same"
	Added   = "added"
	Removed = "removed"
)

// Compare plans an event again, with today's rules, and calls nothing.
func (d *Desk) Compare(ctx context.Context, ref Ref) (Compare, error) {
	row, err := d.find(ctx, ref)
	if err != nil {
		return Compare{}, err
	}
	e, err := d.stored(ctx, row)
	if err != nil {
		return Compare{}, err
	}
	today, err := d.Planner.Preview(ctx, e)
	if err != nil {
		return Compare{}, fail(Conflict, "", "today's rules cannot plan it: %v", err)
	}
	journal, err := d.Archive.LoadJournal(ctx, row.Account, row.Key)
	if err != nil {
		return Compare{}, err
	}
	out := Compare{Today: today}
	old := map[string]bool{}
	if journal.Plan != nil {
		for _, s := range journal.Plan.Steps {
			old[s.ID] = true
		}
	}
	now := map[string]bool{}
	for _, s := range today.Steps {
		now[s.ID] = true
		line := CompareLine{Step: s, Change: Added, Done: isDone(journal, s.ID)}
		if old[s.ID] {
			line.Change = Same
		}
		out.Lines = append(out.Lines, line)
	}
	if journal.Plan != nil {
		for _, s := range journal.Plan.Steps {
			if !now[s.ID] {
				out.Lines = append(out.Lines, CompareLine{Step: s, Change: Removed, Done: isDone(journal, s.ID)})
			}
		}
	}
	rest, _ := left(today, journal)
	out.Calls, out.Lookups = rest.Calls(), rest.Lookups()
	return out, nil
}

// stored gives the event of a row, or an error for people when it is gone.
func (d *Desk) stored(ctx context.Context, row events.Row) (*events.Event, error) {
	e, err := d.Archive.Stored(ctx, row.Account, row.Key, row.Seq)
	if err != nil {
		return nil, err
	}
	if e == nil {
		return nil, fail(Conflict, "", "the data of event %q is gone: it was erased, or is past its retention", row.ID)
	}
	return e, nil
}

func isDone(j events.Journal, step string) bool {
	s := j.Marks.Steps[step].State
	return s == events.StepDone || s == events.StepSkipped
}

// left is the plan without the steps that are done, which it counts.
func left(p events.Plan, j events.Journal) (rest events.Plan, skipped int) {
	p.Steps = slices.DeleteFunc(slices.Clone(p.Steps), func(s events.Step) bool {
		if isDone(j, s.ID) {
			skipped++
			return true
		}
		return false
	})
	return p, skipped
}
