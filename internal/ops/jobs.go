package ops

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"bridge/internal/events"
)

// Job is a change of many events, or its preview, and how far it is.
type Job struct {
	ID      string     `json:"job"`
	Kind    string     `json:"kind"` // replay, discard, undo
	DryRun  bool       `json:"dry_run,omitempty"`
	Who     string     `json:"who,omitempty"`
	What    string     `json:"what,omitempty"` // how its events were chosen; persons are not named
	Started time.Time  `json:"started"`
	Ended   *time.Time `json:"ended,omitempty"`
	Total   int        `json:"total"`   // events that were chosen when it began
	Seen    int        `json:"seen"`    // of which it has looked at
	Events  int        `json:"events"`  // it acts on, or would
	Passed  int        `json:"passed"`  // left alone: not in a state for it, or gone
	Calls   int        `json:"calls"`   // Keap calls that its steps cost at most; waiting steps of other events share calls
	Lookups int        `json:"lookups"` // calls beside them at most, for tags, fields and products whose ids are not known yet
	Skipped int        `json:"skipped"` // steps that are done already and do not run again
	Error   string     `json:"error,omitempty"`

	WouldFail []Fails        `json:"would_fail,omitempty"` // of Events: those that fail again at once, by why
	Finish    *time.Time     `json:"finish,omitempty"`     // when the calls would be through; of a preview
	ByCall    map[string]int `json:"by_operation,omitempty"`
	Samples   []Sample       `json:"calls_of,omitempty"` // of a preview: the exact calls of the first events
}

// Done tells whether the job has ended.
func (j Job) Done() bool { return j.Ended != nil }

// Sample is what one event of a preview costs.
type Sample struct {
	Key     string        `json:"key"`
	ID      string        `json:"id"`
	Account string        `json:"account"`
	Type    string        `json:"type"`
	State   events.State  `json:"state"`
	Rules   []string      `json:"rules"`
	Calls   []events.Call `json:"calls"`
	Lookups []events.Call `json:"lookups"`         // at most
	Skipped []string      `json:"skipped"`         // steps that are done
	Error   string        `json:"error,omitempty"` // why it would fail again
}

// Fails counts events that would fail again, and says why.
type Fails struct {
	Why    string `json:"why"`
	Events int    `json:"events"`
}

// The kinds of jobs.
const (
	KindReplay  = "replay"
	KindDiscard = "discard"
	KindUndo    = "undo"
)

// keptJobs is how many ended jobs are remembered; the audit remembers all. maxRunning bounds those at work, and
// maxSamples the events whose calls a preview lists one by one, maxFails the reasons why some would fail again.
const (
	keptJobs   = 100
	maxRunning = 4
	maxSamples = 500
	maxFails   = 20
)

type job struct {
	mu    sync.Mutex
	state Job
	ended chan struct{}

	learnt map[string]bool // by account, operation and subject: look-ups that are counted
}

// change updates the job under its lock.
func (j *job) change(fn func(*Job)) {
	j.mu.Lock()
	defer j.mu.Unlock()
	fn(&j.state)
}

// copy is the job as it stands.
func (j *job) copy() Job {
	j.mu.Lock()
	defer j.mu.Unlock()
	out := j.state
	out.Samples, out.WouldFail = slices.Clone(out.Samples), slices.Clone(out.WouldFail)
	if out.ByCall != nil {
		by := make(map[string]int, len(out.ByCall))
		for k, v := range out.ByCall {
			by[k] = v
		}
		out.ByCall = by
	}
	return out
}

// jobs are those that run and the last that ended.
type jobs struct {
	mu      sync.Mutex
	shutOff bool
	running int
	order   []*job
	byID    map[string]*job
}

func (js *jobs) shut() {
	js.mu.Lock()
	defer js.mu.Unlock()
	js.shutOff = true
}

// start runs work as a job and waits up to patience for its end, so that small ones answer at once. It ends with the
// Desk, not with ctx.
func (d *Desk) start(ctx context.Context, j Job, patience time.Duration, work func(context.Context, *job) error) (Job, error) {
	j.Started = time.Now().UTC()
	run := &job{state: j, ended: make(chan struct{})}
	if err := d.jobs.admit(run); err != nil {
		return Job{}, err
	}
	d.closed.Add(1)
	go func() {
		defer d.closed.Done()
		err := work(d.life, run)
		run.change(func(j *Job) {
			now := time.Now().UTC()
			j.Ended = &now
			if err != nil {
				j.Error = publicText(err)
			}
		})
		if err != nil {
			d.Log.Error("job failed", "job", j.ID, "kind", j.Kind, "cause", err)
		}
		d.jobs.leave()
		close(run.ended)
	}()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-run.ended:
	case <-timer.C:
	case <-ctx.Done():
	}
	return run.copy(), nil
}

func (js *jobs) admit(j *job) error {
	js.mu.Lock()
	defer js.mu.Unlock()
	if js.shutOff {
		return fail(Conflict, "ask again when it is back", "the bridge is stopping")
	}
	if js.running >= maxRunning {
		return fail(Conflict, "wait until one has ended", "%d jobs are running", js.running)
	}
	js.running++
	js.byID[j.state.ID] = j
	js.order = append(js.order, j)
	for i := 0; len(js.order) > keptJobs && i < len(js.order); {
		if old := js.order[i]; old.copy().Ended != nil {
			delete(js.byID, old.state.ID)
			js.order = slices.Delete(js.order, i, i+1)
			continue
		}
		i++
	}
	return nil
}

func (js *jobs) leave() {
	js.mu.Lock()
	defer js.mu.Unlock()
	js.running--
}

// endings of the audit's actions: what became of a job.
const (
	endedAction   = " ended"
	stoppedAction = " stopped"
)

// recordEnd notes in the audit how a job ended. One that has no such line was cut off with its process.
func (d *Desk) recordEnd(ctx context.Context, run *job, failed error) {
	j := run.copy()
	if j.DryRun {
		return
	}
	o := events.Outcome{Who: j.Who, Action: j.Kind + endedAction, Job: j.ID, Detail: fmt.Sprintf("%d events, %d left alone", j.Events, j.Passed)}
	if failed != nil {
		o.Action, o.Detail = j.Kind+stoppedAction, o.Detail+": "+publicText(failed)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordWithin)
	defer cancel()
	if err := d.audit(ctx, o); err != nil {
		d.Log.Error("the end of a job is not on record", "job", j.ID, "cause", err)
	}
}

// recordWithin bounds the last word of a job when the bridge stops.
const recordWithin = 5 * time.Second

// Job tells how far a job is. One that this process does not remember is told from the audit: what it had done when its
// process ended stays done, and it does not go on by itself, because the world may have changed.
func (d *Desk) Job(ctx context.Context, id string) (Job, error) {
	d.jobs.mu.Lock()
	j := d.jobs.byID[id]
	d.jobs.mu.Unlock()
	if j != nil {
		return j.copy(), nil
	}
	line, last, err := d.auditOf(ctx, id)
	if err != nil {
		return Job{}, err
	}
	out := Job{ID: id, Kind: line.Action, Who: line.Who, What: line.Target, Started: line.At, Ended: &last.At}
	if out.Events, err = d.count(ctx, events.Filter{Job: id}); err != nil {
		return Job{}, err
	}
	out.Total, out.Seen = out.Events, out.Events
	switch {
	case last.Action == line.Action:
		out.Error = "it was cut off with the process that ran it, or another process runs it; what it has done stays done. Begin it again for the rest"
	case strings.HasSuffix(last.Action, stoppedAction):
		out.Error = "it stopped after " + last.Detail + ". Begin it again for the rest"
	}
	return out, nil
}

// Jobs lists the jobs that this process remembers, newest first.
func (d *Desk) Jobs() []Job {
	d.jobs.mu.Lock()
	order := slices.Clone(d.jobs.order)
	d.jobs.mu.Unlock()
	slices.Reverse(order)
	out := make([]Job, len(order))
	for i, j := range order {
		out[i] = j.copy()
		out[i].Samples = nil
	}
	return out
}

// auditOf finds the line that began a job and the last one about it.
func (d *Desk) auditOf(ctx context.Context, id string) (first, last events.AuditLine, err error) {
	lines, err := d.Records.Audit(ctx, id, 10)
	if err != nil {
		return first, last, err
	}
	if len(lines) == 0 {
		return first, last, fail(NotFound, "", "there is no job %q", id)
	}
	return lines[len(lines)-1], lines[0], nil
}

// newJobID is short enough to read out and sorts by time.
func newJobID(kind string) string {
	b := make([]byte, 4)
	_, _ = rand.Read(b)
	return kind[:1] + time.Now().UTC().Format("20060102-150405") + "-" + hex.EncodeToString(b)
}

// publicText is what people may read of an error.
func publicText(err error) string {
	var e *Error
	switch {
	case errors.As(err, &e):
		return e.Error()
	case errors.Is(err, context.Canceled):
		return "stopped with the bridge; what it had done stays done"
	default:
		return "it failed half-way; the log says why"
	}
}

// describe puts a selection into words for the audit. It names no person.
func describe(s Selection) string {
	if s.Filter == nil {
		if len(s.IDs) > 5 {
			return strings.Join(s.IDs[:5], ", ") + ", …"
		}
		return strings.Join(s.IDs, ", ")
	}
	f := s.Filter
	var parts []string
	add := func(name, value string) {
		if value != "" {
			parts = append(parts, name+"="+value)
		}
	}
	add("account", f.Account)
	add("source", f.Source)
	add("type", f.Type)
	add("state", string(f.State))
	add("reason", string(f.Reason))
	add("message", f.Message)
	add("job", f.Job)
	if f.Contact != "" {
		add("contact", "…")
	}
	if f.Q != "" {
		add("q", "…")
	}
	if !f.Since.IsZero() {
		add("since", f.Since.UTC().Format(time.RFC3339))
	}
	if !f.Until.IsZero() {
		add("until", f.Until.UTC().Format(time.RFC3339))
	}
	return strings.Join(parts, " ")
}
