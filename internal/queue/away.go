package queue

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"

	"bridge/internal/events"
)

// errAway says that there is no external server to forward to.
var errAway = errors.New("the external server has not been reached yet")

// Away takes events on the local disk for as long as the external server of Options.URL cannot be reached when a process
// starts. What it took the Queue forwards that is opened in its place, after Close. Safe for concurrent use.
type Away struct{ q *Queue }

// OpenAway opens the local disk; Options as for Open, with Spool.
func OpenAway(ctx context.Context, opt Options) (*Away, error) {
	if err := opt.setDefaults(); err != nil {
		return nil, err
	}
	// The external server may take larger messages than the usual ones; nobody can tell now.
	q := &Queue{opt: opt, log: opt.Logger, process: hashToken(nuid.Next())[:12], maxPayload: server.MAX_PAYLOAD_SIZE, lost: make(chan struct{})}
	s, err := openSpool(ctx, q)
	if err != nil {
		return nil, err
	}
	q.intake = startIntake(q, s)
	return &Away{q}, nil
}

// Accept is Queue.Accept. What may be too large for the external server is unavailable: it is to be sent again when that
// can be told.
func (a *Away) Accept(ctx context.Context, batch []events.Event) (duplicate []bool, err error) {
	if duplicate, err = a.q.Accept(ctx, batch); errors.Is(err, ErrTooLarge) {
		err = fmt.Errorf("%w: %d events: %s", ErrUnavailable, len(batch), err.Error())
	}
	return duplicate, err
}

// Lost is closed when the local disk cannot be written any more.
func (a *Away) Lost() <-chan struct{} { return a.q.lost }

// Close makes what was taken durable and frees the local disk.
func (a *Away) Close(ctx context.Context) error { return a.q.intake.stop(ctx) }

// Unreachable tells whether an error of Open means that the external server may answer later; what is wrong with
// settings or rights it is not.
func Unreachable(err error) bool {
	var network net.Error
	return unanswered(err) || errors.As(err, &network) || errors.Is(err, nats.ErrNoServers) || errors.Is(err, jetstream.ErrJetStreamNotEnabled)
}

// Reach tells whether the external server answers now.
func Reach(ctx context.Context, opt Options) error {
	opt.Spool, opt.DataDir = false, ""
	q, err := dial(ctx, opt)
	if err != nil {
		return err
	}
	return q.disconnect()
}
