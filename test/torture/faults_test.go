//go:build unix

package torture

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"bridge/internal/keap/sandbox"
)

// trouble is one thing that goes wrong for a while.
type trouble struct {
	what   string // kill, freeze, nats, spoil, brownout, xmlrpc, revoke
	at     time.Duration
	lasts  time.Duration
	target int             // process, NATS server or account
	faults []sandbox.Fault // spoil and brownout
}

func (t *trouble) String() string {
	text := fmt.Sprintf("%6.2fs %s %d for %.2fs", t.at.Seconds(), t.what, t.target, t.lasts.Seconds())
	for _, f := range t.faults {
		text += fmt.Sprintf(" %s %+v", f.Fault, f.Match)
	}
	return text
}

// every is how much of the time lies between two troubles on average.
const every = 900 * time.Millisecond

// weights say how often each kind of trouble comes.
var weights = []struct {
	what   string
	weight int
}{{"kill", 5}, {"freeze", 4}, {"nats", 2}, {"spoil", 8}, {"brownout", 3}, {"xmlrpc", 1}, {"revoke", 1}}

// spoilt are the ways in which a call goes wrong: refused or not, before or after its effect.
var spoilt = []string{
	"status:500", "status:502", "status:503", "status:504", "timeout_before", "timeout_after", "reset", "truncated", "html", "not_json", "slow:3s", "status:429",
}

// plan draws all troubles. A lease lasts longer on a cluster, and a pause is to outlast it.
func plan(seed uint64, all time.Duration, bridges, servers int, lease time.Duration) []trouble {
	rnd := rand.New(rand.NewPCG(seed, 0x746f7274))
	between := func(lo, hi time.Duration) time.Duration { return lo + time.Duration(rnd.Int64N(int64(hi-lo))) }
	var plan []trouble
	total := 0
	for _, w := range weights {
		total += w.weight
	}
	for at := between(every/2, every); at < all; at += between(every/3, 2*every-every/3) {
		t := trouble{at: at}
		n := rnd.IntN(total)
		for _, w := range weights {
			if n -= w.weight; n < 0 {
				t.what = w.what
				break
			}
		}
		if len(plan) < len(weights) { // a short run has all kinds too
			t.what = weights[len(plan)].what
		}
		switch t.what {
		case "kill":
			t.target, t.lasts = rnd.IntN(bridges), between(200*time.Millisecond, 2*time.Second)
		case "freeze":
			t.target, t.lasts = rnd.IntN(bridges), between(lease+lease/4, 2*lease+lease/2)
		case "nats":
			t.target, t.lasts = rnd.IntN(servers), between(200*time.Millisecond, 2500*time.Millisecond)
		case "spoil":
			t.lasts = between(time.Second, 4*time.Second)
			t.faults = spoil(spoilt[rnd.IntN(len(spoilt))], 0.02+0.1*rnd.Float64())
		case "brownout":
			t.lasts = between(500*time.Millisecond, 2500*time.Millisecond)
			f := sandbox.Fault{Fault: []string{"status:503", "status:503", "html", "reset", "slow:3s"}[rnd.IntN(5)]}
			if rnd.IntN(2) == 0 {
				f.Match.App = accounts[rnd.IntN(len(accounts))].app
			}
			t.faults = []sandbox.Fault{f}
		case "xmlrpc":
			t.lasts = between(time.Second, 3*time.Second)
		case "revoke":
			t.target, t.lasts = len(accounts)-2, between(time.Second, 4*time.Second)
			if at > all*3/4 { // without a next key the account pauses until a person comes
				t.target += rnd.IntN(2)
			}
		}
		plan = append(plan, t)
	}
	return plan
}

// spoil makes the rules that spoil a share of the calls.
func spoil(how string, share float64) []sandbox.Fault {
	f := sandbox.Fault{Match: sandbox.Match{Rate: share}, Fault: how}
	switch how {
	case "status:429":
		f.Times = 2
	case "not_json":
		// Not over XML-RPC: its outages are answered with a text by something else, and then nothing has run. An action
		// set that runs and is answered with a text cannot be told from that.
		var all []sandbox.Fault
		for _, operation := range []string{"contacts.*", "tags.*", "goals.*", "notes.*", "tasks.*", "orders.*", "payments.*", "sequences.*", "products.*"} {
			f.Match.Operation = operation
			all = append(all, f)
		}
		return all
	}
	return []sandbox.Fault{f}
}

// chaos makes the troubles of a plan happen.
type chaos struct {
	t       testing.TB
	crm     *sandbox.Server
	bridges []*process
	servers []*process

	mu       sync.Mutex
	rules    []*sandbox.Fault // in force
	happened map[string]int
	cuts     int // kills, pauses and losses of the NATS server
}

// run returns when all troubles are over: ctx ends with the test.
func (c *chaos) run(ctx context.Context, plan []trouble) {
	begin := time.Now()
	var going sync.WaitGroup
	for _, t := range plan {
		if !wait(ctx, time.Until(begin.Add(t.at))) {
			break
		}
		going.Go(func() {
			c.mu.Lock()
			c.happened[t.what]++
			c.mu.Unlock()
			c.one(ctx, &t)
		})
	}
	going.Wait()
}

func wait(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

func (c *chaos) one(ctx context.Context, t *trouble) {
	switch t.what {
	case "kill":
		c.cut()
		c.bridges[t.target].end(syscall.SIGKILL)
		wait(ctx, t.lasts)
		c.bridges[t.target].start()
	case "freeze":
		c.cut()
		c.bridges[t.target].freeze(t.lasts)
	case "nats":
		c.cut()
		c.servers[t.target].end(syscall.SIGKILL)
		wait(ctx, t.lasts)
		c.servers[t.target].start()
	case "spoil", "brownout":
		c.change(t.faults, true)
		wait(ctx, t.lasts)
		c.change(t.faults, false)
	case "xmlrpc":
		c.set(sandbox.Settings{XMLRPC: "brownout"})
		wait(ctx, t.lasts)
		c.set(sandbox.Settings{XMLRPC: "up"})
	case "revoke":
		a := accounts[t.target]
		c.set(sandbox.Settings{Keys: map[string]sandbox.Key{a.key: {App: a.app, State: "revoked"}}})
		wait(ctx, t.lasts)
		c.set(sandbox.Settings{Keys: map[string]sandbox.Key{a.key: {App: a.app}}})
	}
}

func (c *chaos) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cuts++
}

func (c *chaos) set(s sandbox.Settings) {
	if err := c.crm.SetSettings(s); err != nil {
		c.t.Error(err)
	}
}

// change adds or removes rules; the newest come first, for the first one that matches a call is applied.
func (c *chaos) change(rules []sandbox.Fault, add bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range rules {
		if add {
			c.rules = append(c.rules, &rules[i])
		} else {
			c.rules = slices.DeleteFunc(c.rules, func(other *sandbox.Fault) bool { return other == &rules[i] })
		}
	}
	now := make([]sandbox.Fault, 0, len(c.rules))
	for _, r := range slices.Backward(c.rules) {
		now = append(now, *r)
	}
	if err := c.crm.SetFaults(now); err != nil {
		c.t.Error(err)
	}
}

// counted spells counters out, by name.
func counted(counts map[string]int) string {
	var words []string
	for name, n := range counts {
		words = append(words, fmt.Sprintf("%s %d", name, n))
	}
	slices.SortFunc(words, cmp.Compare)
	if len(words) == 0 {
		return "none"
	}
	return strings.Join(words, ", ")
}
