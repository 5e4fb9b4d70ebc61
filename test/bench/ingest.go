package main

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"time"
)

// line is one server that takes webhooks.
type line struct {
	name  string
	mixed bool
	*process
}

// ingest compares lines at every concurrency, in turn.
func (b *bench) ingest() error {
	lines, stop, err := b.lines()
	defer stop()
	if err != nil {
		return err
	}
	for range b.runs {
		for _, c := range b.some([]int{1, 16, 64, 256}) {
			rates := map[string]float64{}
			for _, l := range lines {
				if rates[l.name], err = b.accept(l, c); err != nil {
					return err
				}
			}
			for _, mode := range []string{"plain", "batch"} {
				if rates[mode], err = b.ceiling(mode, c); err != nil {
					return err
				}
			}
			b.compare(c, rates)
			if c == 1 {
				if err := b.alone(lines); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// Names of the lines.
const (
	always   = "FSYNC=always"
	interval = "FSYNC=interval"
	single   = "one synced publish each"
	mixed    = "FSYNC=always, mixed"
)

// lines starts every server.
func (b *bench) lines() (all []line, stop func(), err error) {
	var running []*process
	stop = func() {
		for _, p := range running {
			p.stop()
		}
	}
	for _, fsync := range []string{"always", "interval"} {
		dir, err := b.scratch(fsync)
		if err != nil {
			return nil, stop, err
		}
		cfg, err := configured{accounts: 1, rules: 1}.write(dir)
		if err != nil {
			return nil, stop, err
		}
		p, err := b.bridge(fsync, serving{config: cfg, data: dir, roles: "ingest", env: []string{"BRIDGE_FSYNC=" + fsync}})
		if err != nil {
			return nil, stop, err
		}
		running = append(running, p)
		all = append(all, line{"FSYNC=" + fsync, false, p})
		if fsync == "always" {
			all = append(all, line{mixed, true, p})
		}
	}
	dir, err := b.scratch("reference")
	if err != nil {
		return nil, stop, err
	}
	addr, err := freeAddr()
	if err != nil {
		return nil, stop, err
	}
	p, err := b.start("reference", b.self, nil, "reference", "-addr", addr, "-dir", dir)
	if err != nil {
		return nil, stop, err
	}
	p.http, p.console = addr, addr
	running = append(running, p)
	err = b.until(p, "it was ready", 5*time.Millisecond, func() bool {
		return dials(addr)
	})
	return append(all, line{single, false, p}), stop, err
}

// accept sends webhooks to one line and notes what came of it.
func (b *bench) accept(l line, conns int) (rate float64, err error) {
	send := load{
		addrs: []string{l.http}, conns: conns, orders: newOrders(configured{accounts: 1}.names(), 1, 5000), mixed: l.mixed,
		warm: b.short(time.Second), lasts: b.short(4 * time.Second),
	}
	var before float64
	s, err := send.run(b.ctx, func() { before, _ = l.cpu() })
	if err != nil {
		return 0, l.explain(err)
	}
	after, known := l.cpu()
	name := fmt.Sprintf("ingest c=%d, %s", conns, l.name)
	p50, p99 := quantile(s.latencies, 0.5), quantile(s.latencies, 0.99)
	r := b.report
	switch {
	case l.name == always && conns == 64:
		r.atLeast(14000, name, "/s", s.rate())
		r.add(name+", p50", "ms", p50)
		r.atMost(15, name+", p99", "ms", p99)
	case l.name == always && conns == 256:
		r.atLeast(16000, name, "/s", s.rate())
		r.add(name+", p50", "ms", p50)
		r.atMost(40, name+", p99", "ms", p99)
	case l.name == always && conns == 1:
		r.add(name, "/s", s.rate())
		r.atMost(0.6, name+", p50", "ms", p50)
		r.add(name+", p99", "ms", p99)
	default:
		r.add(name, "/s", s.rate())
		r.add(name+", p50", "ms", p50)
		r.add(name+", p99", "ms", p99)
	}
	if known && l.name == always && s.accepted > 0 {
		r.cost(conns, name+", processor time a webhook", (after-before)/float64(s.accepted)*1e3)
	}
	return s.rate(), nil
}

// cost judges the processor time where there is enough to share.
func (r *report) cost(conns int, name string, ms float64) {
	if conns >= 64 {
		r.atMost(0.1, name, "ms", ms)
		return
	}
	r.add(name, "ms", ms)
}

// ceiling asks a child what JetStream alone takes.
func (b *bench) ceiling(mode string, conns int) (float64, error) {
	dir, err := b.scratch("ceiling")
	if err != nil {
		return 0, err
	}
	out, err := exec.CommandContext(b.ctx, b.self, "ceiling", "-mode", mode, "-dir", dir, "-c", strconv.Itoa(conns), "-for", b.short(2*time.Second).String()).Output()
	if err != nil {
		return 0, fmt.Errorf("raw JetStream: %w", err)
	}
	var rate float64
	if err := json.Unmarshal(out, &rate); err != nil {
		return 0, err
	}
	b.report.add(fmt.Sprintf("raw JetStream c=%d, synced, %s", conns, mode), "/s", rate)
	return rate, nil
}

// over is a ratio; a moment may be too short for a slow disk to store anything.
func over(a, b float64) float64 { return a / max(b, 1) }

// alone compares group commit and plain publishing where there is nobody to share a commit with.
func (b *bench) alone(lines []line) error {
	of := func(name string) line {
		return lines[slices.IndexFunc(lines, func(l line) bool { return l.name == name })]
	}
	mean, median, err := b.alternate(of(always), of(single))
	if err != nil {
		return err
	}
	b.report.atLeast(1, "ratio c=1, to one synced publish each, request by request", "×", mean)
	b.report.add("ratio c=1, to one synced publish each, request by request, medians", "×", median)
	return nil
}

// compare notes the ratios of one turn.
func (b *bench) compare(conns int, rates map[string]float64) {
	r := b.report
	name := func(what string) string { return fmt.Sprintf("ratio c=%d, %s", conns, what) }
	against := map[int]float64{16: 1, 64: 4, 256: 4.5} // c=1: see alone
	if bar, ok := against[conns]; ok {
		r.atLeast(bar, name("to one synced publish each"), "×", over(rates[always], rates[single]))
	} else {
		r.add(name("to one synced publish each"), "×", over(rates[always], rates[single]))
	}
	if conns >= 64 {
		r.atLeast(0.7, name("to FSYNC=interval"), "×", over(rates[always], rates[interval]))
		r.atLeast(0.85, name("mixed to clean"), "×", over(rates[mixed], rates[always]))
	} else {
		r.add(name("to FSYNC=interval"), "×", over(rates[always], rates[interval]))
		r.add(name("mixed to clean"), "×", over(rates[mixed], rates[always]))
	}
	r.add(name("to raw JetStream, plain"), "×", over(rates[always], rates["plain"]))
	r.add(name("to raw JetStream, batch"), "×", over(rates[always], rates["batch"]))
}
