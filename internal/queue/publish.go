package queue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"
)

// Headers of an atomic batch (NATS 2.12; ADR-50 of the NATS project). The client library has no call for it.
const (
	batchID       = "Nats-Batch-Id"
	batchSequence = "Nats-Batch-Sequence"
	batchCommit   = "Nats-Batch-Commit"
)

// A batch is one fsync however many messages it holds, but the server stages it in a small store of its own, which costs
// 3 to 4 ms: below batchFrom messages plain publishes are faster. batchMost is the server's limit.
const (
	batchFrom     = 12
	batchMost     = 1000
	batchMaxBytes = 16 << 20
)

// stored says where a message is. A duplicate is where its first copy is.
type stored struct {
	seq       uint64
	duplicate bool
}

// publish stores the messages of one stream in order and returns after they are durable. On an error any
// number of them from the first on may be stored: give them message ids and publish them all again.
func (q *Queue) publish(ctx context.Context, msgs []*nats.Msg) ([]stored, error) {
	all := make([]stored, 0, len(msgs))
	for len(msgs) > 0 {
		n := cut(msgs)
		answers, err := q.publishGroup(ctx, msgs[:n])
		if err != nil {
			return all, err
		}
		all = append(all, answers...)
		msgs = msgs[n:]
	}
	return all, nil
}

// publishWork publishes pointers to the shards of WORK, side by side; those of one group stay in order. It gives the place of
// the last one of each subject. As for publish, some may be stored when it fails.
func (q *Queue) publishWork(ctx context.Context, pointers []*nats.Msg) (map[string]uint64, error) {
	shards := map[string][]*nats.Msg{}
	for _, m := range pointers {
		shard := part(m.Subject, 1)
		shards[shard] = append(shards[shard], m)
	}
	var (
		all  sync.WaitGroup
		mu   sync.Mutex // guards what follows
		last = make(map[string]uint64, len(pointers))
		errs []error
	)
	for _, msgs := range shards {
		all.Go(func() {
			places, err := q.publish(ctx, msgs)
			mu.Lock()
			defer mu.Unlock()
			errs = append(errs, err)
			for i, at := range places {
				last[msgs[i].Subject] = max(last[msgs[i].Subject], at.seq)
			}
		})
	}
	all.Wait()
	return last, errors.Join(errs...)
}

// cut tells how many messages go together.
func cut(msgs []*nats.Msg) int {
	bytes := 0
	for i, m := range msgs {
		if bytes += m.Size(); i == batchMost || i > 0 && bytes > batchMaxBytes {
			return i
		}
	}
	return len(msgs)
}

func (q *Queue) publishGroup(ctx context.Context, msgs []*nats.Msg) ([]stored, error) {
	if len(msgs) >= batchFrom {
		answers, err := q.publishBatch(ctx, msgs)
		if !hasCode(err, codeDuplicateInBatch) {
			return answers, err
		}
		unbatch(msgs) // one duplicate refuses the whole batch without naming it: one by one, each gets its own answer
	}
	answers := make([]stored, len(msgs))
	for i, m := range msgs {
		ack, err := q.put(ctx, m)
		if err != nil {
			return nil, err
		}
		answers[i] = stored{ack.Sequence, ack.Duplicate}
	}
	return answers, nil
}

func unbatch(msgs []*nats.Msg) {
	for _, m := range msgs {
		m.Header.Del(batchID)
		m.Header.Del(batchSequence)
		m.Header.Del(batchCommit)
	}
}

// publishBatch stores all messages or none.
func (q *Queue) publishBatch(ctx context.Context, msgs []*nats.Msg) ([]stored, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout/2)
	defer cancel()
	id := nuid.Next()
	last := len(msgs) - 1
	for i, m := range msgs {
		if m.Header == nil {
			m.Header = nats.Header{}
		}
		m.Header.Set(batchID, id)
		m.Header.Set(batchSequence, strconv.Itoa(i+1))
		if i == last {
			m.Header.Set(batchCommit, "1")
			break
		}
		if err := q.nc.PublishMsg(m); err != nil {
			return nil, err
		}
	}
	reply, err := q.nc.RequestMsgWithContext(ctx, msgs[last])
	if errors.Is(err, nats.ErrNoResponders) {
		return nil, jetstream.ErrNoStreamResponse
	}
	if err != nil {
		return nil, err
	}
	var ack struct {
		Seq   uint64              `json:"seq"`
		Count uint64              `json:"count"`
		Error *jetstream.APIError `json:"error"`
	}
	if err := json.Unmarshal(reply.Data, &ack); err != nil {
		return nil, fmt.Errorf("answer to a batch: %w", err)
	}
	if ack.Error != nil {
		return nil, ack.Error
	}
	if ack.Count != uint64(len(msgs)) {
		return nil, fmt.Errorf("a batch of %d stored %d messages", len(msgs), ack.Count)
	}
	answers := make([]stored, len(msgs))
	for i := range answers {
		answers[i].seq = ack.Seq - uint64(last-i)
	}
	return answers, nil
}
