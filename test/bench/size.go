package main

import "time"

// startUp measures a bridge without work.
func (b *bench) startUp() error {
	b.report.atMost(45, "stripped binary", "MB", float64(b.size)/1e6)
	for range b.runs * 3 {
		p, err := b.fresh("start", configured{accounts: 1, rules: 1})
		if err != nil {
			return err
		}
		b.report.atMost(150, "empty start to ready", "ms", float64(time.Since(p.began))/1e6)
		p.stop()
	}
	p, err := b.fresh("idle", configured{accounts: 1, rules: 1})
	if err != nil {
		return err
	}
	defer p.stop()
	if err := b.pause(b.short(20 * time.Second)); err != nil {
		return err
	}
	if mb, ok := p.memory("VmRSS"); ok {
		b.report.atMost(60, "memory when idle (RSS)", "MB", mb)
	}
	before, _ := p.cpu()
	const watched = 20 * time.Second
	if err := b.pause(b.short(watched)); err != nil {
		return err
	}
	if after, ok := p.cpu(); ok {
		b.report.add("processor time when idle", "ms/s", (after-before)/b.short(watched).Seconds()*1e3)
	}
	return nil
}

// pause waits.
func (b *bench) pause(d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-b.ctx.Done():
		return b.ctx.Err()
	}
}

// manyAccounts measures a large configuration.
func (b *bench) manyAccounts() error {
	c := configured{accounts: b.few(10_000), rules: 64}
	for range b.runs {
		p, err := b.fresh("accounts", c)
		if err != nil {
			return err
		}
		name := "10,000 accounts × 64 rules"
		b.report.atMost(5, name+", start to ready", "s", time.Since(p.began).Seconds())
		err = b.pause(b.short(5 * time.Second))
		if most, ok := p.memory("VmHWM"); ok {
			b.report.atMost(500, name+", most memory (RSS)", "MB", most)
			now, _ := p.memory("VmRSS")
			b.report.add(name+", memory after 5 s (RSS)", "MB", now)
		}
		p.stop()
		if err != nil {
			return err
		}
	}
	return nil
}
