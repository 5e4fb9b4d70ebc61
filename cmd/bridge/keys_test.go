package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bridge/internal/app"
	"bridge/internal/config"
	"bridge/internal/ops"
	"bridge/internal/secret"
)

const loginRules = `
accounts:
  default:
    app: ab123
    keap: {oauth2: {client_id: my-client, client_secret: my-secret}}
`

// startLogin runs a bridge whose account logs in, with the sandbox for Keap.
func startLogin(t *testing.T, publicURL string) (a *app.App, flags []string) {
	t.Helper()
	dir := t.TempDir()
	cfg := filepath.Join(dir, "bridge.yaml")
	if err := os.WriteFile(cfg, []byte(loginRules), 0o600); err != nil {
		t.Fatal(err)
	}
	e := config.DefaultEnv()
	e.Config, e.DataDir, e.HTTPAddr, e.ConsoleAddr = cfg, filepath.Join(dir, "data"), "127.0.0.1:0", "127.0.0.1:0"
	e.PublicURL = publicURL
	e.SecretKey = secret.New("a key for this test only, 0123456789")
	a, err := app.Start(t.Context(), app.Settings{Env: e, Sandbox: true, Version: "test", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Stop(); err != nil {
			t.Error(err)
		}
	})
	return a, []string{"--config", cfg, "--data-dir", e.DataDir}
}

// loggingIn is a run of bridge keys login that waits for a code.
type loggingIn struct {
	url   string
	paste io.WriteCloser
	out   strings.Builder
	rest  chan string // of standard error
	code  chan int
}

func beginLogin(t *testing.T, flags []string, args ...string) *loggingIn {
	t.Helper()
	in, paste := io.Pipe()
	errs, told := io.Pipe()
	l := &loggingIn{paste: paste, rest: make(chan string, 1), code: make(chan int, 1)}
	go func() {
		code := run(append(append([]string{"keys", "login"}, args...), flags...), in, &l.out, told)
		_ = told.Close()
		_ = in.Close()
		l.code <- code
	}()
	lines := bufio.NewReader(errs)
	for l.url == "" {
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatalf("exit %d before the address: %s %v", <-l.code, line, err)
		}
		if text := strings.TrimSpace(line); strings.HasPrefix(text, "http") {
			l.url = text
		}
	}
	go func() {
		rest, _ := io.ReadAll(lines)
		l.rest <- string(rest)
	}()
	return l
}

// allow is a person who allows access in a browser; it returns the address that the browser is sent to.
func (l *loggingIn) allow(t *testing.T, url string) string {
	t.Helper()
	c := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	return res.Header.Get("Location")
}

func (l *loggingIn) end(t *testing.T) (code int, errs string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	select {
	case code = <-l.code:
	case <-ctx.Done():
		t.Fatal("the login does not end")
	}
	return code, <-l.rest
}

// TestLoginByBrowser: the browser comes to the loopback address.
func TestLoginByBrowser(t *testing.T) {
	_, flags := startLogin(t, "")
	addr, err := freeAddress()
	if err != nil {
		t.Fatal(err)
	}
	l := beginLogin(t, flags, "--redirect", "http://"+addr+"/")
	defer l.paste.Close()
	back := l.allow(t, l.url)
	for _, stranger := range []string{"http://" + addr + "/", "http://" + addr + "/?code=x&state=guessed"} {
		res, err := http.Get(stranger)
		if err != nil || res.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %v %v", stranger, res, err)
			continue
		}
		_ = res.Body.Close()
	}
	res, err := http.Get(back)
	if err != nil {
		t.Fatal(err)
	}
	page, err := io.ReadAll(res.Body)
	if closed := res.Body.Close(); closed != nil || err != nil || !strings.Contains(string(page), "close this page") {
		t.Errorf("the page says %q, %v", page, err)
	}
	code, errs := l.end(t)
	if code != exitFine || !strings.Contains(l.out.String(), "logged in: account default") {
		t.Fatalf("exit %d: %s%s", code, l.out.String(), errs)
	}
	code, out, errs := bridgeRun(t, append([]string{"check", "--online"}, flags...)...)
	if code != exitFine || !strings.Contains(out, "works (owner@ab123.example.com, ab123)") {
		t.Errorf("check: exit %d\n%s%s", code, out, errs)
	}
	_, out, _ = bridgeRun(t, append([]string{"keys", "ls", "--json"}, flags...)...)
	var row keyRow
	if err := json.Unmarshal([]byte(out), &row); err != nil || row.Created.IsZero() || !row.Active || !strings.HasPrefix(row.Masked, "*****") {
		t.Errorf("keys ls: %s %v", out, err)
	}
}

// TestLoginByPublicAddress: the browser comes to bridge serve, and the command notices.
func TestLoginByPublicAddress(t *testing.T) {
	const public = "https://bridge.example.com"
	a, flags := startLogin(t, public+"/")
	l := beginLogin(t, flags)
	if err := l.paste.Close(); err != nil {
		t.Fatal(err)
	}
	back := l.allow(t, l.url)
	inside, ok := strings.CutPrefix(back, public)
	if !ok || !strings.HasPrefix(inside, "/oauth?") {
		t.Fatalf("the browser was sent to %s", back)
	}
	visit := func(path string) (int, string) {
		res, err := http.Get("http://" + a.HTTPAddr + path)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, string(text)
	}
	for _, stranger := range []string{"/oauth", "/oauth?code=x", "/oauth?code=x&state=guessed", "/oauth?state=" + strings.Repeat("x", 5000)} {
		if status, text := visit(stranger); status != http.StatusBadRequest || !strings.Contains(text, "not begun here") {
			t.Errorf("%.40s: %d %s", stranger, status, text)
		}
	}
	if status, text := visit(inside); status != http.StatusOK || !strings.Contains(text, "the bridge has access now") {
		t.Errorf("%d %s", status, text)
	}
	if code, errs := l.end(t); code != exitFine || !strings.Contains(l.out.String(), "logged in: account default") {
		t.Fatalf("exit %d: %s%s", code, l.out.String(), errs)
	}
	if status, _ := visit(inside); status != http.StatusBadRequest {
		t.Errorf("the same code again: %d", status)
	}
}

// TestLoginByPaste: where no browser can come, the address is pasted; a state works once and for its own login only.
func TestLoginByPaste(t *testing.T) {
	_, flags := startLogin(t, "")
	const away = "https://bridge.example.com/oauth"
	l := beginLogin(t, flags, "--redirect", away)
	back := l.allow(t, l.url)
	if !strings.HasPrefix(back, away+"?") {
		t.Fatalf("the browser was sent to %s", back)
	}
	if _, err := io.WriteString(l.paste, "\n"+back+"\n"); err != nil {
		t.Fatal(err)
	}
	if code, errs := l.end(t); code != exitFine {
		t.Fatalf("exit %d: %s", code, errs)
	}

	for _, tt := range []struct{ name, paste, want string }{
		{"another login's address", back, "the code belongs to another login"},
		{"no code", away + "?state=x", "there is no code"},
		{"access denied", away + "?error=access_denied&error_description=no", "access was not allowed: access_denied: no"},
		{"a code that Keap does not know", "not-a-code", "Keap refused the login"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := beginLogin(t, flags, "--redirect", away)
			if _, err := io.WriteString(l.paste, tt.paste+"\n"); err != nil {
				t.Fatal(err)
			}
			code, errs := l.end(t)
			if code != exitFailed || !strings.Contains(errs, "error: "+tt.want) || !strings.Contains(errs, "hint: ") {
				t.Errorf("exit %d: %s", code, errs)
			}
		})
	}
	t.Run("another Keap application", func(t *testing.T) {
		l := beginLogin(t, flags, "--redirect", away)
		back := l.allow(t, l.url+"&app=zz999")
		if _, err := io.WriteString(l.paste, back+"\n"); err != nil {
			t.Fatal(err)
		}
		code, errs := l.end(t)
		if code != exitFailed || !strings.Contains(errs, "the login is for the Keap application zz999, the configuration says ab123: nothing was stored") {
			t.Errorf("exit %d: %s", code, errs)
		}
		if _, out, _ := bridgeRun(t, append([]string{"check", "--online"}, flags...)...); !strings.Contains(out, "works (owner@ab123.example.com, ab123)") {
			t.Errorf("the earlier login is lost:\n%s", out)
		}
	})
}

func TestRotation(t *testing.T) {
	day := func(n int) time.Time { return time.Date(2026, 11, n, 0, 0, 0, 0, time.UTC) }
	works := func(since time.Time) ops.KeyProof {
		return ops.KeyProof{Works: true, Credential: ops.Credential{Name: "k", Masked: "*****", Created: since}}
	}
	refused := func(since time.Time) ops.KeyProof {
		return ops.KeyProof{Denied: true, Credential: ops.Credential{Name: "k", Masked: "*****", Created: since}}
	}
	away := ops.KeyProof{Error: "no connection"}
	for _, tt := range []struct {
		name    string
		keys    []ops.KeyProof
		step    string
		trouble bool
	}{
		{"one key", []ops.KeyProof{works(day(1))}, stepCreate, false},
		{"one key that is refused", []ops.KeyProof{refused(day(1))}, stepCreate, false},
		{"the new one waits", []ops.KeyProof{works(day(1)), works(day(2))}, stepSwitch, false},
		{"both are new", []ops.KeyProof{works(time.Time{}), works(time.Time{})}, stepSwitch, false},
		{"the new one is in use", []ops.KeyProof{works(day(2)), works(day(1))}, stepRemove, false},
		{"the old one is gone", []ops.KeyProof{works(day(2)), refused(day(1))}, stepTidy, false},
		{"the old one went first", []ops.KeyProof{refused(day(1)), works(day(2))}, stepTidy, false},
		{"the new one is wrong", []ops.KeyProof{works(day(1)), refused(day(2))}, stepCheck, true},
		{"none works", []ops.KeyProof{refused(day(1)), refused(day(2))}, stepCheck, true},
		{"Keap is away", []ops.KeyProof{away, away}, stepCheck, true},
		{"Keap went away", []ops.KeyProof{away, works(day(2))}, stepCheck, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := rotationOf(tt.keys)
			if r.Step != tt.step || r.Trouble != tt.trouble || len(r.Next) == 0 {
				t.Errorf("%+v, want step %s, trouble %v", r, tt.step, tt.trouble)
			}
		})
	}
}
