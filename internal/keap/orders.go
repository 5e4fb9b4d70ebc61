package keap

import (
	"context"
	"net/http"
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
	ID            id      `json:"id"`
	InvoiceID     id      `json:"invoice_id"`
	InvoiceNumber string  `json:"invoice_number"`
	ExternalUser  string  `json:"external_create_user"`
	Title         string  `json:"title"`
	Status        string  `json:"status"`
	Total         *minor  `json:"total"`
	TotalPaid     *minor  `json:"total_paid"`
	TotalDue      *minor  `json:"total_due"`
	OrderTime     instant `json:"order_time"`
	CreationTime  instant `json:"creation_time"`
	Contact       *struct {
		ID id `json:"id"`
	} `json:"contact"`
}

func (w *orderWire) order() OrderRef {
	o := OrderRef{
		ID: string(w.ID), InvoiceID: string(w.InvoiceID), Title: w.Title, Status: w.Status, InvoiceNumber: w.InvoiceNumber,
		ExternalUser: w.ExternalUser, Time: w.OrderTime.Time, Created: w.CreationTime.Time,
		Total: w.Total.decimal(), TotalPaid: w.TotalPaid.decimal(), TotalDue: w.TotalDue.decimal(),
	}
	if w.Total != nil {
		o.Currency = w.Total.CurrencyCode
	}
	if w.Contact != nil {
		o.ContactID = string(w.Contact.ID)
	}
	return o
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
	switch {
	case o.ContactID == "":
		return OrderRef{}, invalid(operation, "contact_id", "is empty")
	case o.Title == "":
		return OrderRef{}, invalid(operation, "order_title", "is empty")
	case o.Time.IsZero():
		return OrderRef{}, invalid(operation, "order_time", "is empty")
	}
	body := map[string]any{"contact_id": o.ContactID, "order_title": o.Title, "order_time": stamp(o.Time), "order_type": "ONLINE"}
	if o.Offline {
		body["order_type"] = "OFFLINE"
	}
	items := make([]orderItemBody, len(o.Items))
	for i, item := range o.Items {
		var err error
		if items[i], err = item.body(operation, "order_items["+strconv.Itoa(i)+"]."); err != nil {
			return OrderRef{}, err
		}
	}
	body["order_items"] = items
	put(body, "notes", o.Notes)
	put(body, "invoice_number", o.InvoiceNumber)
	put(body, "external_create_user", o.ExternalUser)
	if !o.ExternalTime.IsZero() {
		body["external_create_time"] = stamp(o.ExternalTime)
	}
	if len(o.PromoCodes) > 0 {
		body["promo_codes"] = o.PromoCodes
	}
	if len(o.CustomFields) > 0 {
		fields := make([]v2Custom, len(o.CustomFields))
		for i, f := range o.CustomFields {
			fields[i] = v2Custom(f)
		}
		body["custom_fields"] = fields
	}
	var got orderWire
	a, err := c.do(ctx, request{operation: operation, method: http.MethodPost, path: "/rest/v2/orders", body: body}, &got)
	if err != nil {
		return OrderRef{}, err
	}
	if got.ID == "" {
		return OrderRef{}, a.unreadable(operation, "an order without id", nil)
	}
	return got.order(), nil
}

// AddOrderItem adds a line to an order. Not safe to repeat.
func (c *Client) AddOrderItem(ctx context.Context, orderID string, item OrderItem) (string, error) {
	const operation = "orders.items.add"
	at, err := segment(operation, "order_id", orderID)
	if err != nil {
		return "", err
	}
	body, err := item.body(operation, "")
	if err != nil {
		return "", err
	}
	return c.create(ctx, request{operation: operation, method: http.MethodPost, path: "/rest/v2/orders/" + at + "/items", body: body})
}

// Order reads one order.
func (c *Client) Order(ctx context.Context, orderID string) (OrderRef, error) {
	const operation = "orders.get"
	at, err := segment(operation, "order_id", orderID)
	if err != nil {
		return OrderRef{}, err
	}
	var got orderWire
	a, err := c.do(ctx, request{operation: operation, method: http.MethodGet, path: "/rest/v2/orders/" + at}, &got)
	if err != nil {
		return OrderRef{}, err
	}
	if got.ID == "" {
		return OrderRef{}, a.unreadable(operation, "an order without id", nil)
	}
	return got.order(), nil
}

// Orders returns the orders of a contact that were made in Keap since then, newest first, up to 1,000.
func (c *Client) Orders(ctx context.Context, contactID string, since time.Time) ([]OrderRef, error) {
	f := filter{operation: "orders.list"}
	if contactID == "" {
		return nil, invalid(f.operation, "contact_id", "is empty")
	}
	f.equal("contact_id", contactID)
	if !since.IsZero() {
		f.equal("created_since_time", stamp(since))
	}
	query, err := f.query()
	if err != nil {
		return nil, err
	}
	query.Set("page_size", strconv.Itoa(maxPage))
	query.Set("order_by", "id desc")
	wires, _, err := v2Page[orderWire](ctx, c, listing{operation: f.operation, path: "/rest/v2/orders", array: "orders"}, query)
	if err != nil {
		return nil, err
	}
	var orders []OrderRef
	for i := range wires {
		orders = append(orders, wires[i].order())
	}
	return orders, nil
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
	at, err := segment(operation, "order_id", orderID)
	if err != nil {
		return "", err
	}
	if p.Amount == "" {
		return "", invalid(operation, "payment_amount", "is empty")
	}
	if err := amount(operation, "payment_amount", p.Amount); err != nil {
		return "", err
	}
	if p.Method == "" {
		p.Method = MethodCard
	}
	body := map[string]any{"payment_amount": p.Amount, "payment_method_type": p.Method, "apply_to_commissions": p.ApplyCommissions}
	put(body, "notes", p.Notes)
	put(body, "external_source", p.ExternalSource)
	put(body, "external_source_value", p.ExternalReference)
	if !p.Time.IsZero() {
		body["payment_time"] = stamp(p.Time)
	}
	return c.create(ctx, request{operation: operation, method: http.MethodPost, path: "/rest/v2/orders/" + at + "/payments", body: body})
}

// Payments returns the payments of an order, up to 1,000.
func (c *Client) Payments(ctx context.Context, orderID string) ([]Payment, error) {
	const operation = "payments.list"
	at, err := segment(operation, "order_id", orderID)
	if err != nil {
		return nil, err
	}
	type payment struct {
		ID      id      `json:"id"`
		Amount  Decimal `json:"amount"`
		Note    string  `json:"note"`
		PayTime instant `json:"pay_time"`
	}
	l := listing{operation: operation, path: "/rest/v2/orders/" + at + "/payments", array: "invoice_order_payments"}
	wires, _, err := v2Page[payment](ctx, c, l, largestPage())
	if err != nil {
		return nil, err
	}
	var payments []Payment
	for _, w := range wires {
		payments = append(payments, Payment{ID: string(w.ID), Amount: w.Amount, Notes: w.Note, Time: w.PayTime.Time})
	}
	return payments, nil
}

// Product is something that orders are made of.
type Product struct {
	ID       string
	SKU      string
	Name     string
	Price    Decimal
	Currency string
	Active   bool
}

type productWire struct {
	ID     id     `json:"id"`
	SKU    string `json:"sku"`
	Name   string `json:"name"`
	Price  *minor `json:"price"`
	Active bool   `json:"active"`
}

func (w *productWire) product() Product {
	p := Product{ID: string(w.ID), SKU: w.SKU, Name: w.Name, Price: w.Price.decimal(), Active: w.Active}
	if w.Price != nil {
		p.Currency = w.Price.CurrencyCode
	}
	return p
}

// FindProducts returns the products with exactly that SKU.
func (c *Client) FindProducts(ctx context.Context, sku string) ([]Product, error) {
	f := filter{operation: "products.list"}
	f.equal("sku", sku)
	query, err := f.query()
	if err != nil {
		return nil, err
	}
	if query == nil {
		return nil, invalid(f.operation, "sku", "is empty")
	}
	query.Set("page_size", strconv.Itoa(maxPage))
	wires, _, err := v2Page[productWire](ctx, c, listing{operation: f.operation, path: "/rest/v2/products", array: "products"}, query)
	if err != nil {
		return nil, err
	}
	var products []Product
	for i := range wires {
		if wires[i].SKU == sku {
			products = append(products, wires[i].product())
		}
	}
	return products, nil
}

// CreateProduct makes an active product. Price is required; v2 takes it in minor units of the account's currency,
// so Currency matters where those are not hundredths. Repeating it makes a second product.
func (c *Client) CreateProduct(ctx context.Context, p Product) (Product, error) {
	const operation = "products.create"
	if strings.TrimSpace(p.Name) == "" {
		return Product{}, invalid(operation, "name", "is empty")
	}
	price, err := minorUnits(operation, "price", p.Price, p.Currency)
	if err != nil {
		return Product{}, err
	}
	body := map[string]any{"name": p.Name, "short_description": p.Name, "price": price, "active": true}
	put(body, "sku", p.SKU)
	var got productWire
	a, err := c.do(ctx, request{operation: operation, method: http.MethodPost, path: "/rest/v2/products", body: body}, &got)
	if err != nil {
		return Product{}, err
	}
	if got.ID == "" {
		return Product{}, a.unreadable(operation, "a product without id", nil)
	}
	return got.product(), nil
}
