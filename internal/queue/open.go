package queue

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"

	"bridge/internal/events"
	"bridge/internal/secret"
)

// Values of Options.Fsync.
const (
	FsyncAlways   = "always"   // every accepted event survives a power cut
	FsyncInterval = "interval" // every accepted event survives a crash of the process; a power cut may take the last second
)

// Options say where the queue lives. The zero value of a field means its default.
type Options struct {
	URL      string      // external NATS server; "" starts an embedded one in DataDir
	Creds    string      // for URL: a credentials file, or one with the seed of an nkey
	DataDir  string      // needed when embedded
	Replicas int         // of every stream: 1 (default) … 5
	Fsync    string      // FsyncAlways (default) or FsyncInterval; embedded only
	StoreKey secret.Text // encrypts the embedded store
	Listen   string      // host:port of the embedded server for publishers; "" opens none
	Users    []User      // who may publish there
	Spool    bool        // keep accepted events in DataDir while the server of URL is away

	Retention time.Duration // how long EVENTS and OUTCOMES are kept; default 90 days, never under 7
	MemberTTL time.Duration // after how long a silent process has lost its groups; default 2 s, 10 s with replicas

	// ParseIngest reads a message of a publisher: subject ingest.<account>.<source>, its headers and body. An
	// error makes it a failed event with reason schema; its text is shown to people.
	ParseIngest func(account, source string, header http.Header, body []byte) (events.Event, error)

	Logger *slog.Logger
	Now    func() time.Time
}

func (o *Options) setDefaults() error {
	if o.Replicas == 0 {
		o.Replicas = 1
	}
	if o.Replicas < 1 || o.Replicas > 5 {
		return fault("NATS_REPLICAS must be 1 to 5", "3 on a cluster", "%d", o.Replicas)
	}
	if o.Fsync == "" {
		o.Fsync = FsyncAlways
	}
	if o.Fsync != FsyncAlways && o.Fsync != FsyncInterval {
		return fault("FSYNC must be always or interval", "", "%q", o.Fsync)
	}
	if o.Retention == 0 {
		o.Retention = 90 * 24 * time.Hour
	}
	o.Retention = max(o.Retention, minRetention)
	if o.MemberTTL == 0 {
		o.MemberTTL = 2 * time.Second
		if o.Replicas > 1 {
			o.MemberTTL = 10 * time.Second
		}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if (o.URL == "" || o.Spool) && o.DataDir == "" {
		return errors.New("an embedded queue and a spool need a data directory")
	}
	return nil
}

// Queue is one process's end of the durable queue. Every method is safe for concurrent use.
type Queue struct {
	opt     Options
	log     *slog.Logger
	process string // names this run of this process; never used again

	server     *embedded  // nil with an external server
	base       *link      // work, and whatever is not said of the others; nil with Away
	nc         *nats.Conn // of base
	js         jetstream.JetStream
	line       *link // the durable line's own: what is accepted does not stand behind the work on what was
	reads      *link // single messages are read over it: the server reads nothing else from it while it waits for a stream's lock
	streams    map[string]jetstream.Stream
	readable   map[string]jetstream.Stream // the same, over reads
	leading    jetstream.Stream            // the log as its leader knows it
	salt       []byte
	maxPayload int           // of one message
	lost       chan struct{} // closed by lose
	losing     sync.Once
	active     sync.Map // names of the groups that the register is known to hold

	accepted  *recall[string, []*events.Event] // by the bundle's message id, for the router
	routed    *recall[uint64, entry]           // by position in the log, for whoever follows it and for lanes
	intake    *intake
	resends   atomic.Int64 // see Resends
	outcomes  *outcomes
	exchanges *exchanges
	memory    *memory
	work      *work // nil until Start

	mu      sync.Mutex
	closing bool
}

// Open connects, sets up streams and starts what Accept and Record need. ctx bounds the opening only.
func Open(ctx context.Context, opt Options) (_ *Queue, err error) {
	q, err := dial(ctx, opt)
	if err != nil {
		return nil, err
	}
	if err := q.notHalf(ctx); err != nil {
		return nil, errors.Join(err, q.disconnect())
	}
	if err := q.ensureStreams(ctx); err != nil {
		return nil, errors.Join(err, q.disconnect())
	}
	if q.salt, err = q.ensureSalt(ctx); err != nil {
		return nil, errors.Join(err, q.disconnect())
	}
	var local *spool
	if opt.Spool && opt.URL != "" {
		if local, err = openSpool(ctx, q); err != nil {
			return nil, errors.Join(err, q.disconnect())
		}
	}
	q.outcomes = startOutcomes(q)
	q.exchanges = startExchanges(q)
	q.memory = startMemory(q)
	q.intake = startIntake(q, local)
	if opt.Fsync == FsyncInterval && opt.URL == "" {
		q.log.Warn("FSYNC=interval: a power cut may take the last second of accepted events")
	}
	return q, nil
}

// dial starts the embedded server where there is to be one, and connects.
func dial(ctx context.Context, opt Options) (_ *Queue, err error) {
	if err := opt.setDefaults(); err != nil {
		return nil, err
	}
	q := &Queue{
		opt: opt, log: opt.Logger, process: hashToken(nuid.Next())[:12],
		streams: map[string]jetstream.Stream{}, readable: map[string]jetstream.Stream{}, lost: make(chan struct{}),
		accepted: newRecall[string, []*events.Event](acceptedBytes), routed: newRecall[uint64, entry](routedBytes),
	}
	if opt.URL == "" {
		if q.server, err = startServer(&q.opt, q.lose); err != nil {
			return nil, err
		}
	}
	if err := q.connect(ctx); err != nil {
		return nil, errors.Join(err, q.disconnect())
	}
	return q, nil
}

// ensureSalt reads the key of contact hashes, or makes it once for the whole installation.
func (q *Queue) ensureSalt(ctx context.Context) ([]byte, error) {
	fresh := make([]byte, 32)
	if _, err := rand.Read(fresh); err != nil {
		return nil, err
	}
	subject := subjectLedger + "salt"
	_, err := q.js.Publish(ctx, subject, fresh, jetstream.WithExpectLastSequencePerSubject(0))
	if err == nil {
		return fresh, nil
	}
	if !lostRace(err) {
		return nil, fmt.Errorf("make the salt: %w", err)
	}
	msg, err := q.newest(ctx, streamLedger, subject)
	if err != nil {
		return nil, fmt.Errorf("read the salt: %w", err)
	}
	return msg.Data, nil
}

// lose says that this queue cannot go on.
func (q *Queue) lose() { q.losing.Do(func() { close(q.lost) }) }

// Lost is closed when the connection to NATS is gone for good, or the embedded store cannot be written any more (a full
// disk): the process should end and start again. Accept refuses meanwhile; what it accepted before is safe.
func (q *Queue) Lost() <-chan struct{} { return q.lost }

// Close ends the queue after Stop: what was taken is made durable, then connection and server end. ctx bounds the wait.
func (q *Queue) Close(ctx context.Context) error {
	q.mu.Lock()
	closed := q.closing
	q.closing = true
	q.mu.Unlock()
	if closed {
		return nil
	}
	err := q.stopWork(ctx)
	return errors.Join(err, q.intake.stop(ctx), q.memory.stop(ctx), q.outcomes.stop(ctx), q.exchanges.stop(ctx), q.disconnect())
}
