package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const testKey = "KeapAK-0123456789abcdef"

// morning is the time of tests that need one.
var morning = time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)

// newTest is a simulator at a clock that stands still.
func newTest(t *testing.T) *Server {
	t.Helper()
	s := New(Options{Now: func() time.Time { return morning }, Seed: 1})
	s.mustSet(t, Settings{Keys: map[string]Key{testKey: {App: "ab123"}}})
	return s
}

func (s *Server) mustSet(t *testing.T, in Settings) {
	t.Helper()
	if err := s.SetSettings(in); err != nil {
		t.Fatal(err)
	}
}

// result is an answer, read.
type result struct {
	status int
	header http.Header
	body   string
	err    error // of the transport or of reading the body
}

// do calls the simulator in memory with testKey.
func (s *Server) do(t *testing.T, method, path, body string) result {
	t.Helper()
	return s.doAs(t, testKey, method, path, body)
}

func (s *Server) doAs(t *testing.T, key, method, path, body string) result {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://keap.example.com"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if key != "" {
		req.Header.Set("X-Keap-API-Key", key)
	}
	return s.send(req)
}

func (s *Server) send(req *http.Request) result {
	res, err := s.Transport().RoundTrip(req)
	if err != nil {
		return result{err: err}
	}
	b, err := io.ReadAll(res.Body)
	_ = res.Body.Close()
	return result{res.StatusCode, res.Header, string(b), err}
}

// want checks the status and returns the body as JSON.
func (r result) want(t *testing.T, status int) any {
	t.Helper()
	if r.err != nil || r.status != status {
		t.Fatalf("answered %d %s (%v), want %d", r.status, r.body, r.err, status)
	}
	if r.body == "" {
		return nil
	}
	if r.header.Get("Content-Type") == "" {
		t.Fatalf("body without Content-Type: %s", r.body)
	}
	d := json.NewDecoder(bytes.NewReader([]byte(r.body)))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%s: %v", r.body, err)
	}
	return v
}

// at reads a value out of JSON: names of objects and numbers of lists.
func at(t *testing.T, v any, path ...any) any {
	t.Helper()
	for _, p := range path {
		switch p := p.(type) {
		case string:
			m, good := v.(map[string]any)
			if !good {
				t.Fatalf("%v of %v: no object", p, v)
			}
			v = m[p]
		case int:
			l, good := v.([]any)
			if !good || p >= len(l) {
				t.Fatalf("%v of %v: no list, or too short", p, v)
			}
			v = l[p]
		}
	}
	return v
}

// wait lets virtual time pass.
func wait(t *testing.T, d time.Duration) {
	t.Helper()
	if err := sleep(t.Context(), d); err != nil {
		t.Fatal(err)
	}
}

func contextOf(t *testing.T) (context.Context, context.CancelFunc) {
	t.Helper()
	return context.WithCancel(t.Context())
}
