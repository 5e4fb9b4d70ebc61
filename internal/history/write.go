package history

import (
	"context"
	"strconv"

	"bridge/internal/events"
)

// apply puts records into the file, in one transaction with the position that they bring it to.
func (st *store) apply(ctx context.Context, recs []events.LogRecord, hash func(string) int64) ([]*row, error) {
	b := newBatch(st, hash)
	pos := st.pos
	err := st.transact(ctx, func(ctx context.Context) error {
		if err := b.load(ctx, keysOf(recs)); err != nil {
			return err
		}
		for i := range recs {
			b.take(&recs[i])
			pos = events.Position{Events: max(pos.Events, recs[i].Position.Events), Outcomes: max(pos.Outcomes, recs[i].Position.Outcomes)}
		}
		if err := b.write(ctx); err != nil {
			return err
		}
		return st.exec(ctx, "UPDATE position SET events = ?, outcomes = ?", int64(pos.Events), int64(pos.Outcomes))
	})
	if err != nil {
		return nil, err
	}
	st.classes.commit(b.moves)
	st.pos, st.lastEvent, st.lastChange, st.lastCall = pos, b.lastEvent, b.lastChange, b.lastCall
	return b.order, nil
}

func (b *batch) write(ctx context.Context) error {
	for _, part := range []func(context.Context) error{b.writeRows, b.writeClasses, b.writeChanges, b.forget, b.writeCalls, b.writeSums, b.writeLines} {
		if err := part(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (b *batch) writeRows(ctx context.Context) error {
	for _, r := range b.order {
		if !r.dirty {
			continue
		}
		to := b.st.classes.shelf(r.class)
		if to != r.shelf {
			b.move(r.shelf, -1, 0)
			b.move(to, 1, r.n)
		}
		var err error
		switch {
		case r.fresh:
			err = b.st.exec(ctx, `INSERT INTO event (n, key, seq, id, class, step, detail, received, changed, until, attempts, calls, rules, person, number)
				VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
				r.n, []byte(r.key), int64(r.seq), r.id, to.id, r.step, r.detail, r.received, r.changed, r.until, r.attempts, r.calls, r.rules, r.person, r.number)
		case r.whole:
			err = b.st.exec(ctx, `UPDATE event SET seq = ?, id = ?, class = ?, step = ?, detail = ?, received = ?, changed = ?, until = ?,
				attempts = ?, calls = ?, rules = ?, person = ?, number = ? WHERE n = ?`,
				int64(r.seq), r.id, to.id, r.step, r.detail, r.received, r.changed, r.until, r.attempts, r.calls, r.rules, r.person, r.number, r.n)
		case to != r.shelf:
			err = b.st.exec(ctx, "UPDATE event SET class = ?, step = ?, detail = ?, changed = ?, until = ?, attempts = ?, calls = ?, rules = ? WHERE n = ?",
				to.id, r.step, r.detail, r.changed, r.until, r.attempts, r.calls, r.rules, r.n)
		default: // the index over class is left alone
			err = b.st.exec(ctx, "UPDATE event SET step = ?, detail = ?, changed = ?, until = ?, attempts = ?, calls = ?, rules = ? WHERE n = ?",
				r.step, r.detail, r.changed, r.until, r.attempts, r.calls, r.rules, r.n)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// forget clears what the changes of erased events said.
func (b *batch) forget(ctx context.Context) error {
	for _, r := range b.order {
		if r.class.reason != events.Erased || !r.dirty {
			continue
		}
		if err := b.st.exec(ctx, "UPDATE change SET detail = '', steps = NULL WHERE event = ?", r.n); err != nil {
			return err
		}
	}
	return nil
}

func (b *batch) move(s *shelf, by int, newest int64) {
	if s == nil {
		return
	}
	m := b.moves[s]
	if m == nil {
		m = &move{}
		b.moves[s] = m
	}
	m.events += by
	m.newest = max(m.newest, newest)
}

func (b *batch) writeClasses(ctx context.Context) error {
	for s, m := range b.moves {
		err := b.st.exec(ctx, `INSERT INTO class (id, account, source, type, priority, state, reason, message, events, newest)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (id) DO UPDATE SET events = events + excluded.events, newest = max(newest, excluded.newest)`,
			s.id, s.account, s.source, s.kind, int(s.priority), string(s.state), string(s.reason), s.message, m.events, m.newest)
		if err != nil {
			return err
		}
	}
	return nil
}

func (b *batch) writeChanges(ctx context.Context) error {
	for i := range b.changes {
		c := &b.changes[i]
		b.lastChange++
		until := int64(0)
		if c.Until != nil {
			until = c.Until.UnixMilli()
		}
		err := b.st.exec(ctx, `INSERT INTO change (n, event, at, state, reason, until, attempt, detail, step, job, who, steps)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			b.lastChange, c.event, c.At.UnixMilli(), string(c.State), string(c.Reason), until, c.Attempt, c.Detail, c.Step, c.Job, c.Who, c.steps)
		if err != nil {
			return err
		}
	}
	return nil
}

func (b *batch) writeCalls(ctx context.Context) error {
	for _, c := range b.calls {
		err := b.st.exec(ctx, "INSERT INTO call (n, at, operation, status, error, took, waited, subjects, exchange) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
			c.n, c.at, c.Operation, c.Status, c.Error, c.Took.Microseconds(), c.Waited.Microseconds(), c.Subjects, c.ID)
		if err != nil {
			return err
		}
	}
	for _, s := range b.served {
		// A call may name a step twice where two identical ones were merged.
		if err := b.st.exec(ctx, "INSERT OR IGNORE INTO served (event, call, step) VALUES (?, ?, ?)", s.event, s.call, s.step); err != nil {
			return err
		}
	}
	return nil
}

// writeSums adds to the counters: pulses, rules, minutes, sources.
func (b *batch) writeSums(ctx context.Context) error {
	for p, count := range b.pulses {
		if err := b.st.exec(ctx, `INSERT INTO pulse (span, account, at, what, status, count) VALUES (?, ?, ?, ?, ?, ?)
			ON CONFLICT DO UPDATE SET count = count + excluded.count`, p.span, p.account, p.at, p.what, p.status, count); err != nil {
			return err
		}
	}
	for k, s := range b.rules {
		if err := b.st.exec(ctx, `INSERT INTO rule (account, at, rule, source, events, steps, calls, goals) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT DO UPDATE SET events = events + excluded.events, steps = steps + excluded.steps, calls = calls + excluded.calls, goals = goals + excluded.goals`,
			k.account, k.at, k.rule, k.source, s.events, s.steps, s.calls, s.goals); err != nil {
			return err
		}
	}
	for at, m := range b.minutes {
		if err := b.st.exec(ctx, `INSERT INTO minute (at, lo, hi) VALUES (?, ?, ?)
			ON CONFLICT DO UPDATE SET lo = min(lo, excluded.lo), hi = max(hi, excluded.hi)`, at, m.lo, m.hi); err != nil {
			return err
		}
	}
	for k, s := range b.seen {
		if err := b.st.exec(ctx, `INSERT INTO seen (account, source, first, last, events) VALUES (?, ?, ?, ?, ?)
			ON CONFLICT DO UPDATE SET first = min(first, excluded.first), last = max(last, excluded.last), events = events + excluded.events`,
			k.account, k.name, s.first, s.last, s.events); err != nil {
			return err
		}
	}
	return nil
}

// writeLines adds the audit and the samples of quota. The highest sample of a day stays: counters begin anew at 00:00 UTC.
func (b *batch) writeLines(ctx context.Context) error {
	for i := range b.audits {
		o := &b.audits[i]
		if err := b.st.exec(ctx, "INSERT INTO audit (at, who, action, account, target, job, detail) VALUES (?, ?, ?, ?, ?, ?, ?)",
			o.At.UnixMilli(), o.Who, o.Action, o.Account, o.Target, o.Job, o.Detail); err != nil {
			return err
		}
	}
	for i := range b.quotas {
		o := &b.quotas[i]
		if err := b.st.exec(ctx, `INSERT INTO quota (account, day, "limit", used, elsewhere) VALUES (?, ?, ?, ?, ?)
			ON CONFLICT DO UPDATE SET "limit" = excluded."limit", used = max(used, excluded.used), elsewhere = max(elsewhere, excluded.elsewhere)`,
			o.Account, floor(o.At.Unix(), spanDay), o.Quota.Limit, o.Quota.Used, o.Quota.Elsewhere); err != nil {
			return err
		}
	}
	return nil
}

// statusText is how an HTTP status stands among pulses.
func statusText(status int) string {
	if status == 0 {
		return "none"
	}
	return strconv.Itoa(status)
}
