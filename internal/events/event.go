package events

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
	"time"
)

// Event is one business fact in its canonical form. In JSON it is a CloudEvent 1.0 (structured mode), with the
// bridge's own attributes as extensions. It is written once and never changed.
type Event struct {
	ID      string // stable for one business fact; opaque; unique within Account and Source
	Account string // configured account name
	Source  string // configured source name
	Kind    string // the source's kind: woocommerce, nats, …
	Type    string // canonical type (order.paid) or <kind>.<the sender's own topic>
	Subject string // CloudEvents subject; often empty

	Time     time.Time // when the fact happened, as the sender says; Received where it does not
	Received time.Time // when the bridge took it
	Updated  time.Time // version of the state that Data shows (updated_at …); zero where the sender has none

	TraceParent string // W3C traceparent of the request that brought it; may be empty
	Rule        string // a rule that was asked for by name (bridge import --rule); else ""
	Priority    string // a priority asked for by the way in (import: bulk); else ""
	Enrich      string // what its sender left out and has to be asked for before routing; "" once complete

	Data Data
}

// Data is the canonical content.
type Data struct {
	Contact      *Contact        `json:"contact,omitempty"`
	Order        *Order          `json:"order,omitempty"`
	Subscription *Subscription   `json:"subscription,omitempty"`
	Membership   *Membership     `json:"membership,omitempty"`
	Refund       *Refund         `json:"refund,omitempty"`
	Raw          json.RawMessage `json:"raw,omitempty"` // the sender's body as JSON, secrets stripped
}

// Contact is the person whom the event is about.
type Contact struct {
	Email      string            `json:"email,omitempty"`
	FirstName  string            `json:"first_name,omitempty"`
	LastName   string            `json:"last_name,omitempty"`
	Phone      string            `json:"phone,omitempty"`
	Company    string            `json:"company,omitempty"`
	Address    *Address          `json:"address,omitempty"`
	ExternalID string            `json:"external_id,omitempty"`
	Consent    string            `json:"consent,omitempty"` // subscribed, unsubscribed, pending, …: the sender's own word
	Fields     map[string]string `json:"fields,omitempty"`  // more form fields, by their own names
}

// Address is a postal address; Country is ISO 3166-1 alpha-2 where the sender gives codes.
type Address struct {
	Line1      string `json:"line1,omitempty"`
	Line2      string `json:"line2,omitempty"`
	City       string `json:"city,omitempty"`
	Region     string `json:"region,omitempty"`
	PostalCode string `json:"postal_code,omitempty"`
	Country    string `json:"country,omitempty"`
}

// Order is a purchase. Amounts are in Currency (ISO 4217).
type Order struct {
	ID       string     `json:"id,omitempty"`
	Number   string     `json:"number,omitempty"`
	Total    Money      `json:"total,omitempty"`
	Tax      Money      `json:"tax,omitempty"`
	Shipping Money      `json:"shipping,omitempty"`
	Discount Money      `json:"discount,omitempty"`
	Currency string     `json:"currency,omitempty"`
	Status   string     `json:"status,omitempty"` // the sender's own word
	PaidAt   *time.Time `json:"paid_at,omitempty"`
	URL      string     `json:"url,omitempty"`
	Coupons  []string   `json:"coupons,omitempty"`
	Items    []Item     `json:"items,omitempty"`
}

// Item is one line of an order; Price is for one piece.
type Item struct {
	SKU       string `json:"sku,omitempty"`
	Name      string `json:"name,omitempty"`
	Quantity  int64  `json:"quantity,omitempty"`
	Price     Money  `json:"price,omitempty"`
	ProductID string `json:"product_id,omitempty"`
}

// Subscription is a recurring agreement.
type Subscription struct {
	ID       string     `json:"id,omitempty"`
	Status   string     `json:"status,omitempty"`
	Plan     string     `json:"plan,omitempty"`
	Amount   Money      `json:"amount,omitempty"`
	Currency string     `json:"currency,omitempty"`
	NextAt   *time.Time `json:"next_at,omitempty"`
	EndsAt   *time.Time `json:"ends_at,omitempty"`
}

// Membership is access to something for a time.
type Membership struct {
	ID       string     `json:"id,omitempty"`
	Plan     string     `json:"plan,omitempty"`
	Status   string     `json:"status,omitempty"`
	StartsAt *time.Time `json:"starts_at,omitempty"`
	EndsAt   *time.Time `json:"ends_at,omitempty"`
}

// Refund is money given back; Amount is positive.
type Refund struct {
	ID       string `json:"id,omitempty"`
	OrderID  string `json:"order_id,omitempty"`
	Amount   Money  `json:"amount,omitempty"`
	Currency string `json:"currency,omitempty"`
	Reason   string `json:"reason,omitempty"`
	Full     bool   `json:"full,omitempty"` // the whole order was given back
}

// Key identifies the event in storage: 32 hex digits that show nothing of its content, so it may stand in
// subjects, keys and logs. Two events have the same Key when Account, Source and ID are the same.
func (e *Event) Key() string { return KeyOf(e.Account, e.Source, e.ID) }

// KeyOf is Event.Key for parts.
func KeyOf(account, source, id string) string {
	sum := sha256.Sum256([]byte(account + "\x00" + source + "\x00" + id))
	return hex.EncodeToString(sum[:16])
}

// OrderKey names the person whose events keep their order: e-mail, else phone, else source and external id.
// "" when the event names nobody; such events wait for nobody. It is personal data: hash it before it is stored.
func (e *Event) OrderKey() string {
	c := e.Data.Contact
	if c == nil {
		return ""
	}
	if email := NormalEmail(c.Email); email != "" {
		return "e:" + email
	}
	if phone := NormalPhone(c.Phone); phone != "" {
		return "p:" + phone
	}
	if c.ExternalID != "" {
		return "x:" + e.Source + ":" + c.ExternalID
	}
	return ""
}

// NormalEmail is the form in which e-mail addresses are compared: no blanks around, lower case.
func NormalEmail(s string) string { return strings.ToLower(strings.TrimSpace(s)) }

// NormalPhone keeps the digits and a leading plus.
func NormalPhone(s string) string {
	var b strings.Builder
	for _, r := range strings.TrimSpace(s) {
		if r >= '0' && r <= '9' || r == '+' && b.Len() == 0 {
			b.WriteRune(r)
		}
	}
	if b.String() == "+" {
		return ""
	}
	return b.String()
}
