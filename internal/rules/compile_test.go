package rules

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"bridge/internal/events"
)

func ptr[T any](v T) *T { return &v }

// TestEveryMistakeIsFound: each rule has one mistake, told with its path, its offset and words that help.
func TestEveryMistakeIsFound(t *testing.T) {
	do := func(steps ...Step) Rule { return Rule{Name: "r", On: []string{"order.paid"}, Do: steps} }
	tag := Step{Tag: []string{"A"}}
	when := func(source string) Rule { r := do(tag); r.When = source; return r }
	for _, c := range []struct {
		rule Rule
		want string // path@offset: words
	}{
		{Rule{On: []string{"order.paid"}, Do: []Step{tag}}, "[0]@0: the rule has no name"},
		{Rule{Name: "a/b", On: []string{"order.paid"}, Do: []Step{tag}}, "[0].name@0: a name holds no /"},
		{Rule{Name: "r", Do: []Step{tag}}, "[0]@0: the rule has no on"},
		{Rule{Name: "r", On: []string{"order.payed"}, Do: []Step{tag}}, "[0].on[0]@0: there is no event order.payed; order has created, paid"},
		{Rule{Name: "r", On: []string{"order.paid", "*.paid"}, Do: []Step{tag}}, "[0].on[1]@0: a * stands only at the end"},
		{Rule{Name: "r", On: []string{"paid"}, Do: []Step{tag}}, `[0].on[0]@0: "paid" is no event type`},
		{Rule{Name: "r", On: []string{"order.paid"}}, "[0]@0: the rule has no steps"},
		{Rule{Name: "r", On: []string{"order.paid"}, Do: []Step{tag}, Priority: "high"}, `[0].priority@0: priority "high" is none of`},
		{Rule{Name: "r", On: []string{"order.paid"}, Do: []Step{tag}, OnDoubt: "retry"}, `[0].on_doubt@0: "retry" is none of`},
		{when("event.order.totl >= 10.0"), "[0].when@12: there is no field totl; did you mean total?"},
		{when("event.order.total"), "[0].when@0: the condition gives a double"},
		{when("evnt.type == 'x'"), "[0].when@0: there is no variable or function evnt; did you mean event?"},
		{when("{{event.order.total > 1}}"), "[0].when@"},
		{when("item.sku == 'X'"), "[0].when@0: item is there only in the texts"},
		{when("now > timestamp('soon')"), "[0].when@"},
		{when("event.type =="), "[0].when@"},
		{do(Step{}), "[0].do[0]@0: the step does nothing"},
		{do(Step{Tag: []string{"A"}, Untag: []string{"B"}}), "[0].do[0]@0: one step does one thing; here are tag and untag"},
		{do(Step{Tag: []string{}}), "[0].do[0].tag@0: the list is empty"},
		{do(Step{Tag: []string{"A", "ünd {{event.order.nr}}"}}), "[0].do[0].tag[1]@19: there is no field nr"},
		{do(Step{Tag: []string{"{{event.id"}}), "[0].do[0].tag[0]@0: {{ without }}"},
		{do(Step{Tag: []string{"{{}}"}}), "[0].do[0].tag[0]@2: the expression is empty"},
		{do(Step{Tag: []string{"{{event.order}}"}}), "[0].do[0].tag[0]@2: this order cannot be printed"},
		{do(Step{Tag: []string{"{{event.order.items}}"}}), "[0].do[0].tag[0]@2: this list(item) cannot be printed"},
		{do(Step{Tag: []string{"{{with.tag}}"}}), "[0]@0: with.tag is only there in rule sets"},
		{do(Step{Goal: &Goal{Integration: "shop"}}), "[0].do[0].goal@0: call is missing"},
		{do(Step{Sequence: &Sequence{Automation: "1"}}), "[0].do[0].sequence@0: sequence is missing"},
		{do(Step{Note: &Note{}}), "[0].do[0].note@0: a note needs a title or a body"},
		{do(Step{Note: &Note{Title: "x", Type: "SMS"}}), `[0].do[0].note.type@0: "SMS" is none of`},
		{do(Step{Task: &Task{Due: "2026-01-01"}}), "[0].do[0].task@0: title is missing"},
		{do(Step{Task: &Task{Title: "x", Due: "tomorrow"}}), `[0].do[0].task.due@0: "tomorrow" is neither a date`},
		{do(Step{Task: &Task{Title: "x", Due: "{{1}}"}}), "[0].do[0].task.due@0: a task is due at a time; this is a int"},
		{do(Step{Email: &Email{}}), "[0].do[0].email@0: template is missing"},
		{do(Step{Order: &Order{Title: "{{item.sku}}"}}), "[0].do[0].order.title@0: an order is recorded once"},
		{do(Step{Contact: &Contact{OptIn: "{{item.sku}}"}}), "[0].do[0].contact@0: a contact is written once"},
		{do(Step{Contact: &Contact{UTM: map[string]string{"medum": "x"}}}), `[0].do[0].contact.utm.medum@0: "medum" is none of`},
		{do(Step{Contact: &Contact{Fields: map[string]string{"Last order": "{{x}}"}}}), `[0].do[0].contact.fields["Last order"]@2: there is no variable or function x`},
		{do(Step{Contact: &Contact{Owner: &Owner{RoundRobin: []string{}}}}), "[0].do[0].contact.owner@0: round_robin names nobody"},
		{do(Step{Contact: &Contact{Owner: &Owner{User: "1", RoundRobin: []string{"2"}}}}), "[0].do[0].contact.owner@0: an owner is one user"},
		{Rule{Name: "r", On: []string{"order.paid"}, Created: []Step{{Contact: &Contact{}}}}, "[0].created[0].contact@0: a contact step stands under do"},
		{Rule{Name: "r", On: []string{"order.paid"}, Do: []Step{tag}, With: map[string]any{"a": 1}}, "[0].with@0: with goes together with use"},
		{Rule{Use: "nothing"}, "[0].use@0: there is no rule set \"nothing\""},
	} {
		set, mistakes := new(Library).Compile([]Rule{c.rule})
		var got []string
		for _, m := range mistakes {
			got = append(got, fmt.Sprintf("%s@%d: %s", m.Path, m.Offset, m.Text))
		}
		if set != nil || len(got) == 0 || !strings.HasPrefix(got[0], c.want) {
			t.Errorf("got %q, want %q", got, c.want)
		}
		if len(got) > 1 && !strings.Contains(c.rule.When, "{{") {
			t.Errorf("one mistake became %d: %q", len(got), got)
		}
	}
}

func TestAllMistakesAtOnce(t *testing.T) {
	_, mistakes := new(Library).Compile([]Rule{
		{Name: "a", On: []string{"order.paid"}, When: "event.order.totl > 1.0 && event.ordr.total > 1.0", Do: []Step{{Tag: []string{"{{x}} {{y}}"}}, {}}},
		{Name: "a", On: []string{"order.paid"}, Do: []Step{{Tag: []string{"A"}}}},
		{Name: "a", On: []string{"order.paid"}, Do: []Step{{Tag: []string{"B"}}}},
	})
	var got []string
	for _, m := range mistakes {
		got = append(got, fmt.Sprintf("%s@%d", m.Path, m.Offset))
	}
	want := []string{"[0].when@12", "[0].when@32", "[0].do[0].tag[0]@2", "[0].do[0].tag[0]@8", "[0].do[1]@0", "[2].name@0"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestRuleSets(t *testing.T) {
	library, wrong := NewLibrary(map[string][]Rule{"shop": {
		{Name: "buyer", On: []string{"order.paid"}, When: "event.order.total >= with.least", Do: []Step{{Tag: []string{"{{with.tag}}", "{{has(with.extra) ? with.extra : ''}}"}}}},
		{Name: "never", On: []string{"order.paid"}, When: "with.extra == 'no' && has(with.extra)", Do: []Step{{Tag: []string{"{{has(with.tag) ? with.tag : ''}}"}}}},
	}})
	if len(wrong) > 0 {
		t.Fatal(wrong)
	}
	one, m1 := library.Compile([]Rule{{Use: "shop", With: map[string]any{"least": 10, "tag": "A", "extra": ""}}})
	two, m2 := library.Compile([]Rule{{Use: "shop", With: map[string]any{"least": 59.9, "tag": "B", "extra": "C"}}, {Name: "own", On: []string{"*"}, Do: []Step{{Tag: []string{"D"}}}}})
	if len(m1)+len(m2) > 0 {
		t.Fatal(m1, m2)
	}
	if one.rules[0].rule != two.rules[0].rule {
		t.Error("the rules of a set have to be compiled once")
	}
	for set, want := range map[*Set]string{one: "buyer/tag:A#1", two: "buyer/tag:B#1 buyer/tag:C#1 own/tag:D#1"} {
		p, err := set.Plan(paidOrder(), noon)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(brief(p)[1:], " "); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	for _, c := range []struct {
		rule Rule
		want string
	}{
		{Rule{Use: "shop", With: map[string]any{"least": 1}}, "[0]: rule set shop needs with.tag"},
		{Rule{Use: "shop", With: map[string]any{"least": 1, "tag": "A", "extr": "x"}}, "[0].with.extr: rule set shop has no parameter extr; did you mean extra?"},
		{Rule{Use: "shp", With: map[string]any{}}, `[0].use: there is no rule set "shp"; did you mean shop?`},
		{Rule{Use: "shop", Name: "x", With: map[string]any{}}, "[0]: an entry with use takes nothing else but with"},
	} {
		_, mistakes := library.Compile([]Rule{c.rule})
		if len(mistakes) != 1 || mistakes[0].Error() != c.want {
			t.Errorf("got %v, want %s", mistakes, c.want)
		}
	}
	_, wrong = NewLibrary(map[string][]Rule{"bad": {{Name: "x", On: []string{"*"}, When: "nope", Do: []Step{{Tag: []string{"A"}}}}, {Use: "bad"}}})
	if len(wrong["bad"]) != 2 {
		t.Errorf("got %v", wrong)
	}
}

func TestMatch(t *testing.T) {
	set := compile(t,
		Rule{Name: "bulk", On: []string{"order.*"}, Priority: "bulk", Do: []Step{{Tag: []string{"A"}}}},
		Rule{Name: "vip", On: []string{"order.paid"}, Priority: "urgent", When: "event.order.total >= 1000", Do: []Step{{Tag: []string{"A"}}}},
		Rule{Name: "breaks", On: []string{"order.failed"}, When: "event.subscription.plan == 'x'", Do: []Step{{Tag: []string{"A"}}}},
		Rule{Name: "lead", On: []string{"lead.submitted", "customer.created"}, Do: []Step{{Tag: []string{"A"}}}},
	)
	for name, c := range map[string]struct {
		change func(e *events.Event)
		rules  string
		prio   events.Priority
		reason events.Reason
	}{
		"one of two":           {func(e *events.Event) {}, "bulk", events.Bulk, ""},
		"the highest priority": {func(e *events.Event) { e.Data.Order.Total = "1000.00" }, "bulk vip", events.Urgent, ""},
		"none":                 {func(e *events.Event) { e.Type = "orders.paid" }, "", events.Normal, ""},
		"a list":               {func(e *events.Event) { e.Type = "customer.created" }, "lead", events.Normal, ""},
		"priority asked for":   {func(e *events.Event) { e.Type, e.Priority = "lead.submitted", "bulk" }, "lead", events.Bulk, ""},
		"rule asked for":       {func(e *events.Event) { e.Rule = "vip" }, "vip", events.Urgent, ""},
		"unknown rule":         {func(e *events.Event) { e.Rule = "gone" }, "", events.Normal, events.NotConfigured},
		"a condition fails":    {func(e *events.Event) { e.Type = "order.failed" }, "bulk", events.Bulk, events.RuleError},
	} {
		t.Run(name, func(t *testing.T) {
			e := paidOrder()
			c.change(e)
			names, prio, err := set.Match(e, noon)
			var failure *Error
			errors.As(err, &failure)
			if got := strings.Join(names, " "); got != c.rules || prio != c.prio || (failure == nil) != (c.reason == "") || failure != nil && failure.Reason != c.reason {
				t.Errorf("got %q, %s, %v", got, prio, err)
			}
		})
	}
}

func TestEqualRulesAreCompiledOnce(t *testing.T) {
	library := new(Library)
	rule := func() Rule {
		r := purchase()
		r.Tests = []Test{{Payload: "x", Expect: Expect{Calls: ptr(1)}}}
		return r
	}
	a, _ := library.Compile([]Rule{rule()})
	b, _ := library.Compile([]Rule{purchase()})
	if a.rules[0].rule != b.rules[0].rule {
		t.Error("equal rules were compiled twice")
	}
}

func TestNamed(t *testing.T) {
	library, _ := NewLibrary(map[string][]Rule{"set": {{Name: "s", On: []string{"*"}, Do: []Step{{Tag: []string{"{{with.tag}}", "{{event.id}}"}}}}}})
	set, mistakes := library.Compile([]Rule{purchase(), {Use: "set", With: map[string]any{"tag": "Lead"}}})
	if len(mistakes) > 0 {
		t.Fatal(mistakes)
	}
	var got []string
	for _, n := range set.Named() {
		got = append(got, n.Rule+" "+n.Path+" "+n.Kind+" "+n.Name)
	}
	want := []string{
		"purchase do[0].contact.owner user 1", "purchase do[0].contact.owner user 5", "purchase do[0].contact.owner user 9", "purchase do[0].contact.fields.LastOrder custom field LastOrder",
		"purchase do[1].tag[0] tag Customer", "purchase do[2].untag[0] tag Abandoned cart", "purchase do[3].action_set[0] action set 42",
		"purchase do[5].sequence sequence 12/3", "purchase do[9].email.template template 77", "purchase created[0].tag[0] tag New", "purchase updated[0].action_set[0] action set 7",
		"s do[0].tag[0] tag Lead",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	e := paidOrder()
	e.Type = "lead.submitted"
	p, err := set.Plan(e, noon)
	if err != nil || !p.Steps[1].Literal || p.Steps[2].Literal {
		t.Errorf("a tag that the account's configuration names is literal, one of the event's content is not: %+v, %v", p, err)
	}
}
