package queue

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"

	"bridge/internal/events"
)

// What was said between the bridge and Keap is kept for people who look into an event: the newest exchangesBytes of it,
// for exchangesFor at most. It is written once a second, in the background: nothing waits for it, and a crash may lose
// the last ones.
const (
	exchangesFor     = 14 * 24 * time.Hour
	exchangesBytes   = 256 << 20
	exchangesPause   = time.Second
	exchangesItems   = 512
	exchangesMessage = 256 << 10
	exchangesWaiting = 4 << 20 // bytes in memory; what comes beyond is not kept
	exchangesWithin  = 10 * time.Second

	// exchangesBucket is the time that shares a subject: some ten messages to look through for one exchange, and few
	// subjects, each of which costs memory.
	exchangesBucket = 10 * time.Second
)

// exchanges writes what was said, many to a message.
type exchanges struct {
	q     *Queue
	lines *gather[said]
	hurry chan struct{} // closed at the end: no more pauses
	room  room          // an embedded store's disk; what is left of it is not for this
}

type said struct {
	exchange events.Exchange
	done     chan struct{} // closed when all before it is written; nil: nobody waits
}

func startExchanges(q *Queue) *exchanges {
	x := &exchanges{q: q, hurry: make(chan struct{})}
	if q.server != nil {
		x.room.dir = q.opt.DataDir
	}
	x.lines = startGather(exchangesItems, exchangesMessage, x.write)
	return x
}

func (x *exchanges) stop(ctx context.Context) error {
	close(x.hurry)
	return x.lines.stop(ctx)
}

// keep lines an exchange up and gives its id, "" when it is not kept. The id says where to look: process, bucket and a name.
func (x *exchanges) keep(e events.Exchange) string {
	e.ID = x.q.process + "." + strconv.FormatInt(e.At.Unix()/int64(exchangesBucket/time.Second), 10) + "." + nuid.Next()
	size := len(e.Target) + len(e.Sent.Text) + len(e.Answered.Text) + 200 + 40*len(e.Keys)
	if x.lines.add(said{exchange: e}, size, exchangesWaiting) != nil {
		return "" // stopping, or faster than the disk: the call itself is on record
	}
	return e.ID
}

// exchangeSubject is where an exchange is; false for what is no id.
func exchangeSubject(id string) (string, bool) {
	process, rest, _ := strings.Cut(id, ".")
	bucket, name, _ := strings.Cut(rest, ".")
	return subjectExchange + process + "." + bucket, validToken(process) && validToken(bucket) && name != ""
}

// write appends a group, and waits a little so that the next one is larger.
func (x *exchanges) write(group []said) {
	if x.room.check() == nil {
		x.publish(group)
	}
	waitedFor := false
	for _, s := range group {
		if s.done != nil {
			close(s.done)
			waitedFor = true
		}
	}
	if waitedFor {
		return
	}
	pause := time.NewTimer(exchangesPause)
	defer pause.Stop()
	select {
	case <-pause.C:
	case <-x.hurry:
	}
}

// publish writes a message for each subject. What cannot be written is not kept.
func (x *exchanges) publish(group []said) {
	bodies := map[string][]byte{}
	for i := range group {
		e := &group[i].exchange
		subject, ok := exchangeSubject(e.ID)
		if !ok || x.q.erased(e.Keys) {
			continue
		}
		line, err := json.Marshal(e)
		if err != nil {
			x.q.log.Error("an exchange with Keap cannot be kept", "err", err)
			continue
		}
		bodies[subject] = append(append(bodies[subject], line...), '\n')
	}
	ctx, cancel := context.WithTimeout(context.Background(), exchangesWithin)
	defer cancel()
	for subject, body := range bodies {
		if _, err := x.q.put(ctx, &nats.Msg{Subject: subject, Data: body}); err != nil {
			x.q.log.Warn("exchanges with Keap are not kept; the calls are on record", "err", err)
		}
	}
}

// flush returns when everything that was kept before is written.
func (x *exchanges) flush(ctx context.Context) error {
	done := make(chan struct{})
	if err := x.lines.add(said{done: done}, 0, 0); err != nil {
		return err
	}
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// erased tells whether one of the events was erased since.
func (q *Queue) erased(keys []string) bool {
	q.mu.Lock()
	w := q.work
	q.mu.Unlock()
	if w == nil {
		return false
	}
	w.router.mu.Lock()
	defer w.router.mu.Unlock()
	return slices.ContainsFunc(keys, func(key string) bool { return w.router.gone[key] })
}

// Exchanges gives what was said in calls, by CallReport.ID. Those that are not there (any more) are left out.
func (q *Queue) Exchanges(ctx context.Context, ids []string) (map[string]events.Exchange, error) {
	wanted, subjects := map[string]bool{}, map[string]bool{}
	for _, id := range ids {
		if subject, ok := exchangeSubject(id); ok {
			wanted[id], subjects[subject] = true, true
		}
	}
	found := make(map[string]events.Exchange, len(wanted))
	for subject := range subjects {
		err := q.eachOf(ctx, streamExchange, subject, func(msg *jetstream.RawStreamMsg) error {
			list, err := decodeExchanges(msg.Data)
			for _, e := range list {
				if wanted[e.ID] {
					found[e.ID] = e
				}
			}
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("read what was said to Keap: %w", err)
		}
	}
	return found, nil
}

// eachOf shows the messages of a subject, the oldest first.
func (q *Queue) eachOf(ctx context.Context, stream, subject string, see func(*jetstream.RawStreamMsg) error) error {
	for next := uint64(1); ; {
		msg, err := q.get(ctx, stream, next, jetstream.WithGetMsgSubject(subject))
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return nil
		}
		if err == nil {
			err = see(msg)
		}
		if err != nil {
			return err
		}
		next = msg.Sequence + 1
	}
}

func decodeExchanges(body []byte) ([]events.Exchange, error) {
	var list []events.Exchange
	dec := json.NewDecoder(bytes.NewReader(body))
	for dec.More() {
		var e events.Exchange
		if err := dec.Decode(&e); err != nil {
			return list, err
		}
		list = append(list, e)
	}
	return list, nil
}

// eraseExchanges removes what was said for the events, and whatever else names the address. The other exchanges of a
// message are written anew before it is overwritten.
func (q *Queue) eraseExchanges(ctx context.Context, contact string, doomed map[string]events.Row) error {
	if err := q.exchanges.flush(ctx); err != nil {
		return err
	}
	return q.scan(ctx, streamExchange, func(msg *jetstream.RawStreamMsg) error {
		list, err := decodeExchanges(msg.Data)
		if err != nil {
			return err
		}
		left := slices.DeleteFunc(slices.Clone(list), func(e events.Exchange) bool { return concerns(&e, contact, doomed) })
		if len(left) == len(list) {
			return nil
		}
		if len(left) > 0 {
			var body []byte
			for i := range left {
				line, err := json.Marshal(&left[i])
				if err != nil {
					return err
				}
				body = append(append(body, line...), '\n')
			}
			if _, err := q.put(ctx, &nats.Msg{Subject: msg.Subject, Data: body}); err != nil {
				return err
			}
		}
		return q.secureDelete(ctx, streamExchange, msg.Sequence)
	})
}

// concerns tells whether an exchange served one of the events or names the address.
func concerns(e *events.Exchange, contact string, doomed map[string]events.Row) bool {
	if slices.ContainsFunc(e.Keys, func(key string) bool { _, ok := doomed[key]; return ok }) {
		return true
	}
	target, err := url.QueryUnescape(e.Target)
	if err != nil {
		target = e.Target
	}
	return strings.Contains(strings.ToLower(target+"\x00"+e.Sent.Text+"\x00"+e.Answered.Text), contact)
}
