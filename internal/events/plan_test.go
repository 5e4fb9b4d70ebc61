package events

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func named(do StepKind, target string) Step {
	return Step{ID: string(do) + ":" + target, Do: do, Target: target}
}

func TestCallsOfAPlan(t *testing.T) {
	created, updated := named(DoTag, "New"), named(DoActionSet, "7")
	created.Only, updated.Only = IfCreated, IfUpdated
	p := Plan{Who: Person{Email: "ann@example.com"}, Steps: []Step{
		named(DoContact, ""), named(DoTag, "Customer"), named(DoTag, "Bought A"), named(DoUntag, "Cart"), created, updated, named(DoGoal, "shop/a"),
	}}
	want := []Call{
		{DoContact, "contacts.upsert", []string{"ann@example.com"}},
		{DoTag, "tags.apply", []string{"Customer", "Bought A"}},
		{DoUntag, "tags.remove", []string{"Cart"}},
		{DoActionSet, "action_sets.run", []string{"7"}},
		{DoGoal, "goals.achieve", []string{"shop/a"}},
	}
	if diff := cmp.Diff(want, p.Calls()); diff != "" {
		t.Errorf("the dearer branch is shown (-want +got):\n%s", diff)
	}
	if calls := (&Plan{}).Calls(); calls == nil || len(calls) != 0 {
		t.Errorf("an empty plan: %v, want an empty list", calls)
	}
}

func TestOperations(t *testing.T) {
	for _, tc := range []struct {
		step Step
		want string
	}{
		{Step{Do: DoContact, Contact: &ContactStep{Find: true}}, "contacts.list"},
		{Step{Do: DoSequence, Sequence: &SequenceStep{Remove: true}}, "sequences.remove"},
		{Step{Do: DoSequence, Sequence: &SequenceStep{}}, "sequences.add"},
		{Step{Do: DoEmail}, "emails.send_template"},
	} {
		if got := tc.step.Operation(); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.step.Do, got, tc.want)
		}
	}
}

// TestGroups: grouping loses nothing, keeps the order, mixes no other kinds with tags, and never puts the
// application and the removal of one tag side by side.
func TestGroups(t *testing.T) {
	kinds := []StepKind{DoTag, DoUntag, DoTag, DoUntag, DoGoal, DoNote}
	rapid.Check(t, func(t *rapid.T) {
		var steps []Step
		for range rapid.IntRange(0, 12).Draw(t, "n") {
			steps = append(steps, named(rapid.SampledFrom(kinds).Draw(t, "kind"), rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "target")))
		}
		groups := Groups(steps)
		if diff := cmp.Diff(steps, slices.Concat(groups...)); diff != "" && len(steps) > 0 {
			t.Fatal(diff)
		}
		for _, g := range groups {
			does := map[string]StepKind{}
			for _, s := range g {
				if s.Do != DoTag && s.Do != DoUntag && len(g) > 1 {
					t.Fatalf("%s shares a group: %v", s.Do, g)
				}
				if before, ok := does[s.Target]; ok && before != s.Do {
					t.Fatalf("%s is applied and removed in one group", s.Target)
				}
				does[s.Target] = s.Do
			}
		}
	})
}

func TestPlanForNobodyCallsNothing(t *testing.T) {
	p := Plan{Who: Person{ExternalID: "7"}, Steps: []Step{named(DoContact, ""), named(DoTag, "a")}}
	if calls := p.Calls(); calls == nil || len(calls) != 0 {
		t.Errorf("%v", calls)
	}
}
