package calls

import (
	"context"
	"errors"
	"strings"

	"bridge/internal/events"
	"bridge/internal/keap"
)

// Check reads back the one step of an ask that may have happened. For what may be repeated at will it answers
// NotHappened without asking Keap; a sequence is asked for again, which Keap answers with ALREADY_IN_SEQUENCE. Goals,
// e-mails and action sets leave nothing behind that could be read.
func (p *Planner) Check(ctx context.Context, ask Ask) (Finding, error) {
	t, err := p.task(ask)
	if err != nil {
		return CannotTell, err
	}
	s, r := &t.Steps[0], &t.results[0]
	switch s.Do {
	case events.DoGoal, events.DoEmail, events.DoActionSet:
		return CannotTell, nil
	case events.DoTag, events.DoUntag, events.DoOwner:
		return NotHappened, nil
	case events.DoContact:
		return t.checkContact(ctx, s, r)
	}
	if err := t.locate(ctx, r); err != nil {
		var invalid *Invalid
		if errors.As(err, &invalid) && invalid.Reason == events.ContactUnknown {
			return NotHappened, nil // what was made for a contact that is gone is gone with it
		}
		return CannotTell, err
	}
	if s.Do == events.DoSequence {
		t.Intend = nil // it is intended already
		if err := t.sequence(ctx, s, r, s.Sequence); err != nil {
			return CannotTell, err
		}
		return Happened, nil
	}
	id, err := t.findMarked(ctx, s, r)
	switch {
	case err != nil:
		return CannotTell, err
	case id == "":
		return NotHappened, nil
	}
	return Happened, nil
}

// checkContact: only a contact without an e-mail address is made by a call that is not safe to repeat.
func (t *task) checkContact(ctx context.Context, s *events.Step, r *Result) (Finding, error) {
	if s.Contact.Contact.Email != "" || s.Contact.Find {
		return NotHappened, nil
	}
	id, err := t.find(ctx, r)
	if err != nil {
		return CannotTell, err
	}
	if id != "" {
		// It is there. Doing the step again finds it and brings it up to date, which is safe.
		t.remember(ctx, person{ID: id})
	}
	return NotHappened, nil
}

// findMarked looks for what a step made, by its mark; "" when it is not there.
func (t *task) findMarked(ctx context.Context, s *events.Step, r *Result) (string, error) {
	m := mark(t.Key, s)
	switch {
	case s.Do == events.DoOrder && s.Order.Refund == nil:
		return t.findOrder(ctx, orderMark(t.Key, s.Rule), r)
	case s.Do == events.DoPayment:
		return t.findPayment(ctx, s, m, r)
	case s.Do == events.DoTask:
		return t.findTask(ctx, m, r)
	}
	return t.findNote(ctx, m, r)
}

func (t *task) findNote(ctx context.Context, m string, r *Result) (string, error) {
	var notes []keap.Note
	err := t.call(ctx, r, request{operation: "notes.list", rank: ending, subjects: 1, send: func(ctx context.Context) (err error) {
		notes, err = t.settings.Keap.Notes(ctx, t.contact)
		return err
	}})
	for i := range notes {
		if strings.Contains(notes[i].Body, m) || strings.Contains(notes[i].Title, m) {
			return notes[i].ID, nil
		}
	}
	return "", err
}

func (t *task) findTask(ctx context.Context, m string, r *Result) (string, error) {
	var tasks []keap.Task
	err := t.call(ctx, r, request{operation: "tasks.list", rank: ending, subjects: 1, send: func(ctx context.Context) (err error) {
		tasks, err = t.settings.Keap.Tasks(ctx, t.contact)
		return err
	}})
	for i := range tasks {
		if strings.Contains(tasks[i].Description, m) || strings.Contains(tasks[i].Title, m) {
			return tasks[i].ID, nil
		}
	}
	return "", err
}
