package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"bridge/internal/calls"
	"bridge/internal/config"
	"bridge/internal/dispatch"
	"bridge/internal/events"
	"bridge/internal/keap"
	"bridge/internal/queue"
	"bridge/internal/quota"
)

// groups opens the working side of quota groups when this process becomes their owner; the queue asks it.
type groups struct {
	worlds  *worlds
	queue   *queue.Queue
	plans   dispatch.Planner
	metrics *metrics
	log     *slog.Logger

	baseURL   string
	timeout   time.Duration
	transport http.RoundTripper
	tokens    func(account string) keap.TokenStore
	keys      *keyBook
	hooks     *keapHooks
	gate      *gate
	trace     *tracing

	mu   sync.Mutex
	open map[string]*group // by name
}

// group is one quota group in work: its ledger, its planner and the deliveries in hand.
type group struct {
	name    string
	owner   *groups
	ledger  *quota.Ledger
	planner *calls.Planner
	lane    *dispatch.Lane
	deaf    func() // ends answerPermits

	mu      sync.Mutex
	clients map[string]client // by account
}

// client is a Keap client together with the configuration that it was made from.
type client struct {
	from *account
	keap *keap.Client
}

// Open implements queue.Groups.
func (gs *groups) Open(ctx context.Context, name string, lease queue.Lease) (queue.Hands, error) {
	configured, ok := gs.worlds.now.Load().groups[name]
	if !ok { // no account is in it any more: it makes no calls, its events move to where their accounts are by now, or fail
		usual := keap.DefaultLimits(keap.SAK)
		configured = config.Group{Name: name, Limits: quota.Limits{Second: usual.Second, Minute: usual.Minute, Day: usual.Day}}
	}
	g := &group{name: name, owner: gs, clients: map[string]client{}}
	g.ledger = quota.New(quota.Config{Limits: configured.Limits, Reserve: configured.Reserve})
	stored, err := lease.Ledger(ctx)
	if err != nil {
		return nil, fmt.Errorf("load the quota ledger: %w", err)
	}
	if err := g.ledger.Restore(time.Now(), stored); err != nil {
		return nil, err
	}
	g.ledger.Quiet(lease.Quiet())
	spending := calls.Config{
		Group: name, Account: g.account, Ledger: g.ledger, Save: lease.SaveLedger, Owned: lease.Valid, Memory: gs.queue,
		Record: gs.record, Log: gs.log.With("group", name),
		Returned: func(account string) { g.lane.Wake(account, events.Brownout) },
	}
	if b, ok := lease.(queue.Backlog); ok {
		spending.Behind = b.Behind
	}
	g.planner = calls.New(spending)
	worker := dispatch.NewWorker(g.planner, gs.queue, gs.plans, gs.log)
	g.lane = dispatch.NewLane(&observed{worker, gs}, reader{gs.queue}, dispatch.DefaultLimits, gs.log)
	if g.deaf, err = gs.queue.Answer(permitsName(name), g.answerPermits); err != nil {
		return nil, errors.Join(err, g.lane.Close(ctx), g.planner.Close(ctx))
	}
	gs.mu.Lock()
	gs.open[name] = g
	gs.mu.Unlock()
	return g, nil
}

// record keeps a call for the log and the metrics.
func (gs *groups) record(o events.Outcome) {
	if o.Call != nil {
		gs.metrics.call(o.Call)
		gs.trace.call(o.At, o.Call)
	}
	gs.queue.RecordLater(o)
}

// resumed has what was parked while an account was paused go on.
func (gs *groups) resumed(account string) {
	for _, g := range gs.list() {
		g.lane.Wake(account, events.Paused)
	}
}

// list returns the groups in work.
func (gs *groups) list() []*group {
	gs.mu.Lock()
	defer gs.mu.Unlock()
	all := make([]*group, 0, len(gs.open))
	for _, g := range gs.open {
		all = append(all, g)
	}
	return all
}

// Room implements queue.Hands, as do the following.
func (g *group) Room() (deliveries, bytes int) { return g.lane.Room() }

// Freed implements queue.Hands.
func (g *group) Freed() <-chan struct{} { return g.lane.Freed() }

// Take implements queue.Hands. An urgent event does not wait for the company that tags of its contact's earlier events
// are waiting for.
func (g *group) Take(d events.Delivery, settle queue.Settle) {
	if d.Priority == events.Urgent {
		g.planner.Hurry(d.Contact) // first: it ends with the event's own ask
	}
	g.lane.Take(d, settle)
}

// Hurry implements queue.Hurrier.
func (g *group) Hurry(seq uint64) { g.lane.Hurry(seq) }

// reader reads events again for the lane.
type reader struct{ queue *queue.Queue }

// EventBySeq implements dispatch.Reloader.
func (r reader) EventBySeq(ctx context.Context, seq uint64) (*events.Event, error) {
	e, err := r.queue.EventBySeq(ctx, seq)
	if errors.Is(err, queue.ErrUnknownEvent) {
		return nil, nil //nolint:nilnil // the contract of dispatch.Reloader: there is no such event any more
	}
	return e, err
}

// Close implements queue.Hands: first the lane, so that nobody asks the planner any more, then the planner, which
// leaves the ledger as it is for the next owner. What waits for a permit is given back in between: nobody in the lane
// could give it up.
func (g *group) Close(ctx context.Context) error {
	g.owner.mu.Lock()
	if g.owner.open[g.name] == g {
		delete(g.owner.open, g.name)
	}
	g.owner.mu.Unlock()
	g.deaf()
	g.lane.Stop()
	g.planner.Refuse()
	if err := g.lane.Close(ctx); err != nil {
		return err
	}
	return g.planner.Close(ctx)
}

// account gives the planner an account as it is configured now; a changed configuration gets a new client.
func (g *group) account(name string) (calls.Account, bool) {
	a := g.owner.worlds.find(name)
	if a == nil {
		return calls.Account{}, false
	}
	if a.group != g.name {
		return calls.Account{Moved: true}, true
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	c := g.clients[name]
	if c.from != a {
		made, err := g.connect(a)
		if err != nil {
			g.owner.log.Error("the Keap client cannot be made", "account", name, "err", err)
			return calls.Account{}, false
		}
		c = made
		g.clients[name] = c
	}
	create, perDay := a.CreateTags()
	return calls.Account{
		Keap: c.keap, UserID: a.UserID, Batch: a.Batch, Tags: calls.TagPolicy{Create: create, PerDay: perDay},
		ActionSets: actionSets(a), Products: a.Products,
	}, true
}

// connect makes an account's Keap client.
func (g *group) connect(a *account) (client, error) {
	cred, err := g.owner.credential(a)
	if err != nil {
		return client{}, err
	}
	k, err := keap.New(keap.Options{
		BaseURL: g.owner.baseURL, Credential: cred, Transport: &echo{g.owner, a.Name, g.owner.witness(a.Name)}, Timeout: g.owner.timeout,
		Observe: g.ledger.Observe, Extra: g.planner.Extra,
	})
	return client{from: a, keap: k}, err
}

// credential makes an account's credential.
func (gs *groups) credential(a *account) (keap.Credential, error) {
	k := &a.Keap
	switch k.Kind() {
	case keap.OAuth:
		return gs.login(a, k.OAuth2.RedirectURL, gs.tokens(a.Name))
	case keap.PAT:
		return keap.PersonalAccessToken(k.PersonalAccessToken, k.NextKey)
	default:
		return keap.ServiceAccountKey(k.ServiceAccountKey, k.NextKey)
	}
}

// actionSets turns the configured replacements into steps.
func actionSets(a *account) map[string]calls.ActionSet {
	sets := make(map[string]calls.ActionSet, len(a.ActionSets))
	for id, s := range a.ActionSets {
		set := calls.ActionSet{Name: s.Name}
		for _, r := range s.ReplaceWith {
			switch {
			case r.Goal != nil:
				set.ReplaceWith = append(set.ReplaceWith, calls.Replacement{Goal: &events.GoalStep{Integration: r.Goal.Integration, Call: r.Goal.Call}})
			case r.Sequence != nil:
				set.ReplaceWith = append(set.ReplaceWith, calls.Replacement{Sequence: &events.SequenceStep{
					Automation: r.Sequence.Automation, Sequence: r.Sequence.Sequence, Remove: r.Sequence.Remove}})
			case r.Tag != "":
				set.ReplaceWith = append(set.ReplaceWith, calls.Replacement{Tag: r.Tag})
			}
		}
		sets[id] = set
	}
	return sets
}

// observed counts and logs what a worker decides: one line for every settled event.
type observed struct {
	handler dispatch.Handler
	groups  *groups
}

// Handle implements dispatch.Handler.
func (o *observed) Handle(ctx context.Context, d events.Delivery) events.Verdict {
	if a := o.groups.worlds.find(d.Event.Account); a != nil && a.group != d.Group {
		return events.Verdict{Kind: events.VerdictMove, Attempt: d.Attempt}
	}
	if o.groups.gate.shut(d.Event.Account) {
		return events.Verdict{
			Kind: events.VerdictSnooze, Reason: events.Paused, Until: time.Now().Add(pausedFor), Attempt: d.Attempt,
			Detail: "an operator paused the account; it goes on when it is resumed",
		}
	}
	start := time.Now()
	inside, end := o.groups.trace.handle(ctx, &d)
	v := o.handler.Handle(inside, d)
	end(&v)
	if ctx.Err() != nil && !v.State().Settled() {
		return v
	}
	o.groups.metrics.verdict(&d, &v, time.Now())
	level := slog.LevelDebug
	switch v.State() {
	case events.Done:
		level = slog.LevelInfo
	case events.Failed, events.InDoubt:
		level = slog.LevelWarn
	}
	attrs := []slog.Attr{
		slog.String("event", d.Event.ID), slog.String("account", d.Event.Account), slog.String("source", d.Event.Source),
		slog.String("type", d.Event.Type), slog.String("state", string(v.State())), slog.String("reason", string(v.Reason)),
		slog.String("priority", d.Priority.String()), slog.Int("calls", v.Calls), slog.Int("attempts", v.Attempt),
		slog.Float64("seconds", time.Since(start).Seconds()),
	}
	if v.Step != "" {
		attrs = append(attrs, slog.String("step", v.Step))
	}
	if v.Err != nil {
		attrs = append(attrs, slog.Any("err", v.Err))
	}
	o.groups.log.LogAttrs(ctx, level, "event "+string(v.State()), attrs...)
	return v
}
