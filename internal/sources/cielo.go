package sources

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"bridge/internal/events"
)

// Cielo (Brazil). API E-commerce 3.0 notifies with ids only, under at most three header values that the merchant chose;
// what happened has to be asked for, and the answer is what proves it. Checkout posts forms without any authentication
// to an address that has to be secret. Both demand exactly 200.
var cieloKind = &Kind{
	Name: "cielo", Title: "Cielo API E-commerce 3.0 and Checkout",
	Proof:   "API: a header value of the merchant's choice, and the look-up that every notification needs; Checkout: the secret in the address",
	Retries: "three more times: API every 30 minutes, Checkout every hour",
	Thin:    "API notifications hold ids only: enrich asks /1/sales (always needed); Checkout's notifications in JSON hold an address, its status changes name no buyer",
	Methods: post, takes: []string{"token", "verify", "enrich"}, open: openCielo,
}

type cielo struct {
	proof
	hasPath       bool
	api, checkout *lookup // nil without enrich
	merchant      string  // MerchantId, part of the address of a Checkout order
}

func openCielo(s *setup) sender {
	c := &cielo{hasPath: !s.cfg.PathSecret.Empty(), proof: addressProof{}}
	if s.cfg.Verify != nil || len(s.cfg.Token) > 0 {
		c.proof = s.configured("X-Cielo-Token")
	} else if !c.hasPath {
		s.mistake("token", "give the header value that Cielo's support set up for the API (verify.token names the header), or a path_secret for Checkout")
	}
	base := "https://apiquery.cieloecommerce.cielo.com.br"
	if s.cfg.Enrich != nil && s.cfg.Enrich.Sandbox {
		base = "https://apiquerysandbox.cieloecommerce.cielo.com.br"
	}
	if c.api = openLookup(s, base); c.api != nil {
		key, secret := s.cfg.Enrich.Key, s.cfg.Enrich.Secret
		if key.Empty() || secret.Empty() {
			s.mistake("enrich", "key (MerchantId) and secret (MerchantKey) are both needed")
		}
		c.api.auth = func(r *http.Request) {
			r.Header.Set("MerchantId", key.Reveal())
			r.Header.Set("MerchantKey", secret.Reveal())
		}
		c.merchant = key.Reveal()
		if c.checkout = c.api; s.cfg.Enrich.URL == "" {
			c.checkout = openLookup(s, "https://"+cieloCheckoutHost)
			c.checkout.auth = func(r *http.Request) { r.Header.Set("MerchantId", key.Reveal()) }
		}
	}
	return c
}

// verify takes Checkout's forms on the strength of the address alone: they cannot carry a header.
func (c *cielo) verify(ctx context.Context, d *delivery) error {
	if c.hasPath {
		if body, err := d.body(); err == nil && body.at("PaymentId|RecurrentPaymentId").empty() {
			return nil
		}
	}
	return c.proof.verify(ctx, d)
}

func (*cielo) answer() Reply { return Reply{Status: http.StatusOK} }

func (c *cielo) read(d *delivery) (reading, error) {
	body, err := d.body()
	if err != nil {
		return reading{}, malformed("the body cannot be read", err)
	}
	switch {
	case !body.at("PaymentId|RecurrentPaymentId").empty():
		return c.readAPI(body, d.Received)
	case !body.at("Url").empty():
		return reading{topic: "checkout", id: body.get("MerchantOrderNumber"), facts: []fact{{
			id: body.get("MerchantOrderNumber"), enrich: "checkout",
			data: events.Data{Order: &events.Order{Number: body.get("MerchantOrderNumber"), URL: body.get("Url")}},
		}}}, nil
	case !body.at("checkout_cielo_order_number|order_number").empty():
		return readCieloCheckout(body), nil
	}
	return reading{topic: "unknown"}, nil
}

// cieloChanges name the ChangeType of a notification.
var cieloChanges = map[string]string{
	"1": "payment", "2": "recurrence_created", "3": "antifraud", "4": "recurrence", "5": "cancellation_denied", "7": "chargeback", "8": "fraud_alert",
}

// readAPI keeps the ids. The same notification may come for several states, 30 minutes apart, so the hour is part of the
// id; what enrich finds out decides the fact, and its data show the state.
func (c *cielo) readAPI(body tree, received time.Time) (reading, error) {
	payment, recurrent, change := body.get("PaymentId"), body.get("RecurrentPaymentId"), body.get("ChangeType")
	topic := cieloChanges[change]
	if topic == "" {
		topic = "change_" + change
	}
	f := fact{must: true, enrich: "payment", data: events.Data{Order: &events.Order{ID: payment}}}
	f.id = payment + ":" + change + ":" + received.UTC().Truncate(time.Hour).Format("2006010215")
	switch change {
	case "7":
		f.typ, f.id = "dispute.opened", payment
	case "2":
		f.typ, f.id = "subscription.started", recurrent
	case "4":
		f.id = recurrent + f.id
		f.enrich = "recurrence"
	case "3", "5", "8":
		f.must = false
	}
	if recurrent != "" {
		f.data.Subscription = &events.Subscription{ID: recurrent}
	}
	return reading{topic: topic, facts: []fact{f}}, nil
}

// cieloStatus is what a payment's status means.
var cieloStatus = map[string]string{
	"1": "order.created", "2": "order.paid", "3": "order.failed", "10": "order.cancelled", "11": "order.refunded",
	"12": "order.created", "13": "order.cancelled",
}

// enrich asks what a payment's state is. The event's type follows from the answer.
func (c *cielo) enrich(ctx context.Context, e *events.Event) error {
	if c.api == nil {
		return fmt.Errorf("Cielo's notifications hold ids only: give enrich: {key: MerchantId, secret: MerchantKey}")
	}
	switch e.Enrich {
	case "recurrence":
		return c.enrichRecurrence(ctx, e)
	case "checkout":
		return c.enrichCheckout(ctx, e)
	case "buyer":
		return c.enrichBuyer(ctx, e)
	}
	answer, err := c.api.get(ctx, "/1/sales/"+url.PathEscape(e.Data.Order.ID))
	if err != nil {
		return fmt.Errorf("payment: %w", err)
	}
	p := answer.at("Payment")
	currency := p.get("Currency")
	if currency == "" {
		currency = "BRL"
	}
	o := e.Data.Order
	o.Number, o.Currency, o.Status, o.Total = answer.get("MerchantOrderId"), currency, p.get("Status"), p.at("Amount").minor(currency)
	e.Data.Contact = cieloCustomer.read(answer)
	switch typ := cieloStatus[o.Status]; {
	case e.Type == "dispute.opened":
		e.Data.Refund = &events.Refund{ID: o.ID, OrderID: o.ID, Amount: o.Total, Currency: currency}
	case e.Type == "subscription.started":
		e.Data.Subscription.Amount, e.Data.Subscription.Currency = o.Total, currency
	case typ != "":
		e.Type = typ
		if typ == "order.refunded" {
			e.Data.Refund = &events.Refund{ID: o.ID, OrderID: o.ID, Amount: p.at("VoidedAmount|Amount").minor(currency), Currency: currency}
		}
		if typ == "order.paid" {
			o.PaidAt = cieloTime(p.get("CapturedDate|ReceivedDate"))
		}
		e.ID = cleanID(e.Source + ":" + typ + ":" + o.ID) // one state is one fact, however often it is announced
	}
	return nil
}

// cieloRecurrence is what the status of a recurrence means: finished, deactivated by the merchant, by retries, by an
// expired card.
var cieloRecurrence = map[string]string{
	"2": "subscription.expired", "3": "subscription.cancelled", "4": "subscription.cancelled", "5": "subscription.cancelled",
}

func (c *cielo) enrichRecurrence(ctx context.Context, e *events.Event) error {
	answer, err := c.api.get(ctx, "/1/RecurrentPayment/"+url.PathEscape(e.Data.Subscription.ID))
	if err != nil {
		return fmt.Errorf("recurrence: %w", err)
	}
	r := answer.at("RecurrentPayment")
	s := e.Data.Subscription
	s.Status, s.Currency, s.Amount = r.get("Status"), "BRL", r.at("Amount").minor("BRL")
	e.Data.Contact = cieloCustomer.read(answer)
	if typ := cieloRecurrence[s.Status]; typ != "" {
		e.Type = typ
		e.ID = cleanID(e.Source + ":" + typ + ":" + s.ID)
	}
	return nil
}

const (
	cieloCheckoutHost = "cieloecommerce.cielo.com.br"
	cieloCheckoutPath = "/api/public/v1/orders/"
)

// enrichCheckout follows the address of a notification in JSON, which has to be Cielo's own. The answer has the fields of
// the form.
func (c *cielo) enrichCheckout(ctx context.Context, e *events.Event) error {
	if err := pinned(e.Data.Order.URL, []string{cieloCheckoutHost}, cieloCheckoutPath); err != nil {
		return errors.New("the order's address is not Cielo's")
	}
	answer, err := c.checkout.get(ctx, strings.TrimPrefix(e.Data.Order.URL, "https://"+cieloCheckoutHost))
	if err != nil {
		return fmt.Errorf("checkout: %w", err)
	}
	got, address := readCieloCheckout(answer), e.Data.Order.URL
	if got.facts[0].typ != "" && got.ignored == "" {
		e.Type = got.facts[0].typ
	}
	e.ID, e.Data.Contact, e.Data.Order = cleanID(e.Source+":"+e.Type+":"+got.facts[0].id), got.facts[0].data.Contact, got.facts[0].data.Order
	e.Data.Order.URL = address // it can be followed again
	return nil
}

// enrichBuyer asks whose order it is: the notification of a changed status does not say. What the status was then stays.
func (c *cielo) enrichBuyer(ctx context.Context, e *events.Event) error {
	answer, err := c.checkout.get(ctx, cieloCheckoutPath+url.PathEscape(c.merchant)+"/"+url.PathEscape(e.Data.Order.Number))
	if err != nil {
		return fmt.Errorf("checkout: %w", err)
	}
	of := readCieloCheckout(answer).facts[0].data
	if of.Order.ID != e.Data.Order.ID {
		return fmt.Errorf("checkout: order %s is another one at Cielo", e.Data.Order.Number)
	}
	e.Data.Contact = of.Contact
	if len(e.Data.Order.Items) == 0 {
		e.Data.Order.Items = of.Order.Items
	}
	return nil
}

var cieloCustomer = personPaths{
	email: "Customer.Email", name: "Customer.Name", phone: "Customer.Phone", line1: "Customer.Address.Street", line2: "Customer.Address.Complement",
	city: "Customer.Address.City", region: "Customer.Address.State", postal: "Customer.Address.ZipCode", country: "Customer.Address.Country",
}

// brasilia is the zone of Cielo's times, which name none. Brazil has had no summer time since 2019.
var brasilia = time.FixedZone("BRT", -3*60*60)

func cieloTime(text string) *time.Time {
	for _, layout := range []string{time.DateTime, "02/01/2006 15:04:05"} {
		if at, err := time.ParseInLocation(layout, text, brasilia); err == nil {
			at = at.UTC()
			return &at
		}
	}
	return nil
}

var cieloCheckoutPaths = orderPaths{
	id: "checkout_cielo_order_number", number: "order_number", total: "amount", shipping: "shipping_price",
	discount: "discount_amount", status: "payment_status", minor: true,
}

// cieloCheckoutStatus is what payment_status means in Checkout, which counts otherwise than the API does.
var cieloCheckoutStatus = map[string]string{
	"1": "order.created", "2": "order.paid", "3": "order.failed", "4": "order.cancelled", "5": "order.cancelled",
	"6": "order.created", "7": "order.paid", "8": "dispute.opened",
}

func readCieloCheckout(body tree) reading {
	id, status := body.get("checkout_cielo_order_number"), body.get("payment_status")
	order := cieloCheckoutPaths.read(body)
	order.Currency = "BRL"
	if name := body.get("product_description"); name != "" {
		order.Items = []events.Item{{SKU: body.get("product_sku|product_id"), Name: name, Quantity: 1, Price: order.Total, ProductID: body.get("product_id")}}
	}
	data := events.Data{
		Contact: (&personPaths{email: "customer_email", name: "customer_name", phone: "customer_phone", line1: "shipping_address_name", city: "shipping_address_city",
			region: "shipping_address_state", postal: "shipping_address_zipcode"}).read(body),
		Order: order,
	}
	f := fact{typ: cieloCheckoutStatus[status], id: id, data: data}
	if f.typ == "" {
		f.id = id + ":" + status
	}
	if c := data.Contact; (c == nil || c.Email == "") && order.Number != "" {
		f.enrich = "buyer"
	}
	if f.typ == "order.created" {
		if at := cieloTime(body.get("created_date")); at != nil {
			f.at = *at
		}
	}
	got := reading{topic: "checkout." + status, facts: []fact{f}}
	if strings.EqualFold(body.get("test_transaction"), "true") {
		got.ignored = "a test transaction"
	}
	return got
}
