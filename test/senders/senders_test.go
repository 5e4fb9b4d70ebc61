// Package senders lets the senders' own libraries, as they are published on npm, sign and emit real requests to the
// ingress, and check what the bridge signs itself.
package senders

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"bridge/internal/events"
	"bridge/internal/ingress"
	"bridge/internal/secret"
	"bridge/internal/sources"
)

// demanded makes it a failure when npm or its packages cannot be had. .ci/run sets it.
const demanded = "BRIDGE_TEST_NPM"

// shelf is an intake that keeps what it is given.
type shelf struct {
	mu   sync.Mutex
	kept []events.Event
}

func (s *shelf) Accept(_ context.Context, batch []events.Event) ([]bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kept = append(s.kept, batch...)
	return make([]bool, len(batch)), nil
}

func configured(t *testing.T) map[string]sources.Source {
	t.Helper()
	of := func(text string) sources.Secrets { return sources.Secrets{secret.New(text)} }
	const whsec = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	out := map[string]sources.Source{}
	for _, cfg := range []sources.Config{
		{Kind: "stripe", Secret: of("whsec_of_stripe")},
		{Kind: "standard", Secret: of(whsec)},
		{Kind: "svix", Secret: of(whsec)},
		{Kind: "shopify", Secret: of("a-secret-of-the-app")},
		{Kind: "cloudevents", Token: of("a-token-of-the-publisher")},
	} {
		src, mistakes := sources.New(cfg.Kind, "default", cfg, sources.Deps{Remember: 90 * 24 * time.Hour})
		if len(mistakes) > 0 {
			t.Fatal(mistakes)
		}
		out[cfg.Kind] = src
	}
	return out
}

// TestOfficialLibraries needs node and npm. Without them it says so and leaves it at that, unless BRIDGE_TEST_NPM is set.
func TestOfficialLibraries(t *testing.T) {
	dir := install(t)
	found, store := configured(t), &shelf{}
	srv := httptest.NewServer(ingress.New(ingress.Options{
		Intake: store, Observe: func(ingress.Seen) {}, Log: slog.New(slog.DiscardHandler), Now: time.Now,
		Route: func(_, source string) (ingress.Route, bool) {
			return ingress.Route{Source: found[source], MaxBody: 1 << 20}, found[source] != nil
		},
	}))
	defer srv.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", "senders.mjs", srv.URL)
	cmd.Dir, cmd.Stdin, cmd.Stderr = dir, bytes.NewReader(signedHere(t, found)), t.Output()
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		var said struct {
			Name   string
			Result any
		}
		if err := json.Unmarshal(lines.Bytes(), &said); err != nil {
			t.Fatalf("%s: %v", lines.Text(), err)
		}
		sender, what, _ := strings.Cut(said.Name, " ")
		seen[sender]++
		if !expected(what, said.Result) {
			t.Errorf("%s: %v", said.Name, said.Result)
		}
	}
	t.Logf("requests by library: %v", seen)
	for kind := range found {
		if seen[kind] < 5 {
			t.Errorf("%s did %d things only", kind, seen[kind])
		}
		if !store.has(kind + "@example.com") {
			t.Errorf("nothing of %s was kept", kind)
		}
	}
}

func expected(what string, result any) bool {
	switch {
	case strings.Contains(what, "refused"):
		return result == float64(http.StatusUnauthorized)
	case strings.Contains(what, "accepted"):
		return result == float64(http.StatusAccepted) || result == "accepted"
	case what == "signed here":
		return result == "believed"
	}
	return result == "not believed"
}

func (s *shelf) has(email string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.kept {
		if e.Data.Contact != nil && e.Data.Contact.Email == email {
			return true
		}
	}
	return false
}

// signedHere is what bridge send would post, for the libraries to check.
func signedHere(t *testing.T, found map[string]sources.Source) []byte {
	t.Helper()
	type request struct {
		Kind    string            `json:"kind"`
		Headers map[string]string `json:"headers"`
		Body    string            `json:"body"`
	}
	var all []request
	for kind, event := range map[string]string{"stripe": "", "standard": "", "svix": "", "shopify": "orders/paid"} {
		signed, err := found[kind].(sources.Signer).Sign(event, []byte(`{"id": "evt_1", "object": "event"}`))
		if err != nil {
			t.Fatal(err)
		}
		r := request{Kind: kind, Headers: map[string]string{}, Body: string(signed.Body)}
		for name := range signed.Header {
			r.Headers[name] = signed.Header.Get(name)
		}
		all = append(all, r)
	}
	text, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// install puts the pinned libraries into a folder of the user's cache, once for each version of the lock file.
func install(t *testing.T) string {
	t.Helper()
	lock, err := os.ReadFile("testdata/npm/package-lock.json")
	if err != nil {
		t.Fatal(err)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = t.TempDir()
	}
	sum := sha256.Sum256(lock)
	dir := filepath.Join(cache, "bridge-test-npm", hex.EncodeToString(sum[:8]))
	for _, name := range []string{"package.json", "package-lock.json", "senders.mjs"} {
		text, err := fs.ReadFile(os.DirFS("testdata/npm"), name)
		if err == nil {
			err = os.MkdirAll(dir, 0o755)
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), text, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	done := filepath.Join(dir, "installed")
	if _, err := os.Stat(done); err == nil {
		if _, err := exec.LookPath("node"); err == nil {
			return dir
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		if os.Getenv(demanded) != "" {
			t.Fatalf("npm ci: %v\n%s", err, out)
		}
		t.Skipf("NOT RUN: the senders' own libraries (stripe, svix, standardwebhooks, @shopify/shopify-api, cloudevents) "+
			"could not be installed with npm: %v\n%s", err, out)
	}
	if err := os.WriteFile(done, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}
