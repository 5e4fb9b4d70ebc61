package console

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// browser drives a real Chromium over its debugging pipe: JSON messages that end with a zero byte.
type browser struct {
	t       *testing.T
	to      *os.File
	session string

	mu     sync.Mutex
	last   int
	wait   map[int]chan answer
	loads  chan struct{} // a page has loaded
	faults []string      // what the browser complained of
}

type answer struct {
	ID        int             `json:"id"`
	SessionID string          `json:"sessionId"`
	Method    string          `json:"method"`
	Params    json.RawMessage `json:"params"`
	Result    json.RawMessage `json:"result"`
	Error     *struct {
		Message string `json:"message"`
	} `json:"error"`
}

// browserPatience is how long anything in the browser may take.
const browserPatience = 30 * time.Second

// openBrowser starts Chromium, or skips the test by name where there is none.
func openBrowser(t *testing.T) *browser {
	t.Helper()
	var path string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		t.Skipf("%s did not run: no Chromium is installed", t.Name())
	}
	if testing.Short() {
		t.Skipf("%s did not run: -short", t.Name())
	}
	theirIn, ourOut, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	ourIn, theirOut, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	profile, err := os.MkdirTemp("", "bridge-browser-")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
		"--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--user-data-dir="+profile, "--remote-debugging-pipe", "about:blank")
	cmd.ExtraFiles = []*os.File{theirIn, theirOut}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_, _ = theirIn.Close(), theirOut.Close()
	b := &browser{t: t, to: ourOut, wait: map[int]chan answer{}, loads: make(chan struct{}, 16)}
	read := make(chan struct{})
	go func() {
		defer close(read)
		b.read(ourIn)
	}()
	t.Cleanup(func() {
		_, _ = ourOut.Write([]byte(`{"id":1000000,"method":"Browser.close"}` + "\x00"))
		kill := time.AfterFunc(browserPatience, func() { _ = cmd.Process.Kill() })
		_ = cmd.Wait()
		kill.Stop()
		_ = ourOut.Close()
		_ = ourIn.Close()
		<-read
		_ = os.RemoveAll(profile) // its helpers may still be writing there
	})
	var target struct{ TargetID string }
	b.call("Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	var attached struct{ SessionID string }
	b.call("Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &attached)
	b.session = attached.SessionID
	for _, domain := range []string{"Page", "Runtime", "Log"} {
		b.call(domain+".enable", nil, nil)
	}
	return b
}

func (b *browser) read(from *os.File) {
	in := bufio.NewReaderSize(from, 1<<20)
	for {
		text, err := in.ReadBytes(0)
		if err != nil {
			return
		}
		var a answer
		if json.Unmarshal(text[:len(text)-1], &a) != nil {
			continue
		}
		b.mu.Lock()
		switch a.Method {
		case "":
			if ch := b.wait[a.ID]; ch != nil {
				ch <- a
				delete(b.wait, a.ID)
			}
		case "Page.loadEventFired":
			select {
			case b.loads <- struct{}{}:
			default:
			}
		case "Log.entryAdded", "Runtime.exceptionThrown":
			b.faults = append(b.faults, string(a.Params))
		}
		b.mu.Unlock()
	}
}

// call asks the browser for something and waits for its answer.
func (b *browser) call(method string, params, into any) {
	b.t.Helper()
	ch := make(chan answer, 1)
	b.mu.Lock()
	b.last++
	id := b.last
	b.wait[id] = ch
	b.mu.Unlock()
	if params == nil {
		params = struct{}{}
	}
	body, err := json.Marshal(map[string]any{"id": id, "method": method, "params": params, "sessionId": b.session})
	if b.session == "" {
		body, err = json.Marshal(map[string]any{"id": id, "method": method, "params": params})
	}
	if err == nil {
		_, err = b.to.Write(append(body, 0))
	}
	if err != nil {
		b.t.Fatal(err)
	}
	select {
	case a := <-ch:
		if a.Error != nil {
			b.t.Fatalf("%s: %s", method, a.Error.Message)
		}
		if into != nil {
			if err := json.Unmarshal(a.Result, into); err != nil {
				b.t.Fatalf("%s: %v", method, err)
			}
		}
	case <-time.After(browserPatience):
		b.t.Fatalf("%s: no answer", method)
	}
}

// load goes to an address and waits until it has loaded.
func (b *browser) load(url string) {
	b.t.Helper()
	b.settle()
	b.call("Page.navigate", map[string]any{"url": url}, nil)
	b.loaded()
}

// settle forgets loads that nobody waited for.
func (b *browser) settle() {
	for len(b.loads) > 0 {
		<-b.loads
	}
}

func (b *browser) loaded() {
	b.t.Helper()
	select {
	case <-b.loads:
	case <-time.After(browserPatience):
		b.t.Fatal("the page does not load")
	}
}

// eval gives the value of a JavaScript expression; promises are waited for.
func (b *browser) eval(expression string, into any) {
	b.t.Helper()
	if err := b.tryEval(expression, into); err != nil {
		b.t.Fatal(err)
	}
}

func (b *browser) tryEval(expression string, into any) error {
	b.t.Helper()
	var out struct {
		Result           struct{ Value json.RawMessage }
		ExceptionDetails *struct{ Exception struct{ Description string } }
	}
	b.call("Runtime.evaluate", map[string]any{"expression": expression, "awaitPromise": true, "returnByValue": true}, &out)
	if out.ExceptionDetails != nil {
		return errors.New(expression + ": " + out.ExceptionDetails.Exception.Description)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(out.Result.Value, into)
}

// until waits in the page until an expression is true.
func (b *browser) until(what, expression string) {
	b.t.Helper()
	var ok bool
	b.eval(fmt.Sprintf(`new Promise((done) => { const end = Date.now() + %d; const look = () => { let ok = false; try { ok = !!(%s); } catch {}
		ok || Date.now() > end ? done(ok) : setTimeout(look, 50); }; look(); })`, browserPatience.Milliseconds()/2, expression), &ok)
	if !ok {
		var text string
		b.eval("document.title + '\\n' + document.querySelector('main').innerText", &text)
		b.t.Fatalf("%s: not within %s on\n%s", what, browserPatience/2, text)
	}
}

// click presses what an expression names and waits for the page that follows.
func (b *browser) click(expression string) {
	b.t.Helper()
	b.settle()
	b.eval(fmt.Sprintf(`(() => { const e = %s; if (!e) throw new Error("nothing to press"); e.click(); })()`, expression), nil)
	b.loaded()
}

// screen sets size and scheme.
func (b *browser) screen(width, height int, dark bool) {
	b.t.Helper()
	scheme := "light"
	if dark {
		scheme = "dark"
	}
	b.call("Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}, nil)
	b.call("Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{{"name": "prefers-color-scheme", "value": scheme}}}, nil)
}

// shoot writes a picture of the whole page to the folder BRIDGE_SCREENSHOTS, when it is set.
func (b *browser) shoot(name string) {
	b.t.Helper()
	folder := os.Getenv("BRIDGE_SCREENSHOTS")
	if folder == "" {
		return
	}
	var shot struct{ Data string }
	b.call("Page.captureScreenshot", map[string]any{"format": "png", "captureBeyondViewport": true}, &shot)
	picture, err := base64.StdEncoding.DecodeString(shot.Data)
	if err != nil {
		b.t.Fatal(err)
	}
	name = strings.Trim(strings.NewReplacer("/", "-", "?", "-", "&", "-", "=", "-").Replace(name), "-")
	if err := os.WriteFile(filepath.Join(folder, name+".png"), picture, 0o600); err != nil {
		b.t.Fatal(err)
	}
}

// complaints gives what the browser complained of since the last time.
func (b *browser) complaints() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	faults := b.faults
	b.faults = nil
	return faults
}
