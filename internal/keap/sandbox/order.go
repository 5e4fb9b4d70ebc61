package sandbox

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/shopspring/decimal"
)

type order struct {
	contact                            ref
	title, kind, notes, invoiceNumber  string // kind: Online or Offline
	at, created, updated               time.Time
	items                              []orderItem
	nextItem                           ref
	promos                             []string
	externalUser                       string
	externalCreated, externallyChanged time.Time
}

type orderItem struct {
	id, product ref
	kind        string // v2's words; v1 has some of its own
	name, text  string
	notes       string
	quantity    int
	price       decimal.Decimal
}

type payment struct {
	order    ref
	amount   decimal.Decimal
	kind     string
	note     string
	at       time.Time
	recorded time.Time
	noFee    bool // not for commissions
}

func (o *order) total() decimal.Decimal {
	sum := decimal.Zero
	for _, i := range o.items {
		sum = sum.Add(i.price.Mul(decimal.NewFromInt(int64(i.quantity))))
	}
	return sum
}

func (t *tenant) paid(id ref) decimal.Decimal {
	sum := decimal.Zero
	for _, e := range t.payments.rows {
		if e.row.order == id {
			sum = sum.Add(e.row.amount)
		}
	}
	return sum
}

func (t *tenant) orderStatus(id ref, o *order) string {
	if total := o.total(); !total.IsPositive() || t.paid(id).LessThan(total) {
		return "DRAFT"
	}
	return "PAID"
}

// number writes an exact amount as a JSON number.
func number(d decimal.Decimal) json.Number { return json.Number(d.String()) }

// itemTypes are what v1 and v2 take for an item.
var itemTypes = map[int][]string{
	1: {"UNKNOWN", "SHIPPING", "TAX", "SERVICE", "PRODUCT", "UPSELL", "FINANCE_CHARGE", "SPECIAL", "PROGRAM", "SUBSCRIPTION", "SPECIAL_FREE_TRIAL_DAYS",
		"SPECIAL_ORDER_TOTAL", "SPECIAL_PRODUCT", "SPECIAL_CATEGORY", "SPECIAL_SHIPPING", "TIP", "OTHER"},
	2: {"PRODUCT", "SHIPPING", "TAX", "FINANCE_CHARGE", "SUBSCRIPTION", "DISCOUNT", "DISCOUNT_FREE_TRIAL", "DISCOUNT_ORDER_TOTAL", "DISCOUNT_PRODUCT",
		"DISCOUNT_PRODUCT_CATEGORY", "DISCOUNT_SHIPPING", "OTHER", "FEE"},
}

// itemIn is an item of a request, v1's or v2's words in one.
type itemIn struct {
	product    ref
	quantity   int
	price      json.Number
	kind       string
	name, text string
	notes      string
}

// item checks an item and fills it from its product.
func (t *tenant) item(c *call, o *order, in itemIn) (orderItem, error) {
	kind := cmp.Or(in.kind, "PRODUCT")
	if !slices.Contains(itemTypes[c.version], kind) {
		return orderItem{}, fmt.Errorf("Invalid item_type: %s", in.kind)
	}
	if in.quantity < 1 {
		return orderItem{}, fmt.Errorf("quantity must be at least 1")
	}
	p, known := t.products.get(in.product)
	if !known && in.product != 0 && c.flags.knownOnly {
		return orderItem{}, fmt.Errorf("Product %s not found", in.product)
	}
	o.nextItem++
	out := orderItem{id: o.nextItem, product: in.product, kind: kind, quantity: in.quantity, name: in.name, text: in.text, notes: in.notes}
	if known {
		out.name, out.price = cmp.Or(out.name, p.name), p.price
	}
	if in.price != "" {
		price, err := decimal.NewFromString(string(in.price))
		if err != nil || c.version == 1 && price.IsNegative() {
			return orderItem{}, fmt.Errorf("price %q is no amount of 0 or more", in.price)
		}
		out.price = price
	}
	return out, nil
}

// addOrder checks what both versions want and files the order.
func (t *tenant) addOrder(c *call, o *order, items []itemIn) error {
	if _, found := t.contactByID(o.contact); !found {
		return refusal{404, "Contact " + o.contact.String() + " not found"}
	}
	for _, in := range items {
		item, err := t.item(c, o, in)
		if err != nil {
			return err
		}
		o.items = append(o.items, item)
	}
	o.created, o.updated = c.now, c.now
	id := t.orders.put(0, o)
	c.about("contact", o.contact)
	c.about("order", id)
	t.happened(c, "order.add", id)
	t.happened(c, "invoice.add", id)
	return nil
}

// pay files a payment; it may not be more than what is due, but a negative one pays back.
func (t *tenant) pay(c *call, id ref, p payment) (ref, error) {
	o, _ := t.orders.get(id)
	if due := o.total().Sub(t.paid(id)); p.amount.GreaterThan(due) {
		return 0, fmt.Errorf("payment_amount %s is more than the balance of %s", p.amount, due)
	}
	p.order, p.recorded = id, c.now
	if p.at.IsZero() {
		p.at = c.now
	}
	o.updated = c.now
	pid := t.payments.put(0, &p)
	c.about("order", id)
	c.about("payment", pid)
	t.happened(c, "invoice.payment.add", pid)
	return pid, nil
}

// keepsOrder is what the lists of both versions filter by.
type keepsOrder struct {
	contact, product ref
	paid             string
	since, until     time.Time
	more             []condition
}

func (k keepsOrder) test(t *tenant) func(ref, *order) bool {
	return func(id ref, o *order) bool {
		if k.contact != 0 && o.contact != k.contact || !between(o.created, k.since, k.until) {
			return false
		}
		if k.product != 0 && !slices.ContainsFunc(o.items, func(i orderItem) bool { return i.product == k.product }) {
			return false
		}
		if k.paid != "" && (k.paid == "true") != (t.orderStatus(id, o) == "PAID") {
			return false
		}
		return !slices.ContainsFunc(k.more, func(f condition) bool { return !f.keepsOrder(id, o) })
	}
}

func (f condition) keepsOrder(id ref, o *order) bool {
	switch f.name {
	case "id", "ids", "invoice_id":
		return f.number(int64(id))
	case "invoice_xid":
		return f.text(o.invoiceNumber)
	case "title":
		return f.text(o.title)
	case "order_type":
		return strings.EqualFold(f.value, o.kind)
	}
	return true
}

func deleteOrder(t *tenant, c *call) reply {
	if !t.orders.remove(c.id(0)) {
		return c.notFound("Order", c.args[0])
	}
	t.happened(c, "order.delete", c.id(0))
	return none()
}

func deleteOrderItem(t *tenant, c *call) reply {
	o, found := t.orders.get(c.id(0))
	if !found {
		return c.notFound("Order", c.args[0])
	}
	i := slices.IndexFunc(o.items, func(i orderItem) bool { return i.id == c.id(1) })
	if i < 0 {
		return c.notFound("Order item", c.args[1])
	}
	o.items = slices.Delete(o.items, i, i+1)
	return none()
}
