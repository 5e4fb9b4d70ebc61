package simulation

import (
	"context"
	"time"

	"bridge/internal/calls"
	"bridge/internal/events"
	"bridge/internal/keap"
	"bridge/internal/quota"
)

// oneByOne is the planner that other tools have: it looks each contact up, makes one call for each action, first come
// first served, and merges nothing. The figures of *calls.Planner stand beside its own. It keeps to the windows.
type oneByOne struct {
	keap   *keap.Client
	ledger *quota.Ledger
	save   quota.Save
	tags   map[string]string // ids by name
	turn   chan struct{}     // holds one; whoever waits longest is next
}

func newOneByOne(client *keap.Client, ledger *quota.Ledger, save quota.Save, tags map[string]string) *oneByOne {
	return &oneByOne{keap: client, ledger: ledger, save: save, tags: tags, turn: make(chan struct{}, 1)}
}

// permit waits for a permit; of priorities it knows nothing.
func (o *oneByOne) permit(ctx context.Context) error {
	select {
	case o.turn <- struct{}{}:
		defer func() { <-o.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	for {
		a := o.ledger.Take(time.Now(), quota.Urgent)
		if a.OK {
			return nil
		}
		if a.Window == quota.Unsaved {
			if err := o.ledger.Reserve(ctx, time.Now(), o.save); err != nil {
				return err
			}
			continue
		}
		if err := pause(ctx, time.Until(a.At)); err != nil {
			return err
		}
	}
}

// call makes one call with a permit of its own.
func (o *oneByOne) call(ctx context.Context, r *calls.Result, do func(context.Context) error) error {
	if err := o.permit(ctx); err != nil {
		return err
	}
	defer func() { o.ledger.Finished(time.Now()) }()
	r.Calls++
	r.Sent = true
	return do(context.WithoutCancel(ctx))
}

// Do is part of dispatch.Keap.
func (o *oneByOne) Do(ctx context.Context, ask calls.Ask) []calls.Result {
	out := make([]calls.Result, len(ask.Steps))
	var put, off []string
	for i, s := range ask.Steps {
		out[i].Step = s.ID
		switch s.Do {
		case events.DoContact:
			out[i].Err = o.contact(ctx, &ask, &out[i], s.Contact.Contact)
		case events.DoGoal:
			if out[i].Err = ask.Intend(ctx, ask.Steps); out[i].Err == nil {
				out[i].Err = o.call(ctx, &out[i], func(ctx context.Context) error {
					_, err := o.keap.AchieveGoal(ctx, s.Goal.Integration, s.Goal.Call, ask.ID)
					return err
				})
			}
		case events.DoTag:
			put = append(put, o.tags[s.Target])
		case events.DoUntag:
			off = append(off, o.tags[s.Target])
		}
	}
	if len(put)+len(off) == 0 {
		return out
	}
	var r calls.Result
	if len(put) > 0 {
		r.Err = o.call(ctx, &r, func(ctx context.Context) error { _, err := o.keap.ApplyTags(ctx, ask.ID, put); return err })
	}
	if len(off) > 0 && r.Err == nil {
		r.Err = o.call(ctx, &r, func(ctx context.Context) error { return o.keap.RemoveTags(ctx, ask.ID, off) })
	}
	for i := range out {
		step := out[i].Step
		out[i] = r
		out[i].Step = step
	}
	return out
}

func (o *oneByOne) contact(ctx context.Context, ask *calls.Ask, r *calls.Result, c events.Contact) error {
	err := o.call(ctx, r, func(ctx context.Context) error {
		found, err := o.keap.FindContacts(ctx, keap.Find{Email: c.Email})
		if len(found) > 0 {
			r.Contact = found[0].ID
		}
		return err
	})
	if err != nil || r.Contact != "" && c.LastName == "" { // found, and there is nothing to write
		return err
	}
	return o.call(ctx, r, func(ctx context.Context) error {
		ref, err := o.keap.UpsertContact(ctx, keap.ContactWrite{
			GivenName: &c.FirstName, FamilyName: &c.LastName, Emails: []keap.EmailAddress{{Address: c.Email}}, Phones: []keap.Phone{{Number: c.Phone}},
		}, keap.ByEmail)
		r.Contact, r.Created = ref.ID, ref.Created
		return err
	})
}

// Check is part of dispatch.Keap: it reads nothing back.
func (o *oneByOne) Check(context.Context, calls.Ask) (calls.Finding, error) {
	return calls.CannotTell, nil
}

// Hurry has nothing to flush.
func (o *oneByOne) Hurry(string) {}

// Close has nothing to wait for: whoever asks waits for its own calls.
func (o *oneByOne) Close(ctx context.Context) error {
	return o.ledger.Leave(context.WithoutCancel(ctx), time.Now(), o.save)
}
