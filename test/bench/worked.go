package main

import (
	"fmt"
	"slices"
	"time"
)

// worked is what came of a number of events that went all the way.
type worked struct {
	rate    float64 // events a second, from the first webhook to the last event done
	calls   float64 // to Keap a second
	cpu     float64 // of the bridges, ms an event
	busy    float64 // processors that the bridges kept busy
	sandbox float64 // processor time of the sandbox, ms a call
	uneven  float64 // events of the busiest bridge to those of the idlest
}

// flow sends events through fresh bridges and waits until all are done. The accounts are opened, and their tags made, by
// some events of each before anything is measured.
func (b *bench) flow(c configured, items, n, bridges int, natsURL string) (worked, error) {
	keap, err := b.sandbox()
	if err != nil {
		return worked{}, err
	}
	defer keap.stop()
	f := &flowing{bench: b, keap: keap, natsURL: natsURL}
	defer f.stop()
	for i := range bridges {
		env := []string{"BRIDGE_KEAP_BASE_URL=" + keap.base + "/crm"}
		if natsURL != "" {
			env = append(env, "BRIDGE_NATS_URL="+natsURL)
		}
		p, err := b.fresh(fmt.Sprintf("bridge-%d", i+1), c, env...)
		if err != nil {
			return worked{}, err
		}
		f.bridges = append(f.bridges, p)
	}
	orders := newOrders(c.names(), items, 50_000)
	if _, err := f.send(orders, max(2*c.accounts, n/10)); err != nil {
		return worked{}, err
	}
	return f.send(orders, n)
}

// flowing is a set of bridges at work.
type flowing struct {
	*bench
	keap    *keapSandbox
	natsURL string
	bridges []*process
}

func (f *flowing) stop() {
	for _, p := range f.bridges {
		p.stop()
	}
}

func (f *flowing) cpu() (seconds float64) {
	for _, p := range f.bridges {
		s, _ := p.cpu()
		seconds += s
	}
	return seconds
}

// settled tells how many events each bridge has settled, and refuses any that is not done.
func (f *flowing) settled() ([]float64, error) {
	list := make([]float64, len(f.bridges))
	for i, p := range f.bridges {
		m, err := p.metrics()
		if err != nil {
			return nil, p.explain(err)
		}
		list[i] = sum(m, "bridge_events_settled_total")
		if m[`bridge_events_settled_total{reason="",state="done"}`] != list[i] {
			return nil, p.explain(fmt.Errorf("events are settled, but not done: %v", m))
		}
	}
	return list, nil
}

func total(list []float64) (n float64) {
	for _, v := range list {
		n += v
	}
	return n
}

// send sends n events and returns when they are done. The sandbox is asked while they are under way: a scrape of the
// bridge's metrics would cost it more.
func (f *flowing) send(orders *orders, n int) (worked, error) {
	before, err := f.settled()
	if err != nil {
		return worked{}, err
	}
	calls, contacts, err := f.keap.calls()
	if err != nil {
		return worked{}, err
	}
	cpu := f.cpu()
	keapCPU, _ := f.keap.cpu()
	var addrs []string
	for _, p := range f.bridges {
		addrs = append(addrs, p.http)
	}
	begin := time.Now()
	s, err := (&load{addrs: addrs, conns: 64, orders: orders, most: n}).run(f.ctx, func() {})
	if err != nil {
		return worked{}, f.bridges[0].explain(err)
	}
	if s.accepted+s.duplicates != n { // what was sent again after a 503 may have been stored the first time
		return worked{}, fmt.Errorf("%d of %d events were accepted", s.accepted, n)
	}
	if s.later > 0 {
		fmt.Printf("  %d webhooks were put off with 503 and sent again\n", s.later)
	}
	var failed error
	err = f.until(f.keap.process, "every contact was written", 20*time.Millisecond, func() bool {
		_, now, err := f.keap.calls()
		failed = err
		return err != nil || now-contacts >= n
	})
	if err != nil || failed != nil {
		return worked{}, f.bridges[0].explain(fmt.Errorf("%w %w", err, failed))
	}
	var after []float64
	err = f.until(f.keap.process, "every event was done", 20*time.Millisecond, func() bool {
		after, failed = f.settled()
		return failed != nil || total(after)-total(before) >= float64(n)
	})
	if err != nil || failed != nil {
		return worked{}, fmt.Errorf("%w %w", err, failed)
	}
	took := time.Since(begin).Seconds()
	allCalls, _, err := f.keap.calls()
	if err != nil {
		return worked{}, err
	}
	keapAfter, _ := f.keap.cpu()
	for i := range after {
		after[i] -= before[i]
	}
	spent := f.cpu() - cpu
	return worked{
		rate: float64(n) / took, calls: float64(allCalls-calls) / took, cpu: spent / float64(n) * 1e3, busy: spent / took,
		sandbox: (keapAfter - keapCPU) / float64(allCalls-calls) * 1e3, uneven: slices.Max(after) / max(1, slices.Min(after)),
	}, nil
}
