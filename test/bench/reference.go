package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"bridge/internal/events"
	"bridge/internal/ingress"
	"bridge/internal/secret"
	"bridge/internal/sources"
)

// jet is an embedded JetStream that syncs every message, with one stream.
type jet struct {
	server *server.Server
	nc     *nats.Conn
	js     jetstream.JetStream
}

const jetSubject = "bench.new"

func openJet(ctx context.Context, dir, addr string) (*jet, error) {
	opts := &server.Options{
		ServerName: "bench", DontListen: addr == "", NoSigs: true, JetStream: true, StoreDir: dir, SyncAlways: true, MaxPayload: 8 << 20,
		JetStreamMaxStore: 1 << 50,
	}
	if host, port, ok := strings.Cut(addr, ":"); ok {
		opts.Host = host
		if _, err := fmt.Sscan(port, &opts.Port); err != nil {
			return nil, err
		}
	}
	s, err := server.NewServer(opts)
	if err != nil {
		return nil, err
	}
	s.Start()
	if !s.ReadyForConnections(30 * time.Second) {
		return nil, errors.New("the server does not start")
	}
	j := &jet{server: s}
	if j.nc, err = nats.Connect("", nats.InProcessServer(s)); err != nil {
		return nil, err
	}
	if j.js, err = jetstream.New(j.nc); err != nil {
		return nil, err
	}
	_, err = j.js.CreateStream(ctx, jetstream.StreamConfig{Name: "BENCH", Subjects: []string{jetSubject}, Storage: jetstream.FileStorage, AllowAtomicPublish: true})
	return j, err
}

func (j *jet) close() {
	j.nc.Close()
	j.server.Shutdown()
	j.server.WaitForShutdown()
}

// plain is a durable line as one writes it first: one synced publish for each event.
type plain struct{ *jet }

// Accept implements ingress.Intake.
func (p plain) Accept(ctx context.Context, batch []events.Event) ([]bool, error) {
	duplicate := make([]bool, len(batch))
	for i := range batch {
		body, err := batch[i].MarshalJSON()
		if err != nil {
			return nil, err
		}
		ack, err := p.js.PublishMsg(ctx, &nats.Msg{Subject: jetSubject, Data: body, Header: nats.Header{jetstream.MsgIDHeader: {batch[i].Key()}}})
		if err != nil {
			return nil, err
		}
		duplicate[i] = ack.Duplicate
	}
	return duplicate, nil
}

// reference is the bridge's own ingress over a plain line, until ctx ends: all but the group commit is the same.
func reference(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("reference", flag.ContinueOnError)
	addr, dir := flags.String("addr", "", ""), flags.String("dir", "", "")
	if err := flags.Parse(args); err != nil {
		return err
	}
	j, err := openJet(ctx, *dir, "")
	if err != nil {
		return err
	}
	defer j.close()
	shops := map[string]sources.Source{}
	for _, account := range (configured{accounts: 1}).names() {
		s, mistakes := sources.New("shop", account, sources.Config{Kind: "woocommerce", Secret: sources.Secrets{secret.New(shopSecret)}}, sources.Deps{})
		if len(mistakes) > 0 {
			return errors.New(mistakes[0].Text)
		}
		shops[account] = s
	}
	h := ingress.New(ingress.Options{
		Intake: plain{j}, Log: slog.New(slog.DiscardHandler), Now: time.Now, Observe: func(ingress.Seen) {},
		Route: func(account, _ string) (ingress.Route, bool) {
			s, ok := shops[account]
			return ingress.Route{Source: s, MaxBody: 1 << 20}, ok
		},
	})
	srv := ingress.NewServer(h, slog.New(slog.DiscardHandler))
	srv.Addr = *addr
	stop := context.AfterFunc(ctx, func() { _ = srv.Close() })
	defer stop()
	if err := srv.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// natsServer serves NATS with synced JetStream until ctx ends.
func natsServer(ctx context.Context, args []string) error {
	j, err := openJet(ctx, args[1], args[0])
	if err != nil {
		return err
	}
	<-ctx.Done()
	j.close()
	return nil
}

// ceiling publishes 1.1 kB messages as fast as synced JetStream takes them and prints how many a second: alone ("plain") or
// all that wait as one atomic batch ("batch"). No HTTP, no signatures, no parsing.
func ceiling(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("ceiling", flag.ContinueOnError)
	mode, dir := flags.String("mode", "plain", ""), flags.String("dir", "", "")
	conns, lasts := flags.Int("c", 1, ""), flags.Duration("for", time.Second, "")
	if err := flags.Parse(args); err != nil {
		return err
	}
	j, err := openJet(ctx, filepath.Clean(*dir), "")
	if err != nil {
		return err
	}
	defer j.close()
	publish := j.alone
	if *mode == "batch" {
		c := &committer{jet: j, waiting: make(chan chan error, *conns)}
		go c.run(ctx)
		publish = c.publish
	}
	var stored, counted atomic.Int64
	var all sync.WaitGroup
	failed := make(chan error, *conns)
	ctx, cancel := context.WithCancel(ctx)
	for range *conns {
		all.Go(func() {
			for ctx.Err() == nil {
				if err := publish(context.WithoutCancel(ctx)); err != nil {
					failed <- err
					return
				}
				stored.Add(1)
			}
		})
	}
	time.Sleep(*lasts / 4) // warm
	from, begin := stored.Load(), time.Now()
	time.Sleep(*lasts)
	counted.Store(stored.Load() - from)
	took := time.Since(begin)
	cancel()
	all.Wait()
	select {
	case err := <-failed:
		return err
	default:
	}
	return json.NewEncoder(printed{}).Encode(float64(counted.Load()) / took.Seconds())
}
