//go:build unix

package torture

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// lan is a network of namespaces, each with an address that this machine reaches too.
type lan struct {
	t     *testing.T
	name  string
	hosts []host
}

// newLAN needs root and the kernel's namespaces, and skips the test by name where they are missing.
func newLAN(t *testing.T, n int) *lan {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("skipped: a network that can be cut needs root")
	}
	id := rand.IntN(1 << 12)
	l := &lan{t: t, name: fmt.Sprintf("tort%x", id)}
	subnet := fmt.Sprintf("10.%d.%d.", 230+id>>8, id&0xff)
	try := func(words string) {
		if out, err := exec.Command("ip", strings.Fields(words)...).CombinedOutput(); err != nil {
			t.Skipf("skipped: a network that can be cut needs network namespaces: ip %s: %v: %s", words, err, out)
		}
	}
	try("link add " + l.name + " type bridge")
	t.Cleanup(func() { l.ip("link del " + l.name) })
	try("addr add " + subnet + "254/24 dev " + l.name)
	try("link set " + l.name + " up")
	for i := range n {
		net := fmt.Sprintf("%sn%d", l.name, i)
		try("netns add " + net)
		t.Cleanup(func() { l.ip("netns del " + net) })
		l.hosts = append(l.hosts, host{net: net, addr: fmt.Sprint(subnet, i+1)})
		wire := fmt.Sprintf("%sv%d", l.name, i)
		try("link add " + wire + " type veth peer name eth0 netns " + net)
		try("link set " + wire + " master " + l.name + " up")
		try("-n " + net + " addr add " + l.hosts[i].addr + "/24 dev eth0")
		try("-n " + net + " link set eth0 up")
		try("-n " + net + " link set lo up")
	}
	return l
}

func (l *lan) ip(words string) {
	if out, err := exec.Command("ip", strings.Fields(words)...).CombinedOutput(); err != nil {
		l.t.Errorf("ip %s: %v: %s", words, err, out)
	}
}

// cut drops what a host sends to the others; heal ends that. This machine goes on reaching all of them.
func (l *lan) cut(i int)  { l.route(i, "add") }
func (l *lan) heal(i int) { l.route(i, "del") }

func (l *lan) route(i int, verb string) {
	for j := range l.hosts {
		if j != i {
			l.ip("-n " + l.hosts[i].net + " route " + verb + " blackhole " + l.hosts[j].addr + "/32")
		}
	}
}

// How long the cluster is cut in two and how long a killed server is away: longer than elections take.
const (
	cutFor  = 20 * time.Second
	calm    = 5 * time.Second
	deadFor = 8 * time.Second
)

// TestPartition cuts the server that leads the intake off from the two others, and later kills the one that leads it then. One
// bridge reaches all servers, two only the one that is cut off, of which one has a spool. Who cannot make an event durable
// says so; what was accepted has its effects, once.
func TestPartition(t *testing.T) {
	if !*clustered {
		t.Skip("skipped: a cluster that is cut in two takes minutes; go test ./test/torture -run TestPartition -cluster")
	}
	net := newLAN(t, 3)
	seed := *seedFlag
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d", seed)
	s := setUp(t, seed, scene{config: configuration(affordable(t), perSecond, perMinute), second: perSecond, minute: perMinute})
	s.startServers(net.hosts)
	s.startBridge("BRIDGE_NATS_URL=" + s.url)
	s.ready(t, 0)
	nc := s.connect()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	leader := s.leader(js)
	s.startBridge("BRIDGE_NATS_URL=" + s.urls[leader])
	s.startBridge("BRIDGE_NATS_URL="+s.urls[leader], "BRIDGE_SPOOL=true")
	for i := range s.bridges {
		s.ready(t, i)
	}

	all, end := context.WithCancel(t.Context())
	defer end()
	ctx, stop := context.WithCancel(all)
	shop := newShop(s, nc)
	shop.loyal = true // the spool keeps the order of one bridge
	closed := make(chan struct{})
	begin := time.Now()
	go func() {
		defer close(closed)
		shop.open(ctx, all, seed)
	}()
	counts := func() [3]int { return [3]int{shop.accepting(0), shop.accepting(1), shop.accepting(2)} }
	wait(all, calm)
	net.cut(leader)
	t.Logf("%s is cut off; accepted by each bridge %v", s.servers[leader].name, counts())
	wait(all, cutFor/2)
	half := counts()
	wait(all, cutFor/2)
	cut := counts()
	net.heal(leader)
	t.Logf("%s is back; accepted by each bridge %v, %v in the second half of the cut", s.servers[leader].name, cut, diff(cut, half))
	if d := diff(cut, half); d[0] == 0 || d[2] == 0 {
		t.Errorf("in the second half of the cut the majority's bridge accepted %d webhooks, the one with the spool %d", d[0], d[2])
	}
	if shop.visited["1 503"]+shop.visited["1 none"] == 0 {
		t.Errorf("the bridge at the minority took every webhook at once: %v", shop.visited)
	}
	wait(all, 2*calm)
	next := s.leader(js)
	s.servers[next].end(syscall.SIGKILL)
	t.Logf("%s is killed; accepted by each bridge %v", s.servers[next].name, counts())
	wait(all, deadFor)
	s.servers[next].start()
	wait(all, 2*calm)
	stop()
	<-closed
	t.Logf("answers of each bridge: %s", counted(shop.visited))
	s.judge(shop, &chaos{happened: map[string]int{"partition": 1, "nats": 1}, cuts: 2}, time.Since(begin))
}

func diff(a, b [3]int) [3]int { return [3]int{a[0] - b[0], a[1] - b[1], a[2] - b[2]} }

// leader finds the server that leads the intake.
func (s *stage) leader(js jetstream.JetStream) int {
	ctx, cancel := context.WithTimeout(s.t.Context(), patience())
	defer cancel()
	for wait(ctx, 200*time.Millisecond) {
		stream, err := js.Stream(ctx, "INTAKE")
		if err != nil || stream.CachedInfo().Cluster == nil {
			continue
		}
		for i, p := range s.servers {
			if p.name == stream.CachedInfo().Cluster.Leader {
				return i
			}
		}
	}
	s.t.Fatal("nobody leads the intake")
	return -1
}
