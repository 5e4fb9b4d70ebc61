package main

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"bridge/internal/app"
	"bridge/internal/config"
	"bridge/internal/keap/sandbox"
	"bridge/internal/sources"
)

// sending is what bridge send posts for a kind: a sample of internal/sources, with the event's name where only a header
// says it. The contact is named after the kind.
var sending = map[string]struct{ sample, event string }{
	"woocommerce":    {"order.created.json", "order.created"},
	"cartflows":      {"abandoned.form", ""},
	"shopify":        {"orders.create.json", "orders/create"},
	"paypal":         {"CHECKOUT.ORDER.COMPLETED.json", ""},
	"paypal-ipn":     {"cart.form", ""},
	"stripe":         {"checkout.session.completed.json", ""},
	"hotmart":        {"PURCHASE_APPROVED.json", ""},
	"adobe-events":   {"order.paid.json", ""},
	"adobe-commerce": {"order_place.json", ""},
	"mageplaza":      {"order.xml", ""},
	"cielo":          {"notification.json", ""},
	"eway":           {"return.query", ""},
	"thrivecart":     {"order.success.json", ""},
	"samcart":        {"purchase.json", ""},
	"clickfunnels":   {"order.completed.json", ""},
	"kajabi":         {"ui.purchase.json", ""},
	"bigcommerce":    {"customer.created.json", ""},
	"paddle":         {"customer.created.json", ""},
	"memberpress":    {"transaction-completed.json", ""},
	"membermouse":    {"mm_payment_received.query", ""},
	"wp-webhooks":    {"create_user.json", ""},
	"gravityforms":   {"entry.json", ""},
	"pmpro":          {"checkout.json", ""},
	"learndash":      {"enrolled.json", ""},
	"plusthis":       {"post.form", ""},
	"standard":       {"canonical.json", ""},
	"svix":           {"other.json", ""},
	"cloudevents":    {"structured.json", ""},
	"nats":           {"structured.json", ""},
	"generic":        {"lead.json", ""},
	"keap":           {"contact.add.json", ""},
}

// apis answer the look-ups of senders whose deliveries hold ids only.
var apis = map[string]string{
	"/v3/customers": `{"data":[{"id":32,"email":"bigcommerce@example.com"}]}`,
	"/1/sales/0d2ff85e-594c-47b9-ad27-bb645a103db4": `{"MerchantOrderId":"4711","Customer":{"Name":"Ada Example","Email":"cielo@example.com"},"Payment":{"Status":2,"Amount":5990,"Currency":"BRL"}}`,
	"/Transaction/60CF3tRRsJMS":                     `{"Transactions":[{"TransactionID":11,"TransactionStatus":true,"TotalAmount":5990,"Customer":{"Email":"eway@example.com"}}]}`,
	"/Transaction/12":                               `{"Transactions":[{"TransactionID":12,"TransactionStatus":true,"TotalAmount":1000,"Customer":{"Email":"eway-swept@example.com"}}]}`,
	"/Search/Settlement":                            `{"SettlementTransactions":[{"TransactionID":12,"Amount":1000,"TransactionType":"1","TransactionDateTime":"/Date(NOW)/"}]}`,
	"/ipn":                                          "VERIFIED",
}

func standIn(t *testing.T) *httptest.Server {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer, ok := apis[r.URL.Path]
		if !ok {
			t.Errorf("asked for %s", r.URL)
			http.NotFound(w, r)
		}
		_, _ = io.WriteString(w, strings.Replace(answer, "NOW", strconv.FormatInt(time.Now().UnixMilli(), 10), 1))
	}))
	t.Cleanup(srv.Close)
	return srv
}

// TestSendEverySender: bridge send → ingress → queue → rules → Keap, for every kind in the registry. A new sender has to
// stand in `sending` and in testdata/senders.yaml.
func TestSendEverySender(t *testing.T) {
	heard := make(chan string, 10)
	listener := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		select {
		case heard <- r.Header.Get("Webhook-Signature") + string(body):
		default:
		}
	}))
	defer listener.Close()
	crm := senders(t, standIn(t).URL, listener.URL)
	want := map[string]string{"eway-swept@example.com": "From eway"} // nobody sends it
	for _, k := range sources.Kinds() {
		s, ok := sending[k.Name]
		if !ok {
			t.Errorf("there is nothing to send for %s", k.Name)
			continue
		}
		body, err := os.ReadFile(filepath.Join("../../internal/sources/testdata", k.Name, s.sample))
		if err != nil {
			t.Error(err)
			continue
		}
		for _, at := range []string{"@", "%40"} {
			body = bytes.ReplaceAll(body, []byte("ada"+at+"example.com"), []byte(k.Name+at+"example.com"))
		}
		if k.Name != "keap" {
			want[k.Name+"@example.com"] = "From " + k.Name
		}
		var out, wrong bytes.Buffer
		args := []string{"send", "--account", "default", "--source", k.Name, "--event", s.event}
		if code := run(args, bytes.NewReader(body), &out, &wrong); code != 0 {
			t.Errorf("%s: exit %d: %s%s", k.Name, code, &out, &wrong)
		}
	}
	awaitTags(t, crm, want)
	select {
	case got := <-heard:
		if !strings.HasPrefix(got, "v1,") || !strings.Contains(got, "keap.contact.add") {
			t.Errorf("others heard %s", got)
		}
	case <-time.After(patience):
		t.Error("others did not hear of Keap's hook")
	}
}

// senders starts a bridge with a source of every kind, and makes it the one of this environment.
func senders(t *testing.T, api, notify string) *sandbox.Server {
	t.Helper()
	text, err := os.ReadFile("testdata/senders.yaml")
	if err != nil {
		t.Fatal(err)
	}
	e := config.DefaultEnv()
	dir := t.TempDir()
	e.Config, e.DataDir = filepath.Join(dir, "bridge.yaml"), filepath.Join(dir, "data")
	e.HTTPAddr, e.ConsoleAddr = "127.0.0.1:0", "127.0.0.1:0"
	e.Retention = config.Duration(50 * 365 * 24 * time.Hour) // the samples have dates
	if err := os.WriteFile(e.Config, []byte(strings.NewReplacer("API", api, "NOTIFY", notify).Replace(string(text))), 0o600); err != nil {
		t.Fatal(err)
	}
	a, err := app.Start(t.Context(), app.Settings{Env: e, Sandbox: true, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		if err := a.Stop(); err != nil {
			t.Error(err)
		}
	})
	t.Setenv("BRIDGE_CONFIG", e.Config)
	t.Setenv("BRIDGE_DATA_DIR", e.DataDir)
	t.Setenv("BRIDGE_HTTP_ADDR", a.HTTPAddr)
	second, minute := 200, 12000
	if err := a.Sandbox.SetSettings(sandbox.Settings{Quota: &sandbox.Quota{Second: &second, Minute: &minute}}); err != nil {
		t.Fatal(err)
	}
	return a.Sandbox
}

// awaitTags waits until every contact has its tag.
func awaitTags(t *testing.T, crm *sandbox.Server, want map[string]string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	look := time.NewTicker(100 * time.Millisecond)
	defer look.Stop()
	for {
		for _, c := range crm.State("").Contacts {
			for _, tag := range c.Tags {
				if want[c.Email] == tag {
					delete(want, c.Email)
				}
			}
		}
		if len(want) == 0 {
			return
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			t.Fatalf("never arrived in the CRM: %v", want)
		}
	}
}
