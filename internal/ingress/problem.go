package ingress

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"bridge/internal/sources"
)

// problem is an RFC 9457 body. It never holds inner details: those are in the log.
type problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail,omitempty"`
}

// failure is an answer that is no success: what the sender may read, and what the log has to say.
type failure struct {
	status     int
	detail     string
	outcome    string // label of the metric
	retryAfter time.Duration
	allow      []string // methods, with 405
	cause      error
}

func (f *failure) Error() string { return f.detail }
func (f *failure) Unwrap() error { return f.cause }

// notAuthentic is the one answer to a wrong signature, an unknown account and an unknown source: whoever
// guesses learns nothing.
func notAuthentic(cause error) *failure {
	return &failure{status: http.StatusUnauthorized, outcome: "unauthorized", cause: cause,
		detail: "the request is not authentic: check the address and the secret"}
}

// stranger is the answer where there is no such source: that of a source that takes POST, as most do, and knows none of
// the sender's secrets.
func stranger(method string) *failure {
	cause := errors.New("no such account or source")
	if method == http.MethodPost {
		return notAuthentic(cause)
	}
	f := refused(sources.MethodNotTaken())
	f.cause, f.allow = cause, []string{http.MethodPost}
	return f
}

func tooLarge() *failure {
	return &failure{status: http.StatusRequestEntityTooLarge, outcome: "too_large", detail: "the body is larger than this source may send (max_body)"}
}

// ErrTooLarge is what an Intake answers, wrapped or not, to an event that it can never take.
var ErrTooLarge = errors.New("the event is larger than can be stored")

func unavailable(cause error) *failure {
	if errors.Is(cause, ErrTooLarge) {
		return &failure{status: http.StatusRequestEntityTooLarge, outcome: "too_large", cause: cause, detail: "the event is larger than can be stored"}
	}
	return &failure{status: http.StatusServiceUnavailable, outcome: "unavailable", cause: cause, retryAfter: 10 * time.Second,
		detail: "the event could not be stored and was not accepted; send it again"}
}

// refused turns a source's refusal into the answer.
func refused(err error) *failure {
	var r *sources.Refusal
	if !errors.As(err, &r) {
		return unavailable(err)
	}
	if r.Status == http.StatusUnauthorized {
		return notAuthentic(err)
	}
	outcome := "refused"
	if r.Status == http.StatusForbidden {
		outcome = "forbidden"
	}
	detail := r.Public
	if r.Hint != "" {
		detail += " (" + r.Hint + ")"
	}
	return &failure{status: r.Status, detail: detail, outcome: outcome, cause: err}
}

func (f *failure) write(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Set("Cache-Control", "no-store")
	if f.retryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int((f.retryAfter+time.Second-1)/time.Second)))
	}
	if len(f.allow) > 0 {
		h.Set("Allow", strings.Join(f.allow, ", "))
	}
	w.WriteHeader(f.status)
	_ = json.NewEncoder(w).Encode(problem{Type: "about:blank", Title: http.StatusText(f.status), Status: f.status, Detail: f.detail})
}
