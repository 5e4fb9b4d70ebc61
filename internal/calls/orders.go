package calls

import (
	"context"
	"strings"
	"time"

	"github.com/shopspring/decimal"

	"bridge/internal/events"
	"bridge/internal/keap"
)

// order records an order with its items. Money given back is not an order: see refund.
func (t *task) order(ctx context.Context, s *events.Step, r *Result) error {
	if s.Order.Refund != nil {
		return t.refund(ctx, s, r)
	}
	items, err := t.items(ctx, s, r)
	if err != nil {
		return err
	}
	o := &s.Order.Order
	order := keap.Order{
		ContactID: t.contact, Title: orderTitle(s) + " " + orderMark(t.Key, s.Rule), Time: orderTime(o, t.Time), Items: items,
		InvoiceNumber: o.Number, Notes: orderNotes(o),
	}
	return t.onContact(ctx, r, request{operation: "orders.create", rank: ending, step: s, unsafe: true, subjects: 1, send: func(ctx context.Context) error {
		order.ContactID = t.contact
		ref, err := t.settings.Keap.CreateOrder(ctx, order)
		r.Note = ref.ID
		if keap.KindOf(err) == keap.KindNotFound || keap.KindOf(err) == keap.KindRefused {
			t.forgetProducts(o) // one of them may be gone
		}
		return err
	}})
}

func orderTitle(s *events.Step) string {
	o := &s.Order.Order
	switch {
	case s.Order.Title != "":
		return s.Order.Title
	case o.Number != "":
		return "Order " + o.Number
	}
	return "Order " + o.ID
}

// orderMark is the mark of the order that a rule records for an event; its payment finds it by that.
func orderMark(key, rule string) string { return mark(key, &events.Step{ID: rule + "/order"}) }

func orderTime(o *events.Order, event time.Time) time.Time {
	if o.PaidAt != nil {
		return *o.PaidAt
	}
	return event
}

// orderNotes keeps what Keap has no field for. Coupons are the shop's own: Keap's promo codes would be checked
// against those configured there.
func orderNotes(o *events.Order) string {
	var notes []string
	if o.URL != "" {
		notes = append(notes, o.URL)
	}
	if len(o.Coupons) > 0 {
		notes = append(notes, "Coupons: "+strings.Join(o.Coupons, ", "))
	}
	if o.Currency != "" {
		notes = append(notes, "Currency: "+o.Currency)
	}
	return strings.Join(notes, "\n")
}

// items are the lines of an order. Their sum is the order's total to the cent: what senders leave open, such as
// prices before or after discounts, with or without tax, is made up for by a last line.
func (t *task) items(ctx context.Context, s *events.Step, r *Result) ([]keap.OrderItem, error) {
	o := &s.Order.Order
	var items []keap.OrderItem
	sum := decimal.Zero
	add := func(kind keap.ItemType, product, name string, quantity int64, price decimal.Decimal) {
		items = append(items, keap.OrderItem{Type: kind, ProductID: product, Name: name, Quantity: int(max(1, quantity)), Price: keap.Decimal(price.String())})
		sum = sum.Add(price.Mul(decimal.NewFromInt(max(1, quantity))))
	}
	for i := range o.Items {
		item := &o.Items[i]
		product, err := t.productID(ctx, item, o.Currency, r)
		if err != nil {
			return nil, err
		}
		kind := keap.ItemProduct
		if product == "" {
			kind = keap.ItemOther
		}
		add(kind, product, itemName(item), item.Quantity, item.Price.Decimal())
	}
	for _, line := range []struct {
		kind   keap.ItemType
		name   string
		amount events.Money
	}{{keap.ItemShipping, "Shipping", o.Shipping}, {keap.ItemTax, "Tax", o.Tax}} {
		if amount := line.amount.Decimal(); !amount.IsZero() && (o.Total == "" || !sum.Equal(o.Total.Decimal())) {
			add(line.kind, "", line.name, 1, amount)
		}
	}
	if o.Total == "" {
		return items, nil
	}
	switch open := o.Total.Decimal().Sub(sum); {
	case open.IsNegative():
		add(keap.ItemDiscount, "", "Discount", 1, open)
	case open.IsPositive():
		add(keap.ItemOther, "", "Other charges", 1, open)
	}
	return items, nil
}

func itemName(i *events.Item) string {
	if i.Name != "" {
		return i.Name
	}
	return i.SKU
}

// productID is the Keap product of an item: as configured, as found by its SKU, or made. "" when it has no SKU.
func (t *task) productID(ctx context.Context, item *events.Item, currency string, r *Result) (string, error) {
	if id := t.settings.Products[item.SKU]; id != "" || item.SKU == "" {
		return id, nil
	}
	return t.foundID(ctx, lookupKey{t.Account, productRecord, item.SKU}, func() (string, error) {
		var found []keap.Product
		err := t.call(ctx, r, request{operation: "products.list", rank: finding, subjects: 1, send: func(ctx context.Context) (err error) {
			found, err = t.settings.Keap.FindProducts(ctx, item.SKU)
			return err
		}})
		if err != nil {
			return "", err
		}
		if len(found) > 0 {
			return found[0].ID, nil
		}
		var made keap.Product
		price := keap.Decimal(item.Price)
		if price == "" {
			price = "0"
		}
		err = t.call(ctx, r, request{operation: "products.create", rank: finding, subjects: 1, send: func(ctx context.Context) (err error) {
			made, err = t.settings.Keap.CreateProduct(ctx, keap.Product{SKU: item.SKU, Name: itemName(item), Price: price, Currency: currency})
			return err
		}})
		return made.ID, err
	})
}

func (t *task) forgetProducts(o *events.Order) {
	for i := range o.Items {
		t.found.forget(lookupKey{t.Account, productRecord, o.Items[i].SKU})
	}
}

// payment records the payment of an order that was recorded before.
func (t *task) payment(ctx context.Context, s *events.Step, r *Result) error {
	o, order := &s.Order.Order, s.Order.Keap
	if o.Total.Decimal().IsZero() {
		r.Skipped = true
		return nil
	}
	if order == "" { // its step was found to have happened, which does not tell the id
		found, err := t.findOrder(ctx, orderMark(t.Key, s.Rule), r)
		if err != nil {
			return err
		}
		if found == "" {
			return &Invalid{Reason: events.TargetUnknown, Detail: "the order that the payment belongs to is not in Keap (replay the event)"}
		}
		order = found
	}
	m := mark(t.Key, s)
	pay := keap.Payment{
		Amount: keap.Decimal(o.Total), Time: orderTime(o, t.Time), Notes: marked(orderTitle(s), m), ExternalSource: "bridge", ExternalReference: m,
	}
	return t.call(ctx, r, request{operation: "payments.create", rank: ending, step: s, unsafe: true, subjects: 1, send: func(ctx context.Context) (err error) {
		r.Note, err = t.settings.Keap.CreatePayment(ctx, order, pay)
		return err
	}})
}

// refund records money given back, as a note: Keap has no call for refunds, and the order may have been recorded by
// somebody else, or not at all.
func (t *task) refund(ctx context.Context, s *events.Step, r *Result) error {
	refund := s.Order.Refund
	amount := strings.TrimSpace(string(refund.Amount) + " " + refund.Currency)
	number := s.Order.Order.Number
	if number == "" {
		number = refund.OrderID
	}
	lines := []string{"Refunded: " + amount}
	if refund.Full {
		lines[0] += " (the whole order)"
	}
	if refund.Reason != "" {
		lines = append(lines, "Reason: "+refund.Reason)
	}
	n := keap.Note{
		Title: "Refund of order " + number, Body: marked(strings.Join(lines, "\n"), mark(t.Key, s)), UserID: t.user(""),
	}
	return t.writeNote(ctx, s, r, n)
}

// findOrder looks for an order with a mark.
func (t *task) findOrder(ctx context.Context, m string, r *Result) (string, error) {
	var orders []keap.OrderRef
	err := t.call(ctx, r, request{operation: "orders.list", rank: ending, subjects: 1, send: func(ctx context.Context) (err error) {
		orders, err = t.settings.Keap.Orders(ctx, t.contact, time.Time{})
		return err
	}})
	for i := range orders {
		if strings.Contains(orders[i].Title, m) {
			return orders[i].ID, nil
		}
	}
	return "", err
}

// findPayment tells whether the order of a step's rule has a payment with a mark.
func (t *task) findPayment(ctx context.Context, s *events.Step, m string, r *Result) (string, error) {
	order := s.Order.Keap
	if order == "" { // its step was found to have happened, which does not tell the id
		found, err := t.findOrder(ctx, orderMark(t.Key, s.Rule), r)
		if err != nil || found == "" {
			return "", err
		}
		order = found
	}
	var payments []keap.Payment
	err := t.call(ctx, r, request{operation: "payments.list", rank: ending, subjects: 1, send: func(ctx context.Context) (err error) {
		payments, err = t.settings.Keap.Payments(ctx, order)
		return err
	}})
	for i := range payments {
		if strings.Contains(payments[i].Notes, m) {
			return payments[i].ID, nil
		}
	}
	return "", err
}
