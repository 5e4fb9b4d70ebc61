package keap

import (
	"errors"
	"fmt"
	"time"
)

// Kind is what went wrong, as a closed list. Its text is stable: a log key, a metric label.
type Kind string

// The kinds of errors. The first group never reached Keap.
const (
	KindInvalid     Kind = "invalid"     // checked here and refused before sending; Field names the culprit
	KindCredential  Kind = "credential"  // no usable token: never logged in, or the refresh token is lost
	KindUnreachable Kind = "unreachable" // no connection: DNS, refused, no route; nothing was sent
	KindTLS         Kind = "tls"         // no trust in the other end; nothing was sent
	KindCancelled   Kind = "cancelled"   // the caller's context ended; Sent tells whether the request was out

	KindTimeout    Kind = "timeout"    // no answer in time; Sent tells whether the request was out
	KindReset      Kind = "reset"      // the connection broke; Sent as above
	KindUnreadable Kind = "unreadable" // a 2xx whose body is not what it should be: HTML, truncated, no id
	KindWrongURL   Kind = "wrong_url"  // something answers, but it is not Keap's API
	KindBrownout   Kind = "brownout"   // XML-RPC answered with anything but a response, a fault, 401, 403 or 429
	KindFault      Kind = "fault"      // an XML-RPC fault; Code is its number
	KindRefused    Kind = "refused"    // 400 and 422: Keap rejects the content
	KindDenied     Kind = "denied"     // 401, confirmed
	KindForbidden  Kind = "forbidden"  // 403
	KindNotFound   Kind = "not_found"  // 404 of Keap itself: no such contact, tag, …
	KindMissing    Kind = "missing"    // 405, 501, a 404 of the gateway: this Keap has no such operation
	KindConflict   Kind = "conflict"   // 409
	KindTooLarge   Kind = "too_large"  // 413, 414: fewer ids in one call
	KindThrottled  Kind = "throttled"  // 429; Throttle says which window, RetryAfter how long
	KindServer     Kind = "server"     // 500, 502, 504 and other 5xx: it may have happened
	KindOverloaded Kind = "overloaded" // 503
)

// Window is a quota window that a 429 speaks of.
type Window string

// The windows. WindowUnknown: the headers do not tell, which happens on 429s of the minute window above all.
const (
	WindowUnknown      Window = ""
	WindowSecond       Window = "second"
	WindowMinute       Window = "minute"
	WindowDay          Window = "day"
	WindowTenantMinute Window = "tenant_minute"
	WindowTenantDay    Window = "tenant_day"
)

// Error is every failure of this package. Message, Hint and Error() are for people and hold no secret; they may
// quote what Keap said. Err is the private cause, for logs at debug level.
type Error struct {
	Kind       Kind
	Operation  string // as in the log of calls: contacts.upsert
	Status     int    // HTTP status; 0 without an answer
	Message    string
	Hint       string // the next step for whoever runs this; may be empty
	Field      string // Invalid: the field, by its name at Keap
	Code       string // Keap's own code: Apigee errorcode or XML-RPC fault number
	Sent       bool   // the request may have reached Keap
	Answered   bool   // an HTTP status came back
	RetryAfter time.Duration
	Throttle   Window
	Err        error
}

func (e *Error) Error() string {
	if e.Operation == "" {
		return "keap: " + e.Message
	}
	return "keap: " + e.Operation + ": " + e.Message
}

func (e *Error) Unwrap() error { return e.Err }

// KindOf is the Kind of err, "" when it is no *Error.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return ""
}

// invalid refuses content before anything is sent.
func invalid(operation, field, format string, args ...any) *Error {
	message := fmt.Sprintf(format, args...)
	if field != "" {
		message = field + " " + message
	}
	return &Error{Kind: KindInvalid, Operation: operation, Field: field, Message: message, Hint: hints[KindInvalid]}
}

// hints tell an operator what to do next. Kinds whose message says it all have none.
var hints = map[Kind]string{
	KindInvalid:     "correct the rule or the sender's data, then replay the event",
	KindCredential:  "run bridge keys login for this account",
	KindUnreachable: "check BRIDGE_KEAP_BASE_URL, DNS, the network and status.thryv.com; nothing was sent",
	KindTLS:         "check the address, a proxy that re-signs TLS, the system's certificates and its clock; nothing was sent",
	KindTimeout:     "Keap is slow or the network drops packets; see status.thryv.com and BRIDGE_KEAP_TIMEOUT",
	KindReset:       "the network or a proxy closed the connection; see status.thryv.com",
	KindUnreadable:  "a proxy or Keap's gateway cut or replaced the answer; see status.thryv.com",
	KindWrongURL:    "BRIDGE_KEAP_BASE_URL must lead to Keap's API and end in /crm, as in https://api.infusionsoft.com/crm",
	KindBrownout:    "XML-RPC has planned outages and ends on 31 December 2026; give the action set a replace_with",
	KindFault:       "look at the contact and the action set in Keap, then replay the event",
	KindRefused:     "correct what Keap names in the rule or the sender's data, then replay the event",
	KindDenied:      "the key was deleted or belongs elsewhere: make a new one under Settings > API in Keap and run bridge keys rotate",
	KindForbidden:   "the key's user lacks a permission: use a service account key, or give the user access in Keap",
	KindNotFound:    "it was deleted or merged in Keap; bridge check --online lists what rules name and Keap does not have",
	KindMissing:     "this Keap does not offer the operation; check BRIDGE_KEAP_BASE_URL",
	KindConflict:    "something else changed it at the same moment; look at it in Keap, then replay the event",
	KindTooLarge:    "send fewer ids in one call",
	KindThrottled:   "the quota is used up, perhaps by another integration on the account; it resumes by itself",
	KindServer:      "a fault inside Keap; see status.thryv.com",
	KindOverloaded:  "Keap is overloaded or down for maintenance; see status.thryv.com",
}
