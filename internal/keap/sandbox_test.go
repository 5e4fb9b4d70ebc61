package keap_test

import (
	"errors"
	"iter"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"bridge/internal/keap"
	"bridge/internal/keap/sandbox"
	"bridge/internal/secret"

	"github.com/google/go-cmp/cmp"
)

const key = "KeapAK-0123456789abcdef0123456789abcdef01c5169"

// seed is what the application has before.
var seed = sandbox.Seed{
	Tags:         []sandbox.Tag{{ID: "101", Name: "Customer", Category: "Shop"}, {ID: "102", Name: "Bought; Shoes, red"}},
	CustomFields: []sandbox.CustomField{{ID: "7", Label: "Last order", Type: "WholeNumber"}, {ID: "8", Label: "Size", Type: "Dropdown", Options: []string{"S", "L"}}, {ID: "9", Label: "Likes", Type: "ListBox"}, {ID: "10", Label: "VIP", Type: "YesNo"}, {ID: "11", Label: "Since", Type: "Date"}, {ID: "12", Label: "Spent", Type: "Currency"}},
	Users:        []sandbox.User{{ID: "1", Email: "owner@example.com", GivenName: "Olga", Admin: true}},
	Products:     []sandbox.Product{{ID: "55", SKU: "HOODIE", Name: "Hoodie", Price: "29.90"}},
	Templates:    []sandbox.Template{{ID: "77", Title: "Thanks"}},
	ActionSets:   []sandbox.ActionSet{{ID: "42", Name: "Bought something"}},
	Automations:  []sandbox.Automation{{ID: "12", Title: "Welcome", Goals: []sandbox.Goal{{ID: "5", Name: "Bought", Integration: "shop", Call: "bought"}}, Sequences: []sandbox.Sequence{{ID: "3", Name: "Mails"}}}},
}

// start runs the simulator and a client of it.
func start(t *testing.T, settings sandbox.Settings) (*sandbox.Server, *keap.Client) {
	t.Helper()
	s := sandbox.New(sandbox.Options{Seed: 1})
	web := httptest.NewServer(s)
	t.Cleanup(web.Close)
	if settings.Keys == nil {
		settings.Keys = map[string]sandbox.Key{key: {App: "ab123"}}
	}
	if settings.Quota == nil {
		settings.Quota = &sandbox.Quota{Second: new(0)}
	}
	if err := errors.Join(s.SetSettings(settings), s.Seed(seed)); err != nil {
		t.Fatal(err)
	}
	credential, err := keap.ServiceAccountKey(secret.New(key), secret.Text{})
	if err != nil {
		t.Fatal(err)
	}
	c, err := keap.New(keap.Options{BaseURL: web.URL + "/crm", Credential: credential, Transport: web.Client().Transport, Timeout: 2 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	return s, c
}

// must gives a value that has to be there.
func must[T any](t *testing.T) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func same(t *testing.T, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func all[T any](t *testing.T, seq iter.Seq2[T, error]) (list []T) {
	t.Helper()
	for v, err := range seq {
		ok(t, err)
		list = append(list, v)
	}
	return list
}

// buyer upserts a contact.
func buyer(t *testing.T, c *keap.Client, email string) string {
	t.Helper()
	return must[keap.ContactRef](t)(c.UpsertContact(t.Context(), keap.ContactWrite{Emails: []keap.EmailAddress{{Address: email}}}, keap.ByEmail)).ID
}

func TestSandboxContacts(t *testing.T) {
	s, c := start(t, sandbox.Settings{})
	ctx := t.Context()
	m := must[keap.Model](t)(c.ContactModel(ctx))
	w := keap.ContactWrite{
		GivenName: new("Ada"), FamilyName: new("Example"), OptInReason: new("Bought at the shop"), OwnerID: new("1"),
		CompanyID: new(must[string](t)(c.CreateCompany(ctx, "Example Ltd"))),
		Emails:    []keap.EmailAddress{{Address: "ada@example.com"}}, Phones: []keap.Phone{{Number: "+1 480 555 0100", Type: "Work"}},
		Addresses: []keap.Address{{Line1: "1 Main St", Locality: "Chandler", Region: "AZ", PostalCode: "85001", Country: "US"}},
	}
	for name, text := range map[string]string{"last order": "1042", "_Size": "l", "Likes": "Shoes, Hats", "VIP": "yes", "Since": "2026-11-27", "Spent": "59.90"} {
		id, content, err := m.Resolve(name, text)
		ok(t, err)
		w.CustomFields = append(w.CustomFields, keap.CustomValue{ID: id, Content: content})
	}
	ref := must[keap.ContactRef](t)(c.UpsertContact(ctx, w, keap.ByEmail))
	if !ref.Created {
		t.Error("a new contact counts as updated")
	}
	moveClock(t, s, time.Minute)
	// Only what is sent changes.
	again := must[keap.ContactRef](t)(c.UpsertContact(ctx, keap.ContactWrite{GivenName: new("Augusta"), Emails: w.Emails, CustomFields: w.CustomFields[:1]}, keap.ByEmail))
	same(t, keap.ContactRef{ID: ref.ID}, again)
	ok(t, c.PatchContact(ctx, ref.ID, keap.ContactWrite{FamilyName: new("King")}))
	got := must[keap.Contact](t)(c.Contact(ctx, ref.ID))
	if got.GivenName != "Augusta" || got.FamilyName != "King" || got.OwnerID != "1" || got.CompanyID != *w.CompanyID || len(got.CustomFields) != 6 || len(got.Phones) != 1 || got.Addresses[0].Country != "USA" || got.Addresses[0].Locality != "Chandler" {
		t.Errorf("%+v", got)
	}
	if state := must[sandbox.Contact](t)(s.Contact("ab123", "ada@example.com")); state.EmailStatus != "SingleOptIn" || state.OptInReason != "Bought at the shop" {
		t.Errorf("opt-in: %+v", state)
	}
	same(t, []keap.Company{{ID: *w.CompanyID, Name: "Example Ltd"}}, must[[]keap.Company](t)(c.FindCompanies(ctx, "example ltd")))

	for name, find := range map[string]keap.Find{"e-mail": {Email: "ADA@example.com"}, "phone": {Phone: "+1 480 555 0100"}, "id": {IDs: []string{ref.ID, "999999"}}, "name": {GivenName: "Augusta", FamilyName: "King"}} {
		found := must[[]keap.Contact](t)(c.FindContacts(ctx, find))
		if len(found) != 1 || found[0].ID != ref.ID || len(found[0].CustomFields) != 6 {
			t.Errorf("by %s: %+v", name, found)
		}
	}
	ok(t, c.AddUTM(ctx, ref.ID, keap.UTM{SourceID: "form-1", Source: "news"}))

	other := must[keap.ContactRef](t)(c.CreateContact(ctx, keap.ContactWrite{Phones: []keap.Phone{{Number: "555"}}}))
	if !other.Created || other.ID == ref.ID {
		t.Errorf("%+v", other)
	}
	ok(t, c.MergeContacts(ctx, ref.ID, other.ID))
	if _, err := c.Contact(ctx, other.ID); keap.KindOf(err) != keap.KindNotFound {
		t.Errorf("a merged contact: %v", err)
	}
	company := must[keap.ContactRef](t)(c.UpsertContact(ctx, keap.ContactWrite{GivenName: new("Zoe"), Emails: []keap.EmailAddress{{Address: "zoe@example.com"}}}, keap.ByEmailNameCompany))
	if !company.Created {
		t.Errorf("%+v", company)
	}
}

// moveClock moves the simulator's clock on.
func moveClock(t *testing.T, s *sandbox.Server, by time.Duration) {
	t.Helper()
	ok(t, s.SetSettings(sandbox.Settings{Clock: sandbox.Clock{Set: true, At: s.Now().Add(by)}}))
}

func TestSandboxTags(t *testing.T) {
	for _, shape := range []string{"map", "objects", "entries", "keys"} {
		t.Run(shape, func(t *testing.T) {
			s, c := start(t, sandbox.Settings{TagResults: shape})
			ctx := t.Context()
			one, two := buyer(t, c, "one@example.com"), buyer(t, c, "two@example.com")
			tag := must[keap.Tag](t)(c.CreateTag(ctx, "New", ""))
			want := map[string]keap.TagResult{"101": keap.TagSuccess, tag.ID: keap.TagSuccess, "999": keap.TagIDNotFound}
			same(t, want, must[map[string]keap.TagResult](t)(c.ApplyTags(ctx, one, []string{"101", tag.ID, "999"})))
			same(t, map[string]keap.TagResult{one: keap.TagDuplicate, two: keap.TagSuccess, "999": keap.TagContactNotFound}, must[map[string]keap.TagResult](t)(c.ApplyTag(ctx, "101", []string{one, two, "999"})))
			names := []string{}
			for _, tag := range must[[]keap.Tag](t)(c.ContactTags(ctx, one)) {
				names = append(names, tag.Name)
			}
			slices.Sort(names)
			same(t, []string{"Customer", "New"}, names)
			ok(t, c.RemoveTags(ctx, one, []string{"101", tag.ID, "102"}))
			ok(t, c.RemoveTag(ctx, "101", []string{two}))
			for _, email := range []string{"one@example.com", "two@example.com"} {
				if left := must[sandbox.Contact](t)(s.Contact("ab123", email)).Tags; len(left) != 0 {
					t.Errorf("%s keeps %v", email, left)
				}
			}
		})
	}
}

func TestSandboxFindsTags(t *testing.T) {
	_, c := start(t, sandbox.Settings{EndlessNext: new(true), PageTokens: "url"})
	ctx := t.Context()
	found := must[[]keap.Tag](t)(c.FindTags(ctx, "bought; shoes, RED"))
	if len(found) != 1 || found[0].ID != "102" {
		t.Errorf("%+v", found)
	}
	if found = must[[]keap.Tag](t)(c.FindTags(ctx, "Customer")); len(found) != 1 || found[0].CategoryName != "Shop" {
		t.Errorf("%+v", found)
	}
	category := must[keap.TagCategory](t)(c.CreateTagCategory(ctx, "Campaigns"))
	made := must[keap.Tag](t)(c.CreateTag(ctx, "Spring", category.ID))
	same(t, category.ID, made.CategoryID)
	same(t, 3, len(all(t, c.Tags(ctx, nil))))
	if len(all(t, c.TagCategories(ctx, nil))) != 2 {
		t.Error("categories are missing")
	}
}

func TestSandboxAutomations(t *testing.T) {
	s, c := start(t, sandbox.Settings{PageTokens: "url"})
	ctx := t.Context()
	one := buyer(t, c, "one@example.com")
	goals := must[[]keap.GoalResult](t)(c.AchieveGoal(ctx, "shop", "bought", one))
	if len(goals) != 1 || !goals[0].Success || goals[0].AutomationID != "12" || goals[0].GoalID != "5" {
		t.Errorf("%+v", goals)
	}
	same(t, map[string]keap.SequenceResult{one: keap.SequenceSuccess, "999": keap.SequenceNoContact}, must[map[string]keap.SequenceResult](t)(c.AddToSequence(ctx, "12", "3", []string{one, "999"})))
	same(t, map[string]keap.SequenceResult{one: keap.SequenceAlreadyIn}, must[map[string]keap.SequenceResult](t)(c.AddToSequence(ctx, "12", "3", []string{one})))
	same(t, map[string]keap.SequenceResult{one: keap.SequenceSuccess}, must[map[string]keap.SequenceResult](t)(c.RemoveFromSequence(ctx, "12", "3", []string{one})))
	ok(t, c.SendTemplate(ctx, "77", "1", []string{one}))
	automations := all(t, c.Automations(ctx, nil))
	if len(automations) != 1 || automations[0].Title != "Welcome" {
		t.Errorf("%+v", automations)
	}
	if list := all(t, c.Campaigns(ctx, nil)); len(list) != 1 || list[0].Name != "Welcome" {
		t.Errorf("%+v", list)
	}
	campaign := must[keap.Campaign](t)(c.Campaign(ctx, "12"))
	same(t, []keap.CampaignPart{{ID: "3", Name: "Mails"}}, campaign.Sequences)
	same(t, []keap.CampaignPart{{ID: "5", Name: "Bought", Type: "API"}}, campaign.Goals)
	same(t, []keap.EmailTemplate{{ID: "77", Title: "Thanks"}}, stripSubjects(all(t, c.EmailTemplates(ctx, nil))))
	if state := s.State("ab123"); len(state.Goals) != 1 || len(state.Emails) != 1 {
		t.Errorf("%+v", state)
	}
}

func stripSubjects(in []keap.EmailTemplate) []keap.EmailTemplate {
	for i := range in {
		in[i].Subject = ""
	}
	return in
}

func TestSandboxNotesAndTasks(t *testing.T) {
	_, c := start(t, sandbox.Settings{})
	ctx := t.Context()
	one := buyer(t, c, "one@example.com")
	byUser := must[string](t)(c.CreateNote(ctx, keap.Note{ContactID: one, Title: "Order 7", Body: "paid", UserID: "1"}))
	moveless := must[string](t)(c.CreateNote(ctx, keap.Note{ContactID: one, Body: "by nobody"}))
	notes := must[[]keap.Note](t)(c.Notes(ctx, one))
	if len(notes) != 2 || byUser == moveless || !slices.ContainsFunc(notes, func(n keap.Note) bool {
		return n.ID == byUser && n.Title == "Order 7" && n.Body == "paid" && n.UserID == "1" && !n.Created.IsZero()
	}) {
		t.Errorf("%+v", notes)
	}
	due := time.Date(2026, 12, 1, 9, 0, 0, 0, time.UTC)
	forUser := must[string](t)(c.CreateTask(ctx, keap.Task{ContactID: one, Title: "Call", Due: due, Remind: time.Hour, UserID: "1"}))
	must[string](t)(c.CreateTask(ctx, keap.Task{ContactID: one, Title: "Call again", Due: due}))
	tasks := must[[]keap.Task](t)(c.Tasks(ctx, one))
	if len(tasks) != 2 || !slices.ContainsFunc(tasks, func(x keap.Task) bool {
		return x.ID == forUser && x.Due.Equal(due) && x.UserID == "1" && x.Title == "Call"
	}) {
		t.Errorf("%+v", tasks)
	}
}

func TestSandboxOrders(t *testing.T) {
	s, c := start(t, sandbox.Settings{})
	ctx := t.Context()
	one := buyer(t, c, "one@example.com")
	before := s.Now().Add(-time.Minute)
	products := must[[]keap.Product](t)(c.FindProducts(ctx, "HOODIE"))
	if len(products) != 1 || products[0].ID != "55" || products[0].Price != "29.90" {
		t.Fatalf("%+v", products)
	}
	made := must[keap.Product](t)(c.CreateProduct(ctx, keap.Product{SKU: "CAP", Name: "Cap", Price: "9.99"}))
	order := must[keap.OrderRef](t)(c.CreateOrder(ctx, keap.Order{
		ContactID: one, Title: "Order 7", Time: s.Now(), InvoiceNumber: "7", ExternalUser: "bridge",
		Items: []keap.OrderItem{{ProductID: "55", Quantity: 2, Price: "24.90"}, {ProductID: made.ID, Quantity: 1}, {Type: keap.ItemTax, Name: "Tax", Quantity: 1, Price: "0.31"}, {Type: keap.ItemShipping, Name: "Post", Quantity: 1, Price: "5"}},
	}))
	if order.ID == "" || order.ContactID != one || order.Total != "65.10" {
		t.Errorf("%+v", order)
	}
	must[string](t)(c.AddOrderItem(ctx, order.ID, keap.OrderItem{Type: keap.ItemFee, Name: "Wrapping", Quantity: 1, Price: "0.90"}))
	paid := must[string](t)(c.CreatePayment(ctx, order.ID, keap.Payment{Amount: "66.00", Time: s.Now(), Notes: "stripe pi_1"}))
	payments := must[[]keap.Payment](t)(c.Payments(ctx, order.ID))
	if len(payments) != 1 || payments[0].Amount != "66.00" && payments[0].Amount != "66" || payments[0].Notes != "stripe pi_1" || paid == "" {
		t.Errorf("%+v", payments)
	}
	if got := must[keap.OrderRef](t)(c.Order(ctx, order.ID)); got.Total != "66.00" || got.TotalPaid != "66.00" || got.Status != "PAID" {
		t.Errorf("%+v", got)
	}
	must[string](t)(c.CreatePayment(ctx, order.ID, keap.Payment{Amount: "-66.00", Time: s.Now(), Notes: "refund re_1"}))
	orders := must[[]keap.OrderRef](t)(c.Orders(ctx, one, before))
	if len(orders) != 1 || orders[0].ID != order.ID || orders[0].InvoiceNumber != "7" || orders[0].ExternalUser != "bridge" || orders[0].Created.IsZero() {
		t.Errorf("%+v", orders)
	}
	if later := must[[]keap.OrderRef](t)(c.Orders(ctx, one, s.Now().Add(time.Hour))); len(later) != 0 {
		t.Errorf("%+v", later)
	}
	must[string](t)(c.CreateOpportunity(ctx, keap.Opportunity{ContactID: one, Title: "Deal", StageID: "1", RevenueHigh: "100.50"}))
}

func TestSandboxAccount(t *testing.T) {
	_, c := start(t, sandbox.Settings{})
	ctx := t.Context()
	info := must[keap.UserInfo](t)(c.UserInfo(ctx))
	if info.Email == "" || info.Tenant != "ab123" {
		t.Errorf("%+v", info)
	}
	if p := must[keap.Profile](t)(c.Profile(ctx)); p.Name == "" {
		t.Errorf("%+v", p)
	}
	if users := all(t, c.Users(ctx, nil)); len(users) == 0 || users[0].ID != "1" || users[0].Email != "owner@example.com" {
		t.Errorf("%+v", users)
	}
	if keys := must[[]string](t)(c.HookEventKeys(ctx)); !slices.Contains(keys, "contact.edit") {
		t.Errorf("%v", keys)
	}
	hook := must[keap.Hook](t)(c.CreateHook(ctx, "contact.edit", "https://bridge.example.com/hooks/default/keap"))
	if hook.Verified() {
		t.Error("verified by nobody")
	}
	must[keap.Hook](t)(c.VerifyHook(ctx, hook.Key))
	if list := must[[]keap.Hook](t)(c.Hooks(ctx)); len(list) != 1 || list[0].EventKey != "contact.edit" {
		t.Errorf("%+v", list)
	}
	ok(t, c.DeleteHook(ctx, hook.Key))
	ok(t, c.DeleteHook(ctx, hook.Key))
}
