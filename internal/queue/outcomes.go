package queue

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go"

	"bridge/internal/events"
)

// Bounds of one message of OUTCOMES.
const (
	outcomesItems = 512
	outcomesBytes = 512 << 10
	outcomesKept  = 128 // messages that are kept for later while the log cannot be written: 64 MiB
	outcomesRetry = time.Second
)

// outcomes appends to the log of outcomes, many records a message.
type outcomes struct {
	q         *Queue
	lines     *gather[recording]
	unwritten [][]byte    // of RecordLater, after a failure; touched by write only
	retry     *time.Timer // looks at them again
}

type recording struct {
	lines []byte     // JSON Lines
	done  chan error // nil: nobody waits
}

func startOutcomes(q *Queue) *outcomes {
	o := &outcomes{q: q}
	o.lines = startGather(outcomesItems, outcomesBytes, o.write)
	return o
}

func (o *outcomes) stop(ctx context.Context) error {
	err := o.lines.stop(ctx)
	if err == nil && len(o.unwritten) > 0 {
		err = fmt.Errorf("%d messages of outcomes are lost: the log could not be written", len(o.unwritten))
	}
	return err
}

// write appends what could not be written before and then the group, one message each time: what has piled up during an
// outage would be too large for one.
func (o *outcomes) write(group []recording) {
	var err error
	for len(o.unwritten) > 0 && err == nil {
		if err = o.publish(o.unwritten[0]); err == nil {
			o.unwritten = o.unwritten[1:]
		}
	}
	var body []byte
	for _, r := range group {
		body = append(body, r.lines...)
	}
	if err == nil && len(body) > 0 {
		err = o.publish(body)
	}
	for _, r := range group {
		if r.done != nil {
			r.done <- err
		} else if err != nil {
			o.keep(r.lines)
		}
	}
	if len(o.unwritten) > 0 {
		o.q.log.Error("outcomes cannot be recorded yet", "messages", len(o.unwritten), "err", err)
		o.again()
	}
}

func (o *outcomes) publish(body []byte) error {
	_, err := o.q.put(context.Background(), &nats.Msg{Subject: subjectOut + o.q.process, Data: body})
	return err
}

// keep remembers lines for later, in pieces that fit a message. Beyond outcomesKept pieces the oldest go: they are
// reports that nobody waits for, and memory is worth more.
func (o *outcomes) keep(lines []byte) {
	if len(lines) == 0 {
		return
	}
	if n := len(o.unwritten); n > 0 && len(o.unwritten[n-1])+len(lines) <= outcomesBytes {
		o.unwritten[n-1] = append(o.unwritten[n-1], lines...)
		return
	}
	if len(o.unwritten) >= outcomesKept {
		o.q.log.Error("outcomes are lost: the log cannot be written for too long", "bytes", len(o.unwritten[0]))
		o.unwritten = o.unwritten[1:]
	}
	o.unwritten = append(o.unwritten, slices.Clone(lines))
}

// again has the rest written a little later, whether anything new comes or not.
func (o *outcomes) again() {
	if o.retry == nil {
		o.retry = time.AfterFunc(outcomesRetry, func() { _ = o.lines.add(recording{}, 0, 0) })
		return
	}
	o.retry.Reset(outcomesRetry)
}

// Record appends outcomes to the log and returns when they are durable. They stay together and in order.
func (q *Queue) Record(ctx context.Context, records ...events.Outcome) error {
	if len(records) == 0 {
		return nil
	}
	lines, err := q.encode(records)
	if err != nil {
		return err
	}
	r := recording{lines: lines, done: make(chan error, 1)}
	if err := q.outcomes.lines.add(r, len(lines), 0); err != nil {
		return err
	}
	select {
	case err := <-r.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// RecordLater appends an outcome without waiting; a crash may lose the last ones. It is for reports of calls and the
// like. Records keep their order among Record and RecordLater. What a call report knows of the exchange is kept apart.
func (q *Queue) RecordLater(record events.Outcome) {
	if c := record.Call; c != nil && c.Exchange != nil {
		report := *c
		report.ID = q.exchanges.keep(*c.Exchange)
		record.Call = &report
	}
	lines, err := q.encode([]events.Outcome{record})
	if err == nil {
		err = q.outcomes.lines.add(recording{lines: lines}, len(lines), 0)
	}
	if err != nil {
		q.log.Error("an outcome is lost", "err", err)
	}
}

func (q *Queue) encode(records []events.Outcome) ([]byte, error) {
	var b bytes.Buffer
	for i := range records {
		r := records[i]
		if r.At.IsZero() {
			r.At = q.opt.Now().UTC()
		}
		if says(&r) {
			concealAll(&r, nil)
		}
		line, err := json.Marshal(r)
		if err != nil {
			return nil, fmt.Errorf("encode an outcome: %w", err)
		}
		b.Write(line)
		b.WriteByte('\n')
	}
	return b.Bytes(), nil
}

// decodeOutcomes reads one message of OUTCOMES.
func decodeOutcomes(body []byte) ([]events.Outcome, error) {
	var list []events.Outcome
	dec := json.NewDecoder(bytes.NewReader(body))
	for dec.More() {
		var o events.Outcome
		if err := dec.Decode(&o); err != nil {
			return list, fmt.Errorf("read outcomes: %w", err)
		}
		list = append(list, o)
	}
	return list, nil
}
