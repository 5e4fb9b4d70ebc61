package e2e

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"

	"bridge/internal/app"
	"bridge/internal/events"
	"bridge/internal/keap/sandbox"
)

// process is a bridge in a process of its own.
type process struct {
	t    *testing.T
	env  []string
	data string
	http string
	cmd  *exec.Cmd
}

// start starts the process and waits until it answers.
func (p *process) start() {
	p.t.Helper()
	p.cmd = exec.Command(os.Args[0])
	p.cmd.Env, p.cmd.Stderr = append(os.Environ(), p.env...), os.Stderr
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(p.t.Context(), patience)
	defer cancel()
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	c := client(p.t)
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.http+"/", nil)
		if err != nil {
			p.t.Fatal(err)
		}
		if res, err := c.Do(req); err == nil {
			res.Body.Close()
			return
		}
		select {
		case <-ctx.Done():
			p.t.Fatal("the process does not answer")
		case <-look.C:
		}
	}
}

// stop ends the process with a signal and waits for it.
func (p *process) stop(sig syscall.Signal) {
	p.t.Helper()
	if p.cmd == nil {
		return
	}
	if err := p.cmd.Process.Signal(sig); err != nil {
		p.t.Error(err)
	}
	err := p.cmd.Wait()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || sig == syscall.SIGTERM) {
		p.t.Errorf("the process ended with %v", err)
	}
	p.cmd = nil
}

// console is the address that the process left in its data directory.
func (p *process) console() string {
	p.t.Helper()
	h, err := app.ReadHandover(p.data)
	if err != nil {
		p.t.Fatal(err)
	}
	return h.Address
}

// TestKilledAtRandomMoments kills a bridge 20 times while orders come in and calls go out. Every order that was
// accepted is there at the end, and none has had an effect twice.
func TestKilledAtRandomMoments(t *testing.T) {
	const kills = 20
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 3))
	crm, url := keap(t, seed)
	slow := [2]int{1, 30}
	if err := crm.SetSettings(sandbox.Settings{LatencyMS: &slow}); err != nil {
		t.Fatal(err)
	}
	cfg, data := folder(t, shopRules)
	p := &process{t: t, data: data, http: freePort(t)}
	p.env = []string{childVariable + "=1", "BRIDGE_CONFIG=" + cfg, "BRIDGE_DATA_DIR=" + data, "BRIDGE_HTTP_ADDR=" + p.http,
		"BRIDGE_CONSOLE_ADDR=127.0.0.1:0", "BRIDGE_KEAP_BASE_URL=" + url, "BRIDGE_KEAP_TIMEOUT=2s"}
	t.Cleanup(func() { p.stop(syscall.SIGKILL) })

	accepted := map[int]bool{}
	next := 0
	for range kills {
		p.start()
		load, end := context.WithCancel(t.Context())
		var sending sync.WaitGroup
		sending.Go(func() { next = sendUntil(load, client(t), "http://"+p.http, next, accepted) })
		<-time.After(time.Duration(50+rnd.IntN(450)) * time.Millisecond)
		p.stop(syscall.SIGKILL)
		end()
		sending.Wait()
	}
	p.start()
	rows := (&api{client(t), p.console()}).settled(t, len(accepted))
	p.stop(syscall.SIGTERM)

	effects := effectsOf(crm)
	states := map[events.State]int{}
	for n := range accepted {
		row, ok := rows[orderID(n)]
		if !ok {
			t.Errorf("order %d was accepted and is lost", n)
		}
		states[row.State]++
		effects.checkOrder(t, n, n%50, row)
	}
	total := 0
	for _, n := range states {
		total += n
	}
	t.Logf("%d kills: %d accepted = %v", kills, len(accepted), states)
	if total != len(accepted) || len(accepted) < kills {
		t.Errorf("%d accepted, %d accounted for", len(accepted), total)
	}
	// One call can be cut off by each kill for each contact in hand; most are safe to repeat or can be read back.
	if states[events.Failed] > 0 {
		t.Errorf("%d events failed without a fault", states[events.Failed])
	}
}

// sendUntil posts orders one after another until ctx ends, and notes those that were accepted.
func sendUntil(ctx context.Context, c *http.Client, base string, n int, accepted map[int]bool) int {
	for ctx.Err() == nil {
		n++
		status, err := postOrder(ctx, c, base, order(n, n%50))
		if err == nil && status == http.StatusAccepted {
			accepted[n] = true
			continue
		}
		select { // the process is gone; the order may be on disk all the same
		case <-ctx.Done():
		case <-time.After(5 * time.Millisecond):
		}
	}
	return n
}
