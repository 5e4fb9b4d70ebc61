package rules

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"bridge/internal/events"
)

// anyRule draws a rule without mistakes out of few names, so that steps of different rules meet.
func anyRule(t *rapid.T, i int) Rule {
	names := rapid.SampledFrom([]string{"A", "B", "{{item.sku}}", "{{event.order.number}}", "A#1", "tag:A", ""})
	step := rapid.Custom(func(t *rapid.T) Step {
		list := rapid.SliceOfN(names, 1, 3).Draw(t, "names")
		switch rapid.IntRange(0, 6).Draw(t, "kind") {
		case 0:
			return Step{Untag: list}
		case 1:
			return Step{ActionSet: []string{"42"}}
		case 2:
			return Step{Goal: &Goal{Integration: "shop", Call: "x" + list[0]}}
		case 3:
			return Step{Note: &Note{Title: "x" + list[0]}}
		case 4:
			return Step{Order: &Order{}}
		case 5:
			return Step{Sequence: &Sequence{Automation: "1", Sequence: "2", Remove: rapid.Bool().Draw(t, "remove")}}
		default:
			return Step{Tag: list}
		}
	})
	r := Rule{
		Name: fmt.Sprintf("r%d", i), On: []string{"order.paid"},
		Do:      rapid.SliceOfN(step, 1, 4).Draw(t, "do"),
		Created: rapid.SliceOfN(step, 0, 2).Draw(t, "created"),
		Updated: rapid.SliceOfN(step, 0, 2).Draw(t, "updated"),
	}
	if rapid.Bool().Draw(t, "contact") {
		r.Do = append([]Step{{Contact: &Contact{OptIn: r.Name, Owner: &Owner{User: "1"}}}}, r.Do...)
	}
	return r
}

// TestStepsKeepTheirIdentity: identities are unique, the same each time, and do not change when other rules come or go.
// What is done is remembered by them.
func TestStepsKeepTheirIdentity(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var list []Rule
		for i := range rapid.IntRange(1, 4).Draw(t, "rules") {
			list = append(list, anyRule(t, i))
		}
		set, mistakes := new(Library).Compile(list)
		if len(mistakes) > 0 {
			t.Fatal(mistakes)
		}
		p, err := set.Plan(paidOrder(), noon)
		if err != nil {
			t.Fatal(err)
		}
		again, _ := set.Plan(paidOrder(), noon)
		if diff := cmp.Diff(p, again); diff != "" {
			t.Fatal("planning twice differs:", diff)
		}
		seen := map[string]bool{}
		for i, s := range p.Steps {
			if seen[s.ID] {
				t.Fatalf("two steps are called %s", s.ID)
			}
			seen[s.ID] = true
			if (s.Do == events.DoContact) != (i == 0) {
				t.Fatalf("step %d is %s; the contact step is the first and the only one", i, s.ID)
			}
			if rule, _, _ := strings.Cut(s.ID, "/"); s.Do != events.DoContact && rule != s.Rule {
				t.Fatalf("step %s belongs to rule %s", s.ID, s.Rule)
			}
		}
		alone(t, list[0], seen)
	})
}

// alone: the first rule's own steps are the same without the other rules.
func alone(t *rapid.T, first Rule, seen map[string]bool) {
	set, _ := new(Library).Compile([]Rule{first})
	p, err := set.Plan(paidOrder(), noon)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range p.Steps {
		if s.Do != events.DoContact && s.Do != events.DoOwner && !seen[s.ID] {
			t.Fatalf("step %s is there only without the other rules", s.ID)
		}
	}
}

// TestNoTagTwice: between two steps that do the same to a tag stands one that does the opposite.
func TestNoTagTwice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := []Rule{anyRule(t, 0), anyRule(t, 1)}
		set, _ := new(Library).Compile(list)
		p, err := set.Plan(paidOrder(), noon)
		if err != nil {
			t.Fatal(err)
		}
		for _, branch := range []events.Branch{events.IfCreated, events.IfUpdated} {
			last := map[string]events.StepKind{}
			for _, s := range p.Steps {
				if s.Do != events.DoTag && s.Do != events.DoUntag || s.Only != events.Always && s.Only != branch {
					continue
				}
				if s.Only == events.Always && last[s.Target] == s.Do && !branches(p, s.Target) {
					t.Fatalf("%s is done twice if %s", s.ID, branch)
				}
				last[s.Target] = s.Do
			}
		}
	})
}

// branches tells whether a tag stands in a branch: then a later step for all contacts is no repetition for some.
func branches(p events.Plan, target string) bool {
	for _, s := range p.Steps {
		if s.Target == target && s.Only != events.Always {
			return true
		}
	}
	return false
}

func FuzzText(f *testing.F) {
	for _, s := range []string{"{{event.order.total}} x", "{{'}}'}}", "{{", "}}", "{{r'\\'}}", "{{[1].map(item, item)}}", "{{event.raw.a.b[0]}}", "{{with.x}}", "ü{{now}}", "{{event.order.items.map(i, string(i.price))[0]}}"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, source string) {
		set, mistakes := new(Library).Compile([]Rule{{Name: "r", On: []string{"*"}, Do: []Step{{Note: &Note{Title: "x", Body: source}}}}})
		for _, m := range mistakes {
			if m.Offset < 0 || m.Offset > len(source) || m.Text == "" {
				t.Errorf("mistake %+v", m)
			}
		}
		if set == nil {
			return
		}
		p, err := set.Plan(paidOrder(), noon)
		var failure *Error
		if err != nil && !errors.As(err, &failure) {
			t.Errorf("%T: %v", err, err)
		}
		if err == nil && !strings.Contains(source, "{{") && p.Steps[1].Note.Body != source {
			t.Errorf("%q became %q", source, p.Steps[1].Note.Body)
		}
	})
}

func FuzzWhen(f *testing.F) {
	for _, s := range []string{"event.order.total >= 10.0", "has(event.refund)", "event.raw.id in [1, 2]", "source.name.matches('a+')", "now > timestamp('2026-01-01T00:00:00Z')", "event.contact.fields.exists(k, k == 'a')"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, source string) {
		set, mistakes := new(Library).Compile([]Rule{{Name: "r", On: []string{"*"}, When: source, Do: []Step{{Tag: []string{"A"}}}}})
		for _, m := range mistakes {
			if m.Offset < 0 || m.Offset > len(source) || m.Text == "" {
				t.Errorf("mistake %+v", m)
			}
		}
		if set == nil {
			return
		}
		_, _, err := set.Match(paidOrder(), noon)
		var failure *Error
		if err != nil && !errors.As(err, &failure) {
			t.Errorf("%T: %v", err, err)
		}
	})
}

func FuzzCompileTemplate(f *testing.F) {
	f.Add("{{body.a}}{{header['x']}}")
	f.Fuzz(func(t *testing.T, source string) {
		fill, err := CompileTemplate(source, "body", "header")
		if err != nil {
			return
		}
		_, _ = fill(map[string]any{"body": map[string]any{"a": []any{nil, 1.5, "x"}}, "header": map[string]string{"x": "y"}})
	})
}

// BenchmarkPlan: what an event costs grows with the rules that match, hardly with those that do not.
func BenchmarkPlan(b *testing.B) {
	for _, n := range []int{1, 8, 64} {
		list := []Rule{purchase()}
		for i := range n - 1 {
			list = append(list, Rule{Name: fmt.Sprint(i), On: []string{"lead.submitted"}, When: "event.contact.email != ''", Do: []Step{{Tag: []string{"A"}}}})
		}
		set := compile(b, list...)
		e := paidOrder()
		b.Run(fmt.Sprintf("match/%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := set.Match(e, noon); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("plan/%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := set.Plan(e, noon); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkCompileTemplate: the second source with the same text costs next to nothing.
func BenchmarkCompileTemplate(b *testing.B) {
	n := 0
	for name, text := range map[string]func() string{
		"same": func() string { return "{{body.email}}" },
		"new":  func() string { n++; return fmt.Sprintf("{{body.email}} %d", n) },
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := CompileTemplate(text(), "body", "header"); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
