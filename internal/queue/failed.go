package queue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"bridge/internal/events"
)

// Slot is a failed or in-doubt event as it waits for a person. There is one for each event, the latest.
type Slot struct {
	Key     string        `json:"key"` // Event.Key; of a message that is no event, a hash of where it came from
	Account string        `json:"account"`
	Seq     uint64        `json:"seq,omitempty"` // position in EVENTS; 0 when the event never got there
	State   events.State  `json:"state"`
	Reason  events.Reason `json:"reason"`
	Detail  string        `json:"detail,omitempty"`
	Step    string        `json:"step,omitempty"`
	Attempt int           `json:"attempt,omitempty"`
	At      time.Time     `json:"at"`

	Event *events.Event `json:"event,omitempty"` // where Seq is 0 and the event could be read
	Raw   *Raw          `json:"raw,omitempty"`   // where it could not
	ID    string        `json:"id,omitempty"`    // of Raw: where it stood in the stream that it came by, as in ingest:42
}

// private tells whether the slot itself holds a person's data. Other slots say where in the log the event stands.
func (s *Slot) private() bool { return s.Event != nil || s.Raw != nil }

// about tells lists what the log cannot tell them; nil where it can.
func (s *Slot) about() *events.About {
	switch {
	case s.Seq != 0:
		return nil
	case s.Event != nil:
		return aboutEvent(s.Event)
	case s.Raw != nil:
		return &events.About{ID: s.ID, Source: token(part(s.Raw.Subject, 2)), Type: events.Unreadable}
	}
	return nil
}

func aboutEvent(e *events.Event) *events.About {
	return &events.About{ID: e.ID, Source: e.Source, Type: e.Type}
}

// Message gives what came over NATS and could not be read, as long as it waits for a person; nil when nothing of that key does.
func (q *Queue) Message(ctx context.Context, account, key string) (*events.Message, error) {
	s, _, err := q.slot(ctx, account, key)
	if err != nil || s == nil || s.Raw == nil {
		return nil, err
	}
	return &events.Message{Subject: s.Raw.Subject, Header: s.Raw.Header, Body: s.Raw.Body}, nil
}

// Raw is a publisher's message as it came.
type Raw struct {
	Subject string      `json:"subject"`
	Header  nats.Header `json:"header,omitempty"`
	Body    []byte      `json:"body"`
}

// putSlot fills an event's slot and tells where it stands.
func (q *Queue) putSlot(ctx context.Context, s *Slot, opts ...jetstream.PublishOpt) (seq uint64, err error) {
	body, err := json.Marshal(s)
	if err != nil {
		return 0, fmt.Errorf("encode a failed event: %w", err)
	}
	ack, err := q.put(ctx, &nats.Msg{Subject: failedSubject(s.Account, s.Key), Data: body}, opts...)
	if err != nil {
		return 0, fmt.Errorf("keep a failed event: %w", err)
	}
	return ack.Sequence, nil
}

// slot reads an event's slot; ok is false when it has none.
func (q *Queue) slot(ctx context.Context, account, key string) (s *Slot, seq uint64, err error) {
	msg, err := q.newest(ctx, streamFailed, failedSubject(account, key))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, fmt.Errorf("read a failed event: %w", err)
	}
	s = &Slot{}
	if err := json.Unmarshal(msg.Data, s); err != nil {
		return nil, 0, fmt.Errorf("read a failed event: %w", err)
	}
	return s, msg.Sequence, nil
}

// dropSlot deletes what stood in a slot at seq, and not what may have come into it since. A person's data is overwritten:
// once it has left its slot, an erasure would not find it.
func (q *Queue) dropSlot(ctx context.Context, s *Slot, seq uint64) error {
	switch {
	case seq == 0:
		return nil
	case s != nil && s.private():
		return q.secureDelete(ctx, streamFailed, seq)
	}
	err := q.streams[streamFailed].DeleteMsg(ctx, seq)
	if _, gone := q.get(ctx, streamFailed, seq); errors.Is(gone, jetstream.ErrMsgNotFound) {
		return nil
	}
	return err
}

// clearSlot empties the slot of an event that the log holds.
func (q *Queue) clearSlot(ctx context.Context, account, key string) error {
	return q.streams[streamFailed].Purge(ctx, jetstream.WithPurgeSubject(failedSubject(account, key)))
}
