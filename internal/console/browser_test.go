package console

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// browser is one tab of a real Chromium.
type browser struct {
	t   *testing.T
	ctx context.Context

	mu     sync.Mutex
	faults []string // what the browser complained of
}

// browserPatience is how long anything in the browser may take.
const browserPatience = 30 * time.Second

// openBrowser starts Chromium, headless and silent towards the network, or skips the test by name where there is none.
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
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU)
	for _, quiet := range []string{"disable-background-networking", "disable-component-update", "disable-sync", "disable-quic", "disable-domain-reliability", "no-pings"} {
		options = append(options, chromedp.Flag(quiet, true))
	}
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	b := &browser{t: t}
	ctx, leave := chromedp.NewContext(allocator, chromedp.WithListener(b.listen))
	b.ctx = ctx
	t.Cleanup(func() {
		leave()
		stop()
	})
	b.do(chromedp.Navigate("about:blank"), chromedp.Func(func(ctx context.Context, tab *chromedp.Target) error {
		_, err := cdp.Call(ctx, tab, log.Enable, cdp.Empty{})
		return err
	}))
	return b
}

// listen notes what the browser complains of.
func (b *browser) listen(event any) {
	complaint := ""
	switch e := event.(type) {
	case *log.EventEntryAdded:
		complaint = fmt.Sprint(e.Entry.Level, " ", e.Entry.Text, " ", e.Entry.URL)
	case *runtime.EventExceptionThrown:
		complaint = fmt.Sprint(e.ExceptionDetails.Text, " ", e.ExceptionDetails.URL)
	default:
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.faults = append(b.faults, complaint)
}

// complaints gives what the browser complained of since the last time.
func (b *browser) complaints() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	faults := b.faults
	b.faults = nil
	return faults
}

// do runs steps in the tab, in order.
func (b *browser) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.t.Fatal(err)
	}
}

// load goes to an address and waits until it has loaded.
func (b *browser) load(url string) {
	b.t.Helper()
	b.within(chromedp.Navigate(url))
}

// click presses what a CSS selector finds first and waits for the page that follows.
func (b *browser) click(selector string) {
	b.t.Helper()
	b.within(func(ctx context.Context, tab *chromedp.Target) (chromedp.Void, error) {
		_, err := chromedp.RunResponse(ctx, chromedp.Click(chromedp.CSS(selector)))
		return chromedp.Void{}, err
	})
}

// within runs a step that must end within browserPatience.
func (b *browser) within(step chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, browserPatience)
	defer cancel()
	if err := chromedp.Do(ctx, step); err != nil {
		b.t.Fatalf("%v on\n%s", err, b.text())
	}
}

// write types text into a field, key by key.
func (b *browser) write(selector, text string) {
	b.t.Helper()
	b.within(chromedp.SendKeys(chromedp.CSS(selector), text))
}

// press sends keys to whatever has the focus.
func (b *browser) press(keys string) {
	b.t.Helper()
	b.within(chromedp.KeyEvent(keys))
}

// until waits in the page until an expression is true.
func (b *browser) until(what, expression string) {
	b.t.Helper()
	// Looked at now and then, not with each frame: a headless tab need not draw any.
	if _, err := chromedp.Run(b.ctx, chromedp.Poll[bool]("!!("+expression+")", chromedp.WithPollingInterval(50*time.Millisecond), chromedp.WithPollingTimeout(browserPatience))); err != nil {
		b.t.Fatalf("%s: %v on\n%s", what, err, b.text())
	}
}

// text is what the page says.
func (b *browser) text() string {
	text, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](`location.pathname + ": " + document.title + "\n" + (document.querySelector("main") || document.body).innerText`))
	return text + errorText(err)
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return " (" + err.Error() + ")"
}

// eval gives the value of a JavaScript expression; promises are waited for.
func eval[T any](b *browser, expression string) T {
	b.t.Helper()
	value, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil && !errors.Is(err, chromedp.ErrJSUndefined) {
		b.t.Fatal(err)
	}
	return value
}

// screen sets size and scheme.
func (b *browser) screen(width, height int64, dark bool) {
	b.t.Helper()
	scheme := "light"
	if dark {
		scheme = "dark"
	}
	var options []chromedp.EmulateViewportOption
	if width < 500 {
		options = append(options, chromedp.EmulateMobile)
	}
	b.do(chromedp.EmulateViewport(width, height, options...), chromedp.Func(func(ctx context.Context, tab *chromedp.Target) error {
		_, err := cdp.Call(ctx, tab, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		})
		return err
	}))
}

// artefacts is where pictures of the pages are put: BRIDGE_SCREENSHOTS, or else artefacts/console of the project.
func artefacts(t *testing.T) string {
	t.Helper()
	folder := os.Getenv("BRIDGE_SCREENSHOTS")
	if folder == "" {
		folder = filepath.Join("..", "..", "artefacts", "console")
	}
	if err := os.MkdirAll(folder, 0o750); err != nil {
		t.Fatal(err)
	}
	return folder
}

// shoot writes a picture of the whole page.
func (b *browser) shoot(name string) {
	b.t.Helper()
	picture, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
	if err != nil {
		b.t.Fatal(err)
	}
	name = strings.Trim(strings.NewReplacer("/", "-", "?", "-", "&", "-", "=", "-").Replace(name), "-")
	if err := os.WriteFile(filepath.Join(artefacts(b.t), name+".png"), picture, 0o600); err != nil {
		b.t.Fatal(err)
	}
}
