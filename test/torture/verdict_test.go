//go:build unix

package torture

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"bridge/internal/events"
	"bridge/internal/keap/sandbox"
)

// verdict is what came of a run.
type verdict struct {
	t     testing.TB
	rows  map[string]events.Row // by account and id
	world world
	log   []sandbox.Line

	states                                 map[events.State]int
	lost, doubled, disordered, unjustified []string
	dropped                                map[string]int // doubts about lost answers, by operation
	cutOff, cuts                           int            // doubts about calls that were cut off; kills, pauses and losses of NATS
	suspects                               []*fact
	violations, most                       sandbox.Counts
}

// world is what the CRM holds, by the names that facts have.
type world struct {
	notes, tasks, goals, orders map[string][]int // by title, call or number: positions in the order of happening
	payments                    map[string]int   // by order number
	contacts                    map[string][]sandbox.Contact
	sets                        map[string]int // action set runs by e-mail
	sequences                   map[string]int // by e-mail
}

func look(crm *sandbox.Server) world {
	w := world{
		notes: map[string][]int{}, tasks: map[string][]int{}, goals: map[string][]int{}, orders: map[string][]int{},
		payments: map[string]int{}, contacts: map[string][]sandbox.Contact{}, sets: map[string]int{}, sequences: map[string]int{},
	}
	for _, app := range apps() {
		state := crm.State(app)
		emails := map[string]string{}
		for _, c := range state.Contacts {
			emails[c.ID] = c.Email
			w.contacts[c.Email] = append(w.contacts[c.Email], c)
		}
		for i, n := range state.Notes {
			w.notes[firstWords(n.Title)] = append(w.notes[firstWords(n.Title)], i)
		}
		for i, n := range state.Tasks {
			w.tasks[firstWords(n.Title)] = append(w.tasks[firstWords(n.Title)], i)
		}
		for i, g := range state.Goals {
			w.goals[g.Call] = append(w.goals[g.Call], i)
		}
		numbers := map[string]string{}
		for i, o := range state.Orders {
			numbers[o.ID] = firstWords(o.Title)
			w.orders[firstWords(o.Title)] = append(w.orders[firstWords(o.Title)], i)
		}
		for _, p := range state.Payments {
			w.payments[numbers[p.OrderID]]++
		}
		for _, r := range state.ActionSets {
			w.sets[emails[r.ContactID]]++
		}
		for _, r := range state.Sequences {
			w.sequences[emails[r.ContactID]]++
		}
	}
	return w
}

func apps() []string { return []string{"ab111", "cd222", "ef333"} }

// firstWords is a title without the mark that the bridge adds.
func firstWords(title string) string {
	words := strings.Fields(title)
	return strings.Join(words[:min(2, len(words))], " ")
}

// judge holds what was accepted against what the bridges say of it and what the CRM holds.
func (v *verdict) judge(accepted []*fact) {
	v.states, v.dropped = map[events.State]int{}, map[string]int{}
	sets := map[string]int{} // member events by e-mail
	setsDone := map[string]int{}
	last := map[string]int{} // the last order whose contact step is certain, by e-mail
	for _, f := range accepted {
		row, known := v.rows[accounts[f.account].name+" "+f.id()]
		if !known {
			v.lost = append(v.lost, f.id()+" was accepted and is not in the log")
			continue
		}
		v.states[row.State]++
		v.effects(f, &row)
		switch {
		case f.kind == member:
			sets[f.email()]++
			if row.State == events.Done {
				setsDone[f.email()]++
			}
		case f.kind == order && row.State == events.Done:
			last[f.email()] = max(last[f.email()], f.number())
		}
		if row.State == events.InDoubt {
			v.doubt(f, &row)
		}
	}
	for email, list := range v.world.contacts {
		if len(list) > 1 {
			v.doubled = append(v.doubled, fmt.Sprintf("%s was created %d times", email, len(list)))
		}
		stands, _ := strconv.Atoi(fmt.Sprint(list[0].CustomFields["_LastOrder"]))
		if stands == 0 {
			stands, _ = strconv.Atoi(fmt.Sprint(list[0].CustomFields["LastOrder"]))
		}
		if stands < last[email] {
			v.disordered = append(v.disordered, fmt.Sprintf("%s: LastOrder is %d after %d", email, stands, last[email]))
		}
		if n := v.world.sets[email]; n > sets[email] {
			v.doubled = append(v.doubled, fmt.Sprintf("%s: %d action sets for %d events", email, n, sets[email]))
		} else if n < setsDone[email] {
			v.lost = append(v.lost, fmt.Sprintf("%s: %d action sets for %d events that are done", email, n, setsDone[email]))
		}
		if v.world.sequences[email] > 1 {
			v.doubled = append(v.doubled, fmt.Sprintf("%s: %d times in the sequence", email, v.world.sequences[email]))
		}
	}
	v.order(accepted)
	v.account()
}

// effects counts what one fact left: nothing twice, and all of it when the event is done.
func (v *verdict) effects(f *fact, row *events.Row) {
	w := &v.world
	number := strconv.Itoa(f.number())
	left := map[string]int{"note": len(w.notes[f.title()])}
	switch {
	case f.kind == order:
		left["goal"] = len(w.goals[number])
		if f.recorded() {
			left["order"], left["payment"] = len(w.orders["Order "+number]), w.payments["Order "+number]
		}
	case f.kind == lead:
		left["task"] = len(w.tasks["Call "+f.id()])
		left["sequence"] = min(1, w.sequences[f.email()])
	}
	tags := map[kind]string{order: "Customer", lead: "Lead"}[f.kind]
	if tags != "" {
		left["tag"] = 0
		if c := w.contacts[f.email()]; len(c) > 0 && strings.Contains("\n"+strings.Join(c[0].Tags, "\n")+"\n", "\n"+tags+"\n") {
			left["tag"] = 1
		}
	}
	for what, n := range left {
		if n > 1 {
			v.doubled = append(v.doubled, fmt.Sprintf("%s (%s): %d × %s", f.id(), row.State, n, what))
			v.suspects = append(v.suspects, f)
		}
		if n == 0 && row.State == events.Done {
			v.lost = append(v.lost, fmt.Sprintf("%s is done without its %s", f.id(), what))
			v.suspects = append(v.suspects, f)
		}
	}
}

// doubtful are the operations whose outcome Keap cannot tell, by the kind of step.
var doubtful = map[string]string{"/goal:": "goals.achieve", "/action_set:": "action_sets.run"}

// doubt tells whether an event in doubt has a reason to be. A doubt that was judged from an answer needs a spoilt call
// of its own; one that was found after a crash, a pause or a loss of the memory was cut off.
func (v *verdict) doubt(f *fact, row *events.Row) {
	for step, operation := range doubtful {
		switch {
		case !strings.Contains(row.Step, step):
		case strings.Contains(row.Detail, "the process stopped or lost the answer"):
			v.cutOff++
			return
		default:
			v.dropped[operation]++
			return
		}
	}
	v.unjustified = append(v.unjustified, fmt.Sprintf("%s at %s, which Keap can tell: %s", f.id(), row.Step, row.Detail))
}

// account holds the doubts against the calls that the sandbox spoilt.
func (v *verdict) account() {
	spoilt := map[string]int{}
	for i := range v.log {
		if v.log[i].Fault != nil {
			spoilt[v.log[i].Operation]++
		}
	}
	for operation, n := range v.dropped {
		if n > spoilt[operation] {
			v.unjustified = append(v.unjustified, fmt.Sprintf("%d events at %s, of which only %d calls were spoilt", n, operation, spoilt[operation]))
		}
	}
	if v.cutOff > 0 && v.cuts == 0 {
		v.unjustified = append(v.unjustified, fmt.Sprintf("%d events, though nothing was cut off", v.cutOff))
	}
}

// order holds the notes, goals and places in the log of each customer against the order of sending.
func (v *verdict) order(accepted []*fact) {
	type line struct {
		customer string
		kind     kind
		what     string
	}
	type place struct {
		n, at int
	}
	last := map[line]place{}
	check := func(f *fact, what string, at int) {
		l := line{f.email(), f.kind, what}
		if before, ok := last[l]; ok && at < before.at {
			v.disordered = append(v.disordered, fmt.Sprintf("%s: %s of event %d came after that of event %d", f.id(), what, before.n, f.n))
			v.suspects = append(v.suspects, f)
		}
		last[l] = place{f.n, at}
	}
	for _, f := range sorted(accepted) {
		if row, ok := v.rows[accounts[f.account].name+" "+f.id()]; ok {
			check(f, "place in the log", int(row.Seq))
		}
		if at := v.world.notes[f.title()]; len(at) > 0 {
			check(f, "note", at[0])
		}
		if at := v.world.goals[strconv.Itoa(f.number())]; f.kind == order && len(at) > 0 {
			check(f, "goal", at[0])
		}
	}
}
