package sources

import (
	"context"
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"bridge/internal/events"
)

// Eway has no webhooks. A sweep of its settlement search brings what was paid and refunded; the shopper's return from
// the payment page (a GET with AccessCode) may be sent on as a hint, and is looked up before it counts. A shop whose
// cart has webhooks is better served by those.
var ewayKind = &Kind{
	Name: "eway", Title: "Eway (Rapid API)",
	Proof:   "nothing is delivered: transactions are asked for with the API key; an AccessCode only hints at one and is looked up",
	Retries: "nothing is delivered; the next sweep asks again",
	Sweeps:  "settled transactions, from /Search/Settlement", Thin: "transactions name their buyer in /Transaction only: enrich is always needed",
	Methods: postAndGet, takes: []string{"enrich", "sweep"}, open: openEway,
}

type eway struct {
	proof
	api *lookup
}

func openEway(s *setup) sender {
	base := "https://api.ewaypayments.com"
	if s.cfg.Enrich != nil && s.cfg.Enrich.Sandbox {
		base = "https://api.sandbox.ewaypayments.com"
	}
	e := &eway{proof: addressProof{}, api: openLookup(s, base).basic(s, "API key", "password")}
	if s.cfg.Enrich == nil {
		s.mistake("enrich", "give enrich: {key: API key, secret: password}: everything is asked for")
	}
	if s.cfg.Sweep == nil && s.cfg.PathSecret.Empty() {
		s.mistake("sweep", "give sweep: {every: 15m}, or a path_secret for the shopper's return")
	}
	return e
}

func (e *eway) verify(_ context.Context, d *delivery) error {
	if d.SubPath == "" {
		return notAuthentic("eway takes deliveries at an address with a secret only")
	}
	return nil
}

func (*eway) read(d *delivery) (reading, error) {
	body, err := d.body()
	if err != nil {
		return reading{}, malformed("an AccessCode is expected", err)
	}
	code := body.get("AccessCode")
	if code == "" {
		return reading{ignored: "no AccessCode"}, nil
	}
	return reading{topic: "return", facts: []fact{{
		typ: "order.paid", id: "access:" + bodyID([]byte(code)), must: true, enrich: "access:" + code, data: events.Data{Order: &events.Order{}},
	}}}, nil
}

var (
	ewayPerson = personPaths{
		email: "Customer.Email", first: "Customer.FirstName", last: "Customer.LastName",
		phone: "Customer.Phone|Customer.Mobile", company: "Customer.CompanyName",
		id: "Customer.Reference", line1: "Customer.Street1", line2: "Customer.Street2", city: "Customer.City",
		region: "Customer.State", postal: "Customer.PostalCode",
		country: "Customer.Country",
	}
	ewayDate = regexp.MustCompile(`^/Date\((\d{1,15})(?:[+-]\d{4})?\)/$`)
)

// enrich asks for the transaction.
func (e *eway) enrich(ctx context.Context, ev *events.Event) error {
	path := "/Transaction/" + url.PathEscape(strings.TrimPrefix(ev.Enrich, "transaction:"))
	if code, ok := strings.CutPrefix(ev.Enrich, "access:"); ok {
		path = "/Transaction/" + url.PathEscape(code) // takes an AccessCode too
	}
	answer, err := e.api.get(ctx, path)
	if err != nil {
		return fmt.Errorf("transaction: %w", err)
	}
	t := answer.at("Transactions.0")
	if t.empty() {
		return fmt.Errorf("transaction: %w", errGone)
	}
	ewayTransaction(ev, t)
	return nil
}

func ewayTransaction(ev *events.Event, t tree) {
	o := ev.Data.Order
	id := t.get("TransactionID")
	currency := or2(t.get("CurrencyCode"), or2(o.Currency, "AUD"))
	o.ID, o.Number, o.Currency, o.Status = id, t.get("InvoiceNumber|InvoiceReference"), currency, t.get("ResponseMessage")
	o.Total = t.at("TotalAmount").minor(currency)
	ev.Data.Contact = ewayPerson.read(t)
	if c := ev.Data.Contact; c != nil && c.Address != nil {
		c.Address.Country = strings.ToUpper(c.Address.Country)
	}
	if ev.Type == "order.paid" {
		if !t.is("TransactionStatus", "true") {
			ev.Type = "order.failed"
		}
		ev.ID = cleanID(ev.Source + ":" + ev.Type + ":" + id) // the same transaction, however it was found
	}
	if r := ev.Data.Refund; r != nil {
		r.OrderID = t.get("OriginalTransactionId|OriginalTransactionID")
	}
}

const ewayPageSize = 100

// sweep asks for settled transactions by day, in Eway's own time zone: a day more than needed, resends are recognised.
func (e *eway) sweep(ctx context.Context, since time.Time, take func([]reading) error) error {
	from := since.AddDate(0, 0, -1).Format(time.DateOnly)
	to := e.api.now().AddDate(0, 0, 1).Format(time.DateOnly)
	for page := 1; ; page++ {
		q := url.Values{
			"ReportMode": {"TransactionOnly"}, "StartDate": {from}, "EndDate": {to}, "Page": {strconv.Itoa(page)},
			"PageSize": {strconv.Itoa(ewayPageSize)},
		}
		answer, err := e.api.getFresh(ctx, "/Search/Settlement?"+q.Encode())
		if err != nil {
			return err
		}
		list := answer.at("SettlementTransactions").list()
		found := make([]reading, 0, len(list))
		for _, t := range list {
			found = append(found, ewaySettled(t))
		}
		if err := take(found); err != nil || len(list) < ewayPageSize {
			return err
		}
	}
}

// ewaySettled reads one line of the report. Type 1 is a sale, 4 a refund.
func ewaySettled(t tree) reading {
	id, currency := t.get("TransactionID"), or2(t.get("CurrencyCode"), "AUD")
	f := fact{
		typ: "order.paid", id: id, must: true, enrich: "transaction:" + id, at: ewayTime(t.get("TransactionDateTime")), raw: t.v,
		data: events.Data{Order: &events.Order{ID: id, Currency: currency, Total: t.at("Amount").minor(currency)}},
	}
	if !f.at.IsZero() {
		f.data.Order.PaidAt = &f.at
	}
	if t.is("TransactionType", "4", "Refund") {
		f.typ = "order.refunded"
		f.data.Refund = &events.Refund{ID: id, Amount: positive(f.data.Order.Total), Currency: currency}
	}
	return reading{topic: "settlement", facts: []fact{f}}
}

func ewayTime(text string) time.Time {
	m := ewayDate.FindStringSubmatch(text)
	if m == nil {
		return newTree(text).time()
	}
	ms, err := strconv.ParseInt(m[1], 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}
