package queue

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"bridge/internal/events"
)

// startExternal starts a NATS server as an operator would, and returns its URL.
func startExternal(t testing.TB) string {
	t.Helper()
	return startNATS(t).ClientURL()
}

func startNATS(t testing.TB) *server.Server {
	t.Helper()
	s, err := server.NewServer(&server.Options{
		ServerName: "external", Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, JetStream: true, StoreDir: t.TempDir(), SyncAlways: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	if !s.ReadyForConnections(patience) {
		t.Fatal("the server does not start")
	}
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	return s
}

// line is a TCP connection to a server that a test can cut silently, as a paused process or a broken network would.
type line struct {
	listener net.Listener
	target   string
	all      sync.WaitGroup

	mu    sync.Mutex
	conns []net.Conn
	held  chan struct{} // closed: flows
	deaf  chan struct{} // closed: what the server says flows
}

func startLine(t testing.TB, target string) *line {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &line{listener: l, target: target, held: make(chan struct{}), deaf: make(chan struct{})}
	close(p.held)
	close(p.deaf)
	p.all.Go(p.run)
	t.Cleanup(func() {
		p.resume()
		_ = l.Close()
		p.mu.Lock()
		for _, c := range p.conns {
			_ = c.Close()
		}
		p.mu.Unlock()
		p.all.Wait()
	})
	return p
}

func (p *line) url() string { return "nats://" + p.listener.Addr().String() }

func (p *line) run() {
	for {
		in, err := p.listener.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial("tcp", p.target)
		if err != nil {
			_ = in.Close()
			continue
		}
		p.mu.Lock()
		p.conns = append(p.conns, in, out)
		p.mu.Unlock()
		p.all.Go(func() { p.copy(out, in, &p.held) })
		p.all.Go(func() { p.copy(in, out, &p.held, &p.deaf) })
	}
}

func (p *line) copy(to, from net.Conn, gates ...*chan struct{}) {
	defer to.Close()
	defer from.Close()
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		for _, gate := range gates {
			p.mu.Lock()
			opened := *gate
			p.mu.Unlock()
			<-opened
		}
		if n > 0 {
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			if !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) {
				return
			}
			return
		}
	}
}

// pause stops everything on the line until resume.
func (p *line) pause() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.held = make(chan struct{})
}

// deafen stops what the server says until resume.
func (p *line) deafen() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.deaf = make(chan struct{})
}

func (p *line) resume() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, gate := range []chan struct{}{p.held, p.deaf} {
		select {
		case <-gate:
		default:
			close(gate)
		}
	}
}

func externalOptions(t testing.TB, url string) Options {
	opt := testOptions(t)
	opt.URL, opt.DataDir, opt.MemberTTL = url, "", 2*time.Second
	return opt
}

// member is a bench with its own share of the groups.
func startMember(t testing.TB, url string, decide func(events.Delivery) (events.Verdict, bool)) *bench {
	t.Helper()
	b := &bench{Queue: openQueue(t, externalOptions(t, url)), groups: &testGroups{decide: decide}, front: &testFront{}}
	b.start(t)
	return b
}

func (g *testGroups) names() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	var list []string
	for _, h := range g.opened {
		if !slices.Contains(list, h.group) {
			list = append(list, h.group)
		}
	}
	return list
}

// TestSeveralProcesses: groups are spread, whoever accepts; a process that leaves hands over, and one that falls
// silent is replaced and fenced.
func TestSeveralProcesses(t *testing.T) {
	t.Parallel()
	url := startExternal(t)
	wire := startLine(t, url[len("nats://"):])
	a := startMember(t, wire.url(), done)
	b := startMember(t, url, done)
	c := startMember(t, url, done)
	all := []*bench{a, b, c}
	eventually(t, "each knows all", func() bool {
		for _, m := range all {
			if crowd := m.work.members.(*crowd); len(crowd.known()) != 3 {
				return false
			}
		}
		return true
	})
	const accounts = 30
	send := func(round int, to *bench) []string {
		var keys []string
		for i := range accounts {
			e := event(fmt.Sprintf("%d", round), fmt.Sprintf("c%d@example.com", i))
			e.Account = fmt.Sprintf("acc%d", i)
			keys = append(keys, e.Key())
			accept(t, to.Queue, e)
		}
		return keys
	}
	settled := func(at *bench, keys []string) bool {
		for _, k := range keys {
			if at.index.last(k) != "done" {
				return false
			}
		}
		return true
	}
	keys := send(1, a)
	eventually(t, "all are done", func() bool { return settled(b, keys) })
	for i, m := range all {
		if n := len(m.groups.names()); n == 0 || n > accounts*4/5 {
			t.Errorf("process %d works %d of %d groups", i, n, accounts)
		}
	}
	keys = send(2, b)
	c.stop(t)
	eventually(t, "all are done without the one that left", func() bool { return settled(b, keys) })
	wire.pause()
	start := time.Now()
	keys = send(3, b)
	eventually(t, "all are done without the one that fell silent", func() bool { return settled(b, keys) })
	t.Logf("takeover took %s", time.Since(start))
	// The silent one wakes: what it held is not its any more.
	if a.Valid() {
		t.Error("a silent process believes that it may act")
	}
	for _, h := range a.groups.opened {
		if h.lease.Valid() {
			t.Error("a silent process believes that it owns a group")
		}
		if err := h.lease.SaveLedger(context.Background(), []byte("x")); !errors.Is(err, ErrLostOwnership) {
			t.Errorf("a silent process wrote a ledger: %v", err)
		}
	}
	former := a.work.members.(*crowd)
	former.mu.Lock()
	guard := former.q.opt.MemberTTL / renewShare
	over := former.renewed.Add(former.q.opt.MemberTTL - guard) // its time
	former.mu.Unlock()
	inherited := 0
	b.groups.mu.Lock()
	for _, h := range b.groups.opened {
		switch quiet := h.lease.Quiet(); {
		case h.at.Before(over): // given back
		case quiet.Before(over):
			t.Errorf("%s was opened %v after the former owner's time was over, as if that were %v ago", h.group, h.at.Sub(over), h.at.Sub(quiet))
		case h.at.Sub(quiet) >= guard:
			inherited++
		}
	}
	b.groups.mu.Unlock()
	if inherited == 0 {
		t.Error("no group is known to have been quiet before it was taken over")
	}
	wire.resume()
	keys = send(4, a)
	eventually(t, "all are done with the one that came back", func() bool { return settled(b, keys) })
	eventually(t, "the one that came back may act", a.Valid)
}

func (c *crowd) known() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var list []string
	for id := range c.members {
		list = append(list, id)
	}
	return list
}

// TestFencing: what a former owner may still do with a consumer that it holds, after a takeover under a new epoch.
func TestFencing(t *testing.T) {
	q := openQueue(t, externalOptions(t, startExternal(t)))
	ctx := context.Background()
	for i := range 10 {
		p := pointer{Key: fmt.Sprint(i), Seq: uint64(i + 1)}
		if _, err := q.js.PublishMsg(ctx, p.msg("g", events.Normal, "")); err != nil {
			t.Fatal(err)
		}
	}
	former, err := q.consume(ctx, workStream("g"), "disp-g-normal", 1, workSubject("g", events.Normal))
	if err != nil {
		t.Fatal(err)
	}
	held, err := fetch(former, 2)
	if err != nil || len(held) != 2 {
		t.Fatalf("%d, %v", len(held), err)
	}
	next, err := q.consume(ctx, workStream("g"), "disp-g-normal", 2, workSubject("g", events.Normal))
	if err != nil {
		t.Fatal(err)
	}
	short, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if err := held[0].DoubleAck(short); err == nil {
		t.Error("a former owner acknowledged")
	}
	if got, err := fetch(former, 10); len(got) > 0 || err == nil {
		t.Errorf("a former owner got %d deliveries, %v", len(got), err)
	}
	if got, err := fetch(next, 20); err != nil || len(got) != 10 {
		t.Errorf("the new owner got %d of 10, %v", len(got), err)
	}
}

// TestRendezvous: shares are even, and a member that goes moves only what it had.
func TestRendezvous(t *testing.T) {
	members := map[string]bool{"a": true, "b": true, "c": true}
	before, count := map[string]string{}, map[string]int{}
	for i := range 3000 {
		unit := groupUnit(fmt.Sprintf("g%d", i))
		before[unit] = rendezvous(unit, members)
		count[before[unit]]++
	}
	for id, n := range count {
		if n < 900 || n > 1100 {
			t.Errorf("%s has %d of 3000", id, n)
		}
	}
	delete(members, "b")
	for unit, owner := range before {
		if now := rendezvous(unit, members); owner != "b" && now != owner {
			t.Fatalf("%s moved from %s to %s", unit, owner, now)
		}
	}
}
