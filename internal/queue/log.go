package queue

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"bridge/internal/events"
)

// Headers of an entry of EVENTS.
const (
	headerOrigin  = "Bridge-Origin" // the input message that it was routed from: tells a resend from an own unfinished routing
	headerGroup   = "Bridge-Group"
	headerLane    = "Bridge-Lane"
	headerContact = "Bridge-Contact" // hashed order key
)

// entry is one event of the log. It is shared: nobody may change the event.
type entry struct {
	event   *events.Event
	seq     uint64
	size    int
	origin  string
	group   string
	lane    events.Priority
	contact string
	seal    seal
}

func entryMsg(e *events.Event, body []byte, contact, group string, lane events.Priority, origin string) *nats.Msg {
	return &nats.Msg{Subject: eventSubject(e), Data: body, Header: nats.Header{
		headerOrigin: {origin}, headerGroup: {group}, headerLane: {lane.String()}, headerContact: {contact}, headerSeal: {newSeal()},
	}}
}

func parseEntry(header nats.Header, body []byte, seq uint64) (entry, error) {
	en := entry{
		seq: seq, size: len(body), origin: header.Get(headerOrigin), group: header.Get(headerGroup), contact: header.Get(headerContact),
		event: &events.Event{}, seal: parseSeal(seq, header.Get(headerSeal)),
	}
	var err error
	if en.lane, err = events.ParsePriority(header.Get(headerLane)); err != nil {
		return en, fmt.Errorf("entry %d of the log: %w", seq, err)
	}
	if err := en.event.UnmarshalJSON(body); err != nil {
		return en, fmt.Errorf("entry %d of the log: %w", seq, err)
	}
	return en, nil
}

// entry reads one entry of the log; ErrUnknownEvent when it is not (or no longer) there.
func (q *Queue) entry(ctx context.Context, seq uint64) (entry, error) {
	if en, ok := q.routed.get(seq); ok {
		return en, nil
	}
	msg, err := q.get(ctx, streamEvents, seq)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return entry{}, fmt.Errorf("%w: position %d", ErrUnknownEvent, seq)
	}
	if err != nil {
		return entry{}, fmt.Errorf("read the log: %w", err)
	}
	en, err := parseEntry(msg.Header, msg.Data, msg.Sequence)
	if err != nil {
		err = &unreadableEntry{account: token(part(msg.Subject, 1)), err: err}
	}
	return en, err
}

// unreadableEntry says that an entry of the log is there and cannot be read: reading it again would not help.
type unreadableEntry struct {
	account string
	err     error
}

func (u *unreadableEntry) Error() string { return u.err.Error() }
func (u *unreadableEntry) Unwrap() error { return u.err }

// EventBySeq reads an event by its position in the log. ErrUnknownEvent when it was erased or has aged out.
func (q *Queue) EventBySeq(ctx context.Context, seq uint64) (*events.Event, error) {
	en, err := q.entry(ctx, seq)
	return en.event, err
}
