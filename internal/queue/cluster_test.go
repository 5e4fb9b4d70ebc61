package queue

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/nats-io/nats-server/v2/server"

	"bridge/internal/events"
)

// cluster is three NATS servers.
type cluster struct {
	options [3]*server.Options
	nodes   [3]*server.Server
}

func startCluster(t testing.TB) *cluster {
	t.Helper()
	c := &cluster{}
	var routes []*url.URL
	for i := range c.options {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		port := l.Addr().(*net.TCPAddr).Port
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		routes = append(routes, &url.URL{Scheme: "nats", Host: fmt.Sprintf("127.0.0.1:%d", port)})
		c.options[i] = &server.Options{
			ServerName: fmt.Sprintf("n%d", i), Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, JetStream: true, StoreDir: t.TempDir(), SyncAlways: true,
			Cluster: server.ClusterOpts{Name: "test", Host: "127.0.0.1", Port: port},
		}
	}
	for i := range c.nodes {
		c.options[i].Routes = routes
		c.start(t, i)
	}
	t.Cleanup(func() {
		for i := range c.nodes {
			c.stop(i)
		}
	})
	eventually(t, "the cluster has a leader that knows all", func() bool {
		for _, s := range c.nodes {
			if s.JetStreamIsLeader() && len(s.JetStreamClusterPeers()) == len(c.nodes) {
				return true
			}
		}
		return false
	})
	return c
}

func (c *cluster) start(t testing.TB, i int) {
	t.Helper()
	options := c.options[i].Clone()
	s, err := server.NewServer(options)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	if !s.ReadyForConnections(patience) {
		t.Fatal("a node does not start")
	}
	c.nodes[i] = s
	c.options[i].Port = s.Addr().(*net.TCPAddr).Port
}

func (c *cluster) stop(i int) {
	if c.nodes[i] != nil {
		c.nodes[i].Shutdown()
		c.nodes[i].WaitForShutdown()
		c.nodes[i] = nil
	}
}

func (c *cluster) url() string {
	var urls []string
	for i := range c.options {
		urls = append(urls, fmt.Sprintf("nats://127.0.0.1:%d", c.options[i].Port))
	}
	return strings.Join(urls, ",")
}

// leaderOf finds the node that leads a stream.
func (c *cluster) leaderOf(t testing.TB, q *Queue, stream string) int {
	t.Helper()
	info, err := q.streams[stream].Info(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	for i := range c.options {
		if info.Cluster != nil && c.options[i].ServerName == info.Cluster.Leader {
			return i
		}
	}
	t.Fatalf("stream %s has no leader: %+v", stream, info.Cluster)
	return -1
}

// TestCluster: the node that leads the intake goes and comes back under load. What was accepted is done; while there is
// no leader Accept says so rather than lie.
func TestCluster(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("three servers with elections: not with -short")
	}
	c := startCluster(t)
	opt := testOptions(t)
	opt.URL, opt.DataDir, opt.Replicas = c.url(), "", 3
	b := started(t, opt, done)
	ctx, stop := context.WithCancel(context.Background())
	var mu sync.Mutex
	var accepted []events.Event
	var refused atomic.Int64
	var senders sync.WaitGroup
	for s := range 4 {
		senders.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				e := event(fmt.Sprintf("%d-%d", s, i), fmt.Sprintf("c%d@example.com", s))
				if _, err := b.Accept(context.Background(), []events.Event{e}); err != nil {
					refused.Add(1)
					continue
				}
				mu.Lock()
				accepted = append(accepted, e)
				mu.Unlock()
			}
		})
	}
	count := func() int {
		mu.Lock()
		defer mu.Unlock()
		return len(accepted)
	}
	eventually(t, "events are accepted", func() bool { return count() > 50 })
	node := c.leaderOf(t, b.Queue, streamIntake)
	c.stop(node)
	before := count()
	eventually(t, "events are accepted without the leader", func() bool { return count() > before+50 })
	c.start(t, node)
	before = count()
	eventually(t, "events are accepted with all", func() bool { return count() > before+50 })
	stop()
	senders.Wait()
	t.Logf("%d accepted, %d refused", len(accepted), refused.Load())
	t.Cleanup(func() {
		if t.Failed() {
			streams, err := b.Streams(context.Background())
			t.Logf("delivered %d, index at %+v, streams %+v, %v", len(b.groups.all()), b.index.at, streams, err)
		}
	})
	for _, e := range accepted {
		eventually(t, e.ID+" is done", func() bool { return b.index.last(e.Key()) == "done" })
	}
}
