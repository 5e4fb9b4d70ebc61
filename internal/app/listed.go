package app

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"bridge/internal/config"
	"bridge/internal/keap"
	"bridge/internal/ops"
	"bridge/internal/rules"
)

// listed looks names up in Keap's lists, each of which it reads when it is first needed.
type listed struct {
	visit     *visit
	tags      map[string]keap.Tag // by id and by folded name
	model     *keap.Model
	users     map[string]keap.User
	templates map[string]keap.EmailTemplate
	campaigns map[string]*keap.Campaign // nil: there is none of that id
	sets      map[string]string         // names of action sets by id
	order     []string                  // their ids, as Keap lists them
	unlisted  error                     // why sets are not known
}

// prove looks for one thing.
func (l *listed) prove(ctx context.Context, n ops.Name) (ops.NameProof, error) {
	p := ops.NameProof{Name: n}
	var err error
	switch n.Kind {
	case rules.NamedTag:
		err = l.tag(ctx, &p)
	case rules.NamedField:
		err = l.field(ctx, &p)
	case rules.NamedUser:
		err = l.user(ctx, &p)
	case rules.NamedTemplate:
		err = l.template(ctx, &p)
	case rules.NamedSequence:
		err = l.sequence(ctx, &p)
	case rules.NamedActionSet:
		if err := l.actionSets(ctx); err != nil {
			p.Found, p.Detail = ops.FoundUnknown, err.Error()
			return p, nil
		}
		name, ok := l.sets[n.Name]
		settle(&p, ok, n.Name, name)
	case rules.NamedGoal:
		p.Found, p.Detail = ops.FoundUnknown, "Keap does not list API goals: see that a published automation has this goal"
	default:
		return p, &ops.Error{Kind: ops.Invalid, Message: fmt.Sprintf("%q is no kind of thing that rules name", n.Kind)}
	}
	return p, err
}

// settle says what was found.
func settle(p *ops.NameProof, found bool, id, detail string) {
	if p.Found = ops.FoundNo; found {
		p.Found, p.ID, p.Detail = ops.FoundYes, id, detail
	}
}

func (l *listed) tag(ctx context.Context, p *ops.NameProof) error {
	if l.tags == nil {
		l.tags = map[string]keap.Tag{}
		err := l.visit.pages(ctx, func(permit keap.Permit) error {
			for tag, err := range l.visit.keap.Tags(ctx, permit) {
				if err != nil {
					return err
				}
				l.tags["id "+tag.ID] = tag
				for _, name := range [...]string{"name " + folded(tag.Name), "name " + folded(tag.CategoryName+" -> "+tag.Name)} {
					if _, twice := l.tags[name]; !twice { // of several tags of one name, the first counts, as for the planner
						l.tags[name] = tag
					}
				}
			}
			return nil
		})
		if err != nil {
			l.tags = nil
			return err
		}
	}
	if id := p.Name.Name; strings.Trim(id, "0123456789") == "" {
		tag, ok := l.tags["id "+id]
		settle(p, ok, id, tag.Name)
		return nil
	}
	tag, ok := l.tags["name "+folded(p.Name.Name)]
	settle(p, ok, tag.ID, "")
	if create, _ := l.visit.account.CreateTags(); !ok && create != config.CreateNone {
		p.Found, p.Detail = ops.FoundLater, "the bridge makes it when it is first needed (tags: {create: "+create+"})"
	}
	return nil
}

func folded(name string) string { return strings.ToLower(strings.TrimSpace(name)) }

func (l *listed) field(ctx context.Context, p *ops.NameProof) error {
	if l.model == nil {
		var m keap.Model
		if err := l.visit.call(ctx, func() (err error) { m, err = l.visit.keap.ContactModel(ctx); return err }); err != nil {
			return err
		}
		l.model = &m
	}
	f, err := l.model.Field(p.Name.Name)
	settle(p, err == nil, f.ID, f.Type)
	if err != nil {
		p.Detail = err.Error()
		if said := people(err).(*ops.Error); said.Hint != "" { //nolint:errorlint // Field documents its error
			p.Detail = said.Hint
		}
	}
	return nil
}

func (l *listed) user(ctx context.Context, p *ops.NameProof) error {
	if l.users == nil {
		users := map[string]keap.User{}
		err := l.visit.pages(ctx, func(permit keap.Permit) error {
			for u, err := range l.visit.keap.Users(ctx, permit) {
				if err != nil {
					return err
				}
				users[u.ID] = u
			}
			return nil
		})
		if err != nil {
			return err
		}
		l.users = users
	}
	u, ok := l.users[p.Name.Name]
	settle(p, ok, u.ID, strings.TrimSpace(u.GivenName+" "+u.FamilyName))
	if ok && (u.Status == "INACTIVE" || u.Status == "NOT_A_USER") {
		p.Found, p.Detail = ops.FoundNo, "the user is "+strings.ToLower(strings.ReplaceAll(u.Status, "_", " "))
	}
	return nil
}

func (l *listed) template(ctx context.Context, p *ops.NameProof) error {
	if l.templates == nil {
		templates := map[string]keap.EmailTemplate{}
		err := l.visit.pages(ctx, func(permit keap.Permit) error {
			for t, err := range l.visit.keap.EmailTemplates(ctx, permit) {
				if err != nil {
					return err
				}
				templates[t.ID] = t
			}
			return nil
		})
		if err != nil {
			return err
		}
		l.templates = templates
	}
	t, ok := l.templates[p.Name.Name]
	settle(p, ok, t.ID, t.Title)
	return nil
}

// sequence looks for "automation/sequence". Keap shows published sequences only.
func (l *listed) sequence(ctx context.Context, p *ops.NameProof) error {
	automation, sequence, _ := strings.Cut(p.Name.Name, "/")
	c, known := l.campaigns[automation]
	if !known {
		var got keap.Campaign
		err := l.visit.call(ctx, func() (err error) { got, err = l.visit.keap.Campaign(ctx, automation); return err })
		switch {
		case err == nil:
			c = &got
		case keap.KindOf(err) != keap.KindNotFound && keap.KindOf(err) != keap.KindInvalid:
			return err
		}
		if l.campaigns == nil {
			l.campaigns = map[string]*keap.Campaign{}
		}
		l.campaigns[automation] = c
	}
	if c == nil {
		p.Found, p.Detail = ops.FoundNo, "there is no automation "+automation
		return nil
	}
	var have []string
	for _, s := range c.Sequences {
		if s.ID == sequence {
			settle(p, true, s.ID, c.Name+": "+s.Name)
			return nil
		}
		have = append(have, s.ID+" "+s.Name)
	}
	p.Found, p.Detail = ops.FoundNo, fmt.Sprintf("automation %s (%s) has no published sequence %s", automation, c.Name, sequence)
	if len(have) > 0 {
		p.Detail += "; it has " + strings.Join(have, ", ")
	}
	return nil
}

// actionSets lists them once, over XML-RPC while that lasts.
func (l *listed) actionSets(ctx context.Context) error {
	if l.sets != nil || l.unlisted != nil {
		return l.unlisted
	}
	var got []keap.ActionSet
	if l.unlisted = l.visit.call(ctx, func() (err error) { got, err = l.visit.keap.ActionSets(ctx); return err }); l.unlisted != nil {
		return l.unlisted
	}
	l.sets = map[string]string{}
	for _, s := range got {
		l.sets[s.ID] = s.Name
		l.order = append(l.order, s.ID)
	}
	return nil
}

// replacements are the action sets that Keap has with what replaces them.
func (l *listed) replacements() []ops.ActionSet {
	replaced := actionSetList(l.visit.account)
	var list []ops.ActionSet
	for _, id := range l.order {
		set := ops.ActionSet{ID: id, Name: l.sets[id], Ends: xmlrpcEnds}
		if i := slices.IndexFunc(replaced, func(r ops.ActionSet) bool { return r.ID == id }); i >= 0 {
			set.Replaced = replaced[i].Replaced
		}
		list = append(list, set)
	}
	return list
}
