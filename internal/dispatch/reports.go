package dispatch

import (
	"slices"

	"bridge/internal/events"
)

// keptAttempts is how many tries of a step are remembered; the log of calls has them all.
const keptAttempts = 5

func appendAttempt(list []events.StepAttempt, a events.StepAttempt) []events.StepAttempt {
	list = append(slices.Clip(list), a)
	if len(list) > keptAttempts {
		list = list[len(list)-keptAttempts:]
	}
	return list
}

// reports tells the story of every step so far, for people.
func (t *task) reports(state events.State) []events.StepReport {
	reports := make([]events.StepReport, 0, len(t.plan.Steps))
	for _, s := range t.plan.Steps {
		m := t.marks.Steps[s.ID]
		r := events.StepReport{ID: s.ID, Rule: s.Rule, Do: s.Do, Target: s.Target, State: m.State, Calls: m.Calls, Attempts: m.Attempts}
		if r.State == "" {
			r.State = events.StepWaiting
			if state == events.Done {
				r.State = events.StepSkipped // its branch did not apply
			}
		}
		reports = append(reports, r)
	}
	return reports
}

// renew has the contact step asked for once more: Keap no longer has the contact that it had written, or that was
// known to be there as it should be. It does so once in a handling, for all the steps of a group that miss it.
func (t *task) renew() bool {
	for _, s := range t.plan.Steps {
		if s.Do != events.DoContact || s.Contact != nil && s.Contact.Find {
			continue
		}
		if t.renewed || t.marks.Steps[s.ID].State != events.StepDone {
			return t.renewed && t.marks.Steps[s.ID].State == events.StepWaiting
		}
		t.renewed, t.marks.Contact = true, ""
		t.mark(s.ID, func(m *events.Mark) { m.State = events.StepWaiting })
		return true
	}
	return false
}
