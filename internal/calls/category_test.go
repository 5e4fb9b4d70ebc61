package calls

import (
	"context"
	"testing"

	"bridge/internal/events"
	"bridge/internal/keap/sandbox"
)

// Tags of one name in two categories are told apart; a missing one is made in its category, which is made once.
func TestTagsHaveCategories(t *testing.T) {
	inSandbox(t, blackFriday, 2, func(b *sandboxed) {
		if err := b.crm.Seed(sandbox.Seed{App: "ab123", Tags: []sandbox.Tag{{ID: "7", Name: "Customer"}, {ID: "8", Name: "Customer", Category: "Shop"}}}); err != nil {
			t.Fatal(err)
		}
		results := b.Do(context.Background(), ask(events.Normal, "c0", "1", tag("shop -> customer"), tag("Web -> Visitor"), tag("Web -> Buyer"), tag("Customer")))
		for _, r := range results {
			if r.Err != nil {
				t.Errorf("%s: %v", r.Step, r.Err)
			}
		}
		categories := map[string]string{}
		for _, tag := range b.crm.State("ab123").Tags {
			categories[tag.Name+"/"+tag.Category] = tag.ID
		}
		for _, want := range []string{"Customer/", "Customer/Shop", "Visitor/Web", "Buyer/Web"} {
			if categories[want] == "" {
				t.Errorf("there is no %s: %v", want, categories)
			}
		}
		if len(categories) != 4 {
			t.Errorf("tags %v", categories)
		}
		by := b.crm.Calls("").ByOperation
		if by["tags.categories.create"] != 1 || by["tags.create"] != 2 {
			t.Errorf("calls %v", by)
		}
		if has := b.crm.State("ab123").Contacts[0].Tags; len(has) != 4 {
			t.Errorf("the contact has %v", has)
		}
	})
}
