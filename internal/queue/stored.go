package queue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"bridge/internal/events"
)

// StoredLedger reads the quota ledger of a group as its owner stored it last, nil when there is none, and the process
// that owns the group, "" when none does. It takes nothing.
func (q *Queue) StoredLedger(ctx context.Context, group string) (state []byte, owner string, err error) {
	msg, err := q.streams[streamLedger].GetLastMsgForSubject(ctx, subjectLedger+groupUnit(group))
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return nil, "", nil
	case err != nil:
		return nil, "", fmt.Errorf("read the ledger of %s: %w", group, err)
	}
	var held ownership
	if err := json.Unmarshal(msg.Data, &held); err != nil {
		return nil, "", fmt.Errorf("read the ledger of %s: %w", group, err)
	}
	return held.State, held.Owner, nil
}

// End is how far both logs go now.
func (q *Queue) End(ctx context.Context) (events.Position, error) {
	var p events.Position
	var err error
	if p.Events, err = q.lastSeq(ctx, streamEvents); err != nil {
		return p, err
	}
	p.Outcomes, err = q.lastSeq(ctx, streamOut)
	return p, err
}

// Connected tells whether the server can be reached now.
func (q *Queue) Connected() bool {
	return q.nc.IsConnected() && q.line.nc.IsConnected() && q.reads.nc.IsConnected()
}
