package sandbox

import (
	"encoding/json"

	"github.com/shopspring/decimal"
)

type v1Order struct {
	ID        ref           `json:"id"`
	Title     string        `json:"title"`
	Status    string        `json:"status"`
	Recurring *bool         `json:"recurring,omitempty"` // this and the next three: of reads only
	Total     json.Number   `json:"total"`
	Paid      json.Number   `json:"total_paid"`
	Due       json.Number   `json:"total_due"`
	Refunded  json.Number   `json:"refund_total"`
	Contact   *v1Buyer      `json:"contact,omitempty"`
	Notes     string        `json:"notes"`
	Created   string        `json:"creation_date"`
	Changed   string        `json:"modification_date"`
	At        string        `json:"order_date"`
	Items     []v1OrderItem `json:"order_items"`
	Type      string        `json:"order_type,omitempty"`
	Source    string        `json:"source_type,omitempty"`
	Invoice   ref           `json:"invoice_number,omitempty"`
}

type v1Buyer struct {
	ID    ref    `json:"id"`
	Email string `json:"email"`
	First string `json:"first_name"`
	Last  string `json:"last_name"`
}

type v1OrderItem struct {
	ID       ref             `json:"id"`
	Name     string          `json:"name"`
	Text     string          `json:"description"`
	Type     string          `json:"type"`
	Notes    string          `json:"notes"`
	Quantity int             `json:"quantity"`
	Cost     json.Number     `json:"cost"`
	Price    json.Number     `json:"price"`
	Discount json.Number     `json:"discount"`
	Product  *v1OrderProduct `json:"product,omitempty"`
}

// v1OrderProduct has its name under name in reads and under product_name in answers of writes.
type v1OrderProduct struct {
	ID      ref    `json:"id"`
	SKU     string `json:"sku"`
	Name    string `json:"name,omitempty"`
	Written string `json:"product_name,omitempty"`
}

func (t *tenant) order1(id ref, o *order) v1Order {
	total, paid := o.total(), t.paid(id)
	out := v1Order{ID: id, Title: o.title, Status: t.orderStatus(id, o), Total: number(total), Paid: number(paid), Due: number(total.Sub(paid)),
		Refunded: number(t.refunded(id)), Created: stamp(o.created), Changed: stamp(o.updated), At: stamp(o.at), Type: o.kind, Source: "API", Invoice: id, Recurring: new(false),
		Items: make([]v1OrderItem, len(o.items))}
	if x, ok := t.contactByID(o.contact); ok {
		out.Contact = &v1Buyer{o.contact, x.emails[0], x.given, x.family}
	}
	for i, it := range o.items {
		out.Items[i] = t.orderItem1(it)
	}
	return out
}

// written is the order as the answer of its creation has it.
func (o v1Order) written() v1Order {
	o.Recurring, o.Type, o.Source, o.Invoice = nil, "", "", 0
	for i := range o.Items {
		o.Items[i] = o.Items[i].written()
	}
	return o
}

func (i v1OrderItem) written() v1OrderItem {
	if i.Product != nil {
		i.Product = &v1OrderProduct{ID: i.Product.ID, SKU: i.Product.SKU, Written: i.Product.Name}
	}
	return i
}

// refunded is what negative payments have paid back.
func (t *tenant) refunded(id ref) decimal.Decimal {
	sum := decimal.Zero
	for _, e := range t.payments.rows {
		if e.row.order == id && e.row.amount.IsNegative() {
			sum = sum.Sub(e.row.amount)
		}
	}
	return sum
}

func (t *tenant) orderItem1(i orderItem) v1OrderItem {
	out := v1OrderItem{ID: i.id, Name: i.name, Text: i.text, Type: i.kind, Quantity: i.quantity, Cost: "0", Price: number(i.price), Discount: "0"}
	if p, ok := t.products.get(i.product); ok {
		out.Product = &v1OrderProduct{ID: i.product, SKU: p.sku, Name: p.name}
	}
	return out
}

type v1ItemIn struct {
	Product  *ref        `json:"product_id"`
	Quantity int         `json:"quantity"`
	Price    json.Number `json:"price"`
	Type     string      `json:"item_type"`
	Text     string      `json:"description"`
}

func createOrder1(t *tenant, c *call) reply {
	var in struct {
		Contact  ref        `json:"contact_id"`
		At       instant    `json:"order_date"`
		Items    []v1ItemIn `json:"order_items"`
		Title    string     `json:"order_title"`
		Type     string     `json:"order_type"`
		Promos   []string   `json:"promo_codes"`
		Lead     ref        `json:"lead_affiliate_id"`
		Sales    ref        `json:"sales_affiliate_id"`
		Shipping struct {
			Company   string `json:"company"`
			Country   string `json:"country_code"`
			First     string `json:"first_name"`
			Middle    string `json:"middle_name"`
			Last      string `json:"last_name"`
			ToCompany bool   `json:"is_invoice_to_company"`
			Line1     string `json:"line1"`
			Line2     string `json:"line2"`
			Locality  string `json:"locality"`
			Phone     string `json:"phone"`
			Region    string `json:"region"`
			Zip       string `json:"zip_code"`
			ZipFour   string `json:"zip_four"`
		} `json:"shipping_address"`
	}
	if err := c.read(&in); err != nil {
		return c.bad(err.Error())
	}
	if in.Contact == 0 || in.At.IsZero() || in.Items == nil || in.Title == "" || in.Type != "Online" && in.Type != "Offline" {
		return c.bad("contact_id, order_date, order_items, order_title and order_type (Online, Offline) are required")
	}
	items := make([]itemIn, len(in.Items))
	for i, it := range in.Items {
		if it.Product == nil {
			return c.bad("product_id is required")
		}
		items[i] = itemIn{product: *it.Product, quantity: it.Quantity, price: it.Price, kind: it.Type, text: it.Text}
	}
	o := &order{contact: in.Contact, title: in.Title, kind: in.Type, at: in.At.Time, promos: in.Promos}
	if err := t.addOrder(c, o, items); err != nil {
		return c.refuse(err)
	}
	return created(t.order1(t.orders.last, o).written())
}

func listOrders1(t *tenant, c *call) reply {
	since, until, err := parseBounds(c.query.Get("since"), c.query.Get("until"))
	if err != nil {
		return c.bad(err.Error())
	}
	k := keepsOrder{contact: parseRef(c.query.Get("contact_id")), product: parseRef(c.query.Get("product_id")), paid: c.query.Get("paid"), since: since, until: until}
	if c.query.Has("contact_id") && k.contact == 0 {
		return c.bad("Invalid contact_id")
	}
	return reply1(c, "orders", pick(&t.orders, k.test(t), t.order1))
}

func getOrder1(t *tenant, c *call) reply {
	o, found := t.orders.get(c.id(0))
	if !found {
		return c.notFound("Order", c.args[0])
	}
	return ok(t.order1(c.id(0), o))
}

func addOrderItem1(t *tenant, c *call) reply {
	o, found := t.orders.get(c.id(0))
	if !found {
		return c.notFound("Order", c.args[0])
	}
	var in v1ItemIn
	if err := c.read(&in); err != nil {
		return c.bad(err.Error())
	}
	if in.Product == nil {
		return c.bad("product_id is required")
	}
	item, err := t.item(c, o, itemIn{product: *in.Product, quantity: in.Quantity, price: in.Price, kind: in.Type, text: in.Text})
	if err != nil {
		return c.refuse(err)
	}
	o.items, o.updated = append(o.items, item), c.now
	c.about("order", c.id(0))
	return created(t.orderItem1(item).written())
}

func createPayment1(t *tenant, c *call) reply {
	if _, found := t.orders.get(c.id(0)); !found {
		return c.notFound("Order", c.args[0])
	}
	var in struct {
		Commissions *bool       `json:"apply_to_commissions"`
		ChargeNow   bool        `json:"charge_now"`
		Card        ref         `json:"credit_card_id"`
		Date        instant     `json:"date"`
		Notes       string      `json:"notes"`
		Amount      json.Number `json:"payment_amount"`
		Gateway     string      `json:"payment_gateway_id"`
		Type        string      `json:"payment_method_type"`
	}
	if err := c.read(&in); err != nil {
		return c.bad(err.Error())
	}
	amount, err := decimal.NewFromString(string(in.Amount))
	if err != nil {
		return c.bad("payment_amount is required")
	}
	switch in.Type {
	case "CREDIT_CARD", "CASH", "CHECK", "TOKEN":
	default:
		return c.bad("Invalid payment_method_type: " + in.Type)
	}
	if in.ChargeNow {
		return c.bad("charge_now: the sandbox has no cards to charge")
	}
	p := payment{amount: amount, kind: in.Type, note: in.Notes, at: in.Date.Time, noFee: in.Commissions != nil && !*in.Commissions}
	id, err := t.pay(c, c.id(0), p)
	if err != nil {
		return c.refuse(err)
	}
	return created(struct {
		ID          ref         `json:"id"`
		Invoice     ref         `json:"invoice_id"`
		Amount      json.Number `json:"payment_amount"`
		Status      string      `json:"payment_status"`
		Transaction ref         `json:"transaction_id"`
	}{id, c.id(0), number(amount), "Approved", id})
}

func listPayments1(t *tenant, c *call) reply {
	if _, found := t.orders.get(c.id(0)); !found {
		return c.notFound("Order", c.args[0])
	}
	type row struct {
		ID      ref         `json:"id"`
		Invoice ref         `json:"invoice_id"`
		Payment ref         `json:"payment_id"`
		Amount  json.Number `json:"amount"`
		Note    string      `json:"note"`
		At      string      `json:"pay_date"`
		Changed string      `json:"last_updated"`
		Status  string      `json:"pay_status"`
		NoFee   bool        `json:"skip_commission"`
	}
	return ok(pick(&t.payments, func(_ ref, p *payment) bool { return p.order == c.id(0) }, func(id ref, p *payment) row {
		return row{id, p.order, id, number(p.amount), p.note, stamp(p.at), stamp(p.recorded), "Approved", p.noFee}
	}))
}

func listTransactions1(t *tenant, c *call) reply {
	contact := parseRef(c.query.Get("contact_id"))
	since, until, err := parseBounds(c.query.Get("since"), c.query.Get("until"))
	if err != nil {
		return c.bad(err.Error())
	}
	type row struct {
		ID      ref         `json:"id"`
		Amount  json.Number `json:"amount"`
		Contact ref         `json:"contact_id"`
		Code    string      `json:"currency"`
		Orders  string      `json:"order_ids"`
		At      string      `json:"transaction_date"`
		Status  string      `json:"status"`
		Type    string      `json:"type"`
	}
	return reply1(c, "transactions", pick(&t.payments, func(_ ref, p *payment) bool {
		o, found := t.orders.get(p.order)
		return (len(c.args) == 0 || p.order == c.id(0)) && (contact == 0 || found && o.contact == contact) && between(p.at, since, until)
	}, func(id ref, p *payment) row {
		r := row{ID: id, Amount: number(p.amount), Code: "USD", Orders: p.order.String(), At: stamp(p.at), Status: "Approved", Type: p.kind}
		if o, found := t.orders.get(p.order); found {
			r.Contact = o.contact
		}
		return r
	}))
}
