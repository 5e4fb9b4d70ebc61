package console

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"bridge/internal/events"
	"bridge/internal/ops"
)

// route is one thing that can be asked for.
type route struct {
	method string
	path   string // pattern of http.ServeMux
	role   Role   // that is needed
	page   bool   // answers people, in HTML; else programs, in JSON
	body   int64  // most bytes of a request; maxBody when 0
	handle func(*Console, http.ResponseWriter, *http.Request, identity) error
}

// maxBody bounds what is sent; published events may be more.
const (
	maxBody    = 1 << 20
	maxPublish = 16 << 20
)

// refusal is an error with its HTTP status; detail is public, cause is for the log.
type refusal struct {
	status     int
	detail     string
	retryAfter time.Duration
	published  []ops.Published // what became of each event of a request that is refused as a whole
	cause      error
}

func (e *refusal) Error() string { return e.detail }
func (e *refusal) Unwrap() error { return e.cause }

// problem is an RFC 9457 answer.
type problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	Hint   string `json:"hint,omitempty"`

	Events []ops.Published `json:"events,omitempty"`
}

// answer is the one wrapper: it lets in who may, answers errors, and logs and counts each request.
func (c *Console) answer(rt route) http.Handler {
	return c.secured(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begun := time.Now()
		rec := &recorder{ResponseWriter: w}
		limit := rt.body
		if limit == 0 {
			limit = maxBody
		}
		r.Body = http.MaxBytesReader(rec, r.Body, limit)
		who, err := c.admit(r, rt)
		if err == nil {
			err = rt.handle(c, rec, r, who)
		}
		if err != nil {
			c.refuse(rec, r, rt, who, err)
		}
		took := time.Since(begun)
		if c.Observe != nil {
			c.Observe(rt.method+" "+rt.path, rec.sent(), took)
		}
		c.Log.Debug("console", "method", r.Method, "route", rt.path, "status", rec.sent(), "who", who.name, "took", took)
	}))
}

// admit tells who asks and whether they may.
func (c *Console) admit(r *http.Request, rt route) (identity, error) {
	who, err := c.identify(r)
	if err != nil {
		return who, err
	}
	if rt.role == Nobody {
		return who, nil
	}
	if who.role == Nobody {
		return who, &refusal{status: http.StatusUnauthorized, detail: "a token is needed"}
	}
	if who.role < rt.role {
		return who, &refusal{status: http.StatusForbidden, detail: fmt.Sprintf("this needs the role %s; you have %s", rt.role, who.role)}
	}
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return who, nil
	}
	// Our pages send their key. Without a token, programs of this machine may do everything: what is no browser cannot be
	// led by another site, and JSON is what no other site can make a browser send unasked.
	if c.open() && !rt.page && (isJSON(r) || !byBrowser(r)) {
		return who, nil
	}
	if !who.formOK(r) {
		return who, &refusal{status: http.StatusForbidden, detail: "the form is out of date: load the page again"}
	}
	return who, nil
}

// byBrowser tells whether a browser made the request: all of them say where a change comes from.
func byBrowser(r *http.Request) bool {
	return r.Header.Get("Origin") != "" || r.Header.Get("Sec-Fetch-Site") != ""
}

// refuse answers an error. Inner details go to the log only.
func (c *Console) refuse(w *recorder, r *http.Request, rt route, who identity, err error) {
	p := describe(err)
	if p.Status >= http.StatusInternalServerError && r.Context().Err() == nil {
		c.Log.Error("console request failed", "method", r.Method, "route", rt.path, "who", who.name, "cause", err)
	}
	if w.status != 0 {
		return // the answer had begun
	}
	var ref *refusal
	if errors.As(err, &ref) && ref.retryAfter > 0 {
		w.Header().Set("Retry-After", fmt.Sprint(int((ref.retryAfter+time.Second-1)/time.Second)))
	}
	if rt.page && !strings.HasPrefix(r.URL.Path, "/api/") {
		c.refusePage(w, r, who, p)
		return
	}
	if p.Status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p)
}

// describe is what people may read of an error.
func describe(err error) problem {
	p := problem{Type: "about:blank", Status: http.StatusInternalServerError, Detail: "something failed inside; the log says what"}
	var (
		ref     *refusal
		asked   *ops.Error
		tooLong *http.MaxBytesError
	)
	switch {
	case errors.As(err, &ref):
		p.Status, p.Detail, p.Events = ref.status, ref.detail, ref.published
	case errors.As(err, &asked):
		p.Status = map[ops.ErrorKind]int{ops.Invalid: http.StatusBadRequest, ops.NotFound: http.StatusNotFound,
			ops.Ambiguous: http.StatusConflict, ops.Conflict: http.StatusConflict, ops.Outside: http.StatusBadGateway}[asked.Kind]
		p.Detail, p.Hint = asked.Message, asked.Hint
	case errors.As(err, &tooLong):
		p.Status, p.Detail = http.StatusRequestEntityTooLarge, fmt.Sprintf("the body is longer than %d bytes", tooLong.Limit)
	}
	p.Title = http.StatusText(p.Status)
	return p
}

// secured sets what every answer carries.
func (c *Console) secured(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "+
			"form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

// recorder remembers the status.
type recorder struct {
	http.ResponseWriter
	status int
}

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	return r.ResponseWriter.Write(b)
}

func (r *recorder) sent() int {
	if r.status == 0 {
		return http.StatusOK
	}
	return r.status
}

// Unwrap lets http.ResponseController reach the connection.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// reply writes JSON.
func reply(w http.ResponseWriter, status int, v any) error {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

func isJSON(r *http.Request) bool {
	kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	return strings.TrimSpace(kind) == "application/json"
}

// take reads one JSON document and nothing else.
func take(r *http.Request, into any) error {
	if !isJSON(r) {
		return &refusal{status: http.StatusUnsupportedMediaType, detail: "the body has to be application/json"}
	}
	dec := json.NewDecoder(r.Body)
	dec.DisallowUnknownFields()
	err := dec.Decode(into)
	if err == nil {
		if _, more := dec.Token(); more != io.EOF {
			err = errors.New("there is more than one document")
		}
	}
	var tooLong *http.MaxBytesError
	if err == nil || errors.As(err, &tooLong) {
		return err
	}
	why := strings.TrimPrefix(err.Error(), "json: ")
	if wrong := (*json.UnmarshalTypeError)(nil); errors.As(err, &wrong) {
		why = fmt.Sprintf("%s at %q is of the wrong kind", wrong.Value, wrong.Field)
	}
	return &refusal{status: http.StatusBadRequest, detail: "the body is not what is expected: " + why}
}

// filterOf reads the filter of a list from the query; unknown parameters are the caller's.
func filterOf(r *http.Request) (events.Filter, error) {
	q := r.URL.Query()
	f := events.Filter{
		Account: q.Get("account"), Source: q.Get("source"), Type: q.Get("type"), State: events.State(q.Get("state")),
		Reason: events.Reason(q.Get("reason")), Message: q.Get("message"), Contact: q.Get("contact"), Q: strings.TrimSpace(q.Get("q")), Job: q.Get("job"),
	}
	for name, into := range map[string]*time.Time{"since": &f.Since, "until": &f.Until} {
		text := q.Get(name)
		if text == "" {
			continue
		}
		at, ok := parseTime(text, time.Now())
		if !ok {
			return f, &refusal{status: http.StatusBadRequest, detail: name + " is no time: give 2026-08-07T12:00:00Z, 2026-08-07 or 24h"}
		}
		*into = at
	}
	return f, nil
}

// filters are the parameters that filterOf reads.
var filters = []string{"account", "source", "type", "state", "reason", "message", "contact", "since", "until", "q", "job"}

// onlyFilters refuses parameters that nobody reads: a misspelt filter would choose everything.
func onlyFilters(r *http.Request, more ...string) error {
	for name := range r.URL.Query() {
		if !slices.Contains(filters, name) && !slices.Contains(more, name) {
			return &refusal{status: http.StatusBadRequest, detail: fmt.Sprintf("there is no parameter %q; the filters are %s", name, strings.Join(filters, ", "))}
		}
	}
	return nil
}

// parseTime reads a time, a day (UTC), or how long ago.
func parseTime(text string, now time.Time) (time.Time, bool) {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04", time.DateOnly} {
		if at, err := time.Parse(layout, text); err == nil {
			return at, true
		}
	}
	ago, err := time.ParseDuration(text)
	if err != nil {
		return time.Time{}, false
	}
	return now.Add(-ago.Abs()), true
}
