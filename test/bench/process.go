package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is one server.
type process struct {
	name    string
	cmd     *exec.Cmd
	log     string        // file of what it says
	ended   chan struct{} // closed when it has
	began   time.Time
	http    string // where it takes webhooks
	console string // where it shows metrics; "" for what is no bridge
}

// start runs a program until stop. Every process is stopped by whoever started it.
func (b *bench) start(name, program string, env []string, args ...string) (*process, error) {
	p := &process{name: name, ended: make(chan struct{}), log: filepath.Join(b.dir, fmt.Sprintf("%s-%d.log", name, time.Now().UnixNano()))}
	out, err := os.Create(p.log)
	if err != nil {
		return nil, err
	}
	p.cmd = exec.Command(program, args...)
	p.cmd.Env, p.cmd.Stdout, p.cmd.Stderr = append(os.Environ(), env...), out, out
	p.began = time.Now()
	err = errors.Join(p.cmd.Start(), out.Close())
	if err != nil {
		return nil, err
	}
	go func() {
		_ = p.cmd.Wait() // why it ended stands in its log
		close(p.ended)
	}()
	return p, nil
}

// stopWithin is how long a process may take to stop.
const stopWithin = 40 * time.Second

func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(stopWithin):
		_ = p.cmd.Process.Kill()
		<-p.ended
	}
}

// explain adds the end of the process's log to an error.
func (p *process) explain(err error) error {
	b, _ := os.ReadFile(p.log)
	return fmt.Errorf("%s: %w; it said last:\n%s", p.name, err, b[max(0, len(b)-2000):])
}

// until asks again and again until done, and fails when the process ends before or it takes too long.
func (b *bench) until(p *process, what string, every time.Duration, done func() bool) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	late := time.After(3 * time.Minute)
	for !done() {
		select {
		case <-tick.C:
		case <-p.ended:
			return p.explain(fmt.Errorf("ended before %s", what))
		case <-late:
			return p.explain(fmt.Errorf("took too long: %s", what))
		case <-b.ctx.Done():
			return b.ctx.Err()
		}
	}
	return nil
}

// freeAddr finds a port that a child can listen on.
func freeAddr() (string, error) {
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// serving says how a bridge is to be run.
type serving struct {
	config string   // file
	data   string   // directory
	env    []string // further settings
	roles  string   // "": all
}

// bridge starts a bridge and returns when it says that it is ready.
func (b *bench) bridge(name string, s serving) (*process, error) {
	webhooks, err := freeAddr()
	if err != nil {
		return nil, err
	}
	console, err := freeAddr()
	if err != nil {
		return nil, err
	}
	env := append([]string{
		"BRIDGE_CONFIG=" + s.config, "BRIDGE_DATA_DIR=" + s.data, "BRIDGE_HTTP_ADDR=" + webhooks, "BRIDGE_CONSOLE_ADDR=" + console,
		"BRIDGE_KEAP_BASE_URL=http://127.0.0.1:1/crm", "BRIDGE_LOG_LEVEL=warn",
	}, s.env...)
	args := []string{"serve"}
	if s.roles != "" {
		args = append(args, "--roles", s.roles)
	}
	p, err := b.start(name, b.binary, env, args...)
	if err != nil {
		return nil, err
	}
	p.http, p.console = webhooks, console
	if err := b.until(p, "it was ready", 2*time.Millisecond, func() bool { return p.answers("/readyz") }); err != nil {
		p.stop()
		return nil, err
	}
	return p, nil
}

func (p *process) answers(path string) bool {
	res, err := http.Get("http://" + p.console + path)
	if err != nil {
		return false
	}
	_, _ = io.Copy(io.Discard, res.Body)
	return errors.Join(res.Body.Close()) == nil && res.StatusCode == http.StatusOK
}

// metrics scrapes the bridge: "name{labels}" → value.
func (p *process) metrics() (map[string]float64, error) {
	res, err := http.Get("http://" + p.console + "/metrics")
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("metrics: %s", res.Status)
	}
	all := map[string]float64{}
	lines := bufio.NewScanner(res.Body)
	for lines.Scan() {
		if name, value, ok := cutLast(lines.Text()); ok && !strings.HasPrefix(name, "#") {
			if v, err := strconv.ParseFloat(value, 64); err == nil {
				all[name] = v
			}
		}
	}
	return all, lines.Err()
}

func cutLast(line string) (name, value string, ok bool) {
	i := strings.LastIndexByte(line, ' ')
	if i < 0 {
		return "", "", false
	}
	return line[:i], line[i+1:], true
}

// sum adds up the series of one name.
func sum(metrics map[string]float64, name string) float64 {
	total := 0.0
	for series, v := range metrics {
		if series == name || strings.HasPrefix(series, name+"{") {
			total += v
		}
	}
	return total
}

// ticks is the unit of processor time in /proc: it has been 1/100 s on every Linux for decades.
const ticks = 100

// cpu is the processor time that the process has used, in seconds; ok is false where that cannot be read.
func (p *process) cpu() (seconds float64, ok bool) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return 0, false
	}
	fields := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:]) // the name may hold spaces
	if len(fields) < 13 {
		return 0, false
	}
	user, err1 := strconv.ParseFloat(string(fields[11]), 64)
	system, err2 := strconv.ParseFloat(string(fields[12]), 64)
	return (user + system) / ticks, errors.Join(err1, err2) == nil
}

// memory is VmRSS (now) or VmHWM (the most so far), in MB of 2^20 bytes.
func (p *process) memory(what string) (mb float64, ok bool) {
	var kb float64
	_, err := fmt.Sscan(lineOf(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid), what), &kb)
	return kb / 1024, err == nil
}
