package keap

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// one is a call that is not safe to repeat, with a body.
func one(c *Client) error {
	_, err := c.CreateCompany(context.Background(), "Example Ltd")
	return err
}

func asError(t *testing.T, err error) *Error {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("error is %T: %v", err, err)
	}
	return e
}

// The shapes in which Keap and its gateway refuse.
const (
	saysV1      = `{"message":"BILLING Region is invalid"}`
	saysNoProxy = `{"fault":{"faultstring":"Unable to identify proxy for this path","detail":{"errorcode":"messaging.adaptors.http.flow.ApplicationNotFound"}}}`
	saysV2      = `{"code":404,"message":"Contact not found","status":"NOT_FOUND","details":[]}`
	saysFault   = `{"fault":{"faultstring":"Invalid Access Token","detail":{"errorcode":"keymanagement.service.invalid_access_token"}}}`
	saysHTML    = "<html><body>Bad gateway</body></html>"
)

// statuses are answers and what becomes of them.
var statuses = []struct {
	status  int
	body    string
	kind    Kind
	message string
}{
	{400, saysV1, KindRefused, "Keap answered 400 Bad Request: BILLING Region is invalid"},
	{401, saysFault, KindDenied, "Keap does not accept the credential (401): Invalid Access Token"},
	{403, saysV1, KindForbidden, "Keap answered 403 Forbidden: BILLING Region is invalid"},
	{404, saysV2, KindNotFound, "Keap answered 404 Not Found: Contact not found"},
	{404, ``, KindNotFound, "Keap answered 404 Not Found"},
	{404, saysNoProxy, KindMissing, "Keap answered 404 Not Found: Unable to identify proxy for this path"},
	{404, saysHTML, KindWrongURL, "the answer (404) is not from Keap's API"},
	{405, saysHTML, KindWrongURL, "the answer (405) is not from Keap's API"},
	{405, saysV2, KindMissing, "Keap answered 405 Method Not Allowed: Contact not found"},
	{406, ``, KindRefused, "Keap answered 406 Not Acceptable"},
	{409, saysV1, KindConflict, "Keap answered 409 Conflict: BILLING Region is invalid"},
	{412, ``, KindConflict, "Keap answered 412 Precondition Failed"},
	{413, saysHTML, KindTooLarge, "Keap answered 413 Request Entity Too Large"},
	{414, saysHTML, KindTooLarge, "Keap answered 414 Request URI Too Long"},
	{415, ``, KindRefused, "Keap answered 415 Unsupported Media Type"},
	{418, ``, KindRefused, "Keap answered 418 I'm a teapot"},
	{422, saysV2, KindRefused, "Keap answered 422 Unprocessable Entity: Contact not found"},
	{429, `{"code":"429","message":"Quota Exceeded","status":"Request Throttled","details":null}`, KindThrottled, "over the quota (429): Quota Exceeded"},
	{431, ``, KindTooLarge, "Keap answered 431 Request Header Fields Too Large"},
	{500, saysV1, KindServer, "Keap answered 500 Internal Server Error: BILLING Region is invalid"},
	{501, saysV1, KindMissing, "Keap answered 501 Not Implemented: BILLING Region is invalid"},
	{502, saysHTML, KindServer, "Keap answered 502 Bad Gateway"},
	{503, saysHTML, KindOverloaded, "Keap answered 503 Service Unavailable"},
	{504, saysHTML, KindServer, "Keap answered 504 Gateway Timeout"},
	{599, ``, KindServer, "Keap answered 599 HTTP status"},
	{302, ``, KindWrongURL, "the answer (302) is not from Keap's API"},
	{200, saysHTML, KindUnreadable, "Keap answered 200 with HTML or XML instead of JSON"},
	{200, ``, KindUnreadable, "Keap answered 200 with an empty answer"},
	{200, `{"id":"1`, KindUnreadable, "Keap answered 200 with truncated or broken JSON"},
	{200, `nonsense`, KindUnreadable, "Keap answered 200 with text instead of JSON"},
	{200, `[]`, KindUnreadable, "Keap answered 200 with JSON of an unexpected shape"},
	{200, `{"id":"1"} {}`, KindUnreadable, "Keap answered 200 with truncated or broken JSON"},
	{201, `{}`, KindUnreadable, "Keap answered 201 with no id"},
	{204, ``, KindUnreadable, "Keap answered 204 with an empty answer"},
}

func TestStatuses(t *testing.T) {
	for _, tc := range statuses {
		t.Run(fmt.Sprintf("%d %.20s", tc.status, tc.body), func(t *testing.T) {
			_, c := newFake(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Location", "https://elsewhere.example.com/")
				says(tc.status, tc.body)(w, r)
			})
			e := asError(t, one(c))
			if e.Kind != tc.kind || e.Message != tc.message {
				t.Errorf("got %s %q\nwant %s %q", e.Kind, e.Message, tc.kind, tc.message)
			}
			if e.Status != tc.status || !e.Sent || !e.Answered || e.Hint == "" || e.Operation != "companies.create" {
				t.Errorf("%+v", e)
			}
		})
	}
}

// broken is a transport whose connections fail in a chosen way.
func broken(t *testing.T, url string, transport http.RoundTripper, timeout time.Duration) *Error {
	t.Helper()
	c, err := New(Options{BaseURL: url, Credential: mustKey(t, testKey, ""), Transport: transport, Timeout: timeout})
	if err != nil {
		t.Fatal(err)
	}
	return asError(t, one(c))
}

// cuttingServer takes requests and answers none of them in full.
func cuttingServer(t *testing.T) *httptest.Server {
	release := make(chan struct{})
	cut := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		switch r.URL.Path {
		case "/slow/rest/v2/companies":
			<-release
		case "/half/rest/v2/companies":
			w.Header().Set("Content-Length", "1000")
			_, _ = io.WriteString(w, `{"id":`)
		case "/slowbody/rest/v2/companies":
			_, _ = io.WriteString(w, `{"id":`)
			_ = http.NewResponseController(w).Flush()
			<-release
			return
		}
		conn, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			conn.Close()
		}
	}))
	t.Cleanup(cut.Close)
	t.Cleanup(func() { close(release) })
	return cut
}

func TestTransportFailures(t *testing.T) {
	quiet := log.New(io.Discard, "", 0)
	closed := httptest.NewServer(nil)
	closed.Close()
	secure := httptest.NewUnstartedServer(says(201, `{"id":"1"}`))
	secure.Config.ErrorLog = quiet
	secure.StartTLS()
	t.Cleanup(secure.Close)
	plain := httptest.NewServer(says(201, `{"id":"1"}`))
	t.Cleanup(plain.Close)
	cut := cuttingServer(t)
	dial := func(fail func(ctx context.Context) error) http.RoundTripper {
		return &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return nil, fail(ctx) }}
	}
	for _, tc := range []struct {
		name      string
		url       string
		transport http.RoundTripper
		kind      Kind
		sent      bool
		says      string
	}{
		{"refused", closed.URL, nil, KindUnreachable, false, "no connection to Keap's API at 127.0.0.1"},
		{"no such host", "http://keap.example.com", dial(func(context.Context) error {
			return &net.OpError{Op: "dial", Err: &net.DNSError{Name: "keap.example.com", IsNotFound: true}}
		}), KindUnreachable, false, "no host keap.example.com"},
		{"proxy", "http://keap.example.com", dial(func(context.Context) error { return errors.New("proxy says no") }), KindUnreachable, false, "no connection to Keap's API"},
		{"dial timeout", "http://keap.example.com", dial(func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }), KindTimeout, false, "nothing was sent"},
		{"untrusted", secure.URL, nil, KindTLS, false, "signed by nobody trusted here"},
		{"other name", strings.Replace(secure.URL, "127.0.0.1", "localhost", 1), &http.Transport{TLSClientConfig: &tls.Config{RootCAs: secure.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs}}, KindTLS, false, "for another host"},
		{"plain behind https", strings.Replace(plain.URL, "http", "https", 1), nil, KindTLS, false, "speaks plain HTTP"},
		{"answer timeout", cut.URL + "/slow", nil, KindTimeout, true, "no answer within 1s"},
		{"body timeout", cut.URL + "/slowbody", nil, KindTimeout, true, "no answer within 1s"},
		{"closed after the write", cut.URL, nil, KindReset, true, "the connection broke"},
		{"cut in the body", cut.URL + "/half", nil, KindReset, true, "the connection broke"},
		{"transport without hooks", "http://keap.example.com", noHooks{}, KindReset, true, "the connection broke"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			timeout := 30 * time.Second // far from what a busy machine takes
			if tc.kind == KindTimeout {
				timeout = time.Second
			}
			e := broken(t, tc.url, tc.transport, timeout)
			if e.Kind != tc.kind || e.Sent != tc.sent || !strings.Contains(e.Message, tc.says) || e.Hint == "" {
				t.Errorf("kind %s, sent %v, message %q, hint %q, cause %v", e.Kind, e.Sent, e.Message, e.Hint, e.Err)
			}
			if e.Answered != (tc.name == "body timeout" || tc.name == "cut in the body") {
				t.Errorf("answered = %v", e.Answered)
			}
		})
	}
}

type noHooks struct{}

func (noHooks) RoundTrip(*http.Request) (*http.Response, error) { return nil, errors.New("lost") }

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	release := make(chan struct{})
	_, c := newFake(t, func(http.ResponseWriter, *http.Request) { cancel(); <-release })
	t.Cleanup(func() { close(release) })
	_, err := c.CreateCompany(ctx, "Example Ltd")
	if e := asError(t, err); e.Kind != KindCancelled || !e.Sent || !errors.Is(err, context.Canceled) {
		t.Errorf("under way: %+v", e)
	}
	_, err = c.CreateCompany(ctx, "Example Ltd")
	if e := asError(t, err); e.Kind != KindCancelled || e.Sent {
		t.Errorf("before: %+v", e)
	}
}

func TestBaseURL(t *testing.T) {
	for _, bad := range []string{"", "api.infusionsoft.com/crm", "ftp://api.infusionsoft.com", "https://user:secret@api.infusionsoft.com/crm", "https://api.infusionsoft.com/crm?x=1", "https://", "http://[::1"} {
		_, err := New(Options{BaseURL: bad, Credential: mustKey(t, testKey, "")})
		if e := asError(t, err); e.Kind != KindWrongURL || strings.Contains(e.Error(), "secret") {
			t.Errorf("%q: %+v", bad, e)
		}
	}
	if _, err := New(Options{BaseURL: DefaultBaseURL}); KindOf(err) != KindCredential {
		t.Errorf("without a credential: %v", err)
	}
	for _, good := range []string{DefaultBaseURL, DefaultBaseURL + "/", "http://127.0.0.1:8090/crm"} {
		if _, err := New(Options{BaseURL: good, Credential: mustKey(t, testKey, "")}); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
}

// What Keap says is quoted, but not the key if a gateway should ever repeat it, and not without end.
func TestNoSecretInMessages(t *testing.T) {
	for _, status := range []int{400, 401, 403, 404, 429, 500} {
		_, c := newFake(t, says(status, `{"message":"bad key `+testKey+`\nand `+strings.Repeat("more ", 200)+`"}`))
		e := asError(t, one(c))
		for _, text := range []string{e.Error(), e.Hint, fmt.Sprint(e.Err), fmt.Sprintf("%+v", c.credential)} {
			if strings.Contains(text, "0123456789") || strings.Contains(text, "\n") || len(text) > 500 {
				t.Errorf("%d: %s", status, text)
			}
		}
	}
	if e := broken(t, "http://127.0.0.1:1/crm", nil, 0); strings.Contains(e.Err.Error()+e.Error(), "0123456789") {
		t.Errorf("cause shows the key: %v", e.Err)
	}
}

func TestEveryKindHasAHint(t *testing.T) {
	for kind := range hints {
		if hints[kind] == "" {
			t.Errorf("%s has an empty hint", kind)
		}
	}
	for _, kind := range statusKinds {
		if hints[kind] == "" {
			t.Errorf("%s has no hint", kind)
		}
	}
}

func TestAnswerTooLarge(t *testing.T) {
	_, c := newFake(t, func(w http.ResponseWriter, _ *http.Request) {
		chunk := strings.Repeat(" ", 1<<20)
		for range maxAnswer>>20 + 1 {
			_, _ = io.WriteString(w, chunk)
		}
	})
	if e := asError(t, one(c)); e.Kind != KindUnreadable || !strings.Contains(e.Message, "more than 32 MB") {
		t.Errorf("%+v", e)
	}
}
