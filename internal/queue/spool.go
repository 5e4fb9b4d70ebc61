package queue

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"
)

const (
	streamSpool  = "SPOOL"
	subjectSpool = "spool.new"

	// spoolAfter is how long the external server may take to store a bundle before the local disk does: senders give up
	// after some 5 s.
	spoolAfter = 2 * time.Second
	spoolRetry = 500 * time.Millisecond
)

// spool keeps accepted bundles on local disk while the external server is away, and forwards them in order once it is
// back. What comes meanwhile goes behind them, so that the order holds. A bundle whose first answer was lost may reach the
// external server twice; the router recognises its events.
type spool struct {
	q      *Queue
	name   string // tells this spool's bundles from others' in message ids
	server *embedded
	nc     *nats.Conn
	js     jetstream.JetStream
	stream jetstream.Stream

	mu      sync.Mutex   // held while a bundle is stored, and while waiting is counted anew
	waiting atomic.Int64 // bundles not forwarded yet, at most: 0 only when there are none
	nudge   chan struct{}
	stopped context.Context
	stop    context.CancelFunc
	done    chan struct{}
}

// openSpool opens the local store and begins to forward what an earlier process left in it.
func openSpool(ctx context.Context, q *Queue) (*spool, error) {
	s := &spool{q: q, nudge: make(chan struct{}, 1), done: make(chan struct{})}
	s.stopped, s.stop = context.WithCancel(context.Background())
	var err error
	s.server, err = startServer(&Options{DataDir: filepath.Join(q.opt.DataDir, "spool"), Fsync: FsyncAlways, StoreKey: q.opt.StoreKey, Logger: q.log}, q.lose)
	if err != nil {
		return nil, err
	}
	if err := s.connect(ctx); err != nil {
		if s.nc != nil {
			s.nc.Close()
		}
		return nil, errors.Join(err, s.server.stop())
	}
	go s.run()
	return s, nil
}

func (s *spool) connect(ctx context.Context) (err error) {
	if s.nc, err = nats.Connect("", nats.Name("spool"), nats.InProcessServer(s.server.server)); err != nil {
		return fmt.Errorf("open the spool: %w", err)
	}
	if s.js, err = jetstream.New(s.nc, jetstream.WithDefaultTimeout(requestTimeout)); err != nil {
		return err
	}
	s.stream, err = s.js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
		Name: streamSpool, Subjects: []string{subjectSpool}, Storage: jetstream.FileStorage, Discard: jetstream.DiscardNew, AllowDirect: true,
	})
	if err != nil {
		return fmt.Errorf("open the spool: %w", err)
	}
	s.waiting.Store(int64(s.stream.CachedInfo().State.Msgs))
	s.name = nuid.Next()
	return nil
}

// publish stores a bundle with the external server, or here while that is away or still owed something.
func (s *spool) publish(msg *nats.Msg) error {
	if s.waiting.Load() == 0 && s.q.line != nil && s.q.line.nc.IsConnected() {
		ctx, cancel := context.WithTimeout(context.Background(), spoolAfter)
		_, err := s.q.line.js.PublishMsg(ctx, msg)
		cancel()
		if err == nil {
			return nil
		}
		s.q.log.Warn("the external server does not take events; they go to the local disk", "err", err)
		if unanswered(err) {
			s.q.line.leave()
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting.Add(1)
	local := &nats.Msg{Subject: subjectSpool, Header: msg.Header, Data: msg.Data}
	_, err := s.js.PublishMsg(context.Background(), local) // bounded by requestTimeout
	signal(s.nudge)
	return err // after which it may be there all the same: run finds out
}

// recount says that nothing waits, unless something came in just now.
func (s *spool) recount(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	info, err := s.stream.Info(ctx)
	if err != nil {
		return err
	}
	if s.waiting.Swap(int64(info.State.Msgs)) > 0 && info.State.Msgs == 0 {
		s.q.log.Info("everything from the local disk is with the external server")
	}
	return nil
}

// run forwards.
func (s *spool) run() {
	defer close(s.done)
	for s.stopped.Err() == nil {
		err := s.forward(s.stopped)
		if err != nil && s.stopped.Err() == nil {
			s.q.log.Debug("the spool waits for the external server", "bundles", s.waiting.Load(), "err", err)
		}
		wait := lookAgain
		if err != nil {
			wait = spoolRetry
		}
		select {
		case <-s.nudge:
			if err != nil {
				sleep(s.stopped, spoolRetry)
			}
		case <-time.After(wait):
		case <-s.stopped.Done():
		}
	}
}

// forward moves everything that waits. A bundle is deleted here only when the external server has it.
func (s *spool) forward(ctx context.Context) error {
	if s.q.line == nil {
		return errAway
	}
	for ctx.Err() == nil {
		msg, err := s.stream.GetMsg(ctx, 1, jetstream.WithGetMsgSubject(subjectSpool))
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return s.recount(ctx)
		}
		if err != nil {
			return err
		}
		out := &nats.Msg{Subject: subjectNew, Data: msg.Data, Header: nats.Header{
			headerAccounts: msg.Header[headerAccounts], jetstream.MsgIDHeader: {fmt.Sprintf("spool:%s:%d", s.name, msg.Sequence)},
		}}
		if _, err := s.q.line.put(ctx, out); err != nil {
			return err
		}
		if err := s.stream.SecureDeleteMsg(ctx, msg.Sequence); err != nil {
			return err
		}
		s.q.wakeFront()
	}
	return ctx.Err()
}

func (s *spool) close(ctx context.Context) error {
	s.stop()
	var err error
	select {
	case <-s.done:
	case <-ctx.Done():
		err = ctx.Err()
	}
	s.nc.Close()
	return errors.Join(err, s.server.stop())
}
