package keap

import (
	"context"
	"slices"
)

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
	made
	SKU    string `json:"sku"`
	Name   string `json:"name"`
	Price  minor  `json:"price"`
	Active bool   `json:"active"`
}

func (w *productWire) product() Product {
	return Product{ID: string(w.ID), SKU: w.SKU, Name: w.Name, Price: w.Price.decimal(), Currency: w.Price.CurrencyCode, Active: w.Active}
}

// FindProducts returns the products with exactly that SKU.
func (c *Client) FindProducts(ctx context.Context, sku string) ([]Product, error) {
	f := filter{operation: "products.list"}
	f.equal("sku", sku)
	query, err := f.query("")
	if err != nil {
		return nil, err
	}
	products, err := v2List(ctx, c, get(f.operation, "/rest/v2/products").with(query), "products", (*productWire).product)
	return slices.DeleteFunc(products, func(p Product) bool { return p.SKU != sku }), err
}

// CreateProduct makes an active product. Price is required; v2 takes it in minor units of the account's currency,
// so Currency matters where those are not hundredths. Repeating it makes a second product.
func (c *Client) CreateProduct(ctx context.Context, p Product) (Product, error) {
	const operation = "products.create"
	if err := required(operation, "name", p.Name, "price", string(p.Price)); err != nil {
		return Product{}, err
	}
	price, err := minorUnits(operation, "price", p.Price, p.Currency)
	if err != nil {
		return Product{}, err
	}
	body := fields{"name": p.Name, "short_description": p.Name, "price": price, "active": true}
	body.put("sku", p.SKU)
	var got productWire
	if _, err := c.do(ctx, post(operation, "/rest/v2/products", body), &got); err != nil {
		return Product{}, err
	}
	return got.product(), nil
}
