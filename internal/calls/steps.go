package calls

import (
	"context"
	"strings"

	"bridge/internal/events"
	"bridge/internal/keap"
)

// achieve does a goal: one contact, one call.
func (t *task) achieve(ctx context.Context, s *events.Step, r *Result, integration, call string) error {
	return t.onContact(ctx, r, request{operation: "goals.achieve", rank: ending, step: s, unsafe: true, subjects: 1, send: func(ctx context.Context) error {
		results, err := t.settings.Keap.AchieveGoal(ctx, integration, call, t.contact)
		if err != nil {
			return err
		}
		return goalError(results)
	}})
}

// goalError is what the results say when no automation took the goal. No results at all are none: Keap answers so
// when nothing listens to the goal, which it may be meant to be.
func goalError(results []keap.GoalResult) error {
	said := ""
	for _, g := range results {
		if g.Success {
			return nil
		}
		said = g.Message
	}
	if len(results) == 0 {
		return nil
	}
	return &keap.Error{Kind: keap.KindRefused, Operation: "goals.achieve", Status: 200, Sent: true, Answered: true, Message: "no automation took the goal: " + said,
		Hint: "look at the automation's goal in Keap, then replay"}
}

// note writes a note with a mark that tells it from others of the same text.
func (t *task) note(ctx context.Context, s *events.Step, r *Result) error {
	n := keap.Note{
		ContactID: t.contact, Title: s.Note.Title, Body: marked(s.Note.Body, mark(t.Key, s)), Type: s.Note.Type, UserID: t.user(s.Note.User),
	}
	return t.writeNote(ctx, s, r, n)
}

func (t *task) writeNote(ctx context.Context, s *events.Step, r *Result, n keap.Note) error {
	return t.onContact(ctx, r, request{operation: "notes.create", rank: ending, step: s, unsafe: true, subjects: 1, send: func(ctx context.Context) (err error) {
		n.ContactID = t.contact
		r.Note, err = t.settings.Keap.CreateNote(ctx, n)
		return err
	}})
}

// makeTask makes a task for somebody.
func (t *task) makeTask(ctx context.Context, s *events.Step, r *Result) error {
	return t.onContact(ctx, r, request{operation: "tasks.create", rank: ending, step: s, unsafe: true, subjects: 1, send: func(ctx context.Context) (err error) {
		r.Note, err = t.settings.Keap.CreateTask(ctx, keap.Task{
			ContactID: t.contact, Title: s.Task.Title, Description: marked(s.Task.Body, mark(t.Key, s)), Due: s.Task.Due, UserID: t.user(s.Task.User),
		})
		return err
	}})
}

// user is the Keap user that something is written as.
func (t *task) user(named string) string {
	if named != "" {
		return named
	}
	return t.settings.UserID
}

// marked puts a mark behind a text.
func marked(text, mark string) string {
	if text == "" {
		return mark
	}
	return strings.TrimRight(text, "\n") + "\n" + mark
}
