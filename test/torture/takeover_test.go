//go:build unix

package torture

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"bridge/internal/events"
	"bridge/internal/keap/sandbox"
)

var visits = flag.Int("events", 1200, "how many events the test of takeovers works")

// visited leaves a note for each event, and hardly makes another call: the windows of Keap decide how fast that goes.
const visited = `
    user_id: 1
    sources:
      crm: {kind: nats}
    rules:
      - name: visit
        on: visit.made
        priority: urgent
        do:
          - contact: {}
          - note: {title: "Visit {{event.id}}", body: "came"}
`

// Limits of each quota group while owners change.
const (
	takeoverSecond = 60
	takeoverMinute = 60 * takeoverSecond
)

// TestTakeovers kills and pauses the processes in turn while they work what waits, urgent all of it. No event is lost, none
// takes effect twice or out of its contact's order, and no window of Keap is exceeded, by owners that wake up too.
// The report tells how long a quota group with work stood still.
func TestTakeovers(t *testing.T) {
	seed := *seedFlag
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d", seed)
	s := setUp(t, seed, scene{config: configuration(visited, takeoverSecond, takeoverMinute), second: takeoverSecond, minute: takeoverMinute})
	s.populate()
	sent := s.visit(t, *visits)
	ctx, stop := context.WithCancel(t.Context())
	var ending sync.WaitGroup
	faults := map[string]int{}
	var blows []blow
	begin := time.Now()
	ending.Go(func() { blows = s.change(ctx, rand.New(rand.NewPCG(seed, 4)), faults) })
	for notes := 0; notes < *visits*9/10; {
		notes = s.crm.Calls("").ByOperation["notes.create"]
		if !wait(ctx, 200*time.Millisecond) || time.Since(begin) > patience() {
			t.Errorf("%d notes after %v", notes, time.Since(begin))
			break
		}
	}
	stop()
	ending.Wait()
	rows := s.settled(t, *visits)

	w := look(s.crm)
	for _, list := range sent {
		last := -1
		for _, id := range list {
			at := w.notes["Visit "+id]
			if row := rows[accounts[accountOf(id)].name+" "+id]; row.State != events.Done || len(at) != 1 {
				t.Errorf("%s is %q %s %s, with %d notes", id, row.State, row.Reason, row.Detail, len(at))
				continue
			}
			if at[0] < last {
				t.Errorf("%s took effect before the one before it", id)
			}
			last = at[0]
		}
	}
	calls := s.crm.Calls("")
	if v := calls.Violations; v.Second+v.Minute+v.Day > 0 {
		t.Errorf("calls above a limit: %+v", v)
	}
	for _, p := range s.bridges {
		for _, bad := range p.disgraced() {
			t.Error(bad)
		}
	}
	single, several := s.takeovers(blows)
	t.Logf("takeovers %v; while others were hit as well %v", single, several)
	still := silences(s.crm.Log("", time.Time{}, 0))
	t.Logf("%d events, %d calls in %.0f s; %s; most in a second %d of %d; a group with work stood still for at most %.1f s, %d times for more than 1 s",
		*visits, calls.Total, time.Since(begin).Seconds(), counted(faults), calls.Max.Second, takeoverSecond, still[0].Seconds(), len(still)-1)
}

// accountOf reads the account from an event's id.
func accountOf(id string) (account int) {
	_, _ = fmt.Sscanf(id, "%d-", &account)
	return account
}

// visit sends n events over NATS, of customers in turn, and returns their ids by customer, in the order of sending.
func (s *stage) visit(t *testing.T, n int) map[string][]string {
	t.Helper()
	nc, err := nats.Connect(s.url)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	sent := map[string][]string{}
	var acks []jetstream.PubAckFuture
	for i := range n {
		account, customer := i%len(accounts), i/len(accounts)%customersEach
		f := fact{kind: lead, account: account, customer: customer}
		id := fmt.Sprintf("%d-%d", account, i)
		body := fmt.Appendf(nil, `{"specversion":"1.0","id":%q,"source":"torture.example.com","type":"visit.made","data":{"contact":{"email":%q}}}`, id, f.email())
		ack, err := js.PublishAsync("ingest."+accounts[account].name+".crm", body)
		if err != nil {
			t.Fatal(err)
		}
		acks = append(acks, ack)
		sent[f.email()] = append(sent[f.email()], id)
		if len(acks) < 200 && i < n-1 {
			continue
		}
		for _, ack := range acks {
			select {
			case <-ack.Ok():
			case err := <-ack.Err():
				t.Fatal(err)
			}
		}
		acks = acks[:0]
	}
	return sent
}

// change ends and pauses one process after the other until ctx ends.
func (s *stage) change(ctx context.Context, rnd *rand.Rand, faults map[string]int) (blows []blow) {
	for wait(ctx, s.lease/2+time.Duration(rnd.Int64N(int64(3*s.lease)))) {
		b := blow{bridge: rnd.IntN(len(s.bridges)), at: time.Now()}
		p := s.bridges[b.bridge]
		if rnd.IntN(2) == 0 {
			faults["kill"]++
			p.end(syscall.SIGKILL)
			b.ends = time.Now()
			wait(ctx, time.Duration(rnd.Int64N(int64(time.Second))))
			p.start()
		} else {
			faults["pause"]++
			p.freeze(s.lease + s.lease/4 + time.Duration(rnd.Int64N(int64(s.lease))))
			b.ends = time.Now()
		}
		blows = append(blows, b)
	}
	return blows
}

// silences lists how long each quota group made no call between its first and its last one: the longest, and then
// whatever took more than a second.
func silences(log []sandbox.Line) []time.Duration {
	last := map[string]time.Time{}
	var all []time.Duration
	longest := time.Duration(0)
	slices.SortStableFunc(log, func(a, b sandbox.Line) int { return a.At.Compare(b.At) })
	for i := range log {
		l := &log[i]
		if before, ok := last[l.App]; ok && strings.HasPrefix(l.Operation, "notes.") {
			gap := l.At.Sub(before)
			longest = max(longest, gap)
			if gap > time.Second {
				all = append(all, gap)
			}
		}
		last[l.App] = l.At
	}
	slices.SortFunc(all, func(a, b time.Duration) int { return cmp.Compare(b, a) })
	return append([]time.Duration{longest}, all...)
}
