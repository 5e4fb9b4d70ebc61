package ingress

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime/metrics"
	"strings"
	"testing"
	"time"

	"golang.org/x/time/rate"

	"bridge/internal/events"
	"bridge/internal/secret"
	"bridge/internal/sources"
)

const hostilePath = "0123456789abcdefXY"

// realDoors is an ingress with real sources: a shop that signs JSON, and a form with a secret address.
func realDoors(t testing.TB, d *door) (*httptest.Server, sources.Source) {
	t.Helper()
	made := map[string]sources.Source{}
	for name, cfg := range map[string]sources.Config{
		"shop": {Kind: "woocommerce", Secret: sources.Secrets{secret.New("a-secret")}},
		"form": {Kind: "cartflows", PathSecret: secret.New(hostilePath)},
	} {
		src, mistakes := sources.New(name, "default", cfg, sources.Deps{})
		if len(mistakes) > 0 {
			t.Fatal(mistakes)
		}
		made[name] = src
	}
	srv := httptest.NewServer(New(Options{
		Intake: d, Observe: d.observe, Log: slog.New(slog.DiscardHandler), Now: time.Now,
		Route: func(_, source string) (Route, bool) {
			return Route{Source: made[source], Limiter: rate.NewLimiter(rate.Inf, 1), MaxBody: 1 << 20}, made[source] != nil
		},
	}))
	t.Cleanup(srv.Close)
	return srv, made["shop"]
}

// paidOrder is an order of the shop with some of its texts replaced.
func paidOrder(replace ...string) string {
	return strings.NewReplacer(replace...).Replace(`{"id": 4711, "number": "4711", "status": "processing", "currency": "EUR", "total": "59.90",
"date_created_gmt": "2026-11-20T11:00:00", "date_modified_gmt": "2026-11-20T11:00:05", "date_paid_gmt": "2026-11-20T11:00:04",
"billing": {"first_name": "Ada", "email": "ada@example.com"}, "meta_data": [], "refunds": [],
"line_items": [{"sku": "HOODIE", "name": "Hoodie", "quantity": 1, "price": 59.9}]}`)
}

// zipped is a megabyte of zeros many times over, in a few kilobytes.
func zipped(t *testing.T) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	zeros := make([]byte, 1<<20)
	for range 64 {
		if _, err := w.Write(zeros); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestBadInputThroughTheIngress: a clear answer, never a crash, and nothing that is authentic is lost.
func TestBadInputThroughTheIngress(t *testing.T) {
	d := &door{}
	srv, shop := realDoors(t, d)
	deep := func(n int) string {
		return `{"id": 1, "x": ` + strings.Repeat("[", n-1) + strings.Repeat("]", n-1) + `}`
	}
	lines := strings.Repeat(`{"sku": "S", "name": "Line", "quantity": 1, "price": "0.01"},`, 999)
	firstName := func(e events.Event) string { return e.Data.Contact.FirstName }
	for _, tc := range []struct {
		name, body string
		header     []string
		status     int
		look       func(events.Event) string
		want       string
	}{
		{"wrong charset: UTF-8 that says iso-8859-1", paidOrder("Ada", "Ad\u00e9le"), []string{"Content-Type", "application/json; charset=iso-8859-1"}, 202, firstName, "Ad\u00c3\u00a9le"},
		{"wrong charset: windows-1252 that says UTF-8", paidOrder("Ada", "Ad\xe9le"), []string{"Content-Type", "application/json; charset=utf-8"}, 202, firstName, "Ad\u00e9le"},
		{"a charset that nobody knows", paidOrder(), []string{"Content-Type", "application/json; charset=klingon"}, 202, firstName, "Ada"},
		{"the word null", paidOrder(`"Ada"`, `"null"`), nil, 202, firstName, ""},
		{"[] for an object", paidOrder(`{"first_name": "Ada", "email": "ada@example.com"}`, `[]`), nil, 202, func(e events.Event) string { return e.Type }, "order.paid"},
		{"an object for a list", paidOrder(`"refunds": []`, `"refunds": {}`), nil, 202, firstName, "Ada"},
		{"an id beyond 2^53", paidOrder("4711", "9007199254740993"), nil, 202, func(e events.Event) string { return e.Data.Order.ID }, "9007199254740993"},
		{"a number beyond all bounds", paidOrder(`"59.90"`, `1e999999999`), nil, 202, func(e events.Event) string { return e.Type }, "woocommerce.order.updated"},
		{"a number below all bounds", paidOrder(`"59.90"`, `1e-999999999`), nil, 202, func(e events.Event) string { return e.Type }, "woocommerce.order.updated"},
		{"1,000 line items", paidOrder(`"line_items": [`, `"line_items": [`+lines), nil, 202, func(e events.Event) string { return fmt.Sprint(len(e.Data.Order.Items)) }, "1000"},
		{"64 levels", deep(64), nil, 202, func(e events.Event) string { return e.Type }, "woocommerce.unknown"},
		{"65 levels", deep(65), nil, 400, nil, ""},
		{"10,000 levels", deep(10000), nil, 400, nil, ""},
		{"a zip bomb", zipped(t), []string{"Content-Encoding", "gzip"}, 415, nil, ""},
		{"a zip bomb that does not say so", zipped(t), nil, 400, nil, ""},
		{"duplicate keys: the last one counts", paidOrder(`"total": "59.90"`, `"total": "1.00", "total": "59.90"`), nil, 202, func(e events.Event) string { return string(e.Data.Order.Total) }, "59.90"},
		{"a NUL byte", paidOrder("Ada", "A\x00da"), nil, 400, nil, ""},
		{"an escaped NUL", paidOrder("Ada", `A\u0000da`), nil, 202, firstName, "Ada"},
		{"a header in a number", paidOrder(`"number": "4711"`, `"number": "1\r\nSet-Cookie: x=1"`, `"id": 4711`, `"id": "1\r\nSet-Cookie: x=1"`), nil, 202, firstName, "Ada"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d.stored, d.seen = nil, nil
			out, err := shop.(sources.Signer).Sign("order.updated", []byte(tc.body))
			if err != nil {
				t.Fatal(err)
			}
			header := []string{"X-Wc-Webhook-Signature", out.Header.Get("X-Wc-Webhook-Signature")}
			if tc.name != "64 levels" {
				header = append(header, "X-Wc-Webhook-Topic", "order.updated")
			}
			res, text := post(t, srv.URL+"/hooks/default/shop", tc.body, append(header, tc.header...)...)
			checkAnswer(t, res, text, tc.status)
			if tc.status != http.StatusAccepted {
				if len(d.stored) > 0 || len(d.seen) != 1 || d.seen[0].Status != tc.status {
					t.Errorf("stored %d, seen %+v", len(d.stored), d.seen)
				}
				return
			}
			if len(d.stored) == 0 {
				t.Fatal("lost")
			}
			if got := tc.look(d.stored[0]); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

// checkAnswer: the status, a body that says why in the open, and no header that the sender wrote.
func checkAnswer(t *testing.T, res *http.Response, text string, want int) {
	t.Helper()
	if res.StatusCode != want {
		t.Errorf("%d, want %d: %s", res.StatusCode, want, text)
	}
	if res.Header.Get("Set-Cookie") != "" || strings.ContainsAny(text, "\r\x00") {
		t.Errorf("the sender wrote into the answer: %v %q", res.Header, text)
	}
	if want >= 400 && (res.Header.Get("Content-Type") != "application/problem+json" || !strings.Contains(text, `"detail"`)) {
		t.Errorf("no clear answer: %s", text)
	}
}

// TestBadFormsThroughTheIngress does the same for forms, whose bytes are of any charset.
func TestBadFormsThroughTheIngress(t *testing.T) {
	d := &door{}
	srv, _ := realDoors(t, d)
	const good = "email=ada%40example.com&checkout_url=u&order_status=abandoned&first_name="
	for _, tc := range []struct {
		name, body, contentType string
		status                  int
		want                    string
	}{
		{"windows-1252", good + "Ad%E9le", "application/x-www-form-urlencoded", 202, "Ad\u00e9le"},
		{"raw windows-1252 bytes", good + "Ad\xe9le", "application/x-www-form-urlencoded", 202, "Ad\u00e9le"},
		{"a charset in the form", good + "%C0%E4%E0&charset=windows-1251", "application/x-www-form-urlencoded", 202, "\u0410\u0434\u0430"},
		{"the word null", good + "null", "application/x-www-form-urlencoded", 202, ""},
		{"a NUL byte", good + "A%00da", "application/x-www-form-urlencoded", 202, "Ada"},
		{"duplicate keys: the last one counts", good + "Eve&first_name=Ada", "application/x-www-form-urlencoded", 202, "Ada"},
		{"a header in a name", good + "Ada&coupon_code=x%0D%0ASet-Cookie:%20x=1", "application/x-www-form-urlencoded", 202, "Ada"},
		{"1,001 fields", good + "Ada" + strings.Repeat("&a=b", 1000), "application/x-www-form-urlencoded", 400, ""},
		{"100 brackets", good + "Ada&a" + strings.Repeat("[x]", 100) + "=1", "application/x-www-form-urlencoded", 400, ""},
		{"multipart", good + "Ada", "multipart/form-data; boundary=x", 415, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d.stored, d.seen = nil, nil
			res, text := post(t, srv.URL+"/hooks/default/form/"+hostilePath, tc.body, "Content-Type", tc.contentType)
			checkAnswer(t, res, text, tc.status)
			if tc.status != http.StatusAccepted {
				return
			}
			if len(d.stored) != 1 || d.stored[0].Data.Contact.FirstName != tc.want {
				t.Errorf("stored %+v, want %q", d.stored, tc.want)
			}
		})
	}
}

// FuzzHook posts anything to the ingress.
func FuzzHook(f *testing.F) {
	d := &door{}
	srv, shop := realDoors(f, d)
	h := srv.Config.Handler
	signed, err := shop.(sources.Signer).Sign("order.updated", []byte(paidOrder()))
	if err != nil {
		f.Fatal(err)
	}
	f.Add("POST", "/hooks/default/shop", "X-Wc-Webhook-Signature", signed.Header.Get("X-Wc-Webhook-Signature"), signed.Body)
	f.Add("POST", "/hooks/default/form/"+hostilePath, "X-Forwarded-For", "1, 2", []byte("email=a%40example.com&checkout_url=u"))
	f.Add("OPTIONS", "/hooks/default/shop/../%2e", "Traceparent", "00-x", []byte("webhook_id=1"))
	f.Fuzz(func(t *testing.T, method, path, name, value string, body []byte) {
		req, err := http.NewRequestWithContext(t.Context(), method, "http://ingress.example.com"+path, io.NopCloser(bytes.NewReader(body)))
		if err != nil || len(body) > 1<<16 {
			t.Skip()
		}
		req.RemoteAddr = "192.0.2.1:1000"
		req.Header.Set(name, value)
		d.stored = nil
		rec := httptest.NewRecorder()
		taken := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
		metrics.Read(taken)
		before := taken[0].Value.Uint64()
		h.ServeHTTP(rec, req)
		metrics.Read(taken)
		if used, most := taken[0].Value.Uint64()-before, uint64(32<<20+2048*(len(body)+len(path)+len(value))); used > most {
			t.Fatalf("a body of %d bytes took %d bytes of memory; %d are allowed", len(body), used, most)
		}
		if rec.Code < 200 || rec.Code > 503 || rec.Code == http.StatusInternalServerError {
			t.Fatalf("answered %d", rec.Code)
		}
		if rec.Code == http.StatusAccepted && strings.Contains(rec.Body.String(), `"accepted"`) && len(d.stored) == 0 {
			t.Fatal("accepted, and lost")
		}
		if rec.Code >= 400 && len(d.stored) > 0 {
			t.Fatalf("refused with %d, and stored", rec.Code)
		}
	})
}

// TestAccountsCannotBeToldApart: whatever a stranger tries, a source that is there answers as one that is not, to the byte.
func TestAccountsCannotBeToldApart(t *testing.T) {
	made, mistakes := sources.New("shop", "default", sources.Config{Kind: "woocommerce", Secret: sources.Secrets{secret.New("a-secret")}}, sources.Deps{})
	if len(mistakes) > 0 {
		t.Fatal(mistakes)
	}
	d := &door{}
	srv := httptest.NewServer(New(Options{
		Intake: d, Observe: d.observe, Log: slog.New(slog.DiscardHandler), Now: time.Now,
		Route: func(_, source string) (Route, bool) { return Route{Source: made, MaxBody: 1000}, source == "shop" },
	}))
	defer srv.Close()
	ask := func(method, source, body string) string {
		req, err := http.NewRequestWithContext(t.Context(), method, srv.URL+"/hooks/default/"+source, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		res, err := srv.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		res.Header.Del("Date")
		return fmt.Sprintln(res.Status, res.Header, string(text))
	}
	for _, method := range []string{"POST", "GET", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "BREW"} {
		for _, size := range []int{0, 999, 1001, 1<<20 - 1, 1<<20 + 1} {
			body := strings.Repeat("x", size)
			if known, unknown := ask(method, "shop", body), ask(method, "nobody", body); known != unknown {
				t.Errorf("%s of %d bytes: %s unknown: %s", method, size, known, unknown)
			}
		}
	}
}
