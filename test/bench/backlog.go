package main

import (
	"errors"
	"fmt"
	"time"
)

// sizes of the backlog at which the cost of an event is taken.
var backlogSizes = []int{1_000, 10_000, 100_000, 1_000_000}

// backlog lets events pile up behind a Keap that cannot be reached, and measures what the pile costs.
func (b *bench) backlog() error {
	dir, err := b.scratch("backlog")
	if err != nil {
		return err
	}
	c := configured{accounts: 1, rules: 1}
	cfg, err := c.write(dir)
	if err != nil {
		return err
	}
	p, err := b.bridge("backlog", serving{config: cfg, data: dir})
	if err != nil {
		return err
	}
	orders := newOrders(c.names(), 1, 500_000)
	err = b.pileUp(p, orders)
	if err == nil {
		if mb, ok := p.memory("VmRSS"); ok {
			b.report.atMost(400, "1,000,000 waiting, memory (RSS)", "MB", mb)
		}
	}
	p.stop()
	if err != nil {
		return err
	}
	for range b.runs {
		if err := b.resume(cfg, dir); err != nil {
			return err
		}
	}
	return nil
}

// pileUp lets the backlog grow and takes the cost of events on the way.
func (b *bench) pileUp(p *process, orders *orders) error {
	var sizes, costs, rates []float64
	have := 0
	for _, named := range b.some(backlogSizes) {
		size := b.few(named)
		if have < size {
			if _, err := (&load{addrs: []string{p.http}, conns: 64, orders: orders, most: size - have}).run(b.ctx, func() {}); err != nil {
				return p.explain(err)
			}
			have = size
		}
		if err := b.routed(p); err != nil {
			return err
		}
		if err := b.pause(b.short(2 * time.Second)); err != nil {
			return err
		}
		n := b.few(30_000)
		before, _ := p.cpu()
		s, err := (&load{addrs: []string{p.http}, conns: 64, orders: orders, most: n}).run(b.ctx, func() {})
		if err != nil {
			return p.explain(err)
		}
		if err := b.routed(p); err != nil {
			return err
		}
		after, _ := p.cpu()
		have += n
		cost := (after - before) / float64(n) * 1e3
		sizes, costs, rates = append(sizes, float64(named)), append(costs, cost), append(rates, s.rate())
		b.report.add(fmt.Sprintf("%s waiting, ingest and routing, processor time an event", count(named)), "ms", cost)
		b.report.add(fmt.Sprintf("%s waiting, ingest", count(named)), "/s", s.rate())
	}
	last := len(costs) - 1
	b.report.atMost(1.2, "1,000,000 waiting, cost of an event to that with 1,000", "×", costs[last]/costs[0])
	b.report.add("exponent of the cost by backlog", "", exponent(sizes, costs))
	b.report.atLeast(0.9, "1,000,000 waiting, ingest to that with 1,000", "×", rates[last]/rates[0])
	return nil
}

// resume starts over the backlog with a Keap that answers, and stops again.
func (b *bench) resume(cfg, dir string) error {
	keap, err := b.sandbox()
	if err != nil {
		return err
	}
	defer keap.stop()
	began := time.Now()
	p, err := b.bridge("backlog", serving{config: cfg, data: dir, env: []string{"BRIDGE_KEAP_BASE_URL=" + keap.base + "/crm"}})
	if err != nil {
		return err
	}
	defer p.stop()
	b.report.add("1,000,000 waiting, start to ready", "s", time.Since(began).Seconds())
	var failed error
	err = b.until(p, "the first call", 5*time.Millisecond, func() bool {
		n, _, err := keap.calls()
		failed = err
		return err != nil || n > 0
	})
	if err := errors.Join(err, failed); err != nil {
		return err
	}
	b.report.atMost(3, "1,000,000 waiting, start to first call", "s", time.Since(began).Seconds())
	if err := b.pause(b.short(5 * time.Second)); err != nil {
		return err
	}
	if mb, ok := p.memory("VmHWM"); ok {
		b.report.atMost(400, "1,000,000 waiting, most memory after a start (RSS)", "MB", mb)
	}
	begin := time.Now()
	if !p.answers("/api/events?limit=100") {
		return p.explain(errors.New("the events cannot be listed"))
	}
	b.report.atMost(200, "1,000,000 waiting, a page of events", "ms", float64(time.Since(begin))/1e6)
	return nil
}
