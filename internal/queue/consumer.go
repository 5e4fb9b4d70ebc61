package queue

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
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
	s := q.streams[stream]
	c, err := s.CreateConsumer(ctx, cfg)
	if hasCode(err, codeFilterNotUnique) {
		if err = q.dropConsumers(ctx, stream, prefix); err == nil {
			c, err = s.CreateConsumer(ctx, cfg)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("consumer %s: %w", cfg.Durable, err)
	}
	return c, nil
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

// fetch takes up to n messages that are there now.
func fetch(c jetstream.Consumer, n int) ([]jetstream.Msg, error) {
	batch, err := c.FetchNoWait(n)
	if err != nil {
		return nil, err
	}
	return collect(batch)
}

// await takes up to n messages, and waits up to a while for the first.
func await(ctx context.Context, c jetstream.Consumer, n int, wait time.Duration) ([]jetstream.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	batch, err := c.Fetch(1, jetstream.FetchContext(ctx))
	if err != nil {
		return nil, err
	}
	first, err := collect(batch)
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, nats.ErrTimeout) {
		err = nil
	}
	if err != nil || len(first) == 0 {
		return nil, err
	}
	rest, _ := fetch(c, n) // an error shows at the next call; what came is not lost
	return append(first, rest...), nil
}

func collect(batch jetstream.MessageBatch) ([]jetstream.Msg, error) {
	var msgs []jetstream.Msg
	for m := range batch.Messages() {
		msgs = append(msgs, m)
	}
	if len(msgs) > 0 {
		return msgs, nil
	}
	return nil, batch.Error()
}
