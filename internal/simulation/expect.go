package simulation

import (
	"slices"

	"bridge/internal/events"
)

// Person is what a day has to leave in Keap of one contact.
type Person struct {
	Name string // the newest family name by the time of the events

	// Names are those that may stand at the end: within a priority the newest one wins, across priorities what
	// runs last does, because urgent events overtake others.
	Names []string

	Tags    map[string]bool
	Changes map[string][]bool // of each tag, in order: on, off; repetitions left out
	Orders  []Bought          // what was bought, in order
}

// Bought is one event that achieves a goal: by then its tags are on.
type Bought struct{ Tags []string }

// Expect says what the day has to leave in Keap: a plain walk through the arrivals, contact by contact, knowing
// nothing of calls. Only contacts that the day touches are in it, by e-mail address.
func (d *Day) Expect() map[string]*Person {
	people := map[string]*Person{}
	written := map[string]map[events.Priority]string{}
	for i := range d.Arrivals {
		a := &d.Arrivals[i]
		email := Email(a.Contact)
		p := people[email]
		if p == nil {
			p = &Person{Tags: map[string]bool{}, Changes: map[string][]bool{}}
			if a.Contact < d.Known {
				p.Name = familyName(a.Contact, 0)
			}
			people[email], written[email] = p, map[events.Priority]string{}
		}
		if a.Kind != Membership { // which tells no name
			p.Name = familyName(a.Contact, a.Version)
			written[email][a.Priority] = p.Name
		}
		for _, t := range a.Apply {
			p.change(t.String(), true)
		}
		for _, t := range a.Remove {
			p.change(t.String(), false)
		}
		for range a.Goals {
			p.Orders = append(p.Orders, Bought{Tags: names(a.Apply)})
		}
	}
	for email, p := range people {
		p.Names = []string{p.Name}
		for _, name := range written[email] {
			if !slices.Contains(p.Names, name) {
				p.Names = append(p.Names, name)
			}
		}
	}
	return people
}

func (p *Person) change(tag string, on bool) {
	p.Tags[tag] = on
	if done := p.Changes[tag]; len(done) == 0 || done[len(done)-1] != on {
		p.Changes[tag] = append(done, on)
	}
}

func names(tags []Tag) []string {
	list := make([]string, len(tags))
	for i, t := range tags {
		list[i] = t.String()
	}
	return list
}
