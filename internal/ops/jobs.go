package ops

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
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
	Started time.Time  `json:"started"`
	Ended   *time.Time `json:"ended,omitempty"`
	Total   int        `json:"total"`   // events that were chosen when it began
	Seen    int        `json:"seen"`    // of which it has looked at
	Events  int        `json:"events"`  // it acts on, or would
	Passed  int        `json:"passed"`  // left alone: not in a state for it, or gone
	Calls   int        `json:"calls"`   // Keap calls it costs at most; waiting steps of other events share calls
	Skipped int        `json:"skipped"` // steps that are done already and do not run again
	Error   string     `json:"error,omitempty"`

	Finish  *time.Time     `json:"finish,omitempty"` // when the calls would be through; of a preview
	ByCall  map[string]int `json:"by_operation,omitempty"`
	Samples []Sample       `json:"calls_of,omitempty"` // of a preview: the exact calls of the first events
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
	Skipped []string      `json:"skipped"` // steps that are done
	Error   string        `json:"error,omitempty"`
}

// The kinds of jobs.
const (
	KindReplay  = "replay"
	KindDiscard = "discard"
	KindUndo    = "undo"
)

// keptJobs is how many ended jobs are remembered; the audit remembers all. maxRunning bounds those at work, and
// maxSamples the events whose calls a preview lists one by one.
const (
	keptJobs   = 100
	maxRunning = 4
	maxSamples = 500
)

type job struct {
	mu    sync.Mutex
	state Job
	ended chan struct{}
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
	out.Samples = slices.Clone(out.Samples)
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

// Job tells how far a job is. One that this process does not remember is told from the audit.
func (d *Desk) Job(ctx context.Context, id string) (Job, error) {
	d.jobs.mu.Lock()
	j := d.jobs.byID[id]
	d.jobs.mu.Unlock()
	if j != nil {
		return j.copy(), nil
	}
	line, err := d.auditOf(ctx, id)
	if err != nil {
		return Job{}, err
	}
	out := Job{ID: id, Kind: line.Action, Who: line.Who, Started: line.At}
	page, err := d.Index.List(ctx, events.Filter{Job: id}, 1, "")
	if err != nil {
		return Job{}, err
	}
	if len(page.Rows) > 0 {
		if out.Events, err = d.count(ctx, events.Filter{Job: id}); err != nil {
			return Job{}, err
		}
		out.Ended = &page.Rows[0].Changed
	} else {
		out.Ended = &out.Started
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

// auditOf finds the line that began a job.
func (d *Desk) auditOf(ctx context.Context, id string) (events.AuditLine, error) {
	lines, err := d.Records.Audit(ctx, id, 1)
	if err != nil {
		return events.AuditLine{}, err
	}
	if len(lines) == 0 {
		return events.AuditLine{}, fail(NotFound, "", "there is no job %q", id)
	}
	return lines[0], nil
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
