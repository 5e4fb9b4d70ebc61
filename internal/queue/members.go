package queue

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"
)

// membership tells which processes live and which of them is to own a unit.
type membership interface {
	self() string                                                          // this process; another name after it was taken for dead
	owner(unit string) string                                              // the process that is to own it; "" when nobody can
	gone(ctx context.Context, process string) (since time.Time, err error) // since when it cannot have acted; zero: it still may
	valid() bool                                                           // this process may act: the others believe that it lives
	changed() <-chan struct{}                                              // closed when owner may answer otherwise
	leave(context.Context) error                                           // ends; the others take over at once
}

// alone is the membership of an embedded server: its store is locked, so there is nobody else, and nothing needs
// to be renewed.
type alone string

func (a alone) self() string        { return string(a) }
func (a alone) owner(string) string { return string(a) }

func (a alone) gone(_ context.Context, name string) (time.Time, error) {
	if name == string(a) {
		return time.Time{}, nil
	}
	return time.Now(), nil // it held the store until it ended, nobody knows when
}

func (a alone) valid() bool                 { return true }
func (a alone) changed() <-chan struct{}    { return nil }
func (a alone) leave(context.Context) error { return nil }

const subjectMember = subjectLedger + "member."

// endedFor is how long the end of another process is remembered: its units are taken long before.
const endedFor = time.Hour

// A member renews its key every TTL/renewShare, and counts as valid for TTL minus one such share after the last
// renewal was sent: the others see the key expire after the full TTL at the earliest.
const renewShare = 4

// crowd is the membership over an external server: one key per process, which expires when it is not renewed. Who
// owns what follows from the set of keys by rendezvous hashing, so that a process that comes or goes moves only its share.
type crowd struct {
	q    *Queue
	now  func() time.Time // with a monotonic part
	stop context.CancelFunc
	done chan struct{}
	up   chan struct{} // closed when the first term has begun

	mu      sync.Mutex
	id      string // "" between terms
	seq     uint64 // of the key
	renewed time.Time
	members map[string]bool
	ended   map[string]time.Time // those that were members in this term, and when that was learnt
	change  chan struct{}
}

// join makes this process a member and returns when it knows the others.
func join(ctx context.Context, q *Queue) (*crowd, error) {
	run, stop := context.WithCancel(context.Background())
	c := &crowd{q: q, now: time.Now, stop: stop, done: make(chan struct{}), up: make(chan struct{}), change: make(chan struct{})}
	go c.run(run)
	select {
	case <-c.up:
		return c, nil
	case <-ctx.Done():
		stop()
		<-c.done
		return nil, fmt.Errorf("join the other processes: %w", ctx.Err())
	}
}

func (c *crowd) run(ctx context.Context) {
	defer close(c.done)
	for ctx.Err() == nil {
		if err := c.term(ctx); err != nil && ctx.Err() == nil {
			c.q.log.Warn("this process is no member any more; joining again", "err", err)
		}
		c.end()
		sleep(ctx, c.q.opt.MemberTTL/renewShare)
	}
}

// term is one membership: a key of its own, renewed until that fails.
func (c *crowd) term(ctx context.Context) error {
	id := nuid.Next()
	if err := c.renew(ctx, id, 0); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	watched := make(chan error, 1)
	known := make(chan struct{})
	go func() { watched <- c.watch(ctx, known) }()
	defer func() {
		cancel()
		if err := <-watched; err != nil && !errors.Is(err, context.Canceled) {
			c.q.log.Debug("the list of processes is not followed any more", "err", err)
		}
	}()
	tick := time.NewTicker(c.q.opt.MemberTTL / renewShare)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-known:
			known = nil
			c.begin(id)
		case err := <-watched:
			watched <- err
			return err
		case <-tick.C:
			c.mu.Lock()
			seq := c.seq
			c.mu.Unlock()
			if err := c.renew(ctx, id, seq); err != nil {
				if lostRace(err) || !c.fresh(c.now()) {
					return err
				}
				c.q.log.Warn("the membership was not renewed; trying again", "err", err)
			}
		}
	}
}

// renew writes the key for another TTL. The client library's Update of a key would drop the TTL.
func (c *crowd) renew(ctx context.Context, id string, seq uint64) error {
	ttl := c.q.opt.MemberTTL
	ctx, cancel := context.WithTimeout(ctx, ttl)
	defer cancel()
	away := time.AfterFunc(ttl/2, c.q.base.leave)
	defer away.Stop()
	sent := c.now()
	ack, err := c.q.js.Publish(ctx, subjectMember+id, nil, jetstream.WithMsgTTL(ttl), jetstream.WithExpectLastSequencePerSubject(seq))
	if lostRace(err) && seq > 0 {
		// An earlier renewal whose answer was lost also looks like this: nobody else writes the key.
		msg, found := c.q.newest(ctx, streamLedger, subjectMember+id)
		if found == nil && !isMarker(msg.Header) && msg.Sequence > seq {
			ack, err = c.q.js.Publish(ctx, subjectMember+id, nil, jetstream.WithMsgTTL(ttl), jetstream.WithExpectLastSequencePerSubject(msg.Sequence))
		}
	}
	if err != nil {
		return fmt.Errorf("renew the membership: %w", err)
	}
	c.mu.Lock()
	c.seq, c.renewed = ack.Sequence, sent
	c.mu.Unlock()
	return nil
}

func (c *crowd) begin(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.id = id
	c.tellLocked()
	select {
	case <-c.up:
	default:
		close(c.up)
	}
}

func (c *crowd) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.id, c.members, c.ended = "", nil, nil
	c.tellLocked()
}

func (c *crowd) tellLocked() {
	close(c.change)
	c.change = make(chan struct{})
}

// watch keeps the set of members; known is closed when it is complete.
func (c *crowd) watch(ctx context.Context, known chan struct{}) error {
	consumer, err := c.q.js.OrderedConsumer(ctx, streamLedger, jetstream.OrderedConsumerConfig{
		FilterSubjects: []string{subjectMember + "*"}, DeliverPolicy: jetstream.DeliverLastPerSubjectPolicy, HeadersOnly: true,
	})
	if err != nil {
		return fmt.Errorf("watch the other processes: %w", err)
	}
	it, err := consumer.Messages(jetstream.PullHeartbeat(c.q.heartbeat()))
	if err != nil {
		return fmt.Errorf("watch the other processes: %w", err)
	}
	stop := context.AfterFunc(ctx, it.Stop)
	defer stop()
	defer it.Stop()
	for {
		m, err := it.Next()
		if err != nil {
			return fmt.Errorf("watch the other processes: %w", err)
		}
		meta, err := m.Metadata()
		if err != nil {
			return err
		}
		c.see(strings.TrimPrefix(m.Subject(), subjectMember), !isMarker(m.Headers()))
		if known != nil && meta.NumPending == 0 { // at least our own key is there
			close(known)
			known = nil
		}
	}
}

const headerOperation = "KV-Operation"

// isMarker tells whether a message says that its key is gone.
func isMarker(h map[string][]string) bool {
	return len(h[jetstream.MarkerReasonHeader]) > 0 || len(h[headerOperation]) > 0
}

func (c *crowd) see(id string, alive bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.members[id] == alive {
		return
	}
	if c.members == nil {
		c.members, c.ended = map[string]bool{}, map[string]time.Time{}
	}
	if now := c.now(); alive {
		c.members[id] = true
		maps.DeleteFunc(c.ended, func(_ string, at time.Time) bool { return now.Sub(at) > endedFor })
	} else {
		delete(c.members, id)
		c.ended[id] = now
	}
	c.tellLocked()
}

func (c *crowd) self() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.id
}

func (c *crowd) owner(unit string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.id == "" {
		return ""
	}
	return rendezvous(unit, c.members)
}

// rendezvous gives the member with the highest hash for a unit.
func rendezvous(unit string, members map[string]bool) string {
	var best string
	var most uint64
	for id := range members {
		h := fnv.New64a()
		h.Write([]byte(id))
		h.Write([]byte{0})
		h.Write([]byte(unit))
		score := mix(h.Sum64())
		if best == "" || score > most || score == most && id < best {
			best, most = id, score
		}
	}
	return best
}

// mix spreads a hash over all its bits (the finalizer of MurmurHash3): FNV alone favours some members.
func mix(x uint64) uint64 {
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	x *= 0xc4ceb9fe1a85ec53
	return x ^ x>>33
}

// gone asks the ledger itself where our own picture says no: it may lag behind. The key of a process expires a TTL after it
// was last renewed, by when the process has not been valid for one share of that.
func (c *crowd) gone(ctx context.Context, process string) (time.Time, error) {
	c.mu.Lock()
	alive, at := c.members[process], c.ended[process]
	c.mu.Unlock()
	if alive {
		return time.Time{}, nil
	}
	guard := c.q.opt.MemberTTL / renewShare
	if !at.IsZero() {
		return at.Add(-guard), nil
	}
	msg, err := c.q.newest(ctx, streamLedger, subjectMember+process)
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound): // a guest had no key to expire
		return c.now(), nil
	case err != nil:
		return time.Time{}, fmt.Errorf("look for a process: %w", err)
	case isMarker(msg.Header):
		return c.now().Add(-guard), nil
	}
	return time.Time{}, nil
}

func (c *crowd) valid() bool { return c.self() != "" && c.fresh(c.now()) }

// fresh tells whether the last renewal is recent by both clocks: the monotonic one stands still while a virtual
// machine is suspended, the wall clock may be set.
func (c *crowd) fresh(now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	bound := c.q.opt.MemberTTL - c.q.opt.MemberTTL/renewShare
	wall := now.Round(0).Sub(c.renewed.Round(0))
	return now.Sub(c.renewed) < bound && wall < bound && wall > -bound
}

func (c *crowd) changed() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.change
}

// leave gives the key up, so that the others need not wait until it expires.
func (c *crowd) leave(ctx context.Context) error {
	c.mu.Lock()
	id, seq := c.id, c.seq
	c.mu.Unlock()
	c.stop()
	<-c.done
	if id == "" {
		return nil
	}
	msg := &nats.Msg{Subject: subjectMember + id, Header: nats.Header{headerOperation: {"DEL"}}}
	_, err := c.q.js.PublishMsg(ctx, msg, jetstream.WithMsgTTL(time.Minute), jetstream.WithExpectLastSequencePerSubject(seq))
	if err != nil && !lostRace(err) {
		return fmt.Errorf("leave the other processes: %w", err)
	}
	return nil
}
