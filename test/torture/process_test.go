//go:build unix

package torture

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"
)

// restartAfter is how soon a process that ended of its own is started again, as a supervisor would.
const restartAfter = 300 * time.Millisecond

// process is a child that is started again whenever it ends, until stop.
type process struct {
	t    testing.TB
	name string
	env  []string
	net  string // the network namespace it lives in; "" ours
	logs string // a file that takes what every run of it says

	mu       sync.Mutex
	cmd      *exec.Cmd
	stdin    io.Closer
	ended    chan struct{} // closed when cmd has ended
	down     bool          // killed on purpose: not to be started again yet
	stopping bool
	exits    int // that nobody asked for
	watch    sync.WaitGroup
}

func newProcess(t testing.TB, name, net string, env ...string) *process {
	p := &process{t: t, name: name, env: env, net: net, logs: filepath.Join(t.ArtifactDir(), name+".log")}
	p.start()
	t.Cleanup(func() { p.stop(syscall.SIGKILL) })
	return p
}

func (p *process) start() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.startLocked()
}

func (p *process) startLocked() {
	if p.stopping || p.cmd != nil {
		return
	}
	p.down = false
	out, err := os.OpenFile(p.logs, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		p.t.Error(err)
		return
	}
	cmd := exec.Command(os.Args[0])
	if p.net != "" {
		cmd = exec.Command("ip", "netns", "exec", p.net, os.Args[0]) // becomes it, with the same number
	}
	cmd.Env, cmd.Stderr, cmd.Stdout = append(os.Environ(), p.env...), out, out
	stdin, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		p.t.Error(errors.Join(err, out.Close()))
		return
	}
	p.cmd, p.stdin, p.ended = cmd, stdin, make(chan struct{})
	p.watch.Go(func() {
		_ = cmd.Wait() // how it ended is seen by who ended it, or counted
		_ = out.Close()
		p.over()
	})
}

// over starts the process again when nobody has ended it.
func (p *process) over() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cmd = nil
	close(p.ended)
	if p.down || p.stopping {
		return
	}
	p.exits++
	time.AfterFunc(restartAfter, p.start)
}

// signal tells whether the process was there.
func (p *process) signal(sig syscall.Signal) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cmd != nil && p.cmd.Process.Signal(sig) == nil
}

// freeze pauses the process for a while. A shell does so, which wakes it even when this test is killed meanwhile: a
// paused child would stay for ever.
func (p *process) freeze(lasts time.Duration) {
	p.mu.Lock()
	cmd := p.cmd
	p.mu.Unlock()
	if cmd == nil {
		return
	}
	shell := exec.Command("sh", "-c", "kill -STOP $0 && sleep $1; kill -CONT $0", strconv.Itoa(cmd.Process.Pid), fmt.Sprintf("%.2f", lasts.Seconds()))
	_ = shell.Run() // the process may be killed, or have ended of its own
}

// end ends the process with a signal and waits for that; it stays down until start.
func (p *process) end(sig syscall.Signal) {
	p.mu.Lock()
	p.down = true
	cmd, ended := p.cmd, p.ended
	p.mu.Unlock()
	if cmd == nil {
		return
	}
	_ = cmd.Process.Signal(sig) // it may have ended by now
	<-ended
}

// stop ends it for good.
func (p *process) stop(sig syscall.Signal) {
	p.mu.Lock()
	p.stopping = true
	p.mu.Unlock()
	p.signal(syscall.SIGCONT)
	p.end(sig)
	p.watch.Wait()
}

// disgraced finds in the logs what no fault excuses.
func (p *process) disgraced() []string {
	text, err := os.ReadFile(p.logs)
	if err != nil {
		p.t.Error(err)
	}
	var found []string
	for _, bad := range []string{"DATA RACE", "panic: ", "panicked", "fatal error: "} {
		if n := bytes.Count(text, []byte(bad)); n > 0 {
			found = append(found, p.name+" says "+bad)
		}
	}
	return found
}
