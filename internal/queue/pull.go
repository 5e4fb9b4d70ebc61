package queue

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
)

// puller takes a lane's messages. Its subscription lasts as long as the lane's consumer: the client library's own way makes
// one, two channels and a goroutine for every request, which a thousand busy lanes spend more on than on what they take. One
// goroutine may use it.
type puller struct {
	q     *Queue
	next  string // subject of requests
	inbox string
	sub   *nats.Subscription
	msgs  chan *nats.Msg
}

// answers to a request for messages (ADR-9 and ADR-13 of the NATS project).
const (
	statusNone = "404" // there are no messages
	statusOver = "408" // there are no more
	statusIdle = "100"
)

func (q *Queue) newPuller(stream, consumer string) (*puller, error) {
	p := &puller{q: q, next: "$JS.API.CONSUMER.MSG.NEXT." + stream + "." + consumer, inbox: q.nc.NewInbox(), msgs: make(chan *nats.Msg, takeAtOnce+1)}
	var err error
	if p.sub, err = q.nc.ChanSubscribe(p.inbox, p.msgs); err != nil {
		return nil, fmt.Errorf("listen for work: %w", err)
	}
	return p, nil
}

func (p *puller) close() { _ = p.sub.Unsubscribe() } // it fails on a closed connection only

// take takes up to n messages that are there now, takeAtOnce at most. After an error neither the puller nor its consumer may
// be used any more: see errNoAnswer.
func (p *puller) take(n int) ([]*delivered, error) {
	n = min(n, takeAtOnce)
	if err := p.q.nc.PublishRequest(p.next, p.inbox, []byte(`{"batch":`+strconv.Itoa(n)+`,"no_wait":true}`)); err != nil {
		return nil, err
	}
	var list []*delivered
	late := time.NewTimer(noAnswer)
	defer late.Stop()
	for len(list) < n {
		select {
		case m := <-p.msgs:
			if status := m.Header.Get("Status"); status != "" && len(m.Data) == 0 {
				switch status {
				case statusNone, statusOver:
					return list, nil
				case statusIdle:
					continue
				}
				return nil, fmt.Errorf("take messages: %s %s", status, m.Header.Get("Description"))
			}
			meta, err := m.Metadata()
			if err != nil {
				return nil, fmt.Errorf("work message: %w", err)
			}
			list = append(list, &delivered{q: p.q, data: m.Data, reply: m.Reply, seq: meta.Sequence.Stream, pending: meta.NumPending})
			late.Reset(noAnswer)
		case <-late.C:
			return nil, errNoAnswer
		}
	}
	return list, nil
}

// delivered is one message of a lane.
type delivered struct {
	q       *Queue
	data    []byte
	reply   string // where to acknowledge
	seq     uint64 // in WORK
	pending uint64 // behind it
}

// DoubleAck acknowledges, and waits for the server's word.
func (m *delivered) DoubleAck(ctx context.Context) error {
	_, err := m.q.nc.RequestWithContext(ctx, m.reply, []byte("+ACK"))
	return err
}

// inProgress keeps it from being delivered again.
func (m *delivered) inProgress() error { return m.q.nc.Publish(m.reply, []byte("+WPI")) }
