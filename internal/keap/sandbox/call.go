package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// call is one API call that the gateway let pass.
type call struct {
	ctx      context.Context
	version  int // 1, 2, versionXMLRPC or versionNone
	args     []string
	query    url.Values
	header   http.Header
	body     []byte
	origin   string
	path     string
	now      time.Time
	visible  time.Time // when the answer is out: a contact made by the call can be met from then on
	flags    flags
	cred     credential
	subjects []string
	after    func(context.Context) reply // gives the answer instead, without the tenant's lock: it makes requests of its own
}

// about notes whom the call concerns, for the log.
func (c *call) about(kind string, ids ...ref) {
	for _, id := range ids {
		c.subjects = append(c.subjects, kind+":"+id.String())
	}
}

// reply is what a handler answers. A body is encoded as JSON unless it is []byte.
type reply struct {
	status int
	body   any
	kind   string // Content-Type; "": JSON
}

func ok(body any) reply      { return reply{status: http.StatusOK, body: body} }
func created(body any) reply { return reply{status: http.StatusCreated, body: body} }
func accepted() reply        { return reply{status: http.StatusAccepted} }
func none() reply            { return reply{status: http.StatusNoContent} }

// apiError is the v2 error; its status is a number there and a text in the throttle's body.
type apiError struct {
	Code    int           `json:"code"`
	Message string        `json:"message"`
	Status  string        `json:"status"`
	Details []errorDetail `json:"details"`
}

type errorDetail struct {
	Domain   string `json:"domain"`
	Resource string `json:"resource"`
}

// fail is an error as the API version of the call words it.
func (c *call) fail(status int, message string) reply {
	if c.version == 2 {
		return reply{status: status, body: apiError{Code: status, Message: message, Status: http.StatusText(status), Details: []errorDetail{}}}
	}
	return reply{status: status, body: struct {
		Message string `json:"message"`
	}{message}}
}

func (c *call) bad(message string) reply       { return c.fail(http.StatusBadRequest, message) }
func (c *call) missing(what string) reply      { return c.fail(http.StatusNotFound, what+" not found") }
func (c *call) notFound(kind, id string) reply { return c.missing(kind + " " + id) }

// serveCall is the gateway: authentication, then quota, then routing, then faults, then the call itself.
func (s *Server) serveCall(req *request) answer {
	version, route, args := match(req.method, req.path)
	operation := route.operation
	if operation == "" {
		operation = "unknown"
	}
	if version == versionXMLRPC && req.method == http.MethodPost {
		operation = xmlrpcOperation(req.body)
	}

	s.mu.Lock()
	now := s.nowLocked()
	line := Line{At: now, Operation: operation, Method: req.method, Path: req.path}
	cred, denied := s.authenticateLocked(req, now)
	line.Credential, line.App = mask(cred.value), cred.app
	if denied != "" {
		defer s.mu.Unlock()
		return s.denyLocked(line, denied)
	}
	g := s.gatesLocked(cred, now)
	if full := g.admit(now); full.any() {
		a := s.throttleLocked(g, now, full)
		line.Status = a.status
		s.recordLocked(line, full)
		s.mu.Unlock()
		return a
	}
	rule := s.faultLocked(operation, cred.app)
	a := answer{header: s.headersLocked(g, now, false), wait: s.latencyLocked()}
	t := s.tenantLocked(cred.app)
	c := &call{
		ctx: req.ctx, version: version, args: args, query: req.query, header: req.header, body: req.body,
		origin: req.origin, path: req.path, now: now, visible: now.Add(a.wait), flags: s.settings.flags, cred: cred,
	}
	outage := s.outageLocked(version, now)
	s.mu.Unlock()

	switch {
	case rule != nil && !rule.kind.happens():
	case outage != nil:
		a.status, a.kind, a.body = outage.status, outage.kind, outage.body
	default:
		a.status, a.kind, a.body = t.run(c, route, req)
	}
	if rule != nil {
		a = rule.spoil(a, version)
		line.Fault = &rule.Fault.Fault
	}
	line.Subjects, line.Status = c.subjects, a.status
	if a.fault == faultTimeoutBefore || a.fault == faultTimeoutAfter || a.fault == faultReset {
		line.Status = 0
	}
	s.mu.Lock()
	s.recordLocked(line, closed{})
	s.mu.Unlock()
	s.log.Debug("sandbox call", "operation", operation, "status", line.Status, "app", cred.app, "fault", rule != nil)
	return a
}

// denyLocked is the 401 of a call of nobody: it has the names of the quota headers and no numbers.
func (s *Server) denyLocked(line Line, body string) answer {
	line.Status = http.StatusUnauthorized
	s.recordLocked(line, closed{})
	a := answer{status: line.Status, kind: "application/json", body: []byte(body)}
	if s.settings.headers != "none" {
		a.header = quotaHeaders(nil, "")
	}
	return a
}

// run does the call and encodes its answer, all under the tenant's lock.
func (t *tenant) run(c *call, r route, req *request) (status int, kind string, body []byte) {
	switch {
	case c.version == versionXMLRPC && req.method == http.MethodPost:
		r.handle = serveXMLRPC
	case r.handle == nil && c.version == versionNone:
		return http.StatusNotFound, "application/json", []byte(noProxy)
	case r.handle == nil:
		r.handle = func(_ *tenant, c *call) reply {
			return c.fail(http.StatusNotImplemented, "the sandbox does not simulate "+req.method+" "+req.path)
		}
	}
	t.mu.Lock()
	status, kind, body = encode(r.handle(t, c))
	t.mu.Unlock()
	if c.after != nil {
		status, kind, body = encode(c.after(c.ctx))
	}
	return status, kind, body
}

const noProxy = `{"fault":{"faultstring":"Unable to identify proxy for this path","detail":{"errorcode":"messaging.adaptors.http.flow.ApplicationNotFound"}}}`

func encode(out reply) (status int, kind string, body []byte) {
	if out.body == nil {
		return out.status, "", nil
	}
	kind = out.kind
	if kind == "" {
		kind = "application/json;charset=UTF-8"
	}
	if raw, ok := out.body.([]byte); ok {
		return out.status, kind, raw
	}
	b, err := json.Marshal(out.body)
	if err != nil { // a value of ours that JSON cannot hold
		return http.StatusInternalServerError, "text/plain", []byte("sandbox: " + err.Error())
	}
	return out.status, kind, b
}

// throttleLocked is the refusal of a call above a limit (keap-api §3.5). The body does not tell which.
func (s *Server) throttleLocked(g gates, now time.Time, full closed) answer {
	a := answer{status: http.StatusTooManyRequests, kind: "application/json", header: s.headersLocked(g, now, true)}
	a.body = []byte(`{"code":"429","message":"Quota Exceeded","status":"Request Throttled","details":null}`)
	if s.settings.throttle == "apigee" {
		code := "policies.ratelimit.QuotaViolation"
		if full.second && !full.minute && !full.day {
			code = "policies.ratelimit.SpikeArrestViolation"
		}
		a.body = []byte(`{"fault":{"faultstring":"Rate limit quota violation. Quota limit  exceeded. Identifier : ` +
			g.app + `","detail":{"errorcode":"` + code + `"}}}`)
	}
	if s.settings.retryAfter {
		seconds := (g.reopens(now, full) + time.Second - 1) / time.Second
		a.header = append(a.header, headerField{"Retry-After", strconv.Itoa(max(1, int(seconds)))})
	}
	return a
}

func (s *Server) headerModeLocked(refused bool) string {
	if refused && s.settings.headers429 != "same" {
		return s.settings.headers429
	}
	return s.settings.headers
}

func (s *Server) headersLocked(g gates, now time.Time, refused bool) []headerField {
	switch s.headerModeLocked(refused) {
	case "none":
		return nil
	case "blank":
		return quotaHeaders(nil, "")
	}
	return g.headers(now)
}

func (s *Server) latencyLocked() time.Duration {
	lo, hi := s.settings.latency[0], s.settings.latency[1]
	if hi == lo {
		return lo
	}
	return lo + time.Duration(s.rng.Int64N(int64(hi-lo)+1))
}

// gatewayBody is the body of an error that the gateway or the application gives without having done anything.
func gatewayBody(status, version int) (kind string, body []byte) {
	kind = "application/json"
	switch {
	case status == http.StatusUnauthorized:
		return kind, []byte(badCredential)
	case status == http.StatusTooManyRequests:
		return kind, []byte(`{"code":"429","message":"Quota Exceeded","status":"Request Throttled","details":null}`)
	case status >= http.StatusBadGateway:
		return kind, []byte(`{"fault":{"faultstring":"The Service is temporarily unavailable","detail":{"errorcode":"messaging.adaptors.http.flow.ServiceUnavailable"}}}`)
	}
	c := call{version: version}
	var b bytes.Buffer
	_ = json.NewEncoder(&b).Encode(c.fail(status, "simulated failure: "+strings.ToLower(http.StatusText(status))).body) // plain structs: cannot fail
	return kind, bytes.TrimSpace(b.Bytes())
}
