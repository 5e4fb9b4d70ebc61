package sandbox

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/shopspring/decimal"
)

func xmlRunActionSequence(t *tenant, c *call, p params) (any, error) {
	x, err := t.contactOf(c, &p, 0)
	if err != nil {
		return nil, err
	}
	set := p.id(1)
	if p.err != nil {
		return nil, p.err
	}
	c.about("action_set", set)
	results, known := t.runSet(c, x, set, "")
	if !known {
		return nil, recordNotFound("ActionSequence %s does not exist", set)
	}
	out := []any{}
	for _, r := range results {
		out = append(out, map[string]any{"Action": r.action, "Message": r.message, "IsError": r.failed})
	}
	return out, nil
}

func xmlAchieveGoal(t *tenant, c *call, p params) (any, error) {
	integration, name := p.text(0), p.text(1)
	x, err := t.contactOf(c, &p, 2)
	if err != nil {
		return nil, err
	}
	hits := t.goalsNamed(c, integration, name)
	t.achieve(c, x.id, hits)
	out := []any{}
	for _, h := range hits {
		out = append(out, map[string]any{"campaignId": int(h.automation), "goalId": int(h.goal), "message": goalAchieved, "success": true})
	}
	return out, nil
}

// xmlOptIn works where the status allows it; after an opt-out it does not.
func xmlOptIn(t *tenant, c *call, p params) (any, error) {
	email, _ := p.text(0), p.text(1)
	if p.err != nil {
		return nil, p.err
	}
	a := t.address(email, c.now)
	before := a.status
	a.optIn()
	return a.status != before, nil
}

func xmlOptOut(t *tenant, c *call, p params) (any, error) {
	email, _ := p.text(0), p.text(1)
	if p.err != nil {
		return nil, p.err
	}
	t.address(email, c.now).status = system
	return true, nil
}

func xmlOptStatus(t *tenant, _ *call, p params) (any, error) {
	a := t.addresses[strings.ToLower(p.text(0))]
	switch {
	case p.err != nil:
		return nil, p.err
	case a == nil || !a.status.marketable():
		return 0, nil
	case a.status == doubleOptIn || a.status == confirmed:
		return 2, nil
	}
	return 1, nil
}

func xmlSendTemplate(t *tenant, c *call, p params) (any, error) {
	contacts, template := p.ids(0), p.id(1)
	if p.err != nil {
		return nil, p.err
	}
	if _, known := t.templates.get(template); !known && c.flags.knownOnly {
		return nil, recordNotFound("Template %s does not exist", template)
	}
	t.mail(c, contacts, Email{TemplateID: template.String()})
	return true, nil
}

// xmlSendEmail takes contact ids, from, to, cc, bcc, content type, subject, html, text.
func xmlSendEmail(t *tenant, c *call, p params) (any, error) {
	if len(p.values) == 2 {
		return xmlSendTemplate(t, c, p) // its older form
	}
	contacts, from, subject, html, text := p.ids(0), p.text(1), p.text(6), p.text(7), p.text(8)
	if p.err != nil {
		return nil, p.err
	}
	t.mail(c, contacts, Email{From: from, Subject: subject, HTML: html, Text: text})
	return true, nil
}

func xmlCreateOrder(t *tenant, c *call, p params) (any, error) {
	x, err := t.contactOf(c, &p, 0)
	if err != nil {
		return nil, err
	}
	at, _ := p.at(2).(time.Time)
	o := &order{contact: x.id, title: p.text(1), kind: "Offline", at: at}
	if p.err != nil {
		return nil, p.err
	}
	if err := t.addOrder(c, o, nil); err != nil {
		return nil, err
	}
	return int(t.orders.last), nil
}

// xmlItemTypes are v1's words for the numbers of order items.
var xmlItemTypes = map[int]string{1: "SHIPPING", 2: "TAX", 3: "SERVICE", 4: "PRODUCT", 5: "UPSELL", 6: "FINANCE_CHARGE", 7: "SPECIAL", 8: "PROGRAM",
	9: "SUBSCRIPTION", 10: "SPECIAL_FREE_TRIAL_DAYS", 12: "SPECIAL_ORDER_TOTAL", 13: "SPECIAL_CATEGORY", 14: "SPECIAL_SHIPPING"}

func xmlAddOrderItem(t *tenant, c *call, p params) (any, error) {
	o, found := t.orders.get(p.id(0))
	if !found {
		return nil, recordNotFound("Invoice %s does not exist", p.id(0))
	}
	product, _ := p.at(1).(int)
	kind, _ := p.at(2).(int)
	price, quantity := amountOf(p.at(3)), int(p.id(4))
	if p.err != nil || xmlItemTypes[kind] == "" || quantity < 1 {
		return nil, cmp.Or[error](p.err, fault{faultParameter, "[InvalidParameter]type or quantity"})
	}
	o.nextItem++
	o.items = append(o.items, orderItem{id: o.nextItem, product: ref(product), kind: xmlItemTypes[kind], text: p.text(5), notes: p.text(6), quantity: quantity, price: price})
	o.updated = c.now
	return true, p.err
}

func amountOf(v any) decimal.Decimal {
	d, _ := decimal.NewFromString(fmt.Sprint(v)) // what is no number counts nothing
	return d
}

func xmlAddPayment(t *tenant, c *call, p params) (any, error) {
	id := p.id(0)
	if _, found := t.orders.get(id); !found {
		return nil, recordNotFound("Invoice %s does not exist", id)
	}
	at, _ := p.at(2).(time.Time)
	pay := payment{amount: amountOf(p.at(1)), at: at, kind: p.text(3), note: p.text(4)}
	if p.err != nil {
		return nil, p.err
	}
	_, err := t.pay(c, id, pay)
	return err == nil, err
}

func xmlAmountOwed(t *tenant, _ *call, p params) (any, error) {
	o, found := t.orders.get(p.id(0))
	if !found {
		return nil, cmp.Or[error](p.err, recordNotFound("Invoice does not exist"))
	}
	return o.total().Sub(t.paid(p.id(0))).InexactFloat64(), nil
}
