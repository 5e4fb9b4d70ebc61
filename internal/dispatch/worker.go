package dispatch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"time"

	"bridge/internal/calls"
	"bridge/internal/events"
	"bridge/internal/rules"
)

// Keap does steps; *calls.Planner is one. Do blocks until every step of the ask is answered and never gives up
// a request that was sent: when ctx ends, only waiting ends. Check reads back the one step of its ask.
type Keap interface {
	Do(ctx context.Context, ask calls.Ask) []calls.Result
	Check(ctx context.Context, ask calls.Ask) (calls.Finding, error)
}

// Memory remembers plans and steps.
type Memory interface {
	LoadJournal(ctx context.Context, account, key string) (events.Journal, error)
	SavePlan(ctx context.Context, account, key string, plan events.Plan) error
	SaveMarks(ctx context.Context, account, key string, marks events.Marks) error
	Turn(ctx context.Context, account, name string) (uint64, error)
}

// Planner says what an event means; it is pure.
type Planner interface {
	Plan(e *events.Event, now time.Time) (events.Plan, error)
}

// Worker handles deliveries. Safe for concurrent use.
type Worker struct {
	keap   Keap
	memory Memory
	plans  Planner
	log    *slog.Logger
	now    func() time.Time
	jitter func() float64 // in [0, 1)
}

// NewWorker makes a Worker.
func NewWorker(keap Keap, memory Memory, plans Planner, log *slog.Logger) *Worker {
	return &Worker{keap: keap, memory: memory, plans: plans, log: log, now: time.Now, jitter: rand.Float64}
}

// Jitter replaces the source of the spread of retries, random numbers in [0, 1), so that a simulated run can be
// repeated. Call it before the first Handle.
func (w *Worker) Jitter(next func() float64) { w.jitter = next }

// saveTimeout bounds how long marks of what has happened may take, a stop notwithstanding.
const saveTimeout = 10 * time.Second

// task is one handling of one delivery.
type task struct {
	*Worker
	d       events.Delivery
	key     string
	plan    events.Plan
	marks   events.Marks
	calls   int
	changed bool  // marks differ from what is stored
	renewed bool  // the contact step is asked for once more, because its contact is gone
	unsaved error // the marks could not be stored: see save
}

// Handle plans the event or resumes its plan, runs what is not done, and says what is to become of it.
func (w *Worker) Handle(ctx context.Context, d events.Delivery) events.Verdict {
	t := &task{Worker: w, d: d, key: d.Event.Key()}
	v := t.handle(ctx)
	v.Attempt = t.marks.Attempts
	v.Rules = t.plan.Rules
	v.Calls = t.calls
	v.Steps = t.reports(v.State())
	return v
}

func (t *task) handle(ctx context.Context) events.Verdict {
	if v, ok := t.resume(ctx); !ok {
		return v
	}
	t.d.Event.Data = events.Data{} // the plan has all of it that is needed, and may wait for hours
	if t.marks.Discarded {
		return events.Verdict{Kind: events.VerdictDone, Reason: events.Discarded}
	}
	if len(t.plan.Rules) == 0 {
		return events.Verdict{Kind: events.VerdictDone, Reason: events.NoRule}
	}
	if t.plan.Nobody() && len(t.plan.Steps) > 0 {
		return events.Verdict{
			Kind: events.VerdictBury, Reason: events.ContactMissing,
			Detail: "the event names neither an e-mail address nor a phone number; map one in the source's event: section",
		}
	}
	for {
		todo := t.todo()
		if len(todo) == 0 {
			return t.saved(ctx, events.Verdict{Kind: events.VerdictDone})
		}
		if v, ok := t.run(ctx, events.Groups(todo)[0]); !ok {
			return t.saved(ctx, v)
		}
		// Saved before the next step is asked for, which may wait for hours: a crash then repeats nothing.
		if err := t.save(ctx); err != nil {
			return t.memoryFailed("", err)
		}
	}
}

// resume loads the journal and makes the plan where there is none yet, or where a replay asks for a new one.
func (t *task) resume(ctx context.Context) (events.Verdict, bool) {
	account := t.d.Event.Account
	if !t.d.First {
		j, err := t.memory.LoadJournal(ctx, account, t.key)
		if err != nil {
			return t.memoryFailed("", err), false
		}
		t.marks = j.Marks
		if j.Plan != nil && t.d.Replay == j.Marks.Job {
			t.plan = *j.Plan
			return events.Verdict{}, true
		}
	}
	plan, err := t.plans.Plan(&t.d.Event, t.now())
	if err != nil {
		return planFailed(err), false
	}
	t.plan = plan
	if len(plan.Steps) == 0 {
		return events.Verdict{}, true
	}
	if err := t.memory.SavePlan(ctx, account, t.key, plan); err != nil {
		return t.memoryFailed("", err), false
	}
	if t.d.Replay != t.marks.Job {
		t.marks.Job, t.marks.Attempts, t.marks.NotBefore, t.changed = t.d.Replay, 0, time.Time{}, true
	}
	return events.Verdict{}, true
}

func planFailed(err error) events.Verdict {
	v := events.Verdict{Kind: events.VerdictBury, Reason: events.Internal, Err: err, Detail: "the event could not be planned; see the log"}
	var rule *rules.Error
	if errors.As(err, &rule) {
		v.Reason, v.Detail = rule.Reason, rule.Error()
	}
	return v
}

// todo lists the steps that apply and are neither done nor skipped. A branch applies once its contact is known.
func (t *task) todo() []events.Step {
	var steps []events.Step
	for _, s := range t.plan.Steps {
		if m := t.marks.Steps[s.ID].State; m == events.StepDone || m == events.StepSkipped {
			continue
		}
		if s.Only == events.Always || (s.Only == events.IfCreated) == t.marks.Created {
			steps = append(steps, s)
		}
	}
	return steps
}

// run asks Keap for one group of steps and marks the answers. ok is false when the event cannot go on.
func (t *task) run(ctx context.Context, group []events.Step) (_ events.Verdict, ok bool) {
	if len(group) == 1 && mayHaveHappened(t.marks.Steps[group[0].ID].State) {
		if v, ok := t.check(ctx, group[0]); !ok || t.marks.Steps[group[0].ID].State == events.StepDone {
			return v, ok
		}
	}
	for i := range group {
		if err := t.prepare(ctx, &group[i]); err != nil {
			return t.memoryFailed(group[i].ID, err), false
		}
	}
	results := t.keap.Do(ctx, t.ask(group))
	verdict, ok := events.Verdict{}, true
	most, burnt := 0, 0 // steps of a group share their calls, and so what a failed one costs
	judged := make([]judgement, len(results))
	for i, r := range results {
		most = max(most, r.Calls)
		if r.Err == nil {
			continue
		}
		if judged[i] = judge(&group[i], r); judged[i].kind == events.VerdictRetry && judged[i].counts {
			burnt = 1
		}
	}
	t.calls += most
	t.marks.Attempts += burnt
	for i, r := range results {
		v, fine := t.take(&group[i], r, judged[i])
		if !fine && (ok || graver(v, verdict)) {
			verdict, ok = v, false
		}
	}
	return verdict, ok
}

// mayHaveHappened tells which steps are read back before they are asked for: those that were being sent when the
// process stopped, and those that nobody has answered the doubt about.
func mayHaveHappened(s events.StepState) bool {
	return s == events.StepIntended || s == events.StepDoubt
}

// graver orders verdicts of one group: what needs a person before what heals by itself.
func graver(a, b events.Verdict) bool { return a.Kind > b.Kind }

func (t *task) ask(group []events.Step) calls.Ask {
	e := &t.d.Event
	when := e.Updated
	if when.IsZero() {
		when = e.Time
	}
	return calls.Ask{
		Account: e.Account, Priority: t.d.Priority, Key: t.key, Time: when, Person: t.plan.Who, Contact: t.d.Contact,
		ID: t.marks.Contact, Steps: group, Arrived: t.d.Received, Intend: t.intend,
	}
}

// prepare fills in what a step needs of earlier ones.
func (t *task) prepare(ctx context.Context, s *events.Step) error {
	switch {
	case s.Do == events.DoOwner && len(s.Owner.Users) > 1:
		user := t.marks.Steps[s.ID].Note
		if user == "" {
			n, err := t.memory.Turn(ctx, t.d.Event.Account, "owner/"+s.Rule)
			if err != nil {
				return err
			}
			user = s.Owner.Users[n%uint64(len(s.Owner.Users))]
			t.mark(s.ID, func(m *events.Mark) { m.Note = user })
		}
		s.Owner = &events.OwnerStep{Users: []string{user}}
	case s.Do == events.DoPayment:
		order := *s.Order
		order.Keap = t.note(s.Rule, events.DoOrder)
		s.Order = &order
	}
	return nil
}

// note is what was remembered of the rule's step of this kind.
func (t *task) note(rule string, kind events.StepKind) string {
	for _, s := range t.plan.Steps {
		if s.Rule == rule && s.Do == kind {
			return t.marks.Steps[s.ID].Note
		}
	}
	return ""
}

// take marks the answer of one step, with what was judged of its error; ok is false when it failed.
func (t *task) take(s *events.Step, r calls.Result, j judgement) (_ events.Verdict, ok bool) {
	if r.Err == nil {
		if s.Do == events.DoContact {
			t.marks.Contact, t.marks.Created = r.Contact, r.Created
		}
		t.mark(s.ID, func(m *events.Mark) {
			m.State = events.StepDone
			m.Calls += r.Calls
			if r.Note != "" {
				m.Note = r.Note
			}
			m.Attempts = appendAttempt(m.Attempts, events.StepAttempt{At: t.now(), Status: r.Status})
		})
		return events.Verdict{}, true
	}
	if j.reason == events.ContactUnknown && t.renew() {
		return events.Verdict{}, true
	}
	if j.kind == events.VerdictRetry && j.counts && t.marks.Attempts >= maxAttempts {
		j.kind, j.detail = events.VerdictBury, fmt.Sprintf("failed %d times, last: %s", t.marks.Attempts, j.detail)
		j.reason = events.AttemptsSpent
	}
	v := t.verdict(s, r, j)
	if j.kind == events.VerdictSnooze {
		// What is given back did not happen, even where it was intended: XML-RPC was away, the credential was refused.
		if t.marks.Steps[s.ID].State == events.StepIntended {
			t.mark(s.ID, func(m *events.Mark) { m.State = events.StepWaiting })
		}
		return v, false
	}
	t.mark(s.ID, func(m *events.Mark) {
		m.Calls += r.Calls
		m.Attempts = appendAttempt(m.Attempts, events.StepAttempt{At: t.now(), Status: r.Status, Reason: j.reason, Detail: j.detail})
		switch {
		case j.kind == events.VerdictDoubt:
			m.State = events.StepDoubt
		case j.mayHaveHappened:
			m.State = events.StepIntended
		case j.kind == events.VerdictBury:
			m.State = events.StepFailed
		default:
			m.State = events.StepWaiting
		}
	})
	return v, false
}

// verdict fills in times and texts.
func (t *task) verdict(s *events.Step, r calls.Result, j judgement) events.Verdict {
	v := events.Verdict{Kind: j.kind, Reason: j.reason, Step: s.ID, Err: r.Err, Detail: j.detail}
	switch j.kind {
	case events.VerdictSnooze:
		if v.Until = j.until; v.Until.IsZero() {
			v.Until = t.now().Add(j.after)
		}
	case events.VerdictRetry:
		v.Until = t.now().Add(max(j.after, delay(t.marks.Attempts, t.jitter())))
		t.marks.NotBefore, t.changed = v.Until, true
	}
	return v
}

// intend is called by the planner just before anything unsafe is sent.
func (t *task) intend(ctx context.Context, steps []events.Step) error {
	for i := range steps {
		if unsafe(steps[i].Do) {
			t.mark(steps[i].ID, func(m *events.Mark) { m.State = events.StepIntended })
		}
	}
	return t.save(ctx)
}

func (t *task) mark(step string, change func(*events.Mark)) {
	if t.marks.Steps == nil {
		t.marks.Steps = make(map[string]events.Mark, len(t.plan.Steps))
	}
	m := t.marks.Steps[step]
	m.At = t.now()
	change(&m)
	t.marks.Steps[step] = m
	t.changed = true
}

// save stores the marks. After a failure it fails for good: the write may have lost to that of another owner, and what is
// stored then says more than these marks do. The next handling begins with it.
func (t *task) save(ctx context.Context) error {
	if t.unsaved != nil {
		return t.unsaved
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveTimeout)
	defer cancel()
	t.unsaved = t.memory.SaveMarks(ctx, t.d.Event.Account, t.key, t.marks)
	t.changed = t.unsaved != nil
	return t.unsaved
}

// saved stores the marks before a verdict counts.
func (t *task) saved(ctx context.Context, v events.Verdict) events.Verdict {
	if !t.changed {
		return v
	}
	if err := t.save(ctx); err != nil {
		return t.memoryFailed(v.Step, err)
	}
	return v
}

// memoryFailed parks the event: without its memory it must not go on.
func (t *task) memoryFailed(step string, err error) events.Verdict {
	return events.Verdict{
		Kind: events.VerdictSnooze, Reason: events.RetryWait, Until: t.now().Add(memoryRetry), Step: step, Err: err,
		Detail: "the memory of steps cannot be read or written; tried again in " + strconv.Itoa(int(memoryRetry/time.Second)) + " s",
	}
}
