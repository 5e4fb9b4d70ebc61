package events

import (
	"fmt"
	"strings"
	"testing"
)

// TestLookups: a tag by its id, a known category, the second of one name need no call of their own.
func TestLookups(t *testing.T) {
	p := Plan{Who: Person{Email: "ada@example.com"}, Steps: []Step{
		{Do: DoContact, Contact: &ContactStep{Contact: Contact{Email: "ada@example.com"}, Fields: map[string]string{"LastOrder": "1"}, Company: "Acme"}},
		{Do: DoTag, Target: "91"}, {Do: DoTag, Target: "Customer"}, {Do: DoTag, Target: "customer"}, {Do: DoTag, Target: "Shop -> New"},
		{Do: DoTag, Target: "Shop -> Old"}, {Do: DoUntag, Target: "Cart"}, {Do: DoGoal, Target: "shop/bought"},
		{Do: DoOrder, Order: &OrderStep{Order: Order{Items: []Item{{SKU: "A"}, {SKU: "A"}, {Name: "no SKU"}}}}},
		{Do: DoOrder, Order: &OrderStep{Refund: &Refund{}, Order: Order{Items: []Item{{SKU: "B"}}}}},
	}}
	var got []string
	for _, c := range p.Lookups() {
		got = append(got, fmt.Sprint(c.Operation, c.Subjects))
	}
	want := "contacts.model[custom fields] companies.list[Acme] companies.create[Acme] tags.list[Customer] tags.create[Customer] " +
		"tags.list[Shop -> New] tags.categories.list[Shop] tags.categories.create[Shop] tags.create[Shop -> New] " +
		"tags.list[Shop -> Old] tags.create[Shop -> Old] tags.list[Cart] products.list[A] products.create[A]"
	if strings.Join(got, " ") != want {
		t.Errorf("got  %s\nwant %s", strings.Join(got, " "), want)
	}
	p.Who = Person{}
	if got := p.Lookups(); len(got) != 0 {
		t.Errorf("nobody needs %v", got)
	}
	p = Plan{Who: Person{Phone: "+1555"}, Steps: []Step{{Do: DoContact, Contact: &ContactStep{}}}}
	if got := p.Lookups(); len(got) != 1 || got[0].Operation != "contacts.list" {
		t.Errorf("by phone: %v", got)
	}
}
