package simulation

import (
	"slices"
	"strings"

	"bridge/internal/keap/sandbox"
)

// happened tells whether a call took effect.
func happened(l *sandbox.Line) bool {
	if l.Fault == nil {
		return l.Status/100 == 2
	}
	for _, kind := range []string{"timeout_after", "truncated", "not_json", "slow"} {
		if strings.HasPrefix(*l.Fault, kind) {
			return true
		}
	}
	return false
}

// crm is what Keap holds at the end, and how it came to it.
type crm struct {
	people []sandbox.Contact
	log    []sandbox.Line
	tags   map[string]string // names by id
}

// compare holds Keap's state, and the order in which it came about, to what the day should have left.
func (k *crm) compare(want map[string]*Person) (mistakes []string) {
	found := &Report{}
	emails, seen := map[string]string{}, map[string]bool{}
	for i := range k.people {
		c := &k.people[i]
		emails[c.ID] = c.Email
		p := want[c.Email]
		if p == nil {
			found.mistake("Keap has %s, whom nobody told of", c.Email)
			continue
		}
		if seen[c.Email] {
			found.mistake("%s is in Keap twice", c.Email)
		}
		seen[c.Email] = true
		if !slices.Contains(p.Names, c.FamilyName) {
			found.mistake("%s is called %q, want %q", c.Email, c.FamilyName, p.Name)
		}
		p.holdTags(found, c.Email, c.Tags)
	}
	for email := range want {
		if !seen[email] {
			found.mistake("%s is not in Keap", email)
		}
	}
	k.compareOrder(found, emails, want)
	slices.Sort(found.Mistakes)
	return found.Mistakes
}

func (p *Person) holdTags(out *Report, email string, have []string) {
	for tag, on := range p.Tags {
		if slices.Contains(have, tag) != on {
			out.mistake("%s and tag %s: %t, want %t", email, tag, !on, on)
		}
	}
	for _, tag := range have {
		if _, known := p.Tags[tag]; !known {
			out.mistake("%s has tag %s, which nobody gave", email, tag)
		}
	}
}

// compareOrder follows the calls: each pair of contact and tag has to change as the events say, in their order, and a
// goal comes when its event's tags are on, once for each event.
func (k *crm) compareOrder(out *Report, emails map[string]string, want map[string]*Person) {
	have := map[string]*Person{}
	for i := range k.log {
		l := &k.log[i]
		if !happened(l) {
			continue
		}
		contacts, tags := subjects(l, emails, k.tags)
		for _, email := range contacts {
			p := have[email]
			if p == nil {
				p = &Person{Tags: map[string]bool{}, Changes: map[string][]bool{}}
				have[email] = p
			}
			switch l.Operation {
			case "tags.apply", "tags.remove":
				for _, tag := range tags {
					p.change(tag, l.Operation == "tags.apply")
				}
			case "goals.achieve":
				p.hold(out, email, want[email])
			}
		}
	}
	for email, p := range want {
		got := have[email]
		if got == nil {
			got = &Person{}
		}
		if len(got.Orders) != len(p.Orders) {
			out.mistake("%s achieved %d goals, want %d", email, len(got.Orders), len(p.Orders))
		}
		for tag, changes := range p.Changes {
			if !slices.Equal(changes, got.Changes[tag]) {
				out.mistake("%s and tag %s: changes %t, want %t", email, tag, got.Changes[tag], changes)
			}
		}
	}
}

// hold counts a goal and sees that the tags of its event are on by then.
func (p *Person) hold(out *Report, email string, want *Person) {
	p.Orders = append(p.Orders, Bought{})
	if want == nil || len(p.Orders) > len(want.Orders) {
		return // told where goals are counted
	}
	for _, tag := range want.Orders[len(p.Orders)-1].Tags {
		if !p.Tags[tag] {
			out.mistake("%s achieved the goal before tag %s was on", email, tag)
		}
	}
}

// subjects are the people and the tags of a call.
func subjects(l *sandbox.Line, emails, tagNames map[string]string) (contacts, tags []string) {
	for _, s := range l.Subjects {
		if id, ok := strings.CutPrefix(s, "contact:"); ok {
			contacts = append(contacts, emails[id])
		} else if id, ok := strings.CutPrefix(s, "tag:"); ok {
			tags = append(tags, tagNames[id])
		}
	}
	return contacts, tags
}
