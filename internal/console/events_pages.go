package console

import (
	"bytes"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"bridge/internal/events"
	"bridge/internal/ops"
)

type eventsBody struct {
	Filter   events.Filter
	Since    string
	Until    string
	Rows     []events.Row
	Next     string // query of the next page
	First    bool
	Accounts []string
	Types    []string
	Sources  []string
	Chosen   int // active filters
	Query    string
}

func (c *Console) eventsPage(w http.ResponseWriter, r *http.Request, who identity) error {
	f, err := filterOf(r)
	if err != nil {
		return err
	}
	q := r.URL.Query()
	page, err := c.Desk.List(r.Context(), f, 50, q.Get("cursor"))
	if err != nil {
		return err
	}
	body := eventsBody{Filter: f, Since: q.Get("since"), Until: q.Get("until"), Rows: who.rows(page.Rows), First: q.Get("cursor") == ""}
	if page.Next != "" {
		next := r.URL.Query()
		next.Set("cursor", page.Next)
		body.Next = next.Encode()
	}
	chosen := r.URL.Query()
	chosen.Del("cursor")
	for name := range chosen {
		if chosen.Get(name) == "" {
			chosen.Del(name)
		}
	}
	body.Chosen, body.Query = len(chosen), chosen.Encode()
	if err := c.choices(r, &body); err != nil {
		return err
	}
	return c.render(w, r, who, http.StatusOK, "events", view{Title: "Events", Section: "events", Live: body.First, Body: body})
}

// choices lists what the filter can be set to, from the events that there are.
func (c *Console) choices(r *http.Request, body *eventsBody) error {
	tallies, err := c.Desk.Index.Tallies(r.Context())
	if err != nil {
		return err
	}
	for _, t := range tallies {
		body.Accounts = append(body.Accounts, t.Account)
		body.Types = append(body.Types, t.Type)
		body.Sources = append(body.Sources, t.Source)
	}
	const most = 200
	for _, list := range []*[]string{&body.Accounts, &body.Types, &body.Sources} {
		slices.Sort(*list)
		*list = slices.Compact(*list)
		*list = slices.DeleteFunc(*list, func(s string) bool { return s == "" })
		*list = (*list)[:min(len(*list), most)]
	}
	return nil
}

type eventBody struct {
	eventAnswer
	Name    string
	Email   string // of the contact; "" for viewers
	Data    string // the CloudEvent, for reading
	Compare *planAnswer
	Moments []moment
	Waits   string // how its account stands, while it is not settled
	Level   string
	Can     struct{ Replay, Discard bool }
}

// Sent shows what a step sends, as planned; "" for viewers, and for steps that have nothing but a target.
func (b eventBody) Sent(id string) (string, error) {
	if b.Plan == nil {
		return "", nil
	}
	for _, s := range b.Plan.Steps {
		if s.ID != id {
			continue
		}
		text, err := json.MarshalIndent(struct {
			Contact  *events.ContactStep  `json:"contact,omitempty"`
			Owner    *events.OwnerStep    `json:"owner,omitempty"`
			Goal     *events.GoalStep     `json:"goal,omitempty"`
			Sequence *events.SequenceStep `json:"sequence,omitempty"`
			Note     *events.NoteStep     `json:"note,omitempty"`
			Task     *events.TaskStep     `json:"task,omitempty"`
			Order    *events.OrderStep    `json:"order,omitempty"`
			Email    *events.EmailStep    `json:"email,omitempty"`
		}{s.Contact, s.Owner, s.Goal, s.Sequence, s.Note, s.Task, s.Order, s.Email}, "", "  ")
		if err != nil || string(text) == "{}" {
			return "", err
		}
		return string(text), nil
	}
	return "", nil
}

// moment is one entry of the timeline: the arrival, a change or a call.
type moment struct {
	events.Change
	Call *callAnswer
	Text string
}

// saidAtMost bounds what a page shows of what was said to Keap, as it is written into the page; the API gives all that is kept.
const saidAtMost = 30_000

// Said prints what was said in a call, for reading.
func (m moment) Said() string {
	x := m.Call.Exchange
	text := x.Method + " " + x.Target + printed(x.Sent)
	if x.Status == 0 {
		return text + "\n\nno answer"
	}
	return text + fmt.Sprintf("\n\n%d", x.Status) + printed(x.Answered)
}

// printed sets a body below its heading, JSON indented.
func printed(x events.Excerpt) string {
	if x.Text == "" {
		return ""
	}
	var out bytes.Buffer
	if json.Indent(&out, []byte(x.Text), "", "  ") != nil {
		out.Reset()
		out.WriteString(x.Text)
	}
	if more := x.Size - len(x.Text); more > 0 && len(x.Text) > 100 {
		fmt.Fprintf(&out, "\n… %d bytes more", more)
	}
	return "\n" + out.String()
}

func (c *Console) eventPage(w http.ResponseWriter, r *http.Request, who identity) error {
	sheet, err := c.Desk.Show(r.Context(), refOf(r))
	if err != nil {
		return err
	}
	body := eventBody{eventAnswer: who.sheet(sheet)}
	body.Name = rowName(body.Row)
	if body.Event != nil {
		if contact := body.Event.Data.Contact; contact != nil && who.role >= Operator {
			body.Email = contact.Email
		}
		raw, err := json.Marshal(body.Event)
		if err != nil {
			return err
		}
		var text bytes.Buffer
		if err := json.Indent(&text, raw, "", "  "); err != nil {
			return err
		}
		const most = 20_000
		body.Data = text.String()
		if len(body.Data) > most {
			body.Data = body.Data[:most] + fmt.Sprintf("\n… %d bytes more; the API shows all", len(body.Data)-most)
		}
	}
	if r.URL.Query().Get("plan") != "" {
		cmp, err := c.Desk.Compare(r.Context(), ops.Ref{ID: sheet.Key})
		if err != nil {
			return err
		}
		answer := who.compare(cmp)
		body.Compare = &answer
	}
	if !sheet.State.Settled() {
		status, err := c.Desk.Status(r.Context())
		if err != nil {
			return err
		}
		body.Waits, body.Level = standing(status.Accounts[sheet.Account], time.Now().UTC())
	}
	body.Moments = moments(body.eventAnswer)
	erased := sheet.Reason == events.Erased
	body.Can.Replay = !erased && (sheet.State == events.Failed || sheet.State == events.Done || sheet.State == events.StateDiscarded)
	body.Can.Discard = sheet.State != events.Done && sheet.State != events.StateDiscarded
	return c.render(w, r, who, http.StatusOK, "event", view{Title: "Event " + rowName(sheet.Row), Section: "events", Live: body.Compare == nil, Body: body})
}

// moments puts changes and calls into one line of time.
func moments(e eventAnswer) []moment {
	list := []moment{{Change: events.Change{At: e.Received}, Text: "Accepted from " + e.Source}}
	left := saidAtMost
	for i := len(e.Served) - 1; i >= 0; i-- { // the last ones matter most
		call := &e.Served[i]
		if call.Exchange == nil {
			continue
		}
		if left -= len(template.HTMLEscapeString(moment{Call: call}.Said())); left < 0 {
			call.Exchange = nil
		}
	}
	for i := range e.Served {
		call := &e.Served[i]
		list = append(list, moment{Change: events.Change{At: call.At}, Call: call})
	}
	for _, ch := range e.Timeline {
		list = append(list, moment{Change: ch})
	}
	slices.SortStableFunc(list, func(a, b moment) int { return a.At.Compare(b.At) })
	return list
}

func (c *Console) doubtForm(w http.ResponseWriter, r *http.Request, who identity) error {
	id := r.PostFormValue("id")
	happened := r.PostFormValue("happened")
	if happened != "yes" && happened != "no" {
		return &refusal{status: http.StatusBadRequest, detail: "say whether it happened"}
	}
	if err := c.Desk.Resolve(r.Context(), who.name, ops.Ref{ID: id}, r.PostFormValue("step"), happened == "yes"); err != nil {
		return err
	}
	http.Redirect(w, r, "/events/"+url.PathEscape(id)+"?notice=answered", http.StatusSeeOther)
	return nil
}

func (c *Console) eraseForm(w http.ResponseWriter, r *http.Request, who identity) error {
	if strings.TrimSpace(r.PostFormValue("contact")) != strings.TrimSpace(r.PostFormValue("again")) {
		return &refusal{status: http.StatusBadRequest, detail: "the two addresses are not the same"}
	}
	if _, err := c.Desk.Erase(r.Context(), who.name, r.PostFormValue("contact")); err != nil {
		return err
	}
	http.Redirect(w, r, "/audit?notice=erased", http.StatusSeeOther)
	return nil
}
