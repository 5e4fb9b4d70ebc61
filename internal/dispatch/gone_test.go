package dispatch

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"bridge/internal/calls"
	"bridge/internal/events"
)

// TestContactThatIsGoneIsWrittenAgain: somebody deleted the contact in Keap between its step and the next one.
func TestContactThatIsGoneIsWrittenAgain(t *testing.T) {
	s := newStage(step(events.DoContact, ""), step(events.DoTag, "a"), step(events.DoNote, "n"))
	gone := 1
	s.answer = func(st events.Step) calls.Result {
		if st.Do == events.DoTag && gone > 0 {
			gone--
			return calls.Result{Err: &calls.Invalid{Reason: events.ContactUnknown, Detail: "no such contact"}}
		}
		return calls.Result{Step: st.ID, Calls: 1, Contact: "7"}
	}
	if v, _ := s.handle(t); v.State() != events.Done {
		t.Fatalf("verdict %+v", v)
	}
	if diff := cmp.Diff([]string{"contact:", "tag:a", "contact:", "tag:a", "note:n"}, s.asked); diff != "" {
		t.Errorf("asked for (-want +got):\n%s", diff)
	}
	s = newStage(step(events.DoContact, ""), step(events.DoTag, "a"), step(events.DoTag, "b"))
	gone = 2
	s.answer = func(st events.Step) calls.Result {
		if st.Do == events.DoTag && gone > 0 {
			gone--
			return calls.Result{Err: &calls.Invalid{Reason: events.ContactUnknown, Detail: "no such contact"}}
		}
		return calls.Result{Step: st.ID, Calls: 1, Contact: "7"}
	}
	if v, _ := s.handle(t); v.State() != events.Done {
		t.Errorf("missed by two tags: %+v, asked %v", v, s.asked)
	}
	s = newStage(step(events.DoContact, ""), step(events.DoTag, "a"))
	s.answer = func(st events.Step) calls.Result {
		if st.Do == events.DoTag {
			return calls.Result{Err: &calls.Invalid{Reason: events.ContactUnknown, Detail: "no such contact"}}
		}
		return calls.Result{Step: st.ID, Calls: 1, Contact: "7"}
	}
	if v, _ := s.handle(t); v.Reason != events.ContactUnknown || len(s.asked) != 4 {
		t.Errorf("gone for good: %+v, asked %v", v, s.asked)
	}
}
