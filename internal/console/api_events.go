package console

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"bridge/internal/events"
	"bridge/internal/ops"
)

func (c *Console) apiStatus(w http.ResponseWriter, r *http.Request, _ identity) error {
	status, err := c.Desk.Status(r.Context())
	if err != nil {
		return err
	}
	return reply(w, http.StatusOK, status)
}

func (c *Console) apiCheck(w http.ResponseWriter, r *http.Request, _ identity) error {
	needs, err := c.Desk.Check(r.Context())
	if err != nil {
		return err
	}
	return reply(w, http.StatusOK, struct {
		Needs []ops.Need `json:"needs"`
	}{some(needs)})
}

// some makes an empty list print as [].
func some[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

func (c *Console) apiEvents(w http.ResponseWriter, r *http.Request, who identity) error {
	if err := onlyFilters(r, "limit", "cursor"); err != nil {
		return err
	}
	f, err := filterOf(r)
	if err != nil {
		return err
	}
	limit, err := numberOf(r, "limit", 0)
	if err != nil {
		return err
	}
	if limit == 0 && r.URL.Query().Get("limit") != "" {
		return &refusal{status: http.StatusBadRequest, detail: "limit is at least 1"}
	}
	page, err := c.Desk.List(r.Context(), f, limit, r.URL.Query().Get("cursor"))
	if err != nil {
		return err
	}
	var next *string
	if page.Next != "" {
		next = &page.Next
	}
	return reply(w, http.StatusOK, struct {
		Events []events.Row `json:"events"`
		Next   *string      `json:"next"`
	}{who.rows(page.Rows), next})
}

func numberOf(r *http.Request, name string, otherwise int) (int, error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return 0, &refusal{status: http.StatusBadRequest, detail: name + " is no number"}
	}
	return n, nil
}

func refOf(r *http.Request) ops.Ref {
	q := r.URL.Query()
	return ops.Ref{ID: r.PathValue("id"), Account: q.Get("account"), Source: q.Get("source")}
}

// eventAnswer is one event with all that is known of it.
type eventAnswer struct {
	events.Row
	Event    *events.Event   `json:"event"`
	Message  *messageAnswer  `json:"message,omitempty"`
	Steps    []stepAnswer    `json:"steps"`
	Timeline []events.Change `json:"timeline"`
	Served   []callAnswer    `json:"served"` // calls that worked for it
	Behind   int             `json:"behind"` // later events of the contact that wait for it
	Ahead    int             `json:"ahead"`  // earlier ones that it waits for
	First    string          `json:"first,omitempty"`
	Plan     *events.Plan    `json:"plan"`
}

// messageAnswer is what came over NATS and is no event. The body is text, or base64 where it is none.
type messageAnswer struct {
	Subject string              `json:"subject"`
	Header  map[string][]string `json:"header,omitempty"`
	Body    string              `json:"body"`
	Base64  bool                `json:"base64,omitempty"`
}

// message shows viewers the subject only: in the rest there may be anything.
func (who identity) message(m *events.Message) *messageAnswer {
	switch {
	case m == nil:
		return nil
	case who.role < Operator:
		return &messageAnswer{Subject: m.Subject}
	case utf8.Valid(m.Body):
		return &messageAnswer{Subject: m.Subject, Header: m.Header, Body: string(m.Body)}
	}
	return &messageAnswer{Subject: m.Subject, Header: m.Header, Body: base64.StdEncoding.EncodeToString(m.Body), Base64: true}
}

// callAnswer is a call with what was said in it, as far as that is kept.
type callAnswer struct {
	events.ServedCall
	Exchange *events.Exchange `json:"exchange"`
}

type stepAnswer struct {
	N        int                  `json:"n"`
	ID       string               `json:"id"`
	Rule     string               `json:"rule"`
	Do       events.StepKind      `json:"do"`
	Target   string               `json:"target,omitempty"`
	State    events.StepState     `json:"state"`
	Calls    int                  `json:"calls"`
	Note     string               `json:"note,omitempty"`
	Attempts []events.StepAttempt `json:"attempts"`
}

func (c *Console) apiEvent(w http.ResponseWriter, r *http.Request, who identity) error {
	sheet, err := c.Desk.Show(r.Context(), refOf(r))
	if err != nil {
		return err
	}
	return reply(w, http.StatusOK, who.sheet(sheet))
}

// sheet is what somebody may see of an event.
func (who identity) sheet(s ops.Sheet) eventAnswer {
	hide := func(text string) string { return text }
	if who.role < Operator {
		hide = maskText
	}
	out := eventAnswer{
		Row: who.row(s.Row), Event: who.event(s.Event), Plan: who.plan(s.Plan), Behind: s.Behind, Ahead: s.Ahead, First: s.First,
		Steps: []stepAnswer{}, Timeline: []events.Change{}, Served: []callAnswer{},
	}
	for _, l := range s.Lines {
		step := stepAnswer{N: l.N, ID: hide(l.ID), Rule: l.Rule, Do: l.Do, Target: hide(l.Target), State: l.State, Calls: l.Calls, Note: hide(l.Note), Attempts: []events.StepAttempt{}}
		for _, a := range l.Attempts {
			a.Detail = hide(a.Detail)
			step.Attempts = append(step.Attempts, a)
		}
		out.Steps = append(out.Steps, step)
	}
	for _, ch := range s.Changes {
		ch.Detail, ch.Step = hide(ch.Detail), hide(ch.Step)
		out.Timeline = append(out.Timeline, ch)
	}
	for _, call := range s.Served {
		call.Error = hide(call.Error)
		steps := make([]string, len(call.Steps))
		for i, id := range call.Steps {
			steps[i] = hide(id)
		}
		call.Steps = steps
		answer := callAnswer{ServedCall: call}
		if x, ok := s.Said[call.ID]; ok {
			answer.Exchange = who.exchange(&x)
		}
		out.Served = append(out.Served, answer)
	}
	out.Message = who.message(s.Message)
	return out
}

// planAnswer compares what is stored with today's rules.
type planAnswer struct {
	Rules   []string      `json:"rules"`
	Steps   []planLine    `json:"steps"`
	Calls   []events.Call `json:"calls"`   // that a replay would make
	Lookups []events.Call `json:"lookups"` // … and at most these, for what is not known yet
}

type planLine struct {
	ID     string          `json:"id"`
	Rule   string          `json:"rule"`
	Do     events.StepKind `json:"do"`
	Target string          `json:"target,omitempty"`
	Change string          `json:"change"` // same, added, removed
	Done   bool            `json:"done"`
}

func (c *Console) apiPlan(w http.ResponseWriter, r *http.Request, who identity) error {
	cmp, err := c.Desk.Compare(r.Context(), refOf(r))
	if err != nil {
		return err
	}
	return reply(w, http.StatusOK, who.compare(cmp))
}

func (who identity) compare(cmp ops.Compare) planAnswer {
	out := planAnswer{Rules: some(cmp.Today.Rules), Steps: []planLine{}, Calls: some(who.calls(cmp.Calls)), Lookups: some(who.calls(cmp.Lookups))}
	for _, l := range cmp.Lines {
		line := planLine{ID: l.Step.ID, Rule: l.Step.Rule, Do: l.Step.Do, Target: l.Step.Target, Change: l.Change, Done: l.Done}
		if who.role < Operator {
			line.ID, line.Target = maskText(line.ID), maskText(line.Target)
		}
		out.Steps = append(out.Steps, line)
	}
	return out
}

func (c *Console) apiFailures(w http.ResponseWriter, r *http.Request, who identity) error {
	groups, err := c.Desk.Index.FailureGroups(r.Context(), r.URL.Query().Get("account"))
	if err != nil {
		return err
	}
	for i := range groups {
		groups[i].Sample = who.row(groups[i].Sample)
	}
	return reply(w, http.StatusOK, struct {
		Groups []events.FailureGroup `json:"groups"`
	}{some(groups)})
}

func (c *Console) apiPublish(w http.ResponseWriter, r *http.Request, _ identity) error {
	var in struct {
		Account string            `json:"account"`
		Source  string            `json:"source"`
		Events  []json.RawMessage `json:"events"`
	}
	if err := take(r, &in); err != nil {
		return err
	}
	published, err := c.Desk.Publish(r.Context(), in.Account, in.Source, in.Events)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(published, func(p ops.Published) bool { return p.Status != ops.Refused }) {
		return &refusal{status: http.StatusUnprocessableEntity, detail: "none of the events can be taken: " + published[0].Detail, published: published}
	}
	return reply(w, http.StatusAccepted, struct {
		Events []ops.Published `json:"events"`
	}{some(published)})
}

// seriesOf reads account, since, until and step.
func seriesOf(r *http.Request, back, step time.Duration) (events.Series, error) {
	q := r.URL.Query()
	now := time.Now().UTC()
	s := events.Series{Account: q.Get("account"), Since: now.Add(-back), Until: now.Add(time.Minute), Step: step}
	f, err := filterOf(r)
	if err != nil {
		return s, err
	}
	if !f.Since.IsZero() {
		s.Since = f.Since
	}
	if !f.Until.IsZero() {
		s.Until = f.Until
	}
	switch q.Get("step") {
	case "":
	case "minute":
		s.Step = time.Minute
	case "hour":
		s.Step = time.Hour
	case "day":
		s.Step = 24 * time.Hour
	default:
		return s, &refusal{status: http.StatusBadRequest, detail: "step is none of minute, hour, day"}
	}
	return s, nil
}
