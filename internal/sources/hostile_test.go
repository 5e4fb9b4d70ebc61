package sources

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"bridge/internal/events"
)

// Authentic, but not as anybody would wish: a clear answer, never a crash, nothing lost.
func TestHostileBodies(t *testing.T) {
	nested := func(n int) string { return `{"id":1,"x":` + strings.Repeat("[", n) + strings.Repeat("]", n) + `}` }
	lines := make([]string, 1000)
	for i := range lines {
		lines[i] = fmt.Sprintf(`{"sku":"S%d","name":"Line %d","quantity":1,"price":"0.01"}`, i, i)
	}
	tests := []struct {
		name, body string
		status     int // 0: taken
		check      func(e events.Event) any
		want       any
	}{
		{"64 levels", nested(63), 0, nil, nil},
		{"65 levels", nested(64), 400, nil, nil},
		{"a million levels", strings.Repeat("[", 1e6), 400, nil, nil},
		{"brackets inside text are no levels", `{"id":1,"x":"` + strings.Repeat("[", 100) + `\"{{"}`, 0, nil, nil},
		{"not JSON", `{"id":`, 400, nil, nil},
		{"two values", `{"id":1}{"id":2}`, 400, nil, nil},
		{"empty", ``, 400, nil, nil},
		{"blank", " \n", 400, nil, nil},
		{"a NUL byte", "{\"id\":1,\"x\":\"a\x00b\"}", 400, nil, nil},
		{"an escaped NUL", order(`"ada@example.com"`, `"ada\u0000@example.com"`), 0, email, "ada@example.com"},
		{"a BOM", "\ufeff" + order(), 0, email, "ada@example.com"},
		{"windows-1252", strings.ReplaceAll(order("Ada", "Ad\xe9le"), "\ufffd", ""), 0, first, "Adéle"},
		{"duplicate keys: the last one counts", order(`"total": "59.90"`, `"total": "1.00", "total": "59.90"`), 0, total, "59.90"},
		{"an id beyond 2^53", order("4711", "9007199254740993"), 0, number, "9007199254740993"},
		{"the word null", order(`"first_name": "Ada"`, `"first_name": "null"`), 0, first, ""},
		{"[] for an object", order(`"meta_data": []`, `"meta_data": {}`, `"_links": {`, `"_links": [], "x": {`), 0, email, "ada@example.com"},
		{"an object for a list", order(`"refunds": []`, `"refunds": {}`), 0, email, "ada@example.com"},
		{"lists where texts belong", order(`"status": "processing"`, `"status": ["x"]`), 0, kind, "woocommerce.order.updated"},
		{"1,000 line items", order(`{"id": 1, "name"`, strings.Join(lines, ",")+`,{"id": 1, "name"`), 0, items, 1001},
		{"an amount that is none", order(`"total": "59.90"`, `"total": "1.234,50"`), 0, kind, "woocommerce.order.updated"},
		{"an amount in E notation", order(`"total": "59.90"`, `"total": 5.99e1`), 0, total, "59.9"},
		{"an amount beyond all bounds", order(`"total": "59.90"`, `"total": 1e400`), 0, kind, "woocommerce.order.updated"},
		{"an exponent that would fill the memory", order(`"total": "59.90"`, `"total": 1e999999999`), 0, kind, "woocommerce.order.updated"},
		{"a quantity that would fill the memory", order(`"quantity": 2`, `"quantity": 1e999999999`), 0, email, "ada@example.com"},
		{"a quantity that would fill the memory the other way", order(`"quantity": 2`, `"quantity": 1e-999999999`), 0, email, "ada@example.com"},
		{"a quantity beyond all bounds", order(`"quantity": 2`, `"quantity": 1e30`), 0, email, "ada@example.com"},
		{"a fraction of a piece", order(`"quantity": 2`, `"quantity": 1.5`), 0, price, "37.5"},
		{"a date that is none", order(`"2026-11-20T11:00:00"`, `"2026-19-20T11:00:00"`), 0, email, "ada@example.com"},
		{"a header in a name", order(`"number": "4711"`, `"number": "1\r\nSet-Cookie: x"`), 0, email, "ada@example.com"},
		{"a list", `[1,2,3]`, 0, kind, "woocommerce.order.updated"},
		{"a number", `5`, 0, kind, "woocommerce.order.updated"},
		{"null", `null`, 0, kind, "woocommerce.order.updated"},
	}
	src := mustNew(t, testConfig(t, "woocommerce"), testDeps())
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			out, err := src.(Signer).Sign("order.updated", []byte(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			_, got, err := src.Open(context.Background(), deliver(out))
			if statusOf(err) != tt.status || (err == nil) != (tt.status == 0) {
				t.Fatal(err)
			}
			if tt.status != 0 {
				return
			}
			if len(got) == 0 {
				t.Fatal("lost")
			}
			for _, e := range got {
				if strings.ContainsAny(e.ID+e.Type, "\r\n\x00 ") {
					t.Errorf("id %q, type %q", e.ID, e.Type)
				}
				if _, err := e.MarshalJSON(); err != nil {
					t.Error("cannot be stored:", err)
				}
			}
			if tt.check != nil {
				if is := tt.check(got[0]); is != tt.want {
					t.Errorf("got %v, want %v", is, tt.want)
				}
			}
		})
	}
}

func order(replace ...string) string { return string(wooOrderJSON(replace...)) }

func email(e events.Event) any  { return e.Data.Contact.Email }
func first(e events.Event) any  { return e.Data.Contact.FirstName }
func total(e events.Event) any  { return string(e.Data.Order.Total) }
func number(e events.Event) any { return e.Data.Order.Number }
func items(e events.Event) any  { return len(e.Data.Order.Items) }
func price(e events.Event) any  { return string(e.Data.Order.Items[0].Price) }
func kind(e events.Event) any   { return e.Type }

func TestHostileForms(t *testing.T) {
	src := mustNew(t, testConfig(t, "cartflows"), testDeps())
	open := func(body, contentType string) ([]events.Event, error) {
		_, got, err := src.Open(context.Background(), Request{SubPath: testPathSecret, Body: []byte(body), Header: http.Header{"Content-Type": {contentType}}})
		return got, err
	}
	const form = "application/x-www-form-urlencoded"
	good := "email=ada%40example.com&checkout_url=u&order_status=abandoned"
	for name, tt := range map[string]struct {
		body, contentType string
		status            int
		first             string
	}{
		"1,000 pairs":         {good + strings.Repeat("&a=b", 997), form, 0, ""},
		"1,001 pairs":         {good + strings.Repeat("&a=b", 998), form, 400, ""},
		"65 brackets":         {good + "&a" + strings.Repeat("[x]", 65) + "=1", form, 400, ""},
		"bad escapes":         {good + "&a=%zz", form, 400, ""},
		"windows-1252":        {good + "&first_name=Ad%E9le", form, 0, "Adéle"},
		"charset in the type": {good + "&first_name=Ad%E9le", form + "; charset=iso-8859-1", 0, "Adéle"},
		"charset in the form": {good + "&charset=windows-1251&first_name=%C0%E4%E0", form, 0, "Ада"},
		"an unknown charset":  {good + "&charset=klingon&first_name=Ad%C3%A9le", form, 0, "Adéle"},
		"UTF-8":               {good + "&first_name=Ad%C3%A9le", form, 0, "Adéle"},
		"the word null":       {good + "&first_name=null", form, 0, ""},
		"a NUL byte":          {good + "&first_name=A%00da", form, 0, "Ada"},
		"text/plain":          {good + "&first_name=Ada", "text/plain", 0, "Ada"},
		"a nameless field":    {good + "&=x&first_name=Ada", form, 0, "Ada"},
	} {
		got, err := open(tt.body, tt.contentType)
		if statusOf(err) != tt.status {
			t.Errorf("%s: %v", name, err)
		} else if err == nil && (got[0].Data.Contact.FirstName != tt.first || got[0].Data.Contact.Email != "ada@example.com" || got[0].Data.Contact.Company != "") {
			t.Errorf("%s: %+v", name, got[0].Data.Contact)
		}
	}
}

func TestHostileXML(t *testing.T) {
	deep := strings.Repeat("<a>", 100) + strings.Repeat("</a>", 100)
	bomb := `<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><x>&b;</x>`
	for _, body := range []string{deep, bomb, "<a>", "<a></b>", "<!-- -->", "<"} {
		if v, _, err := decode([]byte(body), ""); err == nil {
			t.Errorf("%.40s: %v", body, v)
		}
	}
	v, _, err := decode([]byte(`<?xml version="1.0" encoding="windows-1252"?><r><n>Ad`+"\xe9"+`le</n><l>1</l><l>2</l></r>`), "text/xml; charset=windows-1252")
	if err != nil || newTree(v).get("n") != "Adéle" || newTree(v).get("l.1") != "2" {
		t.Error(v, err)
	}
}

func TestTimes(t *testing.T) {
	at := time.Date(2026, 11, 20, 11, 0, 5, 0, time.UTC)
	for _, text := range []string{
		"2026-11-20T11:00:05Z", "2026-11-20T06:00:05-05:00", "2026-11-20T11:00:05", "2026-11-20 11:00:05", "1795172405",
		"1795172405000", "2026-11-20T11:00:05+0000", "2026-11-20T11:00:05.000",
	} {
		if got := newTree(text).time(); !got.Equal(at) {
			t.Errorf("%s: %s", text, got)
		}
	}
	for _, text := range []string{"", "0", "null", "0000-00-00 00:00:00", "-1", "1e999999999", "99999999999999999999999999", "tomorrow", "2018-19-12T22:20:32.000Z"} {
		if got := newTree(text).time(); !got.IsZero() {
			t.Errorf("%s: %s", text, got)
		}
	}
	if got := ipnTime("14:48:34 Feb 08, 2018 PST"); !got.Equal(time.Date(2018, 2, 8, 22, 48, 34, 0, time.UTC)) {
		t.Error(got)
	}
	if got := ipnTime("14:48:34 Jul 08, 2018 PDT"); !got.Equal(time.Date(2018, 7, 8, 21, 48, 34, 0, time.UTC)) {
		t.Error(got)
	}
}
