package main

import (
	"fmt"
	"net"
	"time"
)

// dials tells whether somebody listens.
func dials(addr string) bool {
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return false
	}
	return conn.Close() == nil
}

// sustained sends webhooks for half a minute to a bridge with all its roles: the line, the router and the workers share
// the processors.
func (b *bench) sustained() error {
	for range b.runs {
		if err := b.sustain(); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) sustain() error {
	keap, err := b.sandbox()
	if err != nil {
		return err
	}
	defer keap.stop()
	c := configured{accounts: 1, rules: 1}
	p, err := b.fresh("sustained", c, "BRIDGE_KEAP_BASE_URL="+keap.base+"/crm")
	if err != nil {
		return err
	}
	defer p.stop()
	send := load{
		addrs: []string{p.http}, conns: 256, orders: newOrders(c.names(), 1, 50_000), warm: b.short(2 * time.Second), lasts: b.short(30 * time.Second),
	}
	before := 0.0
	s, err := send.run(b.ctx, func() { before, _ = p.cpu() })
	if err != nil {
		return p.explain(err)
	}
	over := time.Now()
	after, known := p.cpu()
	m, err := p.metrics()
	if err != nil {
		return err
	}
	left := sum(m, "bridge_unrouted_events")
	if err := b.routed(p); err != nil {
		return err
	}
	r := b.report
	r.atLeast(9000, "sustained 30 s, c=256", "/s", s.rate())
	r.add("sustained 30 s, c=256, p99", "ms", quantile(s.latencies, 0.99))
	r.add("sustained 30 s, unrouted at the end", "events", left)
	r.atMost(1, "sustained 30 s, router lag at the end", "s", time.Since(over).Seconds())
	if known {
		r.add("sustained 30 s, processor time an event, all roles", "ms", (after-before)/float64(s.accepted)*1e3)
	}
	return nil
}

// fresh starts a bridge with an empty store.
func (b *bench) fresh(name string, c configured, env ...string) (*process, error) {
	dir, err := b.scratch(name)
	if err != nil {
		return nil, err
	}
	cfg, err := c.write(dir)
	if err != nil {
		return nil, err
	}
	return b.bridge(name, serving{config: cfg, data: dir, env: env})
}

// routed waits until nothing stands in front of the router. What is in front is the last bundle at least, so this is
// never less than the time of a scrape or two.
func (b *bench) routed(p *process) error {
	var failed error
	err := b.until(p, "everything was routed", 20*time.Millisecond, func() bool {
		m, err := p.metrics()
		failed = err
		return err != nil || m[`bridge_stream_messages{stream="INTAKE"}`] == 0
	})
	if err == nil {
		err = failed
	}
	return err
}

// endToEnd measures from the first webhook to the last event that is done.
func (b *bench) endToEnd() error {
	for range b.runs {
		for _, accounts := range []int{1, 1000} {
			n := 20_000
			if accounts == 1 {
				n = oneAccount
			}
			w, err := b.flow(configured{accounts: b.few(accounts), rules: 1, lifted: true}, 1, b.few(n), 1, "")
			if err != nil {
				return err
			}
			name := fmt.Sprintf("end to end, accounts: %s", count(accounts))
			if accounts >= 1000 {
				b.report.atLeast(1500, name, "events/s", w.rate)
			} else {
				b.report.add(name, "events/s", w.rate)
			}
			b.report.add(name+", calls to Keap", "/s", w.calls)
			b.report.add(name+", processor time an event", "ms", w.cpu)
			b.report.add(name+", processor time of the sandbox a call", "ms", w.sandbox)
		}
	}
	return nil
}

// processes shares 1,000 accounts among bridges.
func (b *bench) processes() error {
	var alone float64
	for range b.half() {
		for n := 1; n <= 3; n++ {
			dir, err := b.scratch("nats")
			if err != nil {
				return err
			}
			addr, err := freeAddr()
			if err != nil {
				return err
			}
			server, err := b.start("nats", b.self, nil, "nats", addr, dir)
			if err != nil {
				return err
			}
			err = b.until(server, "it was ready", 5*time.Millisecond, func() bool { return dials(addr) })
			var w worked
			if err == nil {
				w, err = b.flow(configured{accounts: b.few(1000), rules: 1, lifted: true}, 1, b.few(15_000), n, "nats://"+addr)
			}
			server.stop()
			if err != nil {
				return err
			}
			name := fmt.Sprintf("bridges sharing 1,000 accounts: %d", n)
			b.report.add(name, "events/s", w.rate)
			b.report.add(name+", processors in use by the bridges", "", w.busy)
			if n == 1 {
				alone = w.rate
				continue
			}
			b.report.add(name+", to one", "×", w.rate/alone)
			b.report.add(name+", most to least events worked by one", "×", w.uneven)
		}
	}
	return nil
}
