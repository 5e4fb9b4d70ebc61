package queue

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"sync"

	"github.com/nats-io/nats.go/jetstream"

	"bridge/internal/events"
)

// rawKey is Event.Key in half the room.
type rawKey [16]byte

// parseKey refuses what is no key: as zero, all of them would count as one.
func parseKey(key string) (raw rawKey, err error) {
	n, err := hex.Decode(raw[:], []byte(key)[:min(len(key), 2*len(raw))])
	if err != nil || n != len(raw) || len(key) != 2*n {
		return rawKey{}, fmt.Errorf("%q is no key of an event", key)
	}
	return raw, nil
}

// recentKeys is how many keys are remembered at least. It covers the retries of senders; later resends are recognised
// behind the durable line.
const recentKeys = 1 << 17

// recent remembers the keys of events accepted lately: two generations, the older dropped when the younger is full.
type recent struct {
	mu         sync.Mutex
	young, old map[rawKey]*pending // nil value: durable
}

// pending is a request on its way to disk.
type pending struct {
	done chan struct{} // closed when err is set
	err  error
}

func newRecent() *recent { return &recent{young: map[rawKey]*pending{}} }

// RecallFront has Accept recognise what stands in front of the router, too. A router finds resends there by itself; who
// only adds to what waits for one would tell them as new. It reads all of it: once is enough.
func (q *Queue) RecallFront(ctx context.Context) error {
	return q.scan(ctx, streamIntake, func(msg *jetstream.RawStreamMsg) error {
		var keys []rawKey
		for line := range bytes.SplitSeq(bytes.TrimSpace(msg.Data), []byte("\n")) {
			var e events.Event
			if e.UnmarshalJSON(line) != nil {
				continue // the router will tell
			}
			key, err := parseKey(e.Key())
			if err != nil {
				return err
			}
			keys = append(keys, key)
		}
		q.intake.recent.claim(keys, nil)
		return nil
	})
}

// claim registers keys for p. Those that are durable already are marked known; for those that are on their way the
// requests to wait for are returned (p itself where a key comes twice).
func (r *recent) claim(keys []rawKey, p *pending) (known []bool, wait []*pending) {
	known = make([]bool, len(keys))
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, k := range keys {
		first, ok := r.young[k]
		if !ok {
			first, ok = r.old[k]
		}
		switch {
		case !ok:
			r.young[k] = p
		case first == nil:
			known[i] = true
		default:
			known[i] = true
			wait = append(wait, first)
		}
	}
	if len(r.young) >= recentKeys {
		r.young, r.old = map[rawKey]*pending{}, r.young
	}
	return known, wait
}

// resolve settles what p claimed: durable, or forgotten when err is set, and tells whoever waits.
func (r *recent) resolve(keys []rawKey, p *pending, err error) {
	r.mu.Lock()
	for _, k := range keys {
		for _, generation := range []map[rawKey]*pending{r.young, r.old} {
			if at, ok := generation[k]; ok && at == p {
				if generation[k] = nil; err != nil {
					delete(generation, k)
				}
			}
		}
	}
	r.mu.Unlock()
	p.err = err
	close(p.done)
}
