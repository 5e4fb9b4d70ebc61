package office

import (
	"fmt"
	"net/url"
	"time"

	"bridge/internal/events"
)

// Order is a paid order of a person, received n seconds after Start.
func Order(n int, account, source, email string) events.Event {
	at := Start.Add(time.Duration(n) * time.Second)
	return events.Event{
		ID: fmt.Sprintf("%s:order.paid:%d", source, n), Account: account, Source: source, Kind: "woocommerce", Type: "order.paid",
		Time: at, Received: at,
		Data: events.Data{
			Contact: &events.Contact{Email: email, FirstName: "Ada", LastName: "Example", Phone: "+15555550100"},
			Order: &events.Order{ID: fmt.Sprint(n), Number: fmt.Sprintf("W-%d", n), Total: "59.90", Currency: "EUR",
				Items: []events.Item{{SKU: "HOODIE", Name: "Hoodie", Quantity: 1, Price: "59.90"}}},
		},
	}
}

// State is the outcome that an event came to a state, a second after it was received.
func State(e events.Event, s events.State, r events.Reason, detail string) events.Outcome {
	return events.Outcome{Kind: events.OutcomeState, At: e.Received.Add(time.Second), Account: e.Account, Key: e.Key(), State: s, Reason: r, Detail: detail, Attempt: 1}
}

// Fail accepts an event whose tag step failed after its contact was written, and returns it.
func (o *Office) Fail(n int, email string) events.Event {
	e := Order(n, "default", "shop", email)
	o.Accept(e, events.Urgent)
	plan := Plan(&e)
	o.Remember(e.Key(), events.Journal{Plan: &plan, Marks: events.Marks{Attempts: 1, Contact: "77", Steps: map[string]events.Mark{
		"purchase/contact#1":      {State: events.StepDone, At: e.Received, Calls: 1, Attempts: []events.StepAttempt{{At: e.Received, Status: 200}}},
		"purchase/tag:Customer#1": {State: events.StepFailed, At: e.Received, Attempts: []events.StepAttempt{{At: e.Received, Reason: events.TagUnknown}}},
	}}})
	failed := State(e, events.Failed, events.TagUnknown, fmt.Sprintf("the tag %q does not exist in Keap (create it, or allow tags.create)", fmt.Sprint("Bought ", n)))
	failed.Step, failed.Rules = "purchase/tag:Customer#1", plan.Rules
	o.Settle(call(e, "contacts.upsert", 200, "purchase/contact#1"), failed)
	return e
}

// Garble has a message come that is no event, and returns the key of what failed.
func (o *Office) Garble(id string, m events.Message) (key string) {
	key = events.KeyOf("", "", id)
	o.mu.Lock()
	o.messages[key] = &m
	o.mu.Unlock()
	o.Settle(events.Outcome{Kind: events.OutcomeState, At: Start, Account: "default", Key: key, State: events.Failed, Reason: events.BadSchema,
		Detail: "no JSON", About: &events.About{ID: id, Source: "crm", Type: events.Unreadable}})
	return key
}

// Doubt accepts an event whose goal may have been achieved, and returns it.
func (o *Office) Doubt(n int, email string) events.Event {
	e := Order(n, "default", "shop", email)
	o.Accept(e, events.Urgent)
	plan := Plan(&e)
	marks := map[string]events.Mark{}
	for _, s := range plan.Steps {
		marks[s.ID] = events.Mark{State: events.StepDone, At: e.Received, Calls: 1}
	}
	goal := plan.Steps[3].ID
	marks[goal] = events.Mark{State: events.StepDoubt, At: e.Received, Calls: 1, Attempts: []events.StepAttempt{{At: e.Received, Reason: events.UnknownOutcome}}}
	o.Remember(e.Key(), events.Journal{Plan: &plan, Marks: events.Marks{Attempts: 1, Contact: "78", Steps: marks}})
	doubt := State(e, events.InDoubt, events.UnknownOutcome, "Keap did not answer in time; the goal may have been achieved")
	doubt.Step, doubt.Rules = goal, plan.Rules
	o.Settle(call(e, "goals.achieve", 0, goal), doubt)
	return e
}

// Succeed accepts an event and settles it as done with three calls.
func (o *Office) Succeed(e events.Event, lane events.Priority) {
	o.Accept(e, lane)
	plan := Plan(&e)
	done := State(e, events.Done, events.NoReason, "")
	done.Rules = plan.Rules
	done.Steps = []events.StepReport{
		{ID: plan.Steps[0].ID, Rule: "purchase", Do: events.DoContact, State: events.StepDone, Calls: 1, Attempts: []events.StepAttempt{{At: e.Received, Status: 200}}},
		{ID: plan.Steps[1].ID, Rule: "purchase", Do: events.DoTag, Target: "Customer", State: events.StepDone, Calls: 1, Attempts: []events.StepAttempt{{At: e.Received, Status: 200}}},
	}
	o.Settle(call(e, "contacts.upsert", 200, plan.Steps[0].ID), call(e, "tags.apply", 200, plan.Steps[1].ID), done)
}

func call(e events.Event, operation string, status int, step string) events.Outcome {
	at := e.Received.Add(500 * time.Millisecond)
	return events.Outcome{Kind: events.OutcomeCall, At: at, Account: e.Account, Call: &events.CallReport{
		Group: "ab123", Operation: operation, Status: status, Took: 180 * time.Millisecond, Waited: 3 * time.Second, Subjects: 1,
		Served:   []events.Served{{Key: e.Key(), Step: step, Rule: "purchase"}},
		Exchange: exchange(e, operation, status, at),
	}}
}

// exchange is what was said in a call; an answer is missing where there was none.
func exchange(e events.Event, operation string, status int, at time.Time) *events.Exchange {
	x := &events.Exchange{At: at, Account: e.Account, Keys: []string{e.Key()}, Method: "POST", Target: "/rest/v2/" + operation, Status: status, Sent: excerpt(`{"contact_ids":["77"]}`)}
	if operation == "contacts.upsert" {
		x.Method, x.Target = "PUT", "/rest/v1/contacts?reason="+url.QueryEscape("from "+e.Data.Contact.Email)
		x.Sent = excerpt(fmt.Sprintf(`{"duplicate_option":"Email","email_addresses":[{"email":%q,"field":"EMAIL1"}],"given_name":%q,"opt_in_reason":"Bought"}`, e.Data.Contact.Email, e.Data.Contact.FirstName))
	}
	if status != 0 {
		x.Answered = excerpt(fmt.Sprintf(`{"id":77,"given_name":%q,"email_addresses":[{"email":%q}],"date_created":"2026-08-07T12:00:00Z"}`, e.Data.Contact.FirstName, e.Data.Contact.Email))
	}
	return x
}

func excerpt(text string) events.Excerpt { return events.Excerpt{Text: text, Size: len(text)} }
