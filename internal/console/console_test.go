package console

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"bridge/internal/secret"
	"bridge/test/office"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// desk is a console over an office, served for real.
type desk struct {
	*office.Office
	t       *testing.T
	console *Console
	server  *httptest.Server
	client  *http.Client
	log     *bytes.Buffer
}

func newDesk(t *testing.T, change func(*Options)) *desk {
	t.Helper()
	return newDeskOver(t, office.New(t), change)
}

func newDeskOver(t *testing.T, o *office.Office, change func(*Options)) *desk {
	t.Helper()
	d := &desk{Office: o, t: t, log: &bytes.Buffer{}}
	opt := Options{Desk: d.Desk, Version: "test", Log: slog.New(slog.NewTextHandler(d.log, &slog.HandlerOptions{Level: slog.LevelInfo}))}
	if change != nil {
		change(&opt)
	}
	d.console = New(opt)
	d.server = httptest.NewServer(d.console)
	d.client = &http.Client{
		Transport:     &http.Transport{},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	t.Cleanup(func() {
		_ = d.console.Close()
		d.client.CloseIdleConnections()
		d.server.Close()
	})
	return d
}

// Tokens of the tests.
const (
	adminToken    = "admin-token-0123456789abcdef"
	operatorToken = "operator-token-0123456789abcdef"
	viewerToken   = "viewer-token-0123456789abcdef"
)

func withTokens(o *Options) {
	o.Token = secret.New(adminToken)
	o.Tokens = []Token{
		{Role: Operator, Name: "olga", Hash: sha256.Sum256([]byte(operatorToken))},
		{Role: Viewer, Name: "vera", Hash: sha256.Sum256([]byte(viewerToken))},
	}
}

// ask sends a request; headers are pairs. A body is sent as JSON unless a header says otherwise.
func (d *desk) ask(method, path, body string, headers ...string) (*http.Response, string) {
	d.t.Helper()
	req, err := http.NewRequestWithContext(d.t.Context(), method, d.server.URL+path, strings.NewReader(body))
	if err != nil {
		d.t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		if headers[i] == "Host" {
			req.Host = headers[i+1]
			continue
		}
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := d.client.Do(req)
	if err != nil {
		d.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		d.t.Fatal(err)
	}
	return res, string(text)
}

// answer asks and wants a status; into gets the JSON.
func (d *desk) answer(status int, into any, method, path, body string, headers ...string) string {
	d.t.Helper()
	res, text := d.ask(method, path, body, headers...)
	if res.StatusCode != status {
		d.t.Fatalf("%s %s: %d, want %d: %s", method, path, res.StatusCode, status, text)
	}
	if into != nil {
		if err := json.Unmarshal([]byte(text), into); err != nil {
			d.t.Fatalf("%s %s: %v in %s", method, path, err, text)
		}
	}
	return text
}

func bearer(token string) []string { return []string{"Authorization", "Bearer " + token} }
