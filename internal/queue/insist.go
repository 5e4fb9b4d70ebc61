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

// insist asks over a link until there is an answer, good or bad. A server that gives none is left for another one.
func insist[T any](ctx context.Context, l *link, ask func(context.Context) (T, error)) (T, error) {
	for end := time.Now().Add(requestTimeout); ; {
		short, cancel := context.WithTimeout(ctx, askAgain)
		answer, err := ask(short)
		cancel()
		cut := (errors.Is(err, nats.ErrConnectionClosed) || errors.Is(err, nats.ErrDisconnected)) && !l.nc.IsClosed() // somebody else left the server
		if !cut && !unanswered(err) || ctx.Err() != nil || time.Now().After(end) {
			return answer, err
		}
		if !cut && !l.kept.Load() {
			l.leave()
		}
		sleep(ctx, askPause)
	}
}

func unanswered(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, nats.ErrTimeout) || errors.Is(err, nats.ErrNoResponders) ||
		errors.Is(err, jetstream.ErrNoStreamResponse) || hasCode(err, codeNoCluster, codeInProcess)
}

// get reads a message by its sequence, or the first one from there on that a filter takes. jetstream.ErrMsgNotFound
// when there is none.
func (q *Queue) get(ctx context.Context, stream string, seq uint64, filter ...jetstream.GetMsgOpt) (*jetstream.RawStreamMsg, error) {
	l, s := q.reader(stream)
	msg, err := insist(ctx, l, func(ctx context.Context) (*jetstream.RawStreamMsg, error) { return s.GetMsg(ctx, seq, filter...) })
	if stream == streamEvents && q.server == nil && errors.Is(err, jetstream.ErrMsgNotFound) {
		return q.certain(ctx, seq)
	}
	return msg, err
}

// errBehind says that the log that was asked does not reach as far as it is known to.
var errBehind = errors.New("the server's log ends before the position")

// certain asks the log's leader for what a replica does not hold: it may lag, and what it lacks is not gone. A leader that has
// just been cut off from the others may lag too, but then its log ends before.
func (q *Queue) certain(ctx context.Context, seq uint64) (*jetstream.RawStreamMsg, error) {
	last, err := q.lastSeq(ctx, streamEvents)
	if err != nil {
		return nil, err
	}
	if last < seq {
		return nil, errBehind
	}
	return insist(ctx, q.base, func(ctx context.Context) (*jetstream.RawStreamMsg, error) { return q.leading.GetMsg(ctx, seq) })
}

// reader tells over which link a stream is read. In a cluster, what is rewritten is read over the one over which ownership is
// taken: once that has succeeded its server is with the majority, while the server of another link may still be cut off
// and hold what was there before.
func (q *Queue) reader(stream string) (*link, jetstream.Stream) {
	rewritten := stream == streamMemory || stream == streamLedger || stream == streamFailed
	if rewritten && q.opt.Replicas > 1 {
		return q.base, q.streams[stream]
	}
	return q.reads, q.readable[stream]
}

// newest reads the last message of a subject; jetstream.ErrMsgNotFound when there is none.
func (q *Queue) newest(ctx context.Context, stream, subject string) (*jetstream.RawStreamMsg, error) {
	l, s := q.reader(stream)
	if stream == streamEvents {
		l, s = q.base, q.leading // a replica may not have it yet
	}
	return insist(ctx, l, func(ctx context.Context) (*jetstream.RawStreamMsg, error) {
		return s.GetLastMsgForSubject(ctx, subject)
	})
}

// info asks how a stream stands.
func (q *Queue) info(ctx context.Context, stream string, opts ...jetstream.StreamInfoOpt) (*jetstream.StreamInfo, error) {
	return insist(ctx, q.base, func(ctx context.Context) (*jetstream.StreamInfo, error) { return q.streams[stream].Info(ctx, opts...) })
}

// put stores a message, once however often it has to ask.
func (q *Queue) put(ctx context.Context, msg *nats.Msg, opts ...jetstream.PublishOpt) (*jetstream.PubAck, error) {
	return q.base.put(ctx, msg, opts...)
}

// put is Queue.put over a link.
func (l *link) put(ctx context.Context, msg *nats.Msg, opts ...jetstream.PublishOpt) (*jetstream.PubAck, error) {
	if msg.Header == nil {
		msg.Header = nats.Header{}
	}
	if msg.Header.Get(jetstream.MsgIDHeader) == "" {
		msg.Header.Set(jetstream.MsgIDHeader, nuid.Next())
	}
	return insist(ctx, l, func(ctx context.Context) (*jetstream.PubAck, error) { return l.js.PublishMsg(ctx, msg, opts...) })
}
