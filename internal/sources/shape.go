package sources

import (
	"encoding/json"
	"strings"

	"bridge/internal/events"

	"github.com/shopspring/decimal"
)

// personPaths says where a sender writes a person. Every path may name several places with | between them.
type personPaths struct {
	email, first, last, name   string // name is both in one, used where first is not there
	phone, company, id         string
	line1, line2, city, region string
	postal, country            string
	consent                    string
}

// read makes a contact; nil when nothing is there.
func (p *personPaths) read(t tree) *events.Contact {
	c := &events.Contact{
		Email: t.get(p.email), FirstName: t.get(p.first), LastName: t.get(p.last), Phone: t.get(p.phone),
		Company: t.get(p.company), ExternalID: t.get(p.id),
		Consent: t.get(p.consent),
	}
	if c.FirstName == "" && c.LastName == "" && p.name != "" {
		c.FirstName, c.LastName = splitName(t.get(p.name))
	}
	a := events.Address{
		Line1: t.get(p.line1), Line2: t.get(p.line2), City: t.get(p.city), Region: t.get(p.region), PostalCode: t.get(p.postal),
		Country: t.get(p.country),
	}
	if a != (events.Address{}) {
		c.Address = &a
	}
	return orNil(c)
}

func orNil(c *events.Contact) *events.Contact {
	if c.Email == "" && c.FirstName == "" && c.LastName == "" && c.Phone == "" && c.Company == "" && c.ExternalID == "" && c.Address == nil && len(c.Fields) == 0 {
		return nil
	}
	return c
}

// splitName takes the first word as the first name: senders that give one text leave no better way.
func splitName(name string) (first, last string) {
	first, last, _ = strings.Cut(strings.TrimSpace(name), " ")
	return first, strings.TrimSpace(last)
}

// orderPaths says where a sender writes an order.
type orderPaths struct {
	id, number, total, tax, shipping, discount string
	currency, status, paid, url                string
	items                                      string
	item                                       itemPaths
	minor                                      bool // amounts are in minor units
}

// itemPaths says where a line item has what.
type itemPaths struct {
	sku, name, quantity, price, product string
	lineTotal                           string // where only the price of the whole line is given
}

func (p *orderPaths) read(t tree) *events.Order {
	currency := strings.ToUpper(t.get(p.currency))
	amount := func(path string) events.Money {
		if path == "" {
			return ""
		}
		if p.minor {
			return t.at(path).minor(currency)
		}
		return t.at(path).money()
	}
	o := &events.Order{
		ID: t.get(p.id), Number: t.get(p.number), Total: amount(p.total), Tax: amount(p.tax),
		Shipping: amount(p.shipping), Discount: amount(p.discount),
		Currency: currency, Status: t.get(p.status), URL: t.get(p.url),
	}
	if p.paid != "" {
		o.PaidAt = t.at(p.paid).timeRef()
	}
	for _, line := range t.at(p.items).list() {
		if item, ok := p.item.read(line, p.minor, currency); ok {
			o.Items = append(o.Items, item)
		}
	}
	return o
}

func (p *itemPaths) read(line tree, minor bool, currency string) (events.Item, bool) {
	amount := func(t tree) events.Money {
		if minor {
			return t.minor(currency)
		}
		return t.money()
	}
	item := events.Item{SKU: line.get(p.sku), Name: line.get(p.name), ProductID: line.get(p.product), Quantity: 1}
	if p.price != "" {
		item.Price = amount(line.at(p.price))
	}
	n := decimal.NewFromInt(1)
	if q, ok := line.at(p.quantity).number(); ok {
		n = q
	}
	if n.IsInteger() && n.IsPositive() && n.LessThan(decimal.New(1, 12)) {
		item.Quantity = n.IntPart()
	} else if item.Price != "" {
		item.Price = events.MoneyOf(item.Price.Decimal().Mul(n)) // 1.5 m of cloth: one line at its whole price
	}
	if p.lineTotal != "" && item.Price == "" {
		item.Price = perPiece(amount(line.at(p.lineTotal)), item.Quantity)
	}
	return item, item.SKU != "" || item.Name != "" || item.ProductID != ""
}

// perPiece divides a line's price; to eight decimals where it does not come out even.
func perPiece(total events.Money, quantity int64) events.Money {
	if total == "" || quantity == 1 {
		return total
	}
	return events.MoneyOf(total.Decimal().DivRound(decimal.NewFromInt(quantity), 8))
}

// positive is an amount without its sign: refunds are written as negative numbers by some.
func positive(m events.Money) events.Money { return events.Money(strings.TrimPrefix(string(m), "-")) }

// anyContact finds a person in a body of unknown design by the names that senders use most.
var anyContact = personPaths{
	email:   anyOf("email", "Email", "email_address", "user_email", "e-mail", "member_email", "payer_email", "customer_email"),
	first:   anyOf("first_name", "firstname", "firstName", "First Name", "given_name", "fname", "user_first_name"),
	last:    anyOf("last_name", "lastname", "lastName", "Last Name", "family_name", "surname", "lname", "user_last_name"),
	name:    anyOf("name", "Name", "full_name", "fullname", "Full Name", "display_name"),
	phone:   anyOf("phone", "Phone", "phone_number", "telephone", "mobile", "contact_phone_number", "Phone Number"),
	company: anyOf("company", "Company", "company_name", "organization"),
	line1:   anyOf("address_1", "address1", "address.line1", "street", "billing_address_1"),
	line2:   anyOf("address_2", "address2", "address.line2"),
	city:    anyOf("city", "City", "address.city"), region: anyOf("state", "State", "region", "address.state"),
	postal:  anyOf("zip", "postcode", "postal_code", "Zip", "address.zip", "address.postal_code"),
	country: anyOf("country", "Country", "address.country"),
}

// parents are the objects that usually hold a person.
var parents = []string{
	"", "customer.", "contact.", "user.", "member.", "buyer.", "billing.",
	"data.", "data.customer.", "data.contact.", "data.user.", "data.member.", "data.billing.",
}

// anyOf looks for names at the top and in the objects that usually hold a person.
func anyOf(names ...string) string {
	var paths []string
	for _, parent := range parents {
		for _, name := range names {
			if parent == "data." && strings.EqualFold(name, "name") { // rarely a person's
				continue
			}
			paths = append(paths, parent+name)
		}
	}
	return strings.Join(paths, "|")
}

// setField puts a value into a signed body, JSON or form.
func setField(out *Signed, field, value string) error {
	v, _, err := decode(out.Body, out.Header.Get("Content-Type"))
	if err != nil {
		return err
	}
	m, ok := v.(map[string]any)
	if !ok {
		return malformed("the body is no object, so no field can be set in it", nil)
	}
	if out.Header.Get("Content-Type") == "application/x-www-form-urlencoded" {
		out.Body = []byte(withQuery(string(out.Body), field, value))
		return nil
	}
	m[field] = value
	out.Body, err = json.Marshal(m)
	return err
}
