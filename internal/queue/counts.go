package queue

import (
	"context"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
)

// Unrouted counts the accepted events of each account that the router has not written to the log yet. It reads what
// stands in front, which is little as long as the router keeps up.
func (q *Queue) Unrouted(ctx context.Context) (map[string]int, error) {
	counts := map[string]int{}
	err := q.scan(ctx, streamIntake, func(msg *jetstream.RawStreamMsg) error {
		parseCounts(msg.Header.Get(headerAccounts), counts)
		return nil
	})
	if err != nil {
		return nil, err
	}
	info, err := q.info(ctx, streamIngest, jetstream.WithSubjectFilter(subjectIngest+">"))
	if err != nil {
		return nil, fmt.Errorf("count what publishers sent: %w", err)
	}
	for subject, n := range info.State.Subjects {
		counts[part(subject, 1)] += int(n)
	}
	return counts, nil
}

// StreamState is how much one stream holds.
type StreamState struct {
	Name     string `json:"name"`
	Messages uint64 `json:"messages"`
	Bytes    uint64 `json:"bytes"`
	First    uint64 `json:"first"`
	Last     uint64 `json:"last"`
}

// Streams tells how much each stream holds, for status and metrics.
func (q *Queue) Streams(ctx context.Context) ([]StreamState, error) {
	var list []StreamState
	for _, cfg := range streams(q.opt.Replicas, q.opt.Retention) {
		info, err := q.info(ctx, cfg.Name)
		if err != nil {
			return nil, fmt.Errorf("stream %s: %w", cfg.Name, err)
		}
		s := info.State
		list = append(list, StreamState{Name: cfg.Name, Messages: s.Msgs, Bytes: s.Bytes, First: s.FirstSeq, Last: s.LastSeq})
	}
	return list, nil
}
