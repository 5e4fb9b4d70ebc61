package keap

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"bridge/internal/quota"
)

// DefaultBaseURL is where Keap's REST and XML-RPC interfaces begin.
const DefaultBaseURL = "https://api.infusionsoft.com/crm"

// maxAnswer bounds the body of an answer: a page of 1,000 contacts with many custom fields stays far below.
const maxAnswer = 32 << 20

// Options are what a Client needs. BaseURL and Credential are required.
type Options struct {
	BaseURL    string // up to and including /crm
	Credential Credential
	Transport  http.RoundTripper // nil: http.DefaultTransport
	Timeout    time.Duration     // for one request with its answer; 0: 10 s

	// Observe gets what the headers of every answer say, refusals included. nil: nobody listens. It is called
	// from the calling goroutine, before the method returns.
	Observe func(quota.Observation)

	// Extra is asked before a request beyond the one that a method is documented to make: the confirmation of a
	// 401, the fallback of a goal to v1. An error gives that request up. nil: always allowed.
	Extra func(ctx context.Context) error
}

// Client talks to one Keap account. It is safe for concurrent use and starts no goroutines of its own.
type Client struct {
	base       string
	credential Credential
	http       *http.Client
	timeout    time.Duration
	observe    func(quota.Observation)
	extra      func(ctx context.Context) error
	goalsOnV1  atomic.Bool // this Keap has no v2 goals
}

// New makes a Client. It fails without a credential and on a base URL that cannot be one.
func New(o Options) (*Client, error) {
	base, err := checkBase(o.BaseURL)
	if err != nil {
		return nil, err
	}
	if o.Credential == nil {
		return nil, &Error{Kind: KindCredential, Field: "credential", Message: "there is no credential",
			Hint: "give the account a service_account_key, personal_access_token or oauth2"}
	}
	c := &Client{base: base, credential: o.Credential, timeout: o.Timeout, observe: o.Observe, extra: o.Extra}
	if c.timeout <= 0 {
		c.timeout = 10 * time.Second
	}
	c.http = &http.Client{
		Transport: o.Transport,
		// Keap's API never redirects; following would show the key to another host.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return c, nil
}

func checkBase(text string) (string, error) {
	u, err := url.Parse(strings.TrimSuffix(text, "/"))
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return "", &Error{Kind: KindWrongURL, Field: "base URL", Message: "the base URL is not an http(s) address without user and query", Hint: hints[KindWrongURL]}
	}
	return u.String(), nil
}

// request is one request to Keap.
type request struct {
	operation string // as in the log of calls
	method    string
	path      string   // below the base URL, with {names} where ids go
	at        []string // those ids, in order
	query     url.Values
	body      any    // sent as JSON; nil: no body
	xml       []byte // sent as it is (XML-RPC); nil: REST
}

func get(operation, path string, at ...string) request {
	return request{operation: operation, method: http.MethodGet, path: path, at: at}
}

func post(operation, path string, body any, at ...string) request {
	return request{operation: operation, method: http.MethodPost, path: path, at: at, body: body}
}

func (r request) with(query url.Values) request {
	r.query = query
	return r
}

// target is the path with its ids and query. Ids are checked: slashes and dots would lead elsewhere.
func (r request) target() (string, error) {
	out := r.path
	for _, text := range r.at {
		before, rest, _ := strings.Cut(out, "{")
		name, after, _ := strings.Cut(rest, "}")
		if err := checkSegment(r.operation, name, text); err != nil {
			return "", err
		}
		out = before + text + after
	}
	if len(r.query) > 0 {
		out += "?" + r.query.Encode()
	}
	return out, nil
}

// answer is what came back.
type answer struct {
	status   int
	header   http.Header
	body     []byte
	proof    Proof // what the request showed, so that no message repeats it
	took     time.Duration
	observed quota.Observation
}

// do is the one door to Keap: it sends, reads the quota headers, and either decodes a 2xx into out (nil: any
// body will do) or returns an *Error. An out that embeds made must get an id.
func (c *Client) do(ctx context.Context, r request, out any) (*answer, error) {
	a, err := c.send(ctx, r)
	if err != nil {
		return nil, err
	}
	if a.status < 200 || a.status > 299 {
		return a, a.failure(r)
	}
	if out == nil { // whatever Keap says with its 2xx, but no page of a proxy
		if what := describeBody(a.body); what == htmlBody {
			return a, a.unreadable(r.operation, what, nil)
		}
		return a, nil
	}
	if err := decode(a.body, out); err != nil {
		return a, a.unreadable(r.operation, describeBody(a.body), err)
	}
	if m, ok := out.(interface{ lacksID() bool }); ok && m.lacksID() {
		return a, a.unreadable(r.operation, "no id", nil)
	}
	return a, nil
}

// send makes the request, more than once where a 401 has to be confirmed or another key takes over. That is safe
// for every operation: Keap's gateway authenticates before it routes.
func (c *Client) send(ctx context.Context, r request) (*answer, error) {
	target, err := r.target()
	if err != nil {
		return nil, err
	}
	payload := r.xml
	if r.body != nil {
		if payload, err = json.Marshal(r.body); err != nil {
			return nil, invalid(r.operation, "", "the request cannot be written as JSON: %v", err)
		}
	}
	refused := Refusal{}
	for {
		proof, err := c.credential.Authorize(ctx)
		if err != nil {
			return nil, withOperation(err, r.operation)
		}
		a, err := c.once(ctx, r, target, payload, proof)
		if err != nil || a.status != http.StatusUnauthorized {
			return a, err
		}
		if !proof.Value.Equal(refused.Proof.Value.Reveal()) {
			refused.Same = 0
		}
		refused = Refusal{Proof: proof, Same: refused.Same + 1, Total: refused.Total + 1}
		again, err := c.credential.Refused(ctx, refused)
		if err != nil {
			return nil, withOperation(err, r.operation)
		}
		if !again || c.extra != nil && c.extra(ctx) != nil {
			return a, nil
		}
	}
}

// once makes exactly one HTTP request.
func (c *Client) once(ctx context.Context, r request, target string, payload []byte, proof Proof) (*answer, error) {
	if err := ctx.Err(); err != nil {
		return nil, &Error{Kind: KindCancelled, Operation: r.operation, Message: "given up before it was sent", Err: err}
	}
	var w wire
	limited, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	req, err := c.build(httptrace.WithClientTrace(limited, w.trace()), r, target, payload, proof)
	if err != nil {
		return nil, err
	}
	heard := overheard(ctx)
	heard.asked(&r, target, payload, proof)
	started := time.Now()
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.transportError(ctx, r.operation, err, w.sent())
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	at := time.Now()
	heard.got(resp.StatusCode, body, proof)
	a := &answer{status: resp.StatusCode, header: resp.Header, body: body, proof: proof, took: at.Sub(started)}
	a.observed = observation(resp.StatusCode, resp.Header, w.wroteAt(started), at)
	a.observed.Operation = r.operation
	if c.observe != nil {
		c.observe(a.observed)
	}
	switch {
	case err != nil && a.status/100 == 2:
		failed := c.transportError(ctx, r.operation, err, true)
		failed.Status, failed.Answered = a.status, true
		return nil, failed
	case len(body) > maxAnswer:
		return nil, a.unreadable(r.operation, fmt.Sprintf("an answer of more than %d MB", maxAnswer>>20), nil)
	}
	return a, nil
}

func (c *Client) build(ctx context.Context, r request, target string, payload []byte, proof Proof) (*http.Request, error) {
	var body io.Reader
	if payload != nil {
		body = bytes.NewReader(payload)
	}
	req, err := http.NewRequestWithContext(ctx, r.method, c.base+target, body)
	if err != nil {
		return nil, invalid(r.operation, "", "the request's address cannot be formed")
	}
	proof.apply(req.Header)
	req.Header.Set("User-Agent", "bridge-keap/1")
	switch {
	case r.xml != nil:
		req.Header.Set("Content-Type", "text/xml")
		req.Header.Set("Accept", "text/xml")
	default:
		req.Header.Set("Accept", "application/json")
		if payload != nil {
			req.Header.Set("Content-Type", "application/json")
		}
	}
	return req, nil
}

// decode reads one JSON document and nothing behind it.
func decode(body []byte, out any) error {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if err := d.Decode(out); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return fmt.Errorf("text behind the JSON document")
	}
	return nil
}

const htmlBody = "HTML or XML instead of JSON"

// describeBody says in words what is wrong with a body that cannot be decoded.
func describeBody(body []byte) string {
	trimmed := bytes.TrimSpace(body)
	switch {
	case len(trimmed) == 0:
		return "an empty answer"
	case trimmed[0] == '<':
		return htmlBody
	case !json.Valid(trimmed) && (trimmed[0] == '{' || trimmed[0] == '['):
		return "truncated or broken JSON"
	case !json.Valid(trimmed):
		return "text instead of JSON"
	}
	return "JSON of an unexpected shape"
}
