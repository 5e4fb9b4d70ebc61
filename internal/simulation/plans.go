package simulation

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"time"

	"bridge/internal/events"
)

// The one account of the shop.
const (
	account = "default"
	group   = "default"
	source  = "shop"
)

// goalOf is the API goal of a purchase.
var goalOf = events.GoalStep{Integration: "shop", Call: "bought"}

var eventTypes = map[Kind]string{Lead: "lead.submitted", Purchase: "order.paid", Membership: "membership.started"}

// newEntry makes the event of an arrival.
func newEntry(a *Arrival) *entry {
	contact := profile(a.Contact, a.Version)
	e := events.Event{
		ID: string(a.Kind) + "-" + strconv.Itoa(a.N), Account: account, Source: source, Kind: "generic", Type: eventTypes[a.Kind],
		Time: a.At, Received: a.At, Data: events.Data{Contact: &contact},
	}
	sum := sha256.Sum256([]byte(e.OrderKey()))
	return &entry{Arrival: a, event: e, lane: a.Priority, contact: hex.EncodeToString(sum[:16])}
}

// plans says what the events of a day mean, as rules would.
type plans struct{ arrivals map[string]*Arrival }

// Plan is part of dispatch.Planner.
func (p plans) Plan(e *events.Event, now time.Time) (events.Plan, error) {
	a := p.arrivals[e.ID]
	if a == nil {
		return events.Plan{}, fmt.Errorf("no arrival %s", e.ID)
	}
	contact := profile(a.Contact, a.Version)
	if a.Kind == Membership { // its rule writes no fields: the least that finds or makes the contact
		contact = events.Contact{Email: contact.Email}
	}
	rule := string(a.Kind)
	plan := events.Plan{Rules: []string{rule}, Priority: a.Priority, Made: now, Who: events.Person{Email: contact.Email}}
	add := func(s events.Step) {
		s.Rule = rule
		s.ID = rule + "/" + string(s.Do) + ":" + s.Target + "#1"
		plan.Steps = append(plan.Steps, s)
	}
	add(events.Step{Do: events.DoContact, Contact: &events.ContactStep{Contact: contact}})
	for _, t := range a.Apply {
		add(events.Step{Do: events.DoTag, Target: t.String(), Literal: t.Set == "customer"})
	}
	for _, t := range a.Remove {
		add(events.Step{Do: events.DoUntag, Target: t.String()})
	}
	for range a.Goals {
		goal := goalOf
		add(events.Step{Do: events.DoGoal, Target: goal.Integration + "/" + goal.Call, Goal: &goal})
	}
	return plan, nil
}
