package keap

import (
	"cmp"
	"context"
	"strconv"
	"strings"
	"time"
)

// Order is an order with all its items, made in one call (v2, where taxes, shipping and discounts need no product).
type Order struct {
	ContactID     string
	Title         string
	Time          time.Time
	Offline       bool // OFFLINE instead of ONLINE
	Items         []OrderItem
	PromoCodes    []string
	Notes         string // internal
	InvoiceNumber string // the shop's number, kept with the order
	ExternalUser  string // what made the order in the other system; with ExternalTime, a mark to find it again
	ExternalTime  time.Time
	CustomFields  []CustomValue
}

// OrderItem is one line. ProductID is needed for products and subscriptions only.
type OrderItem struct {
	Type        ItemType // "" = ItemProduct
	ProductID   string
	Name        string
	Description string
	Quantity    int     // ≥ 1
	Price       Decimal // of one piece; "" = the product's own price
}

// ItemType is the kind of a line.
type ItemType string

// The kinds of lines that an order from a shop has.
const (
	ItemProduct  ItemType = "PRODUCT"
	ItemShipping ItemType = "SHIPPING"
	ItemTax      ItemType = "TAX"
	ItemDiscount ItemType = "DISCOUNT"
	ItemFee      ItemType = "FEE"
	ItemOther    ItemType = "OTHER"
)

// OrderRef is an order in Keap. Amounts are in major units of Currency.
type OrderRef struct {
	ID            string
	InvoiceID     string
	ContactID     string
	Title         string
	Status        string // DRAFT, SENT, VIEWED, PAID
	InvoiceNumber string
	ExternalUser  string
	Time          time.Time
	Created       time.Time
	Total         Decimal
	TotalPaid     Decimal
	TotalDue      Decimal
	Currency      string
}

type orderItemBody struct {
	ItemType    ItemType `json:"item_type"`
	ProductID   string   `json:"product_id,omitempty"`
	Name        string   `json:"name,omitempty"`
	Description string   `json:"description,omitempty"`
	Quantity    int      `json:"quantity"`
	Price       Decimal  `json:"price_per_unit,omitempty"`
}

type orderWire struct {
	made
	InvoiceID     id      `json:"invoice_id"`
	InvoiceNumber string  `json:"invoice_number"`
	ExternalUser  string  `json:"external_create_user"`
	Title         string  `json:"title"`
	Status        string  `json:"status"`
	Total         minor   `json:"total"`
	TotalPaid     minor   `json:"total_paid"`
	TotalDue      minor   `json:"total_due"`
	OrderTime     instant `json:"order_time"`
	CreationTime  instant `json:"creation_time"`
	Contact       made    `json:"contact"`
}

func (w *orderWire) order() OrderRef {
	return OrderRef{
		ID: string(w.ID), InvoiceID: string(w.InvoiceID), ContactID: string(w.Contact.ID), Title: w.Title, Status: w.Status,
		InvoiceNumber: w.InvoiceNumber, ExternalUser: w.ExternalUser, Time: w.OrderTime.Time, Created: w.CreationTime.Time,
		Total: w.Total.decimal(), TotalPaid: w.TotalPaid.decimal(), TotalDue: w.TotalDue.decimal(), Currency: w.Total.CurrencyCode,
	}
}

func (i OrderItem) body(operation, field string) (orderItemBody, error) {
	if i.Type == "" {
		i.Type = ItemProduct
	}
	switch {
	case i.Type == ItemProduct && i.ProductID == "":
		return orderItemBody{}, invalid(operation, field+"product_id", "is empty: Keap takes products by their id only")
	case i.Quantity < 1:
		return orderItemBody{}, invalid(operation, field+"quantity", "is %d; Keap takes 1 and more", i.Quantity)
	case i.Type != ItemProduct && i.Price == "":
		return orderItemBody{}, invalid(operation, field+"price_per_unit", "is empty: only products have a price of their own")
	}
	if err := amount(operation, field+"price_per_unit", i.Price); err != nil {
		return orderItemBody{}, err
	}
	return orderItemBody{
		ItemType: i.Type, ProductID: i.ProductID, Name: strings.TrimSpace(i.Name), Description: strings.TrimSpace(i.Description),
		Quantity: i.Quantity, Price: i.Price,
	}, nil
}

// CreateOrder records an order with its items. Not safe to repeat; Orders finds it by title, invoice number or
// external user. Keap may not fire purchase goals for orders made through the API.
func (c *Client) CreateOrder(ctx context.Context, o Order) (OrderRef, error) {
	const operation = "orders.create"
	if err := required(operation, "contact_id", o.ContactID, "order_title", o.Title); err != nil {
		return OrderRef{}, err
	}
	if o.Time.IsZero() {
		return OrderRef{}, invalid(operation, "order_time", "is empty")
	}
	items := make([]orderItemBody, len(o.Items))
	for i, item := range o.Items {
		var err error
		if items[i], err = item.body(operation, "order_items["+strconv.Itoa(i)+"]."); err != nil {
			return OrderRef{}, err
		}
	}
	body := fields{"contact_id": o.ContactID, "order_title": o.Title, "order_type": "ONLINE", "order_items": items}
	if o.Offline {
		body["order_type"] = "OFFLINE"
	}
	body.putTime("order_time", o.Time)
	body.put("notes", o.Notes)
	body.put("invoice_number", o.InvoiceNumber)
	body.put("external_create_user", o.ExternalUser)
	body.putTime("external_create_time", o.ExternalTime)
	if len(o.PromoCodes) > 0 {
		body["promo_codes"] = o.PromoCodes
	}
	if len(o.CustomFields) > 0 {
		body["custom_fields"] = o.CustomFields
	}
	var got orderWire
	if _, err := c.do(ctx, post(operation, "/rest/v2/orders", body), &got); err != nil {
		return OrderRef{}, err
	}
	return got.order(), nil
}

// AddOrderItem adds a line to an order. Not safe to repeat.
func (c *Client) AddOrderItem(ctx context.Context, orderID string, item OrderItem) (string, error) {
	const operation = "orders.items.add"
	body, err := item.body(operation, "")
	if err != nil {
		return "", err
	}
	return c.create(ctx, post(operation, "/rest/v2/orders/{order_id}/items", body, orderID))
}

// Order reads one order.
func (c *Client) Order(ctx context.Context, orderID string) (OrderRef, error) {
	var got orderWire
	if _, err := c.do(ctx, get("orders.get", "/rest/v2/orders/{order_id}", orderID), &got); err != nil {
		return OrderRef{}, err
	}
	return got.order(), nil
}

// Orders returns the orders of a contact that were made in Keap since then, newest first, up to 1,000.
func (c *Client) Orders(ctx context.Context, contactID string, since time.Time) ([]OrderRef, error) {
	f := filter{operation: "orders.list"}
	if err := required(f.operation, "contact_id", contactID); err != nil {
		return nil, err
	}
	f.equal("contact_id", contactID)
	if !since.IsZero() {
		f.equal("created_since_time", stamp(since))
	}
	query, err := f.query("id desc")
	if err != nil {
		return nil, err
	}
	return v2List(ctx, c, get(f.operation, "/rest/v2/orders").with(query), "orders", (*orderWire).order)
}

// Payment is a payment that was made elsewhere. A negative amount records money given back: Keap has no call for
// refunds.
type Payment struct {
	ID                string // read only
	Amount            Decimal
	Time              time.Time
	Method            string // exactly one of the application's manual payment types; "" = MethodCard
	Notes             string
	ApplyCommissions  bool
	ExternalSource    string // the system that took it, and its number there: a mark to find it again
	ExternalReference string
}

// MethodCard is the manual payment type that every application has for cards charged elsewhere.
const MethodCard = "Credit Card (Manual)"

// CreatePayment records a payment of an order; nothing is charged. Not safe to repeat.
func (c *Client) CreatePayment(ctx context.Context, orderID string, p Payment) (string, error) {
	const operation = "payments.create"
	if err := required(operation, "payment_amount", string(p.Amount)); err != nil {
		return "", err
	}
	if err := amount(operation, "payment_amount", p.Amount); err != nil {
		return "", err
	}
	body := fields{
		"payment_amount": p.Amount, "payment_method_type": cmp.Or(p.Method, MethodCard), "apply_to_commissions": p.ApplyCommissions,
	}
	body.put("notes", p.Notes)
	body.put("external_source", p.ExternalSource)
	body.put("external_source_value", p.ExternalReference)
	body.putTime("payment_time", p.Time)
	return c.create(ctx, post(operation, "/rest/v2/orders/{order_id}/payments", body, orderID))
}

// Payments returns the payments of an order, up to 1,000.
func (c *Client) Payments(ctx context.Context, orderID string) ([]Payment, error) {
	type wire struct {
		made
		Amount  Decimal `json:"amount"`
		Note    string  `json:"note"`
		PayTime instant `json:"pay_time"`
	}
	r := get("payments.list", "/rest/v2/orders/{order_id}/payments", orderID)
	return v2List(ctx, c, r, "invoice_order_payments", func(w *wire) Payment {
		return Payment{ID: string(w.ID), Amount: w.Amount, Notes: w.Note, Time: w.PayTime.Time}
	})
}
