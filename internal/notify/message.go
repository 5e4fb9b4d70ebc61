package notify

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"bridge/internal/events"
)

// The types of messages, besides keap.* events, which keep theirs.
const (
	Failed       = "bridge.failed"        // events failed: each needs a person
	InDoubt      = "bridge.in_doubt"      // a step of events may have happened
	Paused       = "bridge.paused"        // an account does not call Keap
	SourceSilent = "bridge.source_silent" // a source is quiet for longer than usual
)

// Actions in the log of outcomes that stand for messages; Watch writes them. "pause" is an operator's.
const (
	ActionPaused = "paused"
	ActionSilent = "source silent"
	actionPause  = "pause"
)

// mostNamed is how many events a message names; it counts all.
const mostNamed = 20

// Message is one thing to tell. It marshals to a CloudEvent.
type Message struct {
	ID      string
	Type    string
	Account string
	Subject string
	Time    time.Time
	Data    any
}

// MarshalJSON writes a CloudEvent in structured mode.
func (m Message) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		SpecVersion     string    `json:"specversion"`
		ID              string    `json:"id"`
		Source          string    `json:"source"`
		Type            string    `json:"type"`
		Subject         string    `json:"subject,omitempty"`
		Time            time.Time `json:"time"`
		Account         string    `json:"account"`
		DataContentType string    `json:"datacontenttype"`
		Data            any       `json:"data"`
	}{"1.0", m.ID, "/accounts/" + m.Account, m.Type, m.Subject, m.Time.UTC(), m.Account, "application/json", m.Data})
}

// Trouble is the data of Failed and InDoubt: events with the same reason that became so at about the same time.
type Trouble struct {
	Account string        `json:"account"`
	Reason  events.Reason `json:"reason"`
	Count   int           `json:"count"`
	Events  []Named       `json:"events"` // the first ones
	Hint    string        `json:"hint"`   // the command that lists them
}

// Named is an event in trouble, without what it says.
type Named struct {
	ID     string `json:"id"`
	Source string `json:"source,omitempty"`
	Type   string `json:"type,omitempty"`
	Step   string `json:"step,omitempty"`

	key string
}

// Stop is the data of Paused.
type Stop struct {
	Account string        `json:"account"`
	Reason  events.Reason `json:"reason"`
	Until   *time.Time    `json:"until,omitempty"` // absent: until a person ends it
	Hint    string        `json:"hint"`
}

// Silence is the data of SourceSilent.
type Silence struct {
	Account string `json:"account"`
	Source  string `json:"source"`
	Detail  string `json:"detail,omitempty"`
	Hint    string `json:"hint"`
}

// Messages tells what the records mean to others. Events in trouble that come together are told together, by
// account and reason: ten thousand failures must not ring ten thousand times.
func Messages(records []events.LogRecord) []Message {
	var out []Message
	together := map[[3]string]int{} // type, account and reason → place in out
	for i := range records {
		r := &records[i]
		if e := r.Event; e != nil && strings.HasPrefix(e.Type, "keap.") {
			out = append(out, Message{ID: e.ID, Type: e.Type, Account: e.Account, Subject: e.Subject, Time: e.Time, Data: e.Data.Raw})
		}
		for j := range r.Outcomes {
			o := &r.Outcomes[j]
			switch {
			case o.Kind == events.OutcomeState && (o.State == events.Failed || o.State == events.InDoubt):
				out = trouble(out, together, o)
			case o.Kind == events.OutcomeAudit:
				if m, ok := notice(o); ok {
					out = append(out, m)
				}
			}
		}
	}
	return out
}

// trouble adds an event in trouble to those that it belongs with.
func trouble(out []Message, together map[[3]string]int, o *events.Outcome) []Message {
	typ := Failed
	if o.State == events.InDoubt {
		typ = InDoubt
	}
	group := [3]string{typ, o.Account, string(o.Reason)}
	at, ok := together[group]
	if !ok {
		at = len(out)
		together[group] = at
		out = append(out, Message{
			ID: idOf(typ, o.Account, o.Key, string(o.Reason), o.At.String()), Type: typ, Account: o.Account, Subject: string(o.Reason), Time: o.At,
			Data: &Trouble{Account: o.Account, Reason: o.Reason, Hint: "bridge events ls --account " + o.Account + " --state " + string(o.State) + " --reason " + string(o.Reason)},
		})
	}
	t := out[at].Data.(*Trouble)
	t.Count++
	if len(t.Events) < mostNamed {
		t.Events = append(t.Events, Named{ID: o.Key, Step: o.Step, key: o.Key})
	}
	return out
}

// notice is the message of an audit line that others may want to hear of.
func notice(o *events.Outcome) (Message, bool) {
	m := Message{ID: idOf(o.Action, o.Account, o.Target, string(o.Reason), o.At.String()), Account: o.Account, Time: o.At}
	switch o.Action {
	case actionPause:
		m.Type, m.Subject = Paused, string(events.Paused)
		m.Data = Stop{Account: o.Account, Reason: events.Paused, Hint: "resume it in the console or with POST /api/accounts/" + o.Account + "/resume"}
	case ActionPaused:
		m.Type, m.Subject = Paused, string(o.Reason)
		m.Data = Stop{Account: o.Account, Reason: o.Reason, Until: o.Until, Hint: "bridge status"}
	case ActionSilent:
		m.Type, m.Subject = SourceSilent, o.Target
		m.Data = Silence{Account: o.Account, Source: o.Target, Detail: o.Detail, Hint: "look at its webhook settings at the sender: docs/runbook.md"}
	default:
		return m, false
	}
	return m, true
}

// idOf is the same for the same fact, so that a receiver recognises what comes twice.
func idOf(parts ...string) string {
	hash := sha256.New()
	for _, p := range parts {
		hash.Write([]byte(strconv.Itoa(len(p)) + ":" + p))
	}
	return "msg_" + hex.EncodeToString(hash.Sum(nil)[:16])
}

// Wants tells whether a type matches one of the patterns: *, a type, or a family such as keap.*.
func Wants(patterns []string, typ string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		prefix, wild := strings.CutSuffix(p, "*")
		return p == typ || wild && strings.HasPrefix(typ, prefix)
	})
}
