package keap

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync/atomic"
	"time"
	"unicode"
)

// wire follows one request onto the network. Its hooks may run while the request is being given up.
type wire struct {
	asked atomic.Bool  // the transport reports what it does
	out   atomic.Int64 // when the header was handed over, Unix nanoseconds; 0: not yet
}

func (w *wire) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		GetConn:      func(string) { w.asked.Store(true) },
		WroteHeaders: func() { w.out.Store(time.Now().UnixNano()) },
	}
}

// sent tells whether any of the request may be out. WroteHeaders comes before the last byte of a body leaves, and
// WroteRequest after it over HTTP/2, so the earlier hook is the one that never denies what happened. A transport
// that calls no hooks is believed to have sent.
func (w *wire) sent() bool { return w.out.Load() != 0 || !w.asked.Load() }

func (w *wire) wroteAt(started time.Time) time.Time {
	if at := w.out.Load(); at != 0 {
		return time.Unix(0, at)
	}
	return started
}

// transportError names a failure that left no usable answer.
func (c *Client) transportError(ctx context.Context, operation string, err error, sent bool) *Error {
	e := &Error{Operation: operation, Sent: sent, Err: err}
	var (
		dns       *net.DNSError
		op        *net.OpError
		timeout   interface{ Timeout() bool }
		verify    *tls.CertificateVerificationError
		authority x509.UnknownAuthorityError
		record    tls.RecordHeaderError
		alert     tls.AlertError
	)
	switch {
	case ctx.Err() != nil && !errors.Is(ctx.Err(), context.DeadlineExceeded):
		e.Kind, e.Message = KindCancelled, "given up while it was on its way"
		if !sent {
			e.Message = "given up before it was sent"
		}
	case errors.As(err, &verify), errors.As(err, &authority), errors.As(err, &record), errors.As(err, &alert), errors.Is(err, http.ErrSchemeMismatch):
		e.Kind, e.Sent, e.Message = KindTLS, false, "no secure connection to Keap: "+tlsReason(err)
	case errors.As(err, &timeout) && timeout.Timeout() || errors.Is(err, context.DeadlineExceeded):
		e.Kind, e.Message = KindTimeout, fmt.Sprintf("no answer within %s", c.timeout)
		if !sent {
			e.Message = fmt.Sprintf("no connection within %s; nothing was sent", c.timeout)
		}
	case errors.As(err, &dns):
		e.Kind, e.Sent, e.Message = KindUnreachable, false, "the address of Keap's API cannot be resolved: no host "+dns.Name
	case errors.As(err, &op) && op.Op == "dial":
		e.Kind, e.Sent, e.Message = KindUnreachable, false, "no connection to Keap's API at "+op.Addr.String()
	case !sent:
		e.Kind, e.Message = KindUnreachable, "no connection to Keap's API"
	default:
		e.Kind, e.Message = KindReset, "the connection broke before the answer was complete"
	}
	e.Hint = hints[e.Kind]
	return e
}

func tlsReason(err error) string {
	var (
		host    x509.HostnameError
		unknown x509.UnknownAuthorityError
		bad     x509.CertificateInvalidError
	)
	switch {
	case errors.Is(err, http.ErrSchemeMismatch):
		return "the other end speaks plain HTTP"
	case errors.As(err, &host):
		return "the certificate is for another host"
	case errors.As(err, &unknown):
		return "the certificate is signed by nobody trusted here"
	case errors.As(err, &bad) && bad.Reason == x509.Expired:
		return "the certificate is not valid at this time"
	}
	return "the handshake failed"
}

// statusKinds maps HTTP statuses; the rest goes by its hundred.
var statusKinds = map[int]Kind{
	400: KindRefused, 401: KindDenied, 403: KindForbidden, 404: KindNotFound, 405: KindMissing, 406: KindRefused, 409: KindConflict, 412: KindConflict,
	413: KindTooLarge, 414: KindTooLarge, 415: KindRefused, 422: KindRefused, 429: KindThrottled, 431: KindTooLarge, 501: KindMissing, 503: KindOverloaded,
}

// failure turns an answer that is no 2xx into an *Error.
func (a *answer) failure(r request) *Error {
	said, code, shaped := complaint(a.body)
	kind, ok := statusKinds[a.status]
	switch {
	case ok:
	case a.status >= 500:
		kind = KindServer
	case a.status >= 400:
		kind = KindRefused
	default: // 1xx never gets here; Keap's API does not redirect
		kind = KindWrongURL
	}
	if !shaped && (kind == KindNotFound || kind == KindMissing && a.status == 405) && describeBody(a.body) == htmlBody {
		kind = KindWrongURL
	}
	if kind == KindNotFound && code != "" { // the gateway knows no such path: Keap itself has no codes for what is not there
		kind = KindMissing
	}
	e := &Error{
		Kind: kind, Operation: r.operation, Status: a.status, Code: code, Hint: hints[kind],
		Sent: true, Answered: true, RetryAfter: a.observed.RetryAfter,
	}
	if kind == KindThrottled {
		e.Throttle = throttle(a.observed, code)
	}
	e.Message = statusText(e)
	said = a.proof.hide(said)
	if said != "" {
		e.Message += ": " + said
	}
	return e
}

func statusText(e *Error) string {
	switch e.Kind {
	case KindWrongURL:
		return fmt.Sprintf("the answer (%d) is not from Keap's API", e.Status)
	case KindThrottled:
		if e.Throttle == WindowUnknown {
			return "over the quota (429)"
		}
		return fmt.Sprintf("over the quota of the %s (429)", strings.ReplaceAll(string(e.Throttle), "_", " "))
	case KindDenied:
		return "Keap does not accept the credential (401)"
	}
	text := http.StatusText(e.Status)
	if text == "" {
		text = "HTTP status"
	}
	return fmt.Sprintf("Keap answered %d %s", e.Status, text)
}

// unreadable reports a 2xx that cannot be used. What was asked for has probably happened.
func (a *answer) unreadable(operation, what string, err error) *Error {
	return &Error{
		Kind: KindUnreadable, Operation: operation, Status: a.status, Hint: hints[KindUnreadable], Sent: true, Answered: true,
		Message: fmt.Sprintf("Keap answered %d with %s", a.status, what), Err: err,
	}
}

// complaint reads what Keap's errors say: v1 {"message"}, v2 {"code","message","status","details"} and the
// gateway's {"fault":{"faultstring","detail":{"errorcode"}}}. shaped tells whether it was one of these.
func complaint(body []byte) (said, code string, shaped bool) {
	var b struct {
		Message string
		Fault   *struct {
			FaultString string
			Detail      struct{ ErrorCode string }
		}
	}
	if json.Unmarshal(body, &b) != nil {
		return "", "", false
	}
	if b.Fault != nil {
		return oneLine(b.Fault.FaultString), oneLine(b.Fault.Detail.ErrorCode), true
	}
	return oneLine(b.Message), "", b.Message != ""
}

// longestQuote bounds what is quoted of an answer.
const longestQuote = 300

// oneLine makes text of an answer fit for a log line.
func oneLine(text string) string {
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }), " ")
	if len(text) > longestQuote {
		text = strings.ToValidUTF8(text[:longestQuote], "") + "…"
	}
	return text
}

// withOperation puts the operation into an error of a credential. The operation itself was not sent.
func withOperation(err error, operation string) error {
	var e *Error
	if !errors.As(err, &e) {
		return &Error{Kind: KindCredential, Operation: operation, Message: "no usable token", Hint: hints[KindCredential], Err: err}
	}
	named := *e
	named.Operation = operation
	return &named
}
