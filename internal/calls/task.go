package calls

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"bridge/internal/events"
	"bridge/internal/keap"
	"bridge/internal/quota"
)

// task is one ask being served.
type task struct {
	*Planner
	Ask
	settings Account
	contact  string // Keap contact id, once known
	results  []Result
	intended bool
	errand   *errand // that the task is on
}

// Do serves an ask: it blocks until each of its steps is answered, in their order. A request that is on its way is
// never given up: when ctx ends, only waiting for permits ends.
func (p *Planner) Do(ctx context.Context, ask Ask) []Result {
	t, err := p.task(ask)
	if err != nil {
		return t.fail(err)
	}
	t.Priority = p.priorityOf(&ask)
	leave, err := p.lines.enter(ctx, &t.Ask, func() { p.Hurry(ask.Contact) })
	if err != nil {
		return t.fail(err)
	}
	defer leave()
	if isTag(ask.Steps[0].Do) {
		t.applyAll(ctx)
		return t.results
	}
	for i := range t.Steps {
		if err := t.step(ctx, &t.Steps[i], &t.results[i]); err != nil {
			t.results[i].Err = err
		}
	}
	return t.results
}

func isTag(kind events.StepKind) bool { return kind == events.DoTag || kind == events.DoUntag }

func (p *Planner) task(ask Ask) (*task, error) {
	t := &task{Planner: p, Ask: ask, contact: ask.ID, results: make([]Result, len(ask.Steps))}
	for i := range ask.Steps {
		t.results[i].Step = ask.Steps[i].ID
	}
	account, err := p.account(ask.Account)
	t.settings = account
	return t, err
}

// account is an account as it is configured now, or why nothing can be sent for it.
func (p *Planner) account(name string) (Account, error) {
	a, ok := p.c.Account(name)
	switch {
	case a.Moved:
		return a, &Closed{Until: time.Now(), Reason: events.RetryWait, Detail: "the account " + name + " is in another quota group by now"}
	case !ok || a.Keap == nil:
		return a, &Invalid{Reason: events.NotConfigured, Detail: "the account " + name + " is not in the configuration"}
	}
	return a, nil
}

// fail answers every step with the same error.
func (t *task) fail(err error) []Result {
	for i := range t.results {
		t.results[i].Err = err
	}
	return t.results
}

// step does one step that shares no call with others of its ask.
func (t *task) step(ctx context.Context, s *events.Step, r *Result) error {
	if s.Do == events.DoContact {
		return t.writeContact(ctx, s, r)
	}
	if err := t.locate(ctx, r); err != nil {
		return err
	}
	switch s.Do {
	case events.DoOwner:
		return t.giveOwner(ctx, s, r)
	case events.DoGoal:
		return t.achieve(ctx, s, r, s.Goal.Integration, s.Goal.Call)
	case events.DoSequence:
		return t.sequence(ctx, s, r, s.Sequence)
	case events.DoEmail:
		return t.email(ctx, s, r)
	case events.DoNote:
		return t.note(ctx, s, r)
	case events.DoTask:
		return t.makeTask(ctx, s, r)
	case events.DoOrder:
		return t.order(ctx, s, r)
	case events.DoPayment:
		return t.payment(ctx, s, r)
	case events.DoActionSet:
		return t.actionSet(ctx, s, r)
	}
	return &Invalid{Reason: events.Internal, Detail: fmt.Sprintf("there is no step %q", s.Do)}
}

// request is one call to Keap that goes alone.
type request struct {
	operation string
	rank      rank
	step      *events.Step // that it is for; nil where it is for the account
	unsafe    bool         // not safe to repeat: intended before it is sent
	subjects  int
	may       func() error // over XML-RPC: asked when the permit is there; an error gives the request up unsent
	send      func(ctx context.Context) error
	since     time.Time // it waits for its permit since then
}

// throttledTries is how often a call that Keap refused for its quota is tried again here: the ledger knows by then
// when. Each try waits for its permit.
const throttledTries = 5

// call makes one request with a permit of its own and notes it in r.
func (t *task) call(ctx context.Context, r *Result, q request) error {
	for try := 1; ; try++ {
		q.since = time.Now()
		wish := t.solo(q.rank)
		wish.xmlrpc = q.may != nil
		release, err := t.permit(ctx, wish)
		if err != nil {
			return err
		}
		if q.may != nil {
			err = q.may()
		}
		if err == nil {
			err = t.send(ctx, r, q)
		}
		release()
		if keap.KindOf(err) != keap.KindThrottled || try == throttledTries {
			return err
		}
	}
}

// send makes the request of a permit that is there.
func (t *task) send(ctx context.Context, r *Result, q request) error {
	if q.unsafe {
		if err := t.intend(ctx, q.step); err != nil {
			return err
		}
	}
	if err := t.slot(); err != nil {
		return err
	}
	ctx, heard := keap.Overhear(t.calls)
	started := time.Now()
	err := q.send(ctx)
	if keap.KindOf(err) == keap.KindInvalid {
		return err // refused before it was sent
	}
	r.Calls++
	r.Status = statusOf(err)
	r.Sent = r.Sent || q.unsafe && mayHaveRun(err)
	t.record(made{t.Account, q.operation, t.Priority, q.since, started, q.subjects, err, t.served(q.step), heard})
	if err == nil && q.operation != "action_sets.run" {
		t.xmlrpc.restAnswered(t.Account, time.Now())
	}
	return t.learn(t.Account, err)
}

// intend records that something unsafe is about to be sent, once an ask.
func (t *task) intend(ctx context.Context, s *events.Step) error {
	if t.intended || t.Intend == nil {
		return nil
	}
	steps := t.Steps
	if s != nil {
		steps = []events.Step{*s}
	}
	if err := t.Intend(context.WithoutCancel(ctx), steps); err != nil {
		return fmt.Errorf("the intention could not be recorded: %w", err)
	}
	t.intended = true
	return nil
}

func (t *task) served(s *events.Step) []events.Served {
	if s == nil {
		s = &t.Steps[0]
	}
	return []events.Served{{Key: t.Key, Step: s.ID, Rule: s.Rule}}
}

// slot waits until the request of a permit may be written. It fails when the group is another process's by now:
// whoever has it counts on what was not written yet being left alone.
func (p *Planner) slot() error {
	now := time.Now()
	if wait := p.c.Ledger.Slot(now).Sub(now); wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-p.calls.Done():
		}
	}
	if p.c.Owned != nil && !p.c.Owned() {
		return errStopping
	}
	return nil
}

// learn looks at the error of a call for what concerns the whole account, and gives what its asker is told.
func (p *Planner) learn(account string, err error) error {
	var e *keap.Error
	if !errors.As(err, &e) {
		return err
	}
	switch e.Kind {
	case keap.KindDenied:
		return p.pause(account, events.Unauthorized, e)
	case keap.KindCredential:
		return p.pause(account, events.RefreshLost, e)
	}
	return err
}

// credentialPause is how long nothing is sent with a credential that was refused; then one event tries again.
const credentialPause = 5 * time.Minute

// pause stops an account whose credential is refused and gives back what waits for it.
func (p *Planner) pause(account string, reason events.Reason, e *keap.Error) error {
	closed := &Closed{Until: time.Now().Add(credentialPause), Reason: reason, Detail: withHint(e)}
	p.mu.Lock()
	first := p.pauses[account] == nil
	p.pauses[account] = closed
	p.refuseLocked(func(_ events.Priority, of string) error {
		if of == account {
			return closed
		}
		return nil
	})
	p.mu.Unlock()
	if first {
		p.log.Error("Keap refuses the credential; the account pauses", "account", account, "reason", reason, "err", e.Message)
	}
	return closed
}

func withHint(e *keap.Error) string {
	if e.Hint == "" {
		return e.Message
	}
	return e.Message + " (" + e.Hint + ")"
}

func statusOf(err error) int {
	var e *keap.Error
	switch {
	case err == nil:
		return 200
	case errors.As(err, &e):
		return e.Status
	}
	return 0
}

func sentBy(err error) bool {
	var e *keap.Error
	if errors.As(err, &e) {
		return e.Sent
	}
	return err == nil
}

// mayHaveRun tells whether a call that is not safe to repeat may have taken effect, as far as it can be tried again
// here: Keap refused it for its quota or for a contact that is gone, and did nothing of it. Judging every other error is
// for whoever asked.
func mayHaveRun(err error) bool {
	kind := keap.KindOf(err)
	return sentBy(err) && kind != keap.KindThrottled && kind != keap.KindNotFound
}

// made is one call to Keap that was made.
type made struct {
	account, operation string
	prio               events.Priority
	since, started     time.Time // when it began to wait for its permit, and when it was sent
	subjects           int
	err                error
	served             []events.Served
	heard              *keap.Exchange // nil: nobody needs to read it
}

// record notes a call for people and for the costs.
func (p *Planner) record(m made) {
	report := events.CallReport{
		Group: p.c.Group, Operation: m.operation, Priority: m.prio, Status: statusOf(m.err), Took: time.Since(m.started), Waited: m.started.Sub(m.since),
		Subjects: m.subjects, Served: m.served, Exchange: m.exchange(),
	}
	var e *keap.Error
	if errors.As(m.err, &e) {
		report.Error = e.Message
	} else if m.err != nil {
		report.Error = "not sent"
	}
	p.mu.Lock()
	p.tally.add(m.started, m.served)
	p.mu.Unlock()
	if p.c.Record != nil {
		p.c.Record(events.Outcome{Kind: events.OutcomeCall, At: m.started, Account: m.account, Call: &report})
	}
}

// exchange is what was heard of the call, for whoever looks into an event that it served.
func (m *made) exchange() *events.Exchange {
	if m.heard == nil || m.heard.Method == "" {
		return nil
	}
	x := &events.Exchange{At: m.started.UTC(), Account: m.account, Method: m.heard.Method, Target: m.heard.Target, Status: m.heard.Status,
		Sent: events.Excerpt(m.heard.Sent), Answered: events.Excerpt(m.heard.Answered)}
	for _, s := range m.served {
		if !slices.Contains(x.Keys, s.Key) {
			x.Keys = append(x.Keys, s.Key)
		}
	}
	return x
}

// mark is a short text that tells what this step made from everything else, so that it can be found again.
func mark(key string, s *events.Step) string {
	sum := sha256.Sum256([]byte(key + "\x00" + s.ID))
	return "#" + strings.ToLower(base32.StdEncoding.EncodeToString(sum[:5]))
}

func reasonOf(w quota.Window) events.Reason {
	switch w {
	case quota.Day, quota.Plan:
		return events.QuotaDay
	case quota.TenantMinute, quota.TenantDay:
		return events.QuotaTenant
	case quota.Minute, quota.Second:
		return events.QuotaMinute
	}
	return events.Throttled
}

func closedDetail(a quota.Answer) string {
	return fmt.Sprintf("Keap's quota window (%s) is used up; it opens at %s", a.Window, a.At.UTC().Format("2006-01-02 15:04:05 UTC"))
}
