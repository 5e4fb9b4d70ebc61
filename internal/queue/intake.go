package queue

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"

	"bridge/internal/events"
)

// Bounds of one bundle and of what may wait for the disk before Accept refuses.
const (
	bundleItems   = 1024
	bundleBytes   = 1 << 20
	intakeWaiting = 64 << 20
)

// headerAccounts tells how many events of which account a bundle holds: "default=3,shop=1". It saves Counts from
// reading bodies.
const headerAccounts = "Bridge-Accounts"

// intake is the durable line: one committer writes all that waits as one message, which is one fsync.
type intake struct {
	q      *Queue
	recent *recent
	bundle *gather[*accepting]
	spool  *spool // nil without one
	room   room   // on the disk of the embedded store or the spool

	complained time.Time // for the log: once a second will do
}

// accepting is what one call of Accept brings that was not known.
type accepting struct {
	lines    [][]byte // an event each, JSON without line breaks
	events   []*events.Event
	accounts []string
	keys     []rawKey
	answer   *pending
}

func startIntake(q *Queue, s *spool) *intake {
	in := &intake{q: q, recent: newRecent(), spool: s}
	if q.server != nil || s != nil {
		in.room.dir = q.opt.DataDir
	}
	in.bundle = startGather(bundleItems, min(bundleBytes, q.maxPayload/2), in.commit)
	return in
}

func (in *intake) stop(ctx context.Context) error {
	err := in.bundle.stop(ctx)
	if in.spool != nil {
		err = errors.Join(err, in.spool.close(ctx))
	}
	return err
}

// Accept makes events durable and tells which ones were accepted before (a late resend may still turn out to be one behind
// the line). An error means that nothing may be answered for: it wraps ErrUnavailable, ErrTooLarge or ctx's error; some
// of the events may be on disk all the same, and sending them again is safe.
func (q *Queue) Accept(ctx context.Context, batch []events.Event) (duplicate []bool, err error) {
	if len(batch) == 0 {
		return nil, nil
	}
	all := &accepting{answer: &pending{done: make(chan struct{})}}
	for i := range batch {
		if err := q.prepare(all, &batch[i]); err != nil {
			return nil, err
		}
	}
	known, wait := q.intake.recent.claim(all.keys, all.answer)
	fresh := all.without(known)
	if len(fresh.keys) > 0 {
		wait = append(wait, fresh.answer)
		size := 0
		for _, line := range fresh.lines {
			size += len(line) + 1
		}
		hand := q.intake.bundle.add
		if q.server != nil { // with a network in between, ctx has to be able to end the wait
			hand = q.intake.bundle.do
		}
		if err := hand(fresh, size, intakeWaiting); err != nil {
			q.intake.recent.resolve(fresh.keys, fresh.answer, err)
			return nil, unavailable(err)
		}
	}
	for _, p := range wait {
		select {
		case <-p.done:
			if p.err != nil {
				return nil, unavailable(p.err)
			}
		case <-ctx.Done():
			return nil, unavailable(ctx.Err())
		}
	}
	return known, nil
}

// prepare appends an event as it will be stored.
func (q *Queue) prepare(to *accepting, e *events.Event) error {
	if !validToken(e.Account) || !validToken(e.Source) || e.ID == "" || e.Type == "" {
		return fmt.Errorf("an event needs account, source, id and type: %q, %q", e.Account, e.Source)
	}
	stamped := *e
	if stamped.Received.IsZero() {
		stamped.Received = q.opt.Now().UTC()
	}
	if stamped.Time.IsZero() {
		stamped.Time = stamped.Received
	}
	line, err := encodeEvent(&stamped)
	if err != nil {
		return err
	}
	if len(line) > q.maxPayload-maxHeader {
		return fmt.Errorf("%w: %d bytes", ErrTooLarge, len(line))
	}
	key, err := parseKey(claimKey(e))
	if err != nil {
		return err
	}
	to.lines, to.events, to.accounts, to.keys = append(to.lines, line), append(to.events, &stamped), append(to.accounts, e.Account), append(to.keys, key)
	return nil
}

// claimKey is what an event counts as before it is routed. One whose sender is still to be asked is not all of its fact:
// another delivery may tell the same with all that this one lacks, and must not be taken for a resend of it.
func claimKey(e *events.Event) string {
	if e.Enrich == "" {
		return e.Key()
	}
	return events.KeyOf(e.Account, e.Source, e.ID+"\x00"+e.Enrich)
}

// maxHeader is room for subject and headers in a message.
const maxHeader = 64 << 10

// without leaves out what is known.
func (a *accepting) without(known []bool) *accepting {
	if !slices.Contains(known, true) {
		return a
	}
	rest := &accepting{answer: a.answer}
	for i, k := range known {
		if !k {
			rest.lines, rest.events = append(rest.lines, a.lines[i]), append(rest.events, a.events[i])
			rest.accounts, rest.keys = append(rest.accounts, a.accounts[i]), append(rest.keys, a.keys[i])
		}
	}
	return rest
}

// commit writes one bundle and answers everybody in it.
func (in *intake) commit(group []*accepting) {
	size := 0
	for _, a := range group {
		for _, line := range a.lines {
			size += len(line) + 1
		}
	}
	body := make([]byte, 0, size)
	counts := map[string]int{}
	for _, a := range group {
		for i, line := range a.lines {
			body = append(append(body, line...), '\n')
			counts[a.accounts[i]]++
		}
	}
	id := nuid.Next()
	in.keep(id, group, len(body))
	msg := &nats.Msg{Subject: subjectNew, Data: body, Header: nats.Header{headerAccounts: {formatCounts(counts)}, jetstream.MsgIDHeader: {id}}}
	err := in.room.check()
	select {
	case <-in.q.lost:
		err = ErrClosed
	default:
	}
	switch {
	case err != nil:
	case in.spool != nil:
		err = in.spool.publish(msg)
	default:
		_, err = in.q.line.put(context.Background(), msg)
	}
	if err != nil && time.Since(in.complained) > time.Second {
		in.complained = time.Now()
		in.q.log.Error("events cannot be made durable", "events", len(group), "err", err)
	}
	for _, a := range group {
		in.recent.resolve(a.keys, a.answer, err)
	}
	if err == nil {
		in.q.wakeFront()
	}
}

// keep leaves the events of a bundle for a router in this process, which need not parse them then.
func (in *intake) keep(id string, group []*accepting, size int) {
	if !in.q.routes() {
		return
	}
	var all []*events.Event
	for _, a := range group {
		all = append(all, a.events...)
	}
	in.q.accepted.put(id, all, size)
}

func unavailable(err error) error {
	if errors.Is(err, ErrUnavailable) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}

// formatCounts writes account=n,… within what a header may hold; what does not fit is counted under "".
func formatCounts(counts map[string]int) string {
	var b strings.Builder
	rest := 0
	for _, account := range slices.Sorted(maps.Keys(counts)) {
		if b.Len() > maxHeader/4 {
			rest += counts[account]
			continue
		}
		fmt.Fprintf(&b, "%s=%d,", account, counts[account])
	}
	if rest > 0 {
		fmt.Fprintf(&b, "=%d,", rest)
	}
	return strings.TrimSuffix(b.String(), ",")
}

func parseCounts(text string, into map[string]int) {
	for entry := range strings.SplitSeq(text, ",") {
		account, count, ok := strings.Cut(entry, "=")
		if n, err := strconv.Atoi(count); ok && err == nil {
			into[account] += n
		}
	}
}
