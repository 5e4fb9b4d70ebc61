package main

import (
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
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"bridge/configs"
	"bridge/internal/app"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"bridge": main})
}

// patience is how long a script waits for what a bridge does by itself.
const patience = 30 * time.Second

// TestScript runs the commands as a person would, each in a process of its own. In the scripts' folder are the demo's
// configuration (demo.yaml) and its samples; BRIDGE_CONFIG names it.
func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script", RequireExplicitExec: true, RequireUniqueNames: true,
		Setup: prepareScript,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "serve": serve, "listening": listening, "stop": stopServe, "hangup": hangup, "until": until, "get": fetch, "post": postText,
		},
	})
}

func prepareScript(e *testscript.Env) error {
	now := time.Now()
	files, err := configs.Demo()
	if err != nil {
		return err
	}
	for name, body := range files {
		text := string(body)
		if sample, ok := strings.CutPrefix(name, "testdata/"); ok {
			if text, err = configs.Sample(sample, now); err != nil {
				return err
			}
		}
		path := filepath.Join(e.WorkDir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return err
		}
	}
	for _, name := range []string{"HTTP", "CONSOLE", "SANDBOX"} {
		addr, err := freeAddress()
		if err != nil {
			return err
		}
		e.Setenv(name, addr)
	}
	e.Setenv("BRIDGE_CONFIG", "demo.yaml")
	e.Setenv("BRIDGE_DATA_DIR", filepath.Join(e.WorkDir, "data"))
	e.Setenv("BRIDGE_HTTP_ADDR", e.Getenv("HTTP"))
	e.Setenv("BRIDGE_CONSOLE_ADDR", e.Getenv("CONSOLE"))
	e.Setenv("BRIDGE_KEAP_BASE_URL", "http://"+e.Getenv("SANDBOX")+"/crm")
	e.Setenv("TZ", "UTC")
	return nil
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// exits runs a command and holds its exit code: exits 2 bridge check.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits code command [args]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// serve waits for the console of a bridge that was started in the background.
func serve(ts *testscript.TestScript, _ bool, _ []string) {
	await(ts, "bridge serve is ready", func() bool {
		h, err := app.ReadHandover(ts.Getenv("BRIDGE_DATA_DIR"))
		return err == nil && answers(h.Address+"/readyz") && answers("http://"+ts.Getenv("HTTP")+"/")
	})
}

// listening waits for an address: listening 127.0.0.1:8090.
func listening(ts *testscript.TestScript, _ bool, args []string) {
	await(ts, args[0]+" answers", func() bool { return answers("http://" + args[0] + "/") })
}

// stop interrupts what runs in the background and waits until the bridge among it has ended.
func stopServe(ts *testscript.TestScript, _ bool, _ []string) {
	for _, c := range ts.BackgroundCmds() {
		ts.Check(c.Process.Signal(os.Interrupt))
	}
	await(ts, "the bridge has ended", func() bool {
		_, err := app.ReadHandover(ts.Getenv("BRIDGE_DATA_DIR"))
		return err != nil
	})
}

// hangup sends SIGHUP to what runs in the background.
func hangup(ts *testscript.TestScript, _ bool, _ []string) {
	for _, c := range ts.BackgroundCmds() {
		ts.Check(c.Process.Signal(syscall.SIGHUP))
	}
}

func answers(url string) bool {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	_ = res.Body.Close()
	return res.StatusCode < http.StatusInternalServerError
}

// await asks again and again.
func await(ts *testscript.TestScript, what string, ok func() bool) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); time.Now().Before(end); <-tick.C {
		if ok() {
			return
		}
	}
	ts.Fatalf("%s: not within %s", what, patience)
}

// until repeats a command until it prints a text: until '"state":"done"' bridge events ls --json.
func until(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: until text command [args]")
	}
	await(ts, args[0], func() bool {
		err := ts.Exec(args[1], args[2:]...)
		return err == nil && strings.Contains(ts.ReadFile("stdout"), args[0])
	})
}

// get prints what an address answers.
func fetch(ts *testscript.TestScript, _ bool, args []string) {
	res, err := http.Get(args[0])
	ts.Check(err)
	show(ts, res)
}

// post sends a text as JSON: post url text.
func postText(ts *testscript.TestScript, _ bool, args []string) {
	res, err := http.Post(args[0], "application/json", strings.NewReader(args[1]))
	ts.Check(err)
	show(ts, res)
}

func show(ts *testscript.TestScript, res *http.Response) {
	body, err := io.ReadAll(res.Body)
	ts.Check(errors.Join(err, res.Body.Close()))
	_, err = fmt.Fprintf(ts.Stdout(), "%d %s", res.StatusCode, body)
	ts.Check(err)
}
