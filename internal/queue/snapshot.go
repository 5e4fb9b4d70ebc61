package queue

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// The snapshot protocol of JetStream, spoken directly: the client library has no calls for it. The format of the
// chunks is the server's own and the same as that of the "nats stream backup" command.

const (
	snapshotChunk = 128 << 10
	snapshotIdle  = 30 * time.Second // without a chunk or an answer
)

type apiError struct {
	Error *jetstream.APIError `json:"error"`
}

// snapshot is what the server says of a stream before it sends it.
type snapshot struct {
	Config jetstream.StreamConfig `json:"config"`
	State  jetstream.StreamState  `json:"state"`
}

// request asks the JetStream API and reads the answer into reply.
func (q *Queue) request(ctx context.Context, subject string, body, reply any) error {
	data, err := json.Marshal(body)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, snapshotIdle)
	defer cancel()
	msg, err := q.nc.RequestWithContext(ctx, subject, data)
	if err != nil {
		return err
	}
	return readReply(msg.Data, reply)
}

func readReply(data []byte, reply any) error {
	var failed apiError
	if err := json.Unmarshal(data, &failed); err != nil {
		return fmt.Errorf("answer of JetStream: %w", err)
	}
	if failed.Error != nil {
		return failed.Error
	}
	return json.Unmarshal(data, reply)
}

// takeSnapshot reads a stream, checked by the server against its own checksums. begin is called once, then
// chunk for every piece. Consumers are left out: owners make their own.
func (q *Queue) takeSnapshot(ctx context.Context, stream string, begin func(snapshot) error, chunk func([]byte) error) error {
	sub, err := q.nc.SubscribeSync(q.nc.NewInbox())
	if err != nil {
		return err
	}
	defer func() { _ = sub.Unsubscribe() }() // fails only when the connection is gone
	if err := sub.SetPendingLimits(-1, -1); err != nil {
		return err
	}
	var s snapshot
	err = q.request(ctx, "$JS.API.STREAM.SNAPSHOT."+stream, map[string]any{
		"deliver_subject": sub.Subject, "no_consumers": true, "chunk_size": snapshotChunk, "jsck": true,
	}, &s)
	if err != nil {
		return fmt.Errorf("snapshot of %s: %w", stream, err)
	}
	if err := begin(s); err != nil {
		return err
	}
	for {
		msg, err := nextChunk(ctx, sub)
		if err != nil {
			return fmt.Errorf("snapshot of %s: %w", stream, err)
		}
		if len(msg.Data) == 0 {
			return snapshotEnd(stream, msg.Header)
		}
		if err := chunk(msg.Data); err != nil {
			return err
		}
		if msg.Reply != "" {
			if err := msg.Respond(nil); err != nil {
				return fmt.Errorf("snapshot of %s: %w", stream, err)
			}
		}
	}
}

func nextChunk(ctx context.Context, sub *nats.Subscription) (*nats.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, snapshotIdle)
	defer cancel()
	return sub.NextMsgWithContext(ctx)
}

// snapshotEnd reads the empty message behind the last chunk: it says whether the snapshot is whole.
func snapshotEnd(stream string, h nats.Header) error {
	if status := h.Get("Status"); status != "" && status != "204" {
		return fmt.Errorf("snapshot of %s: %s %s", stream, status, h.Get("Description"))
	}
	return nil
}

// giveSnapshot makes a stream of a snapshot. next returns the pieces, nil behind the last one.
func (q *Queue) giveSnapshot(ctx context.Context, s snapshot, next func() ([]byte, error)) (jetstream.StreamState, error) {
	name := s.Config.Name
	var begin struct {
		Subject string `json:"deliver_subject"`
	}
	if err := q.request(ctx, "$JS.API.STREAM.RESTORE."+name, s, &begin); err != nil {
		return jetstream.StreamState{}, fmt.Errorf("restore %s: %w", name, err)
	}
	for {
		piece, err := next()
		if err != nil {
			return jetstream.StreamState{}, err
		}
		answer, err := q.send(ctx, begin.Subject, piece)
		if err != nil {
			return jetstream.StreamState{}, fmt.Errorf("restore %s: %w", name, err)
		}
		if len(piece) > 0 {
			if len(answer) > 0 {
				if err := readReply(answer, &struct{}{}); err != nil {
					return jetstream.StreamState{}, fmt.Errorf("restore %s: %w", name, err)
				}
			}
			continue
		}
		var info struct {
			State jetstream.StreamState `json:"state"`
		}
		if err := readReply(answer, &info); err != nil {
			return jetstream.StreamState{}, fmt.Errorf("restore %s: %w", name, err)
		}
		return info.State, nil
	}
}

func (q *Queue) send(ctx context.Context, subject string, piece []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, snapshotIdle)
	defer cancel()
	msg, err := q.nc.RequestWithContext(ctx, subject, piece)
	if err != nil {
		return nil, err
	}
	return msg.Data, nil
}
