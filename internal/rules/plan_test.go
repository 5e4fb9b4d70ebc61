package rules

import (
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"bridge/internal/events"
)

var noon = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)

func paidOrder() *events.Event {
	paid := noon.Add(-time.Hour)
	return &events.Event{
		ID: "shop:order.paid:1001", Account: "default", Source: "shop", Kind: "woocommerce", Type: "order.paid",
		Time: paid, Received: noon,
		Data: events.Data{
			Contact: &events.Contact{Email: "ada@example.com", FirstName: "Ada", Phone: "+442079460000", Fields: map[string]string{"budget": "low"}},
			Order: &events.Order{ID: "1001", Number: "A-1001", Total: "59.90", Currency: "EUR", PaidAt: &paid, URL: "https://shop.example.com/1001",
				Items: []events.Item{{SKU: "HOODIE", Name: "Hoodie", Quantity: 1, Price: "45.00"}, {SKU: "BELT", Name: "Belt", Quantity: 2, Price: "7.45"}, {SKU: "HOODIE", Name: "Hoodie", Quantity: 1, Price: "45.00"}}},
			Raw: json.RawMessage(`{"id": 820982911946154508, "total": "59.90", "weight": 1.50, "sizes": [1, 12345678901234567.10], "meta": [{"key": "gift", "value": true}], "note": null}`),
		},
	}
}

// compile makes a Set that has to be free of mistakes.
func compile(t testing.TB, list ...Rule) *Set {
	t.Helper()
	set, mistakes := new(Library).Compile(list)
	for _, m := range mistakes {
		t.Error(m)
	}
	if set == nil {
		t.FailNow()
	}
	return set
}

func plan(t testing.TB, e *events.Event, list ...Rule) events.Plan {
	t.Helper()
	p, err := compile(t, list...).Plan(e, noon)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// brief is a step in one line: its identity, with a mark for its branch.
func brief(p events.Plan) []string {
	var out []string
	for _, s := range p.Steps {
		line := s.ID
		if s.Only != events.Always {
			line += " if " + string(s.Only)
		}
		out = append(out, line)
	}
	return out
}

func purchase() Rule {
	return Rule{
		Name: "purchase", On: []string{"order.paid"}, Priority: "urgent", When: "event.order.total >= 10.0",
		Do: []Step{
			{Contact: &Contact{OptIn: "Bought at {{event.order.url}}", Fields: map[string]string{"LastOrder": "{{event.order.number}}"}, Owner: &Owner{RoundRobin: []string{"1", "5", "9"}}}},
			{Tag: []string{"Customer", "Bought {{item.sku}}"}},
			{Untag: []string{"Abandoned cart"}},
			{ActionSet: []string{"42"}},
			{Goal: &Goal{Integration: "shop", Call: "{{event.order.items[0].sku}}"}},
			{Sequence: &Sequence{Automation: "12", Sequence: "3"}},
			{Order: &Order{}},
			{Note: &Note{Title: "Order {{event.order.number}}", Body: "{{event.order.total}} {{event.order.currency}}"}},
			{Task: &Task{Title: "Call", Due: "{{now + duration('24h')}}"}},
			{Email: &Email{Template: "77"}},
		},
		Created: []Step{{Tag: []string{"New"}}},
		Updated: []Step{{ActionSet: []string{"7"}}},
	}
}

func TestPlanOfTheContractsRule(t *testing.T) {
	p := plan(t, paidOrder(), purchase())
	want := []string{
		"purchase/contact:#1", "purchase/owner:#1 if created",
		"purchase/tag:Customer#1", "purchase/tag:Bought HOODIE#1", "purchase/tag:Bought BELT#1", "purchase/untag:Abandoned cart#1",
		"purchase/action_set:42#1", "purchase/goal:shop/HOODIE#1", "purchase/sequence:12/3#1", "purchase/order:A-1001#1", "purchase/payment:A-1001#1",
		"purchase/note:#1", "purchase/task:#1", "purchase/email:77#1",
		"purchase/tag:New#1 if created", "purchase/action_set:7#1 if updated",
	}
	if diff := cmp.Diff(want, brief(p)); diff != "" {
		t.Error(diff)
	}
	if p.Priority != events.Urgent || !p.Made.Equal(noon) || p.Who.Email != "ada@example.com" {
		t.Errorf("plan is %+v", p)
	}
	contact := &events.ContactStep{
		Contact: events.Contact{Email: "ada@example.com", FirstName: "Ada", Phone: "+442079460000"},
		OptIn:   "Bought at https://shop.example.com/1001", Fields: map[string]string{"LastOrder": "A-1001"},
	}
	if diff := cmp.Diff(contact, p.Steps[0].Contact); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"1", "5", "9"}, p.Steps[1].Owner.Users); diff != "" {
		t.Error(diff)
	}
	if !p.Steps[2].Literal || p.Steps[3].Literal {
		t.Error("literal tells a tag that stands in the rule from one that was filled in")
	}
	if got := p.Steps[11].Note.Body; got != "59.90 EUR" {
		t.Errorf("body is %q", got)
	}
	if got := p.Steps[12].Task.Due; !got.Equal(noon.Add(24 * time.Hour)) {
		t.Errorf("due at %s", got)
	}
}

func TestContactStepsOfSeveralRulesBecomeOne(t *testing.T) {
	p := plan(t, paidOrder(),
		Rule{Name: "tag first", On: []string{"order.*"}, Do: []Step{{Tag: []string{"A"}}}},
		Rule{Name: "one", On: []string{"order.paid"}, Do: []Step{{Contact: &Contact{Fields: map[string]string{"F": "1", "G": "1"}, OptIn: "first"}}, {Tag: []string{"B"}}}},
		Rule{Name: "two", On: []string{"*"}, Do: []Step{{Tag: []string{"A", "C"}}, {Contact: &Contact{Fields: map[string]string{"F": "2", "H": "{{''}}"}, Owner: &Owner{User: "4"}}}}},
	)
	want := []string{"one+two/contact:#1", "two/owner:#1 if created", "tag first/tag:A#1", "one/tag:B#1", "two/tag:C#1"}
	if diff := cmp.Diff(want, brief(p)); diff != "" {
		t.Error(diff)
	}
	c := p.Steps[0].Contact
	if diff := cmp.Diff(map[string]string{"F": "2", "G": "1"}, c.Fields); diff != "" {
		t.Error(diff)
	}
	if c.OptIn != "first" {
		t.Errorf("opt-in is %q: a later rule without one must not clear it", c.OptIn)
	}
	if got := len(events.Groups(p.Steps)); got != 3 {
		t.Errorf("%d groups; the tags of neighbouring rules must share one", got)
	}
}

func TestStepsWithoutAContactStep(t *testing.T) {
	least := events.Contact{Email: "ada@example.com"}
	for name, c := range map[string]struct {
		do   []Step
		find bool
	}{
		"a tag":                           {[]Step{{Tag: []string{"A"}}}, false},
		"only untag":                      {[]Step{{Untag: []string{"A"}}}, true},
		"untag and leaving a sequence":    {[]Step{{Untag: []string{"A"}}, {Sequence: &Sequence{Automation: "1", Sequence: "2", Remove: true}}}, true},
		"untag and entering one":          {[]Step{{Untag: []string{"A"}}, {Sequence: &Sequence{Automation: "1", Sequence: "2"}}}, false},
		"untag and a note on the contact": {[]Step{{Untag: []string{"A"}}, {Note: &Note{Title: "x"}}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			p := plan(t, paidOrder(), Rule{Name: "r", On: []string{"order.paid"}, Do: c.do})
			want := events.Step{ID: "r/contact:implicit#1", Rule: "r", Do: events.DoContact, Contact: &events.ContactStep{Contact: least, Find: c.find}}
			if diff := cmp.Diff(want, p.Steps[0]); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestRepeatedTags(t *testing.T) {
	tag, untag := Step{Tag: []string{"X"}}, Step{Untag: []string{"X"}}
	for name, c := range map[string]struct {
		rule Rule
		want string
	}{
		"twice":                           {Rule{Do: []Step{tag, tag}}, "tag:X#1"},
		"on, off, on":                     {Rule{Do: []Step{tag, untag, tag}}, "tag:X#1 untag:X#1 tag:X#2"},
		"always, then for new ones":       {Rule{Do: []Step{tag}, Created: []Step{tag}}, "tag:X#1"},
		"for new ones and for old ones":   {Rule{Created: []Step{tag}, Updated: []Step{tag}}, "tag:X#1 if created tag:X#2 if updated"},
		"off for new ones, on for others": {Rule{Created: []Step{untag}, Updated: []Step{tag, tag}}, "untag:X#1 if created tag:X#1 if updated"},
		"always, and off for new ones":    {Rule{Do: []Step{tag}, Created: []Step{untag}, Updated: []Step{tag}}, "tag:X#1 untag:X#1 if created"},
		"an empty name":                   {Rule{Do: []Step{{Tag: []string{"", "{{''}}", " {{item.product_id}} "}}, tag}}, "tag:X#1"},
	} {
		t.Run(name, func(t *testing.T) {
			c.rule.Name, c.rule.On = "r", []string{"order.paid"}
			got := strings.Join(brief(plan(t, paidOrder(), c.rule))[1:], " ")
			if got = strings.ReplaceAll(got, "r/", ""); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

func TestItemsRepeatAStep(t *testing.T) {
	p := plan(t, paidOrder(), Rule{Name: "r", On: []string{"order.paid"}, Do: []Step{
		{Goal: &Goal{Integration: "shop", Call: "{{item.sku}}"}},
		{Note: &Note{Title: "{{item.quantity}} × {{item.name}} at {{item.price}}"}},
	}})
	want := []string{"r/contact:implicit#1", "r/goal:shop/HOODIE#1", "r/goal:shop/BELT#1", "r/goal:shop/HOODIE#2", "r/note:#1", "r/note:#2", "r/note:#3"}
	if diff := cmp.Diff(want, brief(p)); diff != "" {
		t.Error(diff)
	}
	if got := p.Steps[5].Note.Title; got != "2 × Belt at 7.45" {
		t.Errorf("title is %q", got)
	}
}

func TestRefundsAndOrdersNotYetPaid(t *testing.T) {
	list := Rule{Name: "r", On: []string{"order.*"}, Do: []Step{{Order: &Order{}}}}
	e := paidOrder()
	e.Type, e.Data.Order.PaidAt = "order.created", nil
	if got := brief(plan(t, e, list)); len(got) != 2 || got[1] != "r/order:A-1001#1" {
		t.Errorf("an order not yet paid comes to %v", got)
	}
	e.Type, e.Data.Refund = "order.refunded", &events.Refund{ID: "7", OrderID: "1001", Amount: "5.00"}
	p := plan(t, e, list)
	if len(p.Steps) != 2 || p.Steps[1].Order.Refund == nil {
		t.Errorf("a refund comes to %v", brief(p))
	}
	e.Data.Order, e.Data.Refund = nil, nil
	if _, err := compile(t, list).Plan(e, noon); err == nil {
		t.Error("an order step without an order has to fail")
	}
}

func TestAnOrderIsRecordedOnce(t *testing.T) {
	order := []Step{{Order: &Order{}}}
	p := plan(t, paidOrder(), Rule{Name: "a", On: []string{"order.*"}, Do: order}, Rule{Name: "b", On: []string{"order.paid"}, Do: order})
	if got := strings.Join(brief(p)[1:], " "); got != "a/order:A-1001#1 a/payment:A-1001#1" {
		t.Errorf("two rules that record the order come to %s", got)
	}
}

// TestOneSetForAll: a Set is shared by all workers of its account; with -race this finds what they share by mistake.
func TestOneSetForAll(t *testing.T) {
	set := compile(t, purchase())
	want, err := set.Plan(paidOrder(), noon)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 20 {
				if got, err := set.Plan(paidOrder(), noon); err != nil || !cmp.Equal(want, got) {
					t.Errorf("got %v, %v", brief(got), err)
				}
			}
		})
	}
	wg.Wait()
}
