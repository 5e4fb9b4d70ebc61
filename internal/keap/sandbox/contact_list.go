package sandbox

import (
	"cmp"
	"fmt"
	"strings"
)

func listContacts1(t *tenant, c *call) reply {
	want, err := optionals(c)
	if err != nil {
		return c.bad(err.Error())
	}
	since, until, err := parseBounds(c.query.Get("since"), c.query.Get("until"))
	if err != nil {
		return c.bad(err.Error())
	}
	order := cmp.Or(c.query.Get("order"), "id")
	if rankings[order] == nil {
		return c.bad("Invalid order: " + order)
	}
	found := t.search(c, t.criteria1(c, since, until), order)
	from, to, frame := c.page1(found.n)
	page := found.cut(from, to, c.query.Get("order_direction") == "DESCENDING")
	out := struct {
		Contacts []v1Contact `json:"contacts"`
		v1Page
	}{make([]v1Contact, len(page)), frame}
	for i, x := range page {
		out.Contacts[i] = t.v1(x, want)
	}
	return ok(out)
}

// orders2 are v2's names of orders.
var orders2 = map[string]string{"id": "id", "create_time": "date_created", "email": "email", "update_time": "last_updated"}

// order2 reads order_by: "field asc|desc".
func (c *call) order2(names map[string]string) (key string, descending bool, err error) {
	by := c.query.Get("order_by")
	if by == "" {
		return "id", false, nil
	}
	name, direction, _ := strings.Cut(by, " ")
	key, ok := names[name]
	if !ok || direction != "" && !strings.EqualFold(direction, "asc") && !strings.EqualFold(direction, "desc") {
		return "", false, fmt.Errorf("Invalid order_by: %s", by)
	}
	return key, strings.EqualFold(direction, "desc"), nil
}

func listContacts2(t *tenant, c *call) reply {
	want, err := c.fields2()
	if err != nil {
		return c.bad(err.Error())
	}
	key, descending, err := c.order2(orders2)
	if err != nil {
		return c.bad(err.Error())
	}
	q, err := t.criteria2(c)
	if err != nil {
		return c.bad(err.Error())
	}
	found := t.search(c, q, key)
	from, to, next, err := c.page2(maxPage, found.n)
	if err != nil {
		return c.bad(err.Error())
	}
	page := found.cut(from, to, descending)
	out := struct {
		Contacts []v2Contact `json:"contacts"`
		Next     string      `json:"next_page_token"`
	}{make([]v2Contact, len(page)), next}
	for i, x := range page {
		out.Contacts[i] = t.v2(x, want)
	}
	return ok(out)
}
