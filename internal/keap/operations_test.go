package keap

import (
	"context"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// operation is one method: what it sends, and what it makes of an answer.
type operation struct {
	name   string
	call   func(ctx context.Context, c *Client) (any, error)
	method string
	target string
	body   string
	status int
	answer string
	want   any
}

func none(err error) (any, error) { return nil, err }

func operations() []operation {
	return slices.Concat(contactOperations(), tagOperations(), automationOperations(), activityOperations(), orderOperations(), accountOperations())
}

func TestOperations(t *testing.T) {
	for _, op := range operations() {
		t.Run(op.name, func(t *testing.T) {
			f, c := newFake(t, says(op.status, op.answer))
			got, err := op.call(context.Background(), c)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(op.want, got); diff != "" {
				t.Error(diff)
			}
			r := f.requests()
			if len(r) != 1 || len(f.seen) != 1 {
				t.Fatalf("%d requests, %d observed", len(r), len(f.seen))
			}
			if diff := cmp.Diff([]any{op.method, "/crm" + op.target, parsed(t, op.body)}, []any{r[0].method, r[0].target, parsed(t, r[0].body)}); diff != "" {
				t.Error(diff)
			}
			if want := map[bool]string{true: "application/json"}[op.body != ""]; r[0].header.Get("Content-Type") != want {
				t.Errorf("Content-Type %q", r[0].header.Get("Content-Type"))
			}
		})
	}
}

// Every method turns a refusal into an error that names its operation, and no answer of the wrong kind into a result.
func TestOperationsFail(t *testing.T) {
	for _, op := range operations() {
		_, c := newFake(t, says(503, `{"message":"busy"}`))
		_, err := op.call(context.Background(), c)
		if e := asError(t, err); e.Kind != KindOverloaded || e.Operation == "" || len(op.name) < len(e.Operation) || op.name[:len(e.Operation)] != e.Operation {
			t.Errorf("%s: %+v", op.name, e)
		}
		_, c = newFake(t, says(200, `<html>`))
		if got, err := op.call(context.Background(), c); KindOf(err) != KindUnreadable {
			t.Errorf("%s: %v, %v", op.name, got, err)
		}
	}
}

func TestGoalsFallBackToV1(t *testing.T) {
	v1 := func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/crm/rest/v1/campaigns/goals/shop/a b" {
			return false
		}
		says(201, `[{"campaign_id":12,"goal_id":3,"success":true}]`)(w, r)
		return true
	}
	for _, tc := range []struct {
		name   string
		status int
		body   string
		falls  bool
	}{
		{"gateway's 404", 404, `{"fault":{"faultstring":"Unable to identify proxy","detail":{"errorcode":"messaging.adaptors.http.flow.ApplicationNotFound"}}}`, true},
		{"405", 405, `{"message":"no"}`, true}, {"501", 501, ``, true},
		{"Keap's 404", 404, `{"code":404,"message":"Contact 5 not found"}`, false}, {"500", 500, ``, false},
	} {
		f, c := newFake(t, func(w http.ResponseWriter, r *http.Request) {
			if !v1(w, r) {
				says(tc.status, tc.body)(w, r)
			}
		})
		for range 2 {
			got, err := c.AchieveGoal(context.Background(), "shop", "a b", "5")
			if ok := err == nil && len(got) == 1 && got[0] == (GoalResult{AutomationID: "12", GoalID: "3", Success: true}); ok != tc.falls {
				t.Errorf("%s: %v, %v", tc.name, got, err)
			}
		}
		want := 2
		if tc.falls {
			want = 3 // v2, v1, and then v1 alone
			if f.requests()[2].body != `{"contact_id":5}` {
				t.Errorf("v1 got %s", f.requests()[2].body)
			}
		}
		if len(f.requests()) != want {
			t.Errorf("%s: %d requests", tc.name, len(f.requests()))
		}
	}
}

func TestNothingIsSentWithoutWhatKeapNeeds(t *testing.T) {
	f, c := newFake(t, says(200, `{}`))
	ctx := context.Background()
	for field, err := range map[string]error{
		"contact_id":                    c.RemoveTags(ctx, "../x", []string{"1"}),
		"ids":                           c.RemoveTags(ctx, "1", nil),
		"tagIds":                        second(c.ApplyTags(ctx, "1", []string{"Customer"})),
		"tag_id":                        second(c.ApplyTag(ctx, "", []string{"1"})),
		"contact_ids":                   c.RemoveTag(ctx, "1", nil),
		"call_name":                     second(c.AchieveGoal(ctx, "shop", "", "1")),
		"automation_id":                 second(c.AddToSequence(ctx, "", "1", []string{"1"})),
		"sequence_id":                   second(c.RemoveFromSequence(ctx, "1", "x:y", []string{"1"})),
		"user_id":                       c.SendTemplate(ctx, "1", "", []string{"1"}),
		"title":                         second(c.CreateNote(ctx, Note{ContactID: "1", UserID: "1"})),
		"due_time":                      second(c.CreateTask(ctx, Task{Title: "x"})),
		"remind_time_mins":              second(c.CreateTask(ctx, Task{Title: "x", Due: testNow, Remind: 7 * time.Minute})),
		"order_title":                   second(c.CreateOrder(ctx, Order{ContactID: "1"})),
		"order_items[0].product_id":     second(c.CreateOrder(ctx, Order{ContactID: "1", Title: "x", Time: testNow, Items: []OrderItem{{Quantity: 1}}})),
		"order_items[1].quantity":       second(c.CreateOrder(ctx, Order{ContactID: "1", Title: "x", Time: testNow, Items: []OrderItem{{Quantity: 1, ProductID: "1"}, {Type: ItemTax, Price: "1"}}})),
		"order_items[0].price_per_unit": second(c.CreateOrder(ctx, Order{ContactID: "1", Title: "x", Time: testNow, Items: []OrderItem{{Quantity: 1, Type: ItemFee}}})),
		"price_per_unit":                second(c.AddOrderItem(ctx, "1", OrderItem{Quantity: 1, ProductID: "1", Price: "1,50"})),
		"payment_amount":                second(c.CreatePayment(ctx, "1", Payment{})),
		"price":                         second(c.CreateProduct(ctx, Product{Name: "x", Price: "0.005"})),
		"name":                          second(c.CreateTag(ctx, longName(256), "")),
		"sku":                           second(c.FindProducts(ctx, "a;b")),
		"company_name":                  second(c.FindCompanies(ctx, "a, b")),
		"email":                         second(c.FindContacts(ctx, Find{Email: "a*"})),
		"filter":                        second(c.FindContacts(ctx, Find{})),
		"stage_id":                      second(c.CreateOpportunity(ctx, Opportunity{ContactID: "1", Title: "x"})),
		"projected_revenue_low":         second(c.CreateOpportunity(ctx, Opportunity{ContactID: "1", Title: "x", StageID: "1", RevenueLow: "much"})),
		"hookUrl":                       second(c.CreateHook(ctx, "contact.add", "b.example.com")),
		"keapSourceId":                  c.AddUTM(ctx, "1", UTM{}),
	} {
		if e := asError(t, err); e.Kind != KindInvalid || e.Field != field || e.Sent || e.Operation == "" {
			t.Errorf("%s: %+v", field, e)
		}
	}
	if n := len(f.requests()); n != 0 {
		t.Errorf("%d requests were sent", n)
	}
}

func longName(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = 'x'
	}
	return string(b)
}
