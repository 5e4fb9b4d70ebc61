package queue

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// link is a connection with what is done over it.
type link struct {
	nc     *nats.Conn
	js     jetstream.JetStream
	log    *slog.Logger
	hungUp chan struct{} // closed when the connection is closed
	kept   atomic.Bool   // only who renews the membership of this process decides to leave: a thousand groups work over it

	mu   sync.Mutex
	left time.Time // when a server was last left
}

// leave goes over from a server that does not answer to another one of its cluster: it may be cut off from them while this
// process reaches it still, and would keep it waiting for as long as that lasts. Each connection finds out for itself, because
// each may be with another server. Several who wait for the same server leave it once.
func (l *link) leave() {
	if len(l.nc.Servers()) < 2 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := time.Now(); now.Sub(l.left) >= askAgain {
		l.left = now
		l.log.Warn("the NATS server does not answer; trying another one")
		if err := l.nc.ForceReconnect(); err != nil {
			l.log.Debug("the NATS server was not left", "err", err)
		}
	}
}

// connect makes the three connections.
func (q *Queue) connect(ctx context.Context) error {
	for i, use := range [...]string{"work", "line", "reads"} {
		l := &link{hungUp: make(chan struct{}), log: q.log.With("connection", use)}
		err := q.dialNATS(l, use)
		if err == nil {
			l.js, err = jetstream.New(l.nc, jetstream.WithDefaultTimeout(requestTimeout))
		}
		switch i { // as they come: disconnect closes those that are there
		case 0:
			q.base, q.nc, q.js = l, l.nc, l.js
		case 1:
			q.line = l
		case 2:
			q.reads = l
		}
		if err != nil {
			return err
		}
	}
	q.maxPayload = int(q.nc.MaxPayload())
	if _, err := q.js.AccountInfo(ctx); err != nil {
		return fault("the NATS account has no JetStream", "switch JetStream on for it", "%w", err)
	}
	return nil
}

// dialNATS makes a link's connection; the queue is lost when it is closed.
func (q *Queue) dialNATS(l *link, use string) error {
	options := []nats.Option{
		nats.Name("bridge " + q.process + " " + use), nats.CustomInboxPrefix(inboxes), nats.MaxReconnects(-1), nats.ReconnectWait(250 * time.Millisecond),
		nats.ReconnectJitter(100*time.Millisecond, 500*time.Millisecond),
		nats.ClosedHandler(func(*nats.Conn) { close(l.hungUp); q.lose() }),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				l.log.Warn("the connection to NATS broke", "err", err)
			}
		}),
		nats.ReconnectHandler(func(*nats.Conn) { l.log.Info("connected to NATS again") }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { l.log.Warn("NATS client", "err", err) }),
	}
	if q.server != nil {
		options = append(options, nats.InProcessServer(q.server.server), q.server.user)
	} else if q.opt.Creds != "" {
		login, err := credentials(q.opt.Creds)
		if err != nil {
			return fault("the NATS credentials cannot be read", "BRIDGE_NATS_CREDS names a creds file, or a file with the seed of an nkey", "%w", err)
		}
		options = append(options, login)
	}
	var err error
	if l.nc, err = nats.Connect(q.opt.URL, options...); err != nil {
		return fault("NATS cannot be reached", "check BRIDGE_NATS_URL and BRIDGE_NATS_CREDS", "%w", err)
	}
	return nil
}

// inboxes is where answers to the bridge go, events among them. It is not the usual prefix, to which every publisher
// listens for the answers to itself.
const inboxes = "_BRIDGE"

// credentials reads a creds file, or a file with no more than the seed of an nkey.
func credentials(path string) (nats.Option, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if bytes.Contains(text, []byte("BEGIN NATS USER JWT")) {
		return nats.UserCredentials(path), nil
	}
	return nats.NkeyOptionFromSeed(path)
}

// requestTimeout bounds one request to the server: longer than the election of a new stream leader (7 s measured).
const requestTimeout = 10 * time.Second

func (q *Queue) disconnect() error {
	for _, l := range [...]*link{q.line, q.reads, q.base} {
		if l != nil && l.nc != nil {
			l.nc.Close()
			<-l.hungUp
		}
	}
	if q.server != nil {
		return q.server.stop()
	}
	return nil
}
