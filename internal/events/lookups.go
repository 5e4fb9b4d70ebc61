package events

import "strings"

// Lookups lists the calls beside those of Calls that it takes at most to learn what the steps name, when nothing of it is
// known yet: ids of tags, companies and products, which are made where Keap has none, custom fields, and a contact that is known
// by its phone number only. What was learnt once serves all events of the account, so most plans need few of them. Calls
// that have to be repeated are in neither list.
func (p *Plan) Lookups() []Call {
	if p.Nobody() {
		return []Call{}
	}
	l := lookups{seen: map[[2]string]bool{}, calls: []Call{}}
	for i := range p.Steps {
		l.step(p, &p.Steps[i])
	}
	return l.calls
}

type lookups struct {
	seen  map[[2]string]bool // operation and subject: each is asked once
	calls []Call
}

func (l *lookups) add(do StepKind, subject string, operations ...string) {
	for _, op := range operations {
		if key := [2]string{op, strings.ToLower(subject)}; !l.seen[key] {
			l.seen[key] = true
			l.calls = append(l.calls, Call{Do: do, Operation: op, Subjects: []string{subject}})
		}
	}
}

func (l *lookups) step(p *Plan, s *Step) {
	switch {
	case (s.Do == DoTag || s.Do == DoUntag) && strings.Trim(s.Target, "0123456789") != "":
		l.tag(s)
	case s.Do == DoContact && s.Contact != nil && !s.Contact.Find:
		if len(s.Contact.Fields) > 0 {
			l.add(s.Do, "custom fields", "contacts.model")
		}
		if s.Contact.Company != "" {
			l.add(s.Do, s.Contact.Company, "companies.list", "companies.create")
		}
		if s.Contact.Contact.Email == "" {
			l.add(s.Do, p.Who.Phone, "contacts.list")
		}
		if len(s.Contact.UTM) > 0 {
			l.add(s.Do, p.Who.Email+p.Who.Phone, "contacts.utm")
		}
	case s.Do == DoOrder && s.Order != nil && s.Order.Refund == nil:
		for i := range s.Order.Order.Items {
			if sku := s.Order.Order.Items[i].SKU; sku != "" {
				l.add(s.Do, sku, "products.list", "products.create")
			}
		}
	}
}

// tag is found by its name; only one that is applied is made where Keap has none, in its category.
func (l *lookups) tag(s *Step) {
	l.add(s.Do, s.Target, "tags.list")
	if s.Do == DoUntag {
		return
	}
	if category, _, ok := strings.Cut(s.Target, "->"); ok && strings.TrimSpace(category) != "" {
		l.add(s.Do, strings.TrimSpace(category), "tags.categories.list", "tags.categories.create")
	}
	l.add(s.Do, s.Target, "tags.create")
}
