package queue

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// ackWait is after how long a message counts as not taken. What is in hand is reported as in progress every
// ackProgress; waiting for quota therefore never delivers anything again.
const (
	ackWait     = 15 * time.Minute
	ackProgress = 5 * time.Minute
)

// consume creates the consumer of a work queue for one epoch of its owner. The epoch stands in its name: deleting the
// consumers of earlier owners takes open pulls and late acks from them, which the same name would not
// (a late ack would be taken). It is kept in memory, because a new owner starts from the stream anyway.
func (q *Queue) consume(ctx context.Context, stream, prefix string, epoch uint64, filter string) (jetstream.Consumer, error) {
	cfg := jetstream.ConsumerConfig{
		Durable: prefix + "-e" + strconv.FormatUint(epoch, 10), FilterSubject: filter, MemoryStorage: true,
		AckPolicy: jetstream.AckExplicitPolicy, AckWait: ackWait, MaxDeliver: -1, MaxAckPending: -1,
	}
	c, err := q.createConsumer(ctx, stream, cfg)
	if hasCode(err, codeFilterNotUnique) {
		if err = q.dropConsumers(ctx, stream, prefix); err == nil {
			c, err = q.createConsumer(ctx, stream, cfg)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("consumer %s: %w", cfg.Durable, err)
	}
	return c, nil
}

func (q *Queue) createConsumer(ctx context.Context, stream string, cfg jetstream.ConsumerConfig) (jetstream.Consumer, error) {
	return insist(ctx, q.base, func(ctx context.Context) (jetstream.Consumer, error) {
		return q.streams[stream].CreateConsumer(ctx, cfg)
	})
}

// dropConsumers deletes the consumers of every epoch.
func (q *Queue) dropConsumers(ctx context.Context, stream, prefix string) error {
	s := q.streams[stream]
	names := s.ConsumerNames(ctx)
	var old []string
	for name := range names.Name() {
		if epoch, ok := strings.CutPrefix(name, prefix+"-e"); ok && epoch != "" && strings.Trim(epoch, "0123456789") == "" {
			old = append(old, name)
		}
	}
	if err := names.Err(); err != nil {
		return err
	}
	for _, name := range old {
		if err := s.DeleteConsumer(ctx, name); err != nil && !errors.Is(err, jetstream.ErrConsumerNotFound) {
			return err
		}
	}
	return nil
}

// errNoAnswer says that the answer to a request for messages is missing, or the end of it. The server may have handed out
// messages that never got here, and would hold them back for ackWait while later ones come: so nothing more may be taken from
// this consumer. A new one begins with what is not acknowledged, in order.
var errNoAnswer = errors.New("no answer to a request for messages")

// noAnswer is how long the client library waits for the next part of an answer that the server gives at once.
const noAnswer = 900 * time.Millisecond

// fetch takes up to n messages that are there now.
func fetch(c jetstream.Consumer, n int) ([]jetstream.Msg, error) {
	batch, err := c.FetchNoWait(n)
	if err != nil {
		return nil, err
	}
	return collect(batch, n)
}

// await takes up to n messages, and waits up to a while for the first.
func await(ctx context.Context, c jetstream.Consumer, n int, wait time.Duration) ([]jetstream.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	batch, err := c.Fetch(1, jetstream.FetchContext(ctx))
	if err != nil {
		return nil, err
	}
	first, ok := <-batch.Messages()
	if !ok {
		if err = batch.Error(); errors.Is(err, context.DeadlineExceeded) {
			err = errNoAnswer // the server gives up earlier, and says so
		}
		return nil, err
	}
	rest, err := fetch(c, n)
	return append([]jetstream.Msg{first}, rest...), err
}

// collect takes what comes, until n are there or the server says that there are no more.
func collect(batch jetstream.MessageBatch, n int) ([]jetstream.Msg, error) {
	var msgs []jetstream.Msg
	heard := time.Now()
	for m := range batch.Messages() {
		msgs, heard = append(msgs, m), time.Now()
	}
	if err := batch.Error(); err != nil {
		return nil, err
	}
	if len(msgs) < n && time.Since(heard) > noAnswer {
		return nil, errNoAnswer
	}
	return msgs, nil
}

// lookDelays are how long after a miss a consumer is asked again that was said to have something: the server answers a
// publisher a moment before it tells its consumers.
var lookDelays = [...]time.Duration{time.Millisecond, 10 * time.Millisecond, 100 * time.Millisecond, time.Second}

// hint says whether a consumer may have something. Safe for concurrent use.
type hint struct {
	more atomic.Bool // whoever looks takes it back first

	mu     sync.Mutex // guards what follows: a hint that comes during a look is not lost with its miss
	misses int
	upTo   uint64 // there is something up to here
	got    uint64 // up to here all was taken
	blind  bool   // nobody knows up to where there is something
}

// give says that there may be something.
func (h *hint) give() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.blind, h.misses = true, 0
	h.more.Store(true)
}

// giveUpTo says that there is something up to a place in the stream.
func (h *hint) giveUpTo(seq uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.upTo, h.misses = max(seq, h.upTo), 0
	h.more.Store(true)
}

// took says that messages up to a place were taken, as many as were asked for (full) or all there were. Where it is known
// that nothing stands behind them, the consumer is not asked again.
func (h *hint) took(seq uint64, full bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.got, h.misses = max(seq, h.got), 0
	if full || h.blind || seq < h.upTo {
		h.more.Store(true)
	}
}

// miss says that there was nothing, and after how long to look again; false: not before the next hint.
func (h *hint) miss() (time.Duration, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.misses++; h.misses > len(lookDelays) || !h.blind && h.got >= h.upTo {
		h.blind = false
		return 0, false
	}
	return lookDelays[h.misses-1], true
}
