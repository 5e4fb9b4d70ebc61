//go:build unix

// Package torture runs several bridges against one NATS server, as real processes over real connections, and breaks
// everything that can break around them at random moments: processes are killed and paused for longer than their
// lease, the NATS server is killed, the Keap sandbox loses answers, browns out and refuses keys. When the faults end
// and all has settled, it holds what the CRM contains against what was accepted.
//
//	go test -v ./test/torture -duration 60s
//	go test -v ./test/torture -duration 30m -timeout 1h -processes 5 -cluster -seed 7
//
// The seed fixes load, faults and their moments. How the processes interleave is up to the operating system, so that
// a run repeats as far as real processes allow. Do not rely on it for speed: it measures no more than the load that
// it held.
package torture

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"go.uber.org/goleak"

	"bridge/internal/app"
	"bridge/internal/config"
)

var (
	duration  = flag.Duration("duration", 8*time.Second, "how long faults and load go on")
	seedFlag  = flag.Uint64("seed", 0, "repeats a run; 0: a new one")
	processes = flag.Int("processes", 3, "bridges")
	clustered = flag.Bool("cluster", false, "three NATS servers instead of one")
	rate      = flag.Int("rate", 30, "events a second that are offered")
)

// Variables that make this test binary a child.
const (
	childVariable = "BRIDGE_TORTURE_CHILD" // bridge or nats
	natsVariable  = "BRIDGE_TORTURE_NATS"  // natsNode as JSON
)

func TestMain(m *testing.M) {
	var err error
	switch os.Getenv(childVariable) {
	case "":
		goleak.VerifyTestMain(m)
		return
	case "bridge":
		err = bridge(parent())
	case "nats":
		err = natsServer(parent())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "child:", err)
		os.Exit(1)
	}
}

// parent ends when the test that started this child wants it to end, or is gone itself: its end of our standard input
// is closed then.
func parent() context.Context {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		stop()
	}()
	return ctx
}

// bridge is a whole bridge, as its environment says.
func bridge(ctx context.Context) error {
	env, err := config.EnvFrom()
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: env.LogLevel}))
	return app.Run(ctx, app.Settings{Env: env, Log: log})
}

// natsNode is one NATS server.
type natsNode struct {
	Name  string
	Host  string
	Port  int
	Store string

	Cluster int      // its own port for routes; 0: alone
	Routes  []string // of all
}

// natsServer is a NATS server as an operator would run it: JetStream, and every write on disk before it is answered.
func natsServer(ctx context.Context) error {
	var n natsNode
	if err := json.Unmarshal([]byte(os.Getenv(natsVariable)), &n); err != nil {
		return err
	}
	opts := &server.Options{
		ServerName: n.Name, Host: n.Host, Port: n.Port, NoSigs: true, JetStream: true, StoreDir: n.Store, SyncAlways: true,
	}
	if n.Cluster > 0 {
		opts.Cluster = server.ClusterOpts{Name: "torture", Host: n.Host, Port: n.Cluster}
		for _, r := range n.Routes {
			u, err := url.Parse(r)
			if err != nil {
				return err
			}
			opts.Routes = append(opts.Routes, u)
		}
	}
	s, err := server.NewServer(opts)
	if err != nil {
		return err
	}
	s.ConfigureLogger()
	s.Start()
	<-ctx.Done()
	s.Shutdown()
	s.WaitForShutdown()
	return nil
}
