package queue

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"
)

// A cluster that elects a leader loses requests: their answers never come. So what may be asked twice is asked again after
// askAgain, until requestTimeout is over. Reads may; writes may when they bear a message id.
const (
	askAgain = 2500 * time.Millisecond
	askPause = 100 * time.Millisecond
)

// insist asks until there is an answer, good or bad.
func insist[T any](ctx context.Context, ask func(context.Context) (T, error)) (T, error) {
	for end := time.Now().Add(requestTimeout); ; {
		short, cancel := context.WithTimeout(ctx, askAgain)
		answer, err := ask(short)
		cancel()
		if !unanswered(err) || ctx.Err() != nil || time.Now().After(end) {
			return answer, err
		}
		sleep(ctx, askPause)
	}
}

func unanswered(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, nats.ErrTimeout) || errors.Is(err, nats.ErrNoResponders) ||
		errors.Is(err, jetstream.ErrNoStreamResponse) || hasCode(err, codeNoCluster)
}

// get reads a message by its sequence, or the first one from there on that a filter takes. jetstream.ErrMsgNotFound
// when there is none.
func (q *Queue) get(ctx context.Context, stream string, seq uint64, filter ...jetstream.GetMsgOpt) (*jetstream.RawStreamMsg, error) {
	return insist(ctx, func(ctx context.Context) (*jetstream.RawStreamMsg, error) {
		return q.readable[stream].GetMsg(ctx, seq, filter...)
	})
}

// newest reads the last message of a subject; jetstream.ErrMsgNotFound when there is none.
func (q *Queue) newest(ctx context.Context, stream, subject string) (*jetstream.RawStreamMsg, error) {
	return insist(ctx, func(ctx context.Context) (*jetstream.RawStreamMsg, error) {
		return q.readable[stream].GetLastMsgForSubject(ctx, subject)
	})
}

// info asks how a stream stands.
func (q *Queue) info(ctx context.Context, stream string, opts ...jetstream.StreamInfoOpt) (*jetstream.StreamInfo, error) {
	return insist(ctx, func(ctx context.Context) (*jetstream.StreamInfo, error) { return q.streams[stream].Info(ctx, opts...) })
}

// put stores a message, once however often it has to ask.
func (q *Queue) put(ctx context.Context, msg *nats.Msg, opts ...jetstream.PublishOpt) (*jetstream.PubAck, error) {
	return put(ctx, q.js, msg, opts...)
}

// put is Queue.put over a connection.
func put(ctx context.Context, js jetstream.JetStream, msg *nats.Msg, opts ...jetstream.PublishOpt) (*jetstream.PubAck, error) {
	if msg.Header == nil {
		msg.Header = nats.Header{}
	}
	if msg.Header.Get(jetstream.MsgIDHeader) == "" {
		msg.Header.Set(jetstream.MsgIDHeader, nuid.Next())
	}
	return insist(ctx, func(ctx context.Context) (*jetstream.PubAck, error) { return js.PublishMsg(ctx, msg, opts...) })
}
