package calls

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"bridge/internal/events"
	"bridge/internal/keap"
	"bridge/internal/keap/sandbox"
)

// fine does the steps of one event of a contact, one ask after another as a worker does, and gives the last result.
func (b *sandboxed) fine(who, id string, steps ...events.Step) (last Result) {
	b.t.Helper()
	for _, step := range steps {
		last = b.Do(context.Background(), ask(events.Normal, who, id, step))[0]
		if last.Err != nil {
			b.t.Fatalf("%s %s: %v", step.Do, step.Target, last.Err)
		}
		if last.Contact != "" {
			id = last.Contact
		}
	}
	return last
}

// TestContactInTheCRM writes all that a contact step may say: address codes, custom fields by label and by name, the
// company record, the reason of the opt-in, where the contact came from; and again, which changes nothing.
func TestContactInTheCRM(t *testing.T) {
	inSandbox(t, blackFriday, 0, func(b *sandboxed) {
		if err := b.crm.Seed(sandbox.Seed{App: "ab123", CustomFields: []sandbox.CustomField{{ID: "11", Label: "Last Order", FieldName: "LastOrder"}, {ID: "12", Label: "Visits", FieldName: "Visits", Type: "WholeNumber"}}}); err != nil {
			t.Fatal(err)
		}
		step := contact(events.Contact{Email: "ada@example.com", FirstName: "Ada", LastName: "Example", Phone: "+49 30 5550100",
			Address: &events.Address{Line1: "Hauptstr. 1", City: "Berlin", Region: "BE", PostalCode: "10115", Country: "DE"}})
		step.Contact.OptIn, step.Contact.Company = "Bought at the shop", "Example GmbH"
		step.Contact.Fields = map[string]string{"Last Order": "1001", "Visits": "3"}
		step.Contact.UTM = map[string]string{"source": "shop", "campaign": "bf"}
		made := b.fine("ada", "", step)
		state := b.crm.State("ab123").Contacts
		if !made.Created || len(state) != 1 {
			t.Fatalf("%+v, %d contacts", made, len(state))
		}
		got := state[0]
		if got.OptInReason != "Bought at the shop" || got.EmailStatus != "SingleOptIn" || got.CompanyID == "" || got.Phone != "+49 30 5550100" {
			t.Errorf("%+v", got)
		}
		if diff := cmp.Diff(map[string]any{"LastOrder": "1001", "Visits": 3.0}, got.CustomFields); diff != "" {
			t.Errorf("custom fields: %s", diff)
		}
		read, err := b.account.Keap.Contact(context.Background(), made.Contact)
		if err != nil || len(read.Addresses) != 1 || read.Addresses[0].Country != "DEU" || read.Addresses[0].Line1 != "Hauptstr. 1" {
			t.Errorf("addresses %+v, %v", read.Addresses, err)
		}
		before := b.crm.Calls("").Total
		if again := b.fine("ada", "", step); !again.Skipped || b.crm.Calls("").Total != before {
			t.Errorf("the same again cost %d calls", b.crm.Calls("").Total-before)
		}
		step.Contact.Company = "Example GmbH "
		if b.fine("ada", "", step); len(b.crm.State("ab123").Contacts) != 1 || b.crm.State("ab123").Contacts[0].CompanyID != got.CompanyID {
			t.Error("the company was made twice")
		}
	})
}

// TestFieldsAreCheckedBeforeSending: a value that does not fit its field, or is too long, fails its event with the
// field's name; nothing is cut, and nothing is written.
func TestFieldsAreCheckedBeforeSending(t *testing.T) {
	inSandbox(t, blackFriday, 0, func(b *sandboxed) {
		if err := b.crm.Seed(sandbox.Seed{App: "ab123", CustomFields: []sandbox.CustomField{{ID: "12", Label: "Visits", FieldName: "Visits", Type: "WholeNumber"}}}); err != nil {
			t.Fatal(err)
		}
		for field, step := range map[string]events.Step{
			"Visits":     {Do: events.DoContact, Contact: &events.ContactStep{Contact: events.Contact{Email: "a@example.com"}, Fields: map[string]string{"Visits": "many"}}},
			"given_name": contact(events.Contact{Email: "a@example.com", FirstName: strings.Repeat("x", 41)}),
			"Colour":     {Do: events.DoContact, Contact: &events.ContactStep{Contact: events.Contact{Email: "a@example.com"}, Fields: map[string]string{"Colour": "red"}}},
		} {
			r := b.Do(context.Background(), ask(events.Normal, "a", "", step))[0]
			if keap.KindOf(r.Err) != keap.KindInvalid || !strings.Contains(r.Err.Error(), field) {
				t.Errorf("%s: %v", field, r.Err)
			}
		}
		if n := len(b.crm.State("ab123").Contacts); n != 0 {
			t.Errorf("%d contacts were written", n)
		}
	})
}

// TestWhatNamesNoUser: notes, tasks and e-mails that name no Keap user are the account's; those that do are that user's.
func TestWhatNamesNoUser(t *testing.T) {
	inSandbox(t, blackFriday, 1, func(b *sandboxed) {
		b.account.UserID = "5"
		due := blackFriday.Add(24 * time.Hour).In(time.FixedZone("", 3600))
		b.fine("c0", "1",
			events.Step{Do: events.DoNote, Note: &events.NoteStep{Title: "Called"}},
			events.Step{Do: events.DoTask, Task: &events.TaskStep{Title: "Call back", Due: due}},
			events.Step{Do: events.DoEmail, Target: "77", Email: &events.EmailStep{}},
			events.Step{Do: events.DoNote, Target: "2", Note: &events.NoteStep{Title: "Visited", User: "9"}},
			events.Step{Do: events.DoTask, Target: "2", Task: &events.TaskStep{Title: "Send a card", Due: due, User: "9"}},
		)
		s := b.crm.State("ab123")
		if len(s.Notes) != 2 || s.Notes[0].UserID != "5" || s.Notes[1].UserID != "9" {
			t.Errorf("notes %+v", s.Notes)
		}
		if len(s.Tasks) != 2 || s.Tasks[0].UserID != "5" || s.Tasks[1].UserID != "9" || !s.Tasks[0].DueAt.Equal(due) {
			t.Errorf("tasks %+v", s.Tasks)
		}
		if len(s.Emails) != 1 || s.Emails[0].ContactID != "1" || s.Emails[0].UserID != "5" {
			t.Errorf("e-mails %+v", s.Emails)
		}
	})
}

// TestOrderInTheCRM: items go by the configured product, by the one with their SKU or by one that is made; shipping, tax
// and discount are lines; the payment is the total; money given back is a note, as Keap has no call for it.
func TestOrderInTheCRM(t *testing.T) {
	inSandbox(t, blackFriday, 1, func(b *sandboxed) {
		if err := b.crm.Seed(sandbox.Seed{App: "ab123", Products: []sandbox.Product{{ID: "31", SKU: "MUG", Name: "Mug", Price: "9.90"}, {ID: "32", SKU: "OLD", Name: "Hoodie", Price: "45.00"}}}); err != nil {
			t.Fatal(err)
		}
		b.account.Products = map[string]string{"HOODIE": "32"}
		paid := blackFriday.Add(-time.Hour)
		bought := events.OrderStep{Order: events.Order{
			ID: "17", Number: "1001", Total: "102.35", Tax: "6.55", Shipping: "4.95", Discount: "10.00", Currency: "USD", PaidAt: &paid,
			Items: []events.Item{{SKU: "HOODIE", Name: "Hoodie", Quantity: 2, Price: "45.50"}, {SKU: "MUG", Quantity: 1, Price: "9.85"}, {SKU: "CAP", Name: "Cap", Quantity: 1, Price: "0"}},
		}, Paid: true}
		made := b.fine("c0", "1", events.Step{Do: events.DoOrder, Order: &bought})
		bought.Keap = made.Note
		b.fine("c0", "1", events.Step{Do: events.DoPayment, Order: &bought})
		s := b.crm.State("ab123")
		if len(s.Orders) != 1 || s.Orders[0].Total != "102.35" || s.Orders[0].Paid != "102.35" || s.Orders[0].InvoiceNumber != "1001" || !s.Orders[0].OrderedAt.Equal(paid) {
			t.Fatalf("%+v", s.Orders)
		}
		lines := map[string]string{}
		for _, it := range s.Orders[0].Items {
			lines[it.Type+" "+it.ProductID] = it.Price
		}
		cap := s.Products[2]
		want := map[string]string{"PRODUCT 32": "45.5", "PRODUCT 31": "9.85", "PRODUCT " + cap.ID: "0", "SHIPPING 0": "4.95", "TAX 0": "6.55", "DISCOUNT 0": "-10"}
		if diff := cmp.Diff(want, lines); diff != "" || cap.SKU != "CAP" {
			t.Errorf("lines: %s, product made %+v", diff, cap)
		}
		b.fine("c0", "1", events.Step{Do: events.DoOrder, Target: "refund", Order: &events.OrderStep{Order: bought.Order, Refund: &events.Refund{ID: "3", Amount: "45.50", Currency: "USD", Reason: "too large"}}})
		s = b.crm.State("ab123")
		if len(s.Orders) != 1 || len(s.Notes) != 1 || !strings.Contains(s.Notes[0].Title, "1001") || !strings.Contains(s.Notes[0].Body, "45.50 USD") || !strings.Contains(s.Notes[0].Body, "too large") {
			t.Errorf("%d orders, notes %+v", len(s.Orders), s.Notes)
		}
	})
}

// TestSequencesInTheCRM: a contact enters a sequence and leaves it.
func TestSequencesInTheCRM(t *testing.T) {
	inSandbox(t, blackFriday, 1, func(b *sandboxed) {
		into := events.SequenceStep{Automation: "12", Sequence: "3"}
		out := into
		out.Remove = true
		b.fine("c0", "1", events.Step{Do: events.DoSequence, Target: "12/3", Sequence: &into}, events.Step{Do: events.DoSequence, Target: "12/3", Sequence: &out})
		runs := b.crm.State("ab123").Sequences
		if len(runs) != 1 || runs[0].ContactID != "1" || runs[0].RemovedAt == nil {
			t.Errorf("%+v", runs)
		}
		if calls := b.crm.Calls("").ByOperation; calls["sequences.add"] != 1 || calls["sequences.remove"] != 1 {
			t.Errorf("%v", calls)
		}
	})
}
