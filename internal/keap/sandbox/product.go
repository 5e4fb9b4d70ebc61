package sandbox

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/shopspring/decimal"
)

type product struct {
	name, sku, text, short string
	price                  decimal.Decimal
	inactive, subscription bool
	created, updated       time.Time
}

type v1Product struct {
	ID           ref         `json:"id"`
	Name         string      `json:"product_name"`
	SKU          string      `json:"sku"`
	Text         string      `json:"product_desc"`
	Short        string      `json:"product_short_desc"`
	Price        json.Number `json:"product_price"`
	Subscription bool        `json:"subscription_only"`
	Plans        []struct{}  `json:"subscription_plans"`
	URL          string      `json:"url"`
	Active       *bool       `json:"active,omitempty"` // of one product
	Status       *int        `json:"status,omitempty"` // the same in a list
}

type v2Product struct {
	ID           string     `json:"id"`
	Name         string     `json:"name"`
	SKU          string     `json:"sku"`
	Text         string     `json:"description"`
	Short        string     `json:"short_description"`
	Price        v2Money    `json:"price"`
	Active       bool       `json:"active"`
	Subscription bool       `json:"subscription_only"`
	Plans        []struct{} `json:"subscription_plans"`
	Options      []struct{} `json:"options"`
	Categories   []string   `json:"categories"`
	Created      string     `json:"create_time"`
	Updated      string     `json:"update_time"`
}

func product1(id ref, p *product) v1Product {
	return v1Product{ID: id, Name: p.name, SKU: p.sku, Text: p.text, Short: p.short, Price: number(p.price), Subscription: p.subscription,
		Plans: []struct{}{}, Active: new(!p.inactive)}
}

// listed1 is a product in a list, which has a status in place of active.
func listed1(id ref, p *product) v1Product {
	out := product1(id, p)
	out.Active, out.Status = nil, new(1)
	if p.inactive {
		out.Status = new(0)
	}
	return out
}

func product2(id ref, p *product) v2Product {
	return v2Product{ID: id.String(), Name: p.name, SKU: p.sku, Text: p.text, Short: p.short, Price: money2(p.price), Active: !p.inactive,
		Subscription: p.subscription, Plans: []struct{}{}, Options: []struct{}{}, Categories: []string{}, Created: stamp(p.created), Updated: stamp(p.updated)}
}

func createProduct1(t *tenant, c *call) reply {
	var in struct {
		Active       *bool       `json:"active"`
		Text         string      `json:"product_desc"`
		Name         string      `json:"product_name"`
		Price        json.Number `json:"product_price"`
		Short        string      `json:"product_short_desc"`
		SKU          string      `json:"sku"`
		Subscription bool        `json:"subscription_only"`
	}
	if err := c.read(&in); err != nil {
		return c.bad(err.Error())
	}
	price, err := decimal.NewFromString(cmp.Or(string(in.Price), "0"))
	if in.Name == "" || err != nil {
		return c.bad("product_name is required, and product_price must be a number")
	}
	p := &product{name: in.Name, sku: in.SKU, text: in.Text, short: in.Short, price: price, subscription: in.Subscription,
		inactive: in.Active != nil && !*in.Active, created: c.now, updated: c.now}
	return created(product1(t.addProduct(c, p), p))
}

func (t *tenant) addProduct(c *call, p *product) ref {
	id := t.products.put(0, p)
	c.about("product", id)
	t.happened(c, "product.add", id)
	return id
}

// createProduct2 takes the price in minor units: 1250 is $12.50.
func createProduct2(t *tenant, c *call) reply {
	var in struct {
		Name         string `json:"name"`
		SKU          string `json:"sku"`
		Price        *int64 `json:"price"`
		Active       *bool  `json:"active"`
		Text         string `json:"description"`
		Short        string `json:"short_description"`
		Subscription bool   `json:"subscription_only"`
	}
	if err := c.read(&in); err != nil {
		return c.bad(err.Error())
	}
	if in.Name == "" || in.Price == nil || in.Short == "" {
		return c.bad("name, price and short_description are required")
	}
	p := &product{name: in.Name, sku: in.SKU, text: in.Text, short: in.Short, price: decimal.New(*in.Price, -2), subscription: in.Subscription,
		inactive: in.Active != nil && !*in.Active, created: c.now, updated: c.now}
	return created(product2(t.addProduct(c, p), p))
}

func patchProduct2(t *tenant, c *call) reply {
	p, found := t.products.get(c.id(0))
	if !found {
		return c.notFound("Product", c.args[0])
	}
	var in struct {
		Name   *string `json:"name"`
		SKU    *string `json:"sku"`
		Price  *int64  `json:"price"`
		Active *bool   `json:"active"`
		Text   *string `json:"description"`
		Short  *string `json:"short_description"`
	}
	if err := c.read(&in); err != nil {
		return c.bad(err.Error())
	}
	p.name, p.sku, p.text, p.short = orKeep(in.Name, p.name), orKeep(in.SKU, p.sku), orKeep(in.Text, p.text), orKeep(in.Short, p.short)
	if in.Price != nil {
		p.price = decimal.New(*in.Price, -2)
	}
	if in.Active != nil {
		p.inactive = !*in.Active
	}
	p.updated = c.now
	t.happened(c, "product.edit", c.id(0))
	return ok(product2(c.id(0), p))
}

func listProducts1(t *tenant, c *call) reply {
	active := c.query.Get("active")
	return reply1(c, "products", pick(&t.products, func(_ ref, p *product) bool { return active == "" || (active == "true") == !p.inactive }, listed1))
}

func listProducts2(t *tenant, c *call) reply {
	filter, err := c.filter("name", "sku", "active", "product_id", "product_ids", "category_id")
	if err != nil {
		return c.bad(err.Error())
	}
	return reply2(c, "products", pick(&t.products, func(id ref, p *product) bool {
		return !slices.ContainsFunc(filter, func(f condition) bool {
			switch f.name {
			case "name":
				return !f.text(p.name)
			case "sku":
				return !f.text(p.sku)
			case "active":
				return strings.EqualFold(f.value, "true") == p.inactive
			case "category_id":
				return true
			}
			return !f.number(int64(id))
		})
	}, product2))
}

func getProduct(t *tenant, c *call) reply {
	p, found := t.products.get(c.id(0))
	if !found {
		return c.notFound("Product", c.args[0])
	}
	if c.version == 2 {
		return ok(product2(c.id(0), p))
	}
	return ok(product1(c.id(0), p))
}

func deleteProduct(t *tenant, c *call) reply {
	if !t.products.remove(c.id(0)) {
		return c.notFound("Product", c.args[0])
	}
	t.happened(c, "product.delete", c.id(0))
	return none()
}
