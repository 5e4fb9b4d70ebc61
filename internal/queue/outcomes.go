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
	outcomesRetry = time.Second
)

// outcomes appends to the log of outcomes, many records a message.
type outcomes struct {
	q         *Queue
	lines     *gather[recording]
	unwritten []byte // of RecordLater, after a failure; touched by write only
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
		err = fmt.Errorf("%d bytes of outcomes are lost: the log could not be written", len(o.unwritten))
	}
	return err
}

func (o *outcomes) write(group []recording) {
	body := slices.Clone(o.unwritten)
	for _, r := range group {
		body = append(body, r.lines...)
	}
	if len(body) == 0 {
		return
	}
	_, err := o.q.put(context.Background(), &nats.Msg{Subject: subjectOut + o.q.process, Data: body})
	if err == nil {
		o.unwritten = nil
	}
	for _, r := range group {
		if r.done != nil {
			r.done <- err
		} else if err != nil {
			o.unwritten = append(o.unwritten, r.lines...)
		}
	}
	if len(o.unwritten) > 0 {
		o.q.log.Error("outcomes cannot be recorded yet", "bytes", len(o.unwritten), "err", err)
		time.AfterFunc(outcomesRetry, func() { _ = o.lines.add(recording{}, 0, 0) })
	}
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
// like. Records keep their order among Record and RecordLater.
func (q *Queue) RecordLater(record events.Outcome) {
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
