package sandbox

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/shopspring/decimal"
)

// v2Money is an amount as v2 reads it out: minor units.
type v2Money struct {
	Amount    int64  `json:"amount"`
	Currency  string `json:"currency_code"`
	Formatted string `json:"formatted_amount"`
}

func money2(d decimal.Decimal) v2Money {
	sign := ""
	if d.IsNegative() {
		sign = "-"
	}
	return v2Money{d.Shift(2).Round(0).IntPart(), "USD", sign + "$" + d.Abs().StringFixed(2)}
}

type v2Order struct {
	ID       string          `json:"id"`
	Title    string          `json:"title"`
	Status   string          `json:"status"`
	Total    v2Money         `json:"total"`
	Paid     v2Money         `json:"total_paid"`
	Due      v2Money         `json:"total_due"`
	Refunded v2Money         `json:"refund_total"`
	Contact  *v2BasicContact `json:"contact,omitempty"`
	Notes    string          `json:"notes,omitempty"`
	Type     string          `json:"order_type"`
	Source   string          `json:"source_type"`
	Created  string          `json:"creation_time"`
	Changed  string          `json:"modification_time"`
	At       string          `json:"order_time"`
	Items    []v2OrderItem   `json:"order_items"`
	Number   string          `json:"invoice_number,omitempty"`
	Invoice  string          `json:"invoice_id"`
	ExtUser  string          `json:"external_create_user,omitempty"`
	ExtMade  string          `json:"external_create_time,omitempty"`
	ExtEdit  string          `json:"external_update_time,omitempty"`
}

type v2BasicContact struct {
	ID    string `json:"id"`
	Email string `json:"email"`
	First string `json:"given_name"`
	Last  string `json:"family_name"`
}

type v2OrderItem struct {
	ID       string          `json:"id"`
	Name     string          `json:"name"`
	Text     string          `json:"description"`
	Notes    string          `json:"notes"`
	Quantity int             `json:"quantity"`
	Type     string          `json:"item_type"`
	Price    v2Money         `json:"price_per_unit"`
	Product  *v2OrderProduct `json:"product,omitempty"`
}

type v2OrderProduct struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	SKU  string `json:"sku"`
}

func (t *tenant) order2(id ref, o *order) v2Order {
	total, paid := o.total(), t.paid(id)
	out := v2Order{ID: id.String(), Title: o.title, Status: t.orderStatus(id, o), Total: money2(total), Paid: money2(paid), Due: money2(total.Sub(paid)),
		Refunded: money2(t.refunded(id)), Notes: o.notes, Type: strings.ToUpper(o.kind), Source: "API", Created: stamp(o.created), Changed: stamp(o.updated),
		At: stamp(o.at), Number: o.invoiceNumber, Invoice: id.String(), ExtUser: o.externalUser, ExtMade: stamp(o.externalCreated),
		ExtEdit: stamp(o.externallyChanged), Items: make([]v2OrderItem, len(o.items))}
	if x, ok := t.contactByID(o.contact); ok {
		out.Contact = &v2BasicContact{o.contact.String(), x.emails[0], x.given, x.family}
	}
	for i, it := range o.items {
		out.Items[i] = t.orderItem2(it)
	}
	return out
}

// v2ItemType says v1's item types in v2's words.
func v2ItemType(kind string) string {
	switch kind {
	case "SPECIAL":
		return "DISCOUNT"
	case "SPECIAL_FREE_TRIAL_DAYS":
		return "DISCOUNT_FREE_TRIAL"
	case "SPECIAL_CATEGORY":
		return "DISCOUNT_PRODUCT_CATEGORY"
	}
	return strings.Replace(kind, "SPECIAL_", "DISCOUNT_", 1)
}

func (t *tenant) orderItem2(i orderItem) v2OrderItem {
	out := v2OrderItem{ID: i.id.String(), Name: i.name, Text: i.text, Notes: i.notes, Quantity: i.quantity, Type: v2ItemType(i.kind), Price: money2(i.price)}
	if p, ok := t.products.get(i.product); ok {
		out.Product = &v2OrderProduct{i.product.String(), p.name, p.sku}
	}
	return out
}

type v2ItemIn struct {
	Name     string      `json:"name"`
	Text     string      `json:"description"`
	Quantity int         `json:"quantity"`
	Notes    string      `json:"notes"`
	Product  ref         `json:"product_id"`
	Plan     ref         `json:"subscription_plan_id"`
	PlanText string      `json:"subscription_plan_description"`
	Type     string      `json:"item_type"`
	Price    json.Number `json:"price_per_unit"`
	Cost     json.Number `json:"cost_per_unit"`
}

func (in v2ItemIn) item() itemIn {
	return itemIn{product: in.Product, quantity: in.Quantity, price: in.Price, kind: in.Type, name: in.Name, text: in.Text, notes: in.Notes}
}

func createOrder2(t *tenant, c *call) reply {
	var in struct {
		Notes    string          `json:"notes"`
		Terms    string          `json:"terms"`
		Heading  string          `json:"title"`
		Contact  ref             `json:"contact_id"`
		Items    []v2ItemIn      `json:"order_items"`
		Title    string          `json:"order_title"`
		At       instant         `json:"order_time"`
		Type     string          `json:"order_type"`
		Promos   []string        `json:"promo_codes"`
		Lead     ref             `json:"lead_affiliate_id"`
		Sales    ref             `json:"sales_affiliate_id"`
		Shipping json.RawMessage `json:"shipping_address"`
		Custom   []v2ContentIn   `json:"custom_fields"`
		Sent     instant         `json:"sent_time"`
		Due      instant         `json:"due_time"`
		Number   string          `json:"invoice_number"`
		ExtUser  string          `json:"external_create_user"`
		ExtMade  instant         `json:"external_create_time"`
		ExtEdit  instant         `json:"external_update_time"`
	}
	if err := c.read(&in); err != nil {
		return c.bad(err.Error())
	}
	if in.Contact == 0 || in.At.IsZero() || in.Title == "" || in.Type != "ONLINE" && in.Type != "OFFLINE" {
		return c.bad("contact_id, order_time, order_title and order_type (ONLINE, OFFLINE) are required")
	}
	items := make([]itemIn, len(in.Items))
	for i, it := range in.Items {
		items[i] = it.item()
	}
	o := &order{contact: in.Contact, title: in.Title, kind: in.Type[:1] + strings.ToLower(in.Type[1:]), at: in.At.Time, notes: in.Notes, promos: in.Promos,
		invoiceNumber: in.Number, externalUser: in.ExtUser, externalCreated: in.ExtMade.Time, externallyChanged: in.ExtEdit.Time}
	if err := t.addOrder(c, o, items); err != nil {
		return c.refuse(err)
	}
	return created(t.order2(t.orders.last, o))
}

func listOrders2(t *tenant, c *call) reply {
	filter, err := c.filter("id", "ids", "product_id", "contact_id", "invoice_id", "invoice_xid", "paid", "created_since_time", "created_until_time",
		"modified_since_time", "modified_until_time", "title", "order_type")
	if err != nil {
		return c.bad(err.Error())
	}
	k := keepsOrder{contact: parseRef(valueOf(filter, "contact_id")), product: parseRef(valueOf(filter, "product_id")), paid: valueOf(filter, "paid"), more: filter}
	if k.since, k.until, err = bounds(filter, "created_since_time", "created_until_time"); err != nil {
		return c.bad(err.Error())
	}
	since, until, err := bounds(filter, "modified_since_time", "modified_until_time")
	if err != nil {
		return c.bad(err.Error())
	}
	test := k.test(t)
	return reply2(c, "orders", pick(&t.orders, func(id ref, o *order) bool { return test(id, o) && between(o.updated, since, until) }, t.order2))
}

func getOrder2(t *tenant, c *call) reply {
	o, found := t.orders.get(c.id(0))
	if !found {
		return c.notFound("Order", c.args[0])
	}
	return ok(t.order2(c.id(0), o))
}

func addOrderItem2(t *tenant, c *call) reply {
	o, found := t.orders.get(c.id(0))
	if !found {
		return c.notFound("Order", c.args[0])
	}
	var in v2ItemIn
	if err := c.read(&in); err != nil {
		return c.bad(err.Error())
	}
	item, err := t.item(c, o, in.item())
	if err != nil {
		return c.refuse(err)
	}
	o.items, o.updated = append(o.items, item), c.now
	c.about("order", c.id(0))
	return created(t.orderItem2(item))
}

// createPayment2 records a payment; payment_method_type must be a manual payment type of the application, which
// are not known here: every one is.
func createPayment2(t *tenant, c *call) reply {
	if _, found := t.orders.get(c.id(0)); !found {
		return c.notFound("Order", c.args[0])
	}
	var in struct {
		Notes       string      `json:"notes"`
		Method      string      `json:"payment_method_id"`
		Type        string      `json:"payment_method_type"`
		At          instant     `json:"payment_time"`
		Amount      json.Number `json:"payment_amount"`
		Commissions *bool       `json:"apply_to_commissions"`
		ExtSource   string      `json:"external_source"`
		ExtValue    string      `json:"external_source_value"`
		ExtStatus   string      `json:"external_status_value"`
		ExtMade     instant     `json:"external_create_time"`
		ExtEdit     instant     `json:"external_update_time"`
		ExtUser     string      `json:"external_create_user"`
	}
	if err := c.read(&in); err != nil {
		return c.bad(err.Error())
	}
	amount, err := decimal.NewFromString(string(in.Amount))
	switch {
	case err != nil || in.Commissions == nil:
		return c.bad("payment_amount and apply_to_commissions are required")
	case in.Method != "":
		return c.bad("payment_method_id: the sandbox has no cards to charge")
	case in.Type == "":
		return c.bad("One of payment_method_id and payment_method_type is required")
	}
	id, err := t.pay(c, c.id(0), payment{amount: amount, kind: in.Type, note: in.Notes, at: in.At.Time, noFee: !*in.Commissions})
	if err != nil {
		return c.refuse(err)
	}
	return reply{status: http.StatusCreated, body: struct {
		ID          string      `json:"id"`
		Invoice     string      `json:"invoice_id"`
		Amount      json.Number `json:"payment_amount"`
		Status      string      `json:"payment_status_message"`
		Transaction string      `json:"transaction_id"`
	}{id.String(), c.args[0], number(amount), "Approved", id.String()}}
}

func listPayments2(t *tenant, c *call) reply {
	if _, found := t.orders.get(c.id(0)); !found {
		return c.notFound("Order", c.args[0])
	}
	type row struct {
		ID      string      `json:"id"`
		Invoice string      `json:"invoice_id"`
		Payment string      `json:"payment_id"`
		Amount  json.Number `json:"amount"`
		Note    string      `json:"note"`
		At      string      `json:"pay_time"`
		Changed string      `json:"last_updated_time"`
		Status  string      `json:"pay_status"`
		NoFee   bool        `json:"skip_commission"`
	}
	return reply2(c, "invoice_order_payments", pick(&t.payments, func(_ ref, p *payment) bool { return p.order == c.id(0) }, func(id ref, p *payment) row {
		return row{id.String(), c.args[0], id.String(), number(p.amount), p.note, stamp(p.at), stamp(p.recorded), "MANUAL_PAID", p.noFee}
	}))
}
