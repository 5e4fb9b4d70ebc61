package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"hash"
	"strings"
	"sync/atomic"
	"time"
)

// shopSecret signs the webhooks of every account.
const shopSecret = "a-secret-of-the-benchmarks"

// Widths of what differs between two orders: written over a template.
const (
	idWidth       = 10
	customerWidth = 8
)

// orders makes paid WooCommerce orders of some 1.1 kB, each with a number of its own. Safe for concurrent use.
type orders struct {
	template []byte
	ids      []int // offsets of the number
	people   []int // offsets of the customer
	paths    []string
	crowd    uint64 // how many customers there are
	next     atomic.Uint64
}

// bodySize is what an order with one line item is padded to.
const bodySize = 1100

// newOrders makes orders for the accounts, in turn, with this many line items each, of this many people.
func newOrders(accounts []string, items int, people uint64) *orders {
	const id, customer = "IDIDIDIDID", "CUSTOMER"
	now := time.Now().UTC().Format("2006-01-02T15:04:05")
	var lines []string
	for i := range items {
		lines = append(lines, fmt.Sprintf(`{"id":%d,"name":"Thing number %d","product_id":%d,"quantity":1,"subtotal":"30.00","total":"30.00","sku":"SKU-%03d","price":30}`, i+1, i, 100+i, i))
	}
	text := fmt.Sprintf(`{"id":%[1]s,"parent_id":0,"status":"processing","currency":"EUR","version":"9.8.1","prices_include_tax":false,"date_created_gmt":%[3]q,"date_modified_gmt":%[3]q,"discount_total":"0.00","shipping_total":"4.90","total":"34.90","total_tax":"0.00","customer_id":7,"order_key":"wc_order_%[1]s","billing":{"first_name":"Customer","last_name":"Number %[2]s","company":"","address_1":"Example Street 1","address_2":"","city":"Springfield","state":"","postcode":"12345","country":"DE","email":"customer%[2]s@example.com","phone":""},"payment_method":"stripe","payment_method_title":"Card","transaction_id":"ch_%[1]s","date_paid_gmt":%[3]q,"number":"%[1]s","line_items":[%[4]s],"refunds":[],"meta_data":[{"id":1,"key":"_note","value":"PADDING"}]}`,
		id, customer, now, strings.Join(lines, ","))
	text = strings.Replace(text, "PADDING", strings.Repeat("x", max(1, bodySize+len("PADDING")-len(text))), 1)
	o := &orders{template: []byte(text), crowd: people}
	o.ids, o.people = offsets(text, id), offsets(text, customer)
	for _, a := range accounts {
		o.paths = append(o.paths, "/hooks/"+a+"/shop")
	}
	o.next.Store(uint64(time.Now().UnixMilli()) % 1_000_000 * 1000) // no number twice in one store, whoever asks
	return o
}

func offsets(text, word string) []int {
	var at []int
	for from := 0; ; {
		i := strings.Index(text[from:], word)
		if i < 0 {
			return at
		}
		at = append(at, from+i)
		from += i + len(word)
	}
}

// sender writes signed requests into one buffer. Not safe for concurrent use.
type sender struct {
	*orders
	mac     hash.Hash
	body    []byte
	request []byte
	sum     [sha256.Size]byte
}

func (o *orders) sender() *sender {
	return &sender{orders: o, mac: hmac.New(sha256.New, []byte(shopSecret)), body: bytes.Clone(o.template)}
}

// order writes the request for the next order; bad spoils its signature. The buffer is good until the next call.
func (s *sender) order(bad bool) []byte {
	n := s.next.Add(1)
	for _, at := range s.ids {
		digits(s.body[at:at+idWidth], 1_000_000_000+n)
	}
	for _, at := range s.people {
		digits(s.body[at:at+customerWidth], n%s.crowd)
	}
	s.mac.Reset()
	s.mac.Write(s.body)
	sum := s.mac.Sum(s.sum[:0])
	if bad {
		sum[0] ^= 1
	}
	r := append(s.request[:0], "POST "...)
	r = append(r, s.paths[n%uint64(len(s.paths))]...)
	r = append(r, " HTTP/1.1\r\nHost: bridge\r\nUser-Agent: WooCommerce/9.8.1 Hookshot (WordPress/6.8)\r\nContent-Type: application/json\r\nX-WC-Webhook-Topic: order.updated\r\nX-WC-Webhook-Signature: "...)
	r = base64.StdEncoding.AppendEncode(r, sum)
	r = fmt.Appendf(r, "\r\nContent-Length: %d\r\n\r\n", len(s.body))
	s.request = append(r, s.body...)
	return s.request
}

// digits writes v with leading zeros.
func digits(to []byte, v uint64) {
	for i := len(to) - 1; i >= 0; i-- {
		to[i] = byte('0' + v%10)
		v /= 10
	}
}
