//go:build unix

package torture

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"bridge/internal/events"
	"bridge/internal/keap/sandbox"
	"bridge/internal/ops"
)

// patience is how long nothing at all may move while everything settles. What failed often in a long run waits long for its
// next try.
func patience() time.Duration { return 5*time.Minute + *duration/2 }

// stage is what a run plays on.
type stage struct {
	t        *testing.T
	crm      *sandbox.Server
	servers  []*process
	bridges  []*process
	fronts   []string
	consoles []string
	urls     []string // of the NATS servers
	url      string   // of all of them
	cfg      string   // the bridges' configuration
	doors    []*door  // of each bridge to the sandbox
	lease    time.Duration
	http     *http.Client
}

// urgentFrom is how long a run may be until all of its work is urgent. From the pace of a first day the bridges keep up to three quarters
// of what an application has from now to midnight for urgent and normal work. A long run early in the day uses up the rest of the
// application's 250,000 calls, and its bulk work would wait for tomorrow, as it should. No test can widen that day: a higher
// limit than the usual one counts from the next day on.
const urgentFrom = 10 * time.Minute

// affordable gives the rules, with all work urgent where other work might not be done today.
func affordable(t *testing.T) string {
	if *duration <= urgentFrom {
		return rules
	}
	t.Log("all work is urgent: the run is long")
	return strings.NewReplacer("on: lead.submitted", "on: lead.submitted\n        priority: urgent", "priority: bulk", "priority: urgent").Replace(rules)
}

// TestTorture is described at the top of the package.
func TestTorture(t *testing.T) {
	seed := *seedFlag
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d", seed)
	s := setUp(t, seed, scene{config: configuration(affordable(t), perSecond, perMinute), second: perSecond, minute: perMinute})
	s.populate()
	all, end := context.WithCancel(t.Context())
	defer end()
	shop := newShop(s, s.connect())
	chaos := &chaos{t: t, crm: s.crm, bridges: s.bridges, servers: s.servers, happened: map[string]int{}}
	troubles := plan(seed, *duration, len(s.bridges), len(s.servers), s.lease)
	for _, tr := range troubles {
		t.Log(tr.String())
	}
	ctx, stop := context.WithTimeout(all, *duration)
	defer stop()
	done := make(chan struct{})
	begin := time.Now()
	go func() {
		defer close(done)
		chaos.run(all, troubles)
	}()
	shop.open(ctx, all, seed)
	<-done
	load := time.Since(begin)

	// The troubles are over. What paused for a person is taken up again when the processes start anew, one by one.
	for i, p := range s.bridges {
		p.end(syscall.SIGTERM)
		p.start()
		s.ready(t, i)
	}
	s.judge(shop, chaos, load)
}

// connect makes a connection to NATS that lasts as long as the test.
func (s *stage) connect() *nats.Conn {
	nc, err := nats.Connect(s.url, nats.MaxReconnects(-1), nats.ReconnectWait(100*time.Millisecond), nats.RetryOnFailedConnect(true))
	if err != nil {
		s.t.Fatal(err)
	}
	closed := make(chan struct{})
	nc.SetClosedHandler(func(*nats.Conn) { close(closed) })
	s.t.Cleanup(func() {
		nc.Close()
		<-closed
	})
	return nc
}

// judge waits until all is settled and holds it against what was accepted.
func (s *stage) judge(shop *shop, chaos *chaos, load time.Duration) {
	begin := time.Now()
	rows := s.settled(s.t, len(shop.accepted))
	settled := time.Since(begin)
	v := verdict{t: s.t, rows: rows, world: look(s.crm), log: s.crm.Log("", time.Time{}, 0), cuts: chaos.cuts}
	s.keep(s.t, rows)
	v.judge(shop.accepted)
	calls := s.crm.Calls("")
	v.violations, v.most = calls.Violations, calls.Max
	v.report(s, shop, chaos, calls, load, settled)
}

// scene is what the bridges are configured to do, and what each Keap key may.
type scene struct {
	config         []byte
	second, minute int
}

func setUp(t *testing.T, seed uint64, play scene) *stage {
	s := &stage{t: t, lease: 2 * time.Second, crm: crm(t, seed, play)}
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	t.Cleanup(transport.CloseIdleConnections)
	s.http = &http.Client{Transport: transport}

	s.cfg = filepath.Join(t.TempDir(), "bridge.yaml")
	if err := os.WriteFile(s.cfg, play.config, 0o600); err != nil {
		t.Fatal(err)
	}
	return s
}

// populate starts the servers and the bridges.
func (s *stage) populate() {
	n := 1
	if *clustered {
		n = 3
	}
	s.startServers(make([]host, n))
	for range *processes {
		s.startBridge("BRIDGE_NATS_URL=" + s.url)
	}
	for i := range s.bridges {
		s.ready(s.t, i)
	}
}

// startBridge starts one more bridge; env overrules what all have.
func (s *stage) startBridge(env ...string) {
	front, console, keap := freePort(s.t), freePort(s.t), s.newDoor()
	s.fronts, s.consoles = append(s.fronts, "http://"+front), append(s.consoles, "http://"+console)
	env = append([]string{
		childVariable + "=bridge", "BRIDGE_CONFIG=" + s.cfg, "BRIDGE_DATA_DIR=" + s.t.TempDir(), "BRIDGE_HTTP_ADDR=" + front, "BRIDGE_CONSOLE_ADDR=" + console,
		"BRIDGE_NATS_REPLICAS=" + strconv.Itoa(len(s.servers)), "BRIDGE_KEAP_BASE_URL=" + keap, "BRIDGE_KEAP_TIMEOUT=2s",
	}, env...)
	s.bridges = append(s.bridges, newProcess(s.t, fmt.Sprintf("bridge%d", len(s.bridges)+1), "", env...))
}

// crm is the sandbox, with the limits that the configuration names.
func crm(t *testing.T, seed uint64, play scene) *sandbox.Server {
	t.Helper()
	s := sandbox.New(sandbox.Options{Seed: seed})
	second, minute, day := play.second, play.minute, perDay
	keys := map[string]sandbox.Key{}
	for _, a := range accounts {
		keys[a.key] = sandbox.Key{App: a.app}
		if a.nextKey != "" {
			keys[a.nextKey] = sandbox.Key{App: a.app}
		}
	}
	err := s.SetSettings(sandbox.Settings{
		Quota: &sandbox.Quota{Second: &second, Minute: &minute, Day: &day}, LatencyMS: &[2]int{2, 40}, Keys: keys, XMLRPC: "up",
	})
	if err == nil {
		err = s.Seed(sandbox.Seed{
			CustomFields: []sandbox.CustomField{{ID: "1", Label: "LastOrder"}}, ActionSets: []sandbox.ActionSet{{ID: "42", Name: "Welcome"}},
			Automations: []sandbox.Automation{{ID: "12", Title: "Offers", Sequences: []sandbox.Sequence{{ID: "3", Name: "Offer"}}}},
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// host is where a server lives: a network namespace and its address; the zero value is this machine's loopback.
type host struct{ net, addr string }

// startServers starts a NATS server on each host; several make a cluster.
func (s *stage) startServers(hosts []host) {
	nodes := make([]natsNode, len(hosts))
	var routes []string
	for i := range nodes {
		if hosts[i].addr == "" {
			hosts[i].addr = "127.0.0.1"
		}
		nodes[i] = natsNode{Name: fmt.Sprintf("nats%d", i+1), Host: hosts[i].addr, Store: s.t.TempDir(), Port: portOf(freePort(s.t))}
		s.urls = append(s.urls, fmt.Sprintf("nats://%s:%d", hosts[i].addr, nodes[i].Port))
		if len(hosts) > 1 {
			s.lease = 10 * time.Second
			nodes[i].Cluster = portOf(freePort(s.t))
			routes = append(routes, fmt.Sprintf("nats://%s:%d", hosts[i].addr, nodes[i].Cluster))
		}
	}
	for i := range nodes {
		nodes[i].Routes = routes
		text, err := json.Marshal(nodes[i])
		if err != nil {
			s.t.Fatal(err)
		}
		s.servers = append(s.servers, newProcess(s.t, nodes[i].Name, hosts[i].net, childVariable+"=nats", natsVariable+"="+string(text)))
	}
	s.url = strings.Join(s.urls, ",")
}

func portOf(addr string) int {
	_, port, _ := net.SplitHostPort(addr)
	n, _ := strconv.Atoi(port)
	return n
}

// freePort finds an address that a child can listen on.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// ready waits until a bridge answers.
func (s *stage) ready(t *testing.T, i int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience())
	defer cancel()
	var status ops.Status
	for s.get(ctx, i, "/api/status", &status) != nil {
		if !wait(ctx, 100*time.Millisecond) {
			t.Fatalf("bridge%d does not answer", i+1)
		}
	}
}

func (s *stage) get(ctx context.Context, bridge int, path string, out any) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.consoles[bridge]+path, nil)
	if err != nil {
		return err
	}
	res, err := s.http.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(res.Body, 1000))
		return fmt.Errorf("%s: %s %s", path, res.Status, text)
	}
	return json.NewDecoder(res.Body).Decode(out)
}

// settled waits until every bridge knows of n events and none of them has anything left to do, and returns the events.
func (s *stage) settled(t *testing.T, n int) map[string]events.Row {
	t.Helper()
	last, moved, told := "", time.Now(), time.Now()
	for bridge := 0; bridge < len(s.bridges); {
		var status ops.Status
		err := s.get(t.Context(), bridge, "/api/status", &status)
		open, settled := 0, 0
		for _, a := range status.Accounts {
			open += a.Backlog.Total() + a.Parked
			settled += a.Done + a.Failed + a.InDoubt
		}
		if err == nil && open == 0 && settled >= n {
			bridge++
			continue
		}
		now := fmt.Sprintf("bridge%d: %d of %d settled, %d open, %v", bridge+1, settled, n, open, err)
		if now != last {
			last, moved = now, time.Now()
		}
		if time.Since(told) > 10*time.Second {
			told = time.Now()
			t.Log(now)
		}
		if time.Since(moved) > patience() {
			s.stuck(t)
			t.Fatalf("nothing has moved for %v: %s", patience(), now)
		}
		wait(t.Context(), 250*time.Millisecond)
	}
	return s.all(t)
}

// keep leaves what the sandbox and the bridges know among the artefacts of the test (go test -artifacts).
func (s *stage) keep(t *testing.T, rows map[string]events.Row) {
	for name, v := range map[string]any{"calls.json": s.crm.Log("", time.Time{}, 0), "crm.json": s.crm.State(""), "events.json": rows} {
		text, err := json.Marshal(v)
		if err == nil {
			err = os.WriteFile(filepath.Join(t.ArtifactDir(), name), text, 0o600)
		}
		if err != nil {
			t.Error(err)
		}
	}
}

// all lists every event by account and id.
func (s *stage) all(t *testing.T) map[string]events.Row {
	t.Helper()
	rows := map[string]events.Row{}
	cursor := ""
	for {
		var page struct {
			Events []events.Row `json:"events"`
			Next   *string      `json:"next"`
		}
		if err := s.get(t.Context(), 0, "/api/events?limit=500&cursor="+url.QueryEscape(cursor), &page); err != nil {
			t.Fatal(err)
		}
		for _, r := range page.Events {
			name := r.Account + " " + r.ID
			if _, twice := rows[name]; twice {
				t.Errorf("%s is in the log twice", name)
			}
			rows[name] = r
		}
		if page.Next == nil {
			return rows
		}
		cursor = *page.Next
	}
}

// sorted puts facts in the order of sending, customer by customer.
func sorted(facts []*fact) []*fact {
	return slices.SortedFunc(slices.Values(facts), func(a, b *fact) int { return cmp.Compare(a.number(), b.number()) })
}
