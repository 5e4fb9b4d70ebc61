package simulation

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"bridge/internal/calls"
	"bridge/internal/dispatch"
	"bridge/internal/events"
	"bridge/internal/keap"
	"bridge/internal/queue"
	"bridge/internal/quota"
	"bridge/internal/secret"
)

// planner is what a process spends its permits with; *calls.Planner is one.
type planner interface {
	dispatch.Keap
	Hurry(contact string)
	Close(ctx context.Context) error
}

// process is one run of the bridge's working side: it owns the group from open until somebody else does. It is the
// queue.Hands of the group.
type process struct {
	r       *trial
	lease   *lease
	wire    *wire
	ledger  *quota.Ledger
	planner planner
	lane    *dispatch.Lane
	quit    chan struct{}
	fed     sync.WaitGroup
}

// open starts a process, which takes the group over from whoever had it.
func (r *trial) open() error {
	p := &process{r: r, lease: r.inbox.own(), quit: make(chan struct{})}
	memory := &view{store: r.store, lease: p.lease, known: map[string]int{}}
	p.wire = &wire{
		keap: r.keap.Transport(), rng: rand.New(rand.NewPCG(r.Seed, p.lease.epoch)),
		least: time.Duration(r.Workload.Call.LeastMS) * time.Millisecond, more: time.Duration(r.Workload.Call.MoreMS) * time.Millisecond,
	}
	p.ledger = quota.New(quota.Config{
		Limits:  quota.Limits{Second: r.Workload.Quota.Second, Minute: r.Workload.Quota.Minute, Day: r.dayLimit()},
		Reserve: quota.Shares{Urgent: 0.2, Normal: 0.1},
	})
	stored, err := p.lease.Ledger(context.Background())
	if err != nil {
		return err
	}
	if err := p.ledger.Restore(time.Now(), stored); err != nil {
		return err
	}
	key, err := keap.ServiceAccountKey(secret.New(simKey), secret.Text{})
	if err != nil {
		return err
	}
	client, err := keap.New(keap.Options{
		BaseURL: "https://keap.test/crm", Credential: key, Transport: p.wire, Observe: p.ledger.Observe,
	})
	if err != nil {
		return err
	}
	if r.OneByOne {
		p.planner = newOneByOne(client, p.ledger, p.lease.SaveLedger, r.tagIDs)
	} else {
		p.planner = calls.New(calls.Config{
			Group: group, Ledger: p.ledger, Save: p.lease.SaveLedger, Memory: memory, Behind: r.inbox.behind, Log: r.log,
			Account: func(string) (calls.Account, bool) { return calls.Account{Keap: client, UserID: "1"}, true },
		})
	}
	worker := dispatch.NewWorker(p.planner, memory, r.plans, r.log)
	worker.Jitter(p.wire.float)
	p.lane = dispatch.NewLane(inOrder{worker}, r.inbox, dispatch.DefaultLimits, r.log)
	p.fed.Go(func() { r.inbox.serve(p.lease, p, p.quit) })
	r.now.Store(p)
	return nil
}

// inOrder parks each event until a nanosecond of its own: timers of a bubble that end at the same instant fire in an
// order that no seed repeats.
type inOrder struct{ *dispatch.Worker }

// Handle is part of dispatch.Handler.
func (o inOrder) Handle(ctx context.Context, d events.Delivery) events.Verdict {
	v := o.Worker.Handle(ctx, d)
	if !v.Until.IsZero() {
		v.Until = v.Until.Add(time.Duration(d.Seq))
	}
	return v
}

// Room is part of queue.Hands, as the following are.
func (p *process) Room() (deliveries, bytes int) { return p.lane.Room() }

// Freed tells that there may be more room.
func (p *process) Freed() <-chan struct{} { return p.lane.Freed() }

// Take puts a delivery in line. An urgent one flushes what waits for its contact.
func (p *process) Take(d events.Delivery, settle queue.Settle) {
	p.lane.Take(d, settle)
	if d.Priority == events.Urgent {
		p.planner.Hurry(d.Contact)
	}
}

// Close ends the process in good order: calls on their way may end until ctx does.
func (p *process) Close(ctx context.Context) error {
	close(p.quit)
	p.fed.Wait()
	if err := p.lane.Close(ctx); err != nil {
		return fmt.Errorf("close the lane: %w", err)
	}
	if err := p.planner.Close(ctx); err != nil {
		return fmt.Errorf("close the planner: %w", err)
	}
	return nil
}

// kill ends the process in the middle of whatever it does: from now on it writes nothing, and sees no answer. What it
// has sent arrives. Its goroutines end behind the scenes.
func (p *process) kill() {
	p.lease.dead.Store(true)
	p.wire.dead.Store(true)
	p.r.inbox.own()
	p.r.buried.Go(func() { p.wither(time.Minute) })
}

// lose ends a process that does not know yet that another one owns the group: it may go on for a while with what needs
// no new writing of the ledger.
func (p *process) lose(unaware time.Duration) {
	p.r.buried.Go(func() {
		time.Sleep(unaware)
		p.wither(time.Minute)
	})
}

// wither closes a process whose end nobody can rely on; its errors tell nothing new.
func (p *process) wither(patience time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_ = p.Close(ctx)
}
