package sources

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bridge/internal/events"

	"github.com/google/go-cmp/cmp"
)

// shared is a folder of deliveries captured from the senders, beside the project where it exists.
const shared = "../../../shared/payloads"

// hasShared tells whether it does, and says so by name where it does not.
func hasShared(t *testing.T) bool {
	t.Helper()
	if _, err := os.Stat(shared); err != nil {
		t.Logf("%s is not there: only the samples of testdata are tested", shared)
		return false
	}
	return true
}

// captured says what the captured deliveries mean: types, then the first event's e-mail address and amount (its
// refund's, else its order's, else its subscription's).
var captured = []struct {
	kind, path, types, email, amount string
}{
	{"adobe-commerce", "adobe-commerce/observer.catalog_product_save_commit_after.json", "adobe-commerce.catalog_product_save_commit_after", "", ""},
	{"adobe-events", "adobe-io-events/cloudevent.docs-sample.json", "adobe-events.changesegment", "", ""},
	{"adobe-events", "adobe-io-events/validation.async.json", "", "", ""},
	{"adobe-events", "adobe-io-events/vector-body.json", "adobe-events.unknown", "", ""},
	{"bigcommerce", "bigcommerce/store.order.created.json", "order.created", "", ""},
	{"cielo", "cielo/checkout.completion.form", "order.created", "name@email.com.br", "50.00 BRL"},
	{"cielo", "cielo/checkout.completion_json_mode.json", "cielo.checkout", "", ""},
	{"cielo", "cielo/checkout.status_change.form", "order.failed", "", "1.34 BRL"},
	{"cielo", "cielo/notification.payment_status.json", "cielo.payment", "", ""},
	{"cielo", "cielo/notification.recurrence_created.json", "subscription.started", "", ""},
	{"hotmart", "hotmart/CLUB_FIRST_ACCESS.json", "membership.started", "user_60aa8592@example.com", ""},
	{"hotmart", "hotmart/CLUB_MODULE_COMPLETED.json", "hotmart.CLUB_MODULE_COMPLETED", "user_7771f57c@example.com", ""},
	{"hotmart", "hotmart/PURCHASE_APPROVED.2.json", "order.paid", "user_4a499e1b@example.com", "1997 BRL"},
	{"hotmart", "hotmart/PURCHASE_APPROVED.no-subscription.json", "order.paid", "user_77c6676c@example.com", "1000 BRL"},
	{"hotmart", "hotmart/PURCHASE_BILLET_PRINTED.json", "order.created", "user_78903a16@example.com", "1497 BRL"},
	{"hotmart", "hotmart/PURCHASE_CANCELED.json", "order.cancelled", "user_0d277c4e@example.com", "1497 BRL"},
	{"hotmart", "hotmart/PURCHASE_CHARGEBACK.json", "dispute.opened", "user_050b5655@example.com", "1997 BRL"},
	{"hotmart", "hotmart/PURCHASE_COMPLETE.json", "subscription.renewed", "user_e9a636df@example.com", "158.49 BRL"},
	{"hotmart", "hotmart/PURCHASE_DELAYED.json", "subscription.payment_failed", "user_a44ee988@example.com", "997 BRL"},
	{"hotmart", "hotmart/PURCHASE_EXPIRED.json", "order.cancelled", "user_2548815b@example.com", "997 BRL"},
	{"hotmart", "hotmart/PURCHASE_OUT_OF_SHOPPING_CART.json", "cart.abandoned", "user_d2a89c0a@example.com", ""},
	{"hotmart", "hotmart/PURCHASE_PROTEST.json", "hotmart.PURCHASE_PROTEST", "user_c7744f04@example.com", "1997 BRL"},
	{"hotmart", "hotmart/SWITCH_PLAN.json", "hotmart.SWITCH_PLAN", "", ""},
	{"hotmart", "hotmart/UPDATE_SUBSCRIPTION_CHARGE_DATE.json", "hotmart.UPDATE_SUBSCRIPTION_CHARGE_DATE", "user_832cb1e7@example.br", ""},
	{"hotmart", "hotmart/official-test.PURCHASE_APPROVED.derived.json", "order.paid", "testeComprador271101postman15@example.com", "1500 BRL"},
	{"hotmart", "hotmart/official-test.PURCHASE_BILLET_PRINTED.json", "order.created", "testeComprador271101postman15@example.com", "1500 BRL"},
	{"kajabi", "kajabi/api.payment_succeeded.json", "order.paid", "john.doe@example.com", "10.00 USD"},
	{"kajabi", "kajabi/api.purchase.json", "order.paid", "john.doe@example.com", "10.00 USD"},
	{"kajabi", "kajabi/api.tag_added.json", "kajabi.tag_added", "sample@example.com", ""},
	{"kajabi", "kajabi/ui.form_submission.created.json", "lead.submitted", "john@example.com", ""},
	{"keap", "keap/contact.add.json", "keap.contact.add", "", ""},
	{"keap", "keap/contact.edit.json", "keap.contact.edit", "", ""},
	{"membermouse", "membermouse/mm_payment_received.derived.query", "order.paid", "jane.roe@example.com", "29.00"},
	{"memberpress", "memberpress/member-added.abridged.json", "customer.created", "zapier@test.com", ""},
	{"paddle", "paddle/transaction.completed.json", "order.paid", "", "652.15 USD"},
	{"paypal", "paypal/BILLING.SUBSCRIPTION.ACTIVATED.json", "subscription.started", "customer@example.com", "500.00 USD"},
	{"paypal", "paypal/BILLING.SUBSCRIPTION.CREATED.json", "paypal.BILLING.SUBSCRIPTION.CREATED", "coolbuyer@example.com", ""},
	{"paypal", "paypal/BILLING.SUBSCRIPTION.EXPIRED.json", "subscription.expired", "customer@example.com", "500.00 USD"},
	{"paypal", "paypal/BILLING.SUBSCRIPTION.PAYMENT.FAILED.json", "subscription.payment_failed", "customer@example.com", "500.00 USD"},
	{"paypal", "paypal/BILLING.SUBSCRIPTION.SUSPENDED.json", "subscription.paused", "coolbuyer@example.com", ""},
	{"paypal", "paypal/CHECKOUT.ORDER.APPROVED.json", "order.created", "customer@example.com", "100.00 USD"},
	{"paypal", "paypal/CUSTOMER.DISPUTE.CREATED.json", "dispute.opened", "", "3.00 USD"},
	{"paypal", "paypal/PAYMENT.CAPTURE.COMPLETED.json", "order.paid", "", "1.00 EUR"},
	{"paypal", "paypal/PAYMENT.CAPTURE.DENIED.json", "order.failed", "", "1.00 EUR"},
	{"paypal", "paypal/PAYMENT.SALE.COMPLETED.json", "order.paid", "", "0.48 USD"},
	{"paypal-ipn", "paypal-ipn/docs-sample.express_checkout.form", "order.paid", "gpmac_1231902590_per@paypal.com", "19.95 USD"},
	{"paypal-ipn", "paypal-ipn/sandbox.subscr_payment.form", "subscription.renewed", "payments-buyer@example.com", "9.00 USD"},
	{"shopify", "shopify/app.uninstalled.json", "shopify.app/uninstalled", "", ""},
	{"shopify", "shopify/checkouts.create.json", "shopify.checkouts/create", "example@email.com", "421.88 USD"},
	{"shopify", "shopify/checkouts.update.json", "shopify.checkouts/update", "example@email.com", "421.88 USD"},
	{"shopify", "shopify/customers.create.json", "customer.created", "bob@biller.com", ""},
	{"shopify", "shopify/customers.delete.json", "customer.deleted", "", ""},
	{"shopify", "shopify/customers.update.json", "customer.updated", "bob@biller.com", ""},
	{"shopify", "shopify/customers_email_marketing_consent.update.json", "consent.updated", "", ""},
	{"shopify", "shopify/order_transactions.create.json", "shopify.order_transactions/create", "", ""},
	{"shopify", "shopify/orders.cancelled.json", "order.cancelled", "jon@example.com", "388.00 USD"},
	{"shopify", "shopify/orders.create.json", "order.created", "jon@example.com", "388.00 USD"},
	{"shopify", "shopify/orders.updated.json", "order.cancelled", "jon@example.com", "388.00 USD"},
	{"shopify", "shopify/subscription_billing_attempts.failure.json", "subscription.payment_failed", "", ""},
	{"shopify", "shopify/subscription_billing_attempts.success.json", "subscription.renewed", "", ""},
	{"shopify", "shopify/subscription_contracts.cancel.json", "subscription.cancelled", "", ""},
	{"shopify", "shopify/subscription_contracts.create.json", "subscription.started", "", ""},
	{"stripe", "stripe/checkout.session.completed.json", "subscription.started", "hook@me.com", "0.00 USD"},
	{"stripe", "stripe/customer.created.json", "customer.created", "hook@me.com", ""},
	{"stripe", "stripe/customer.updated.json", "customer.updated", "hook@me.com", ""},
	{"stripe", "stripe/invoice.created.json", "stripe.invoice.created", "hook@me.com", ""},
	{"stripe", "stripe/invoice.payment_succeeded.json", "subscription.started", "hook@me.com", "0.00 USD"},
	{"stripe", "stripe/vector.body.json", "customer.created", "test@stripe.com", ""},
	{"thrivecart", "thrivecart/cart.abandoned.json", "cart.abandoned", "jane.roe@example.com", ""},
	{"thrivecart", "thrivecart/order.refund.derived.form", "order.refunded", "buyer@example.com", "59.00 USD"},
	{"thrivecart", "thrivecart/order.subscription_payment.json", "subscription.renewed", "jane.roe@example.com", "69.00 USD"},
	{"thrivecart", "thrivecart/order.success.derived.form", "order.paid", "demo.buyer@example.com", "30.00 EUR"},
	{"thrivecart", "thrivecart/order.success.json", "order.paid", "demo.buyer@example.com", "30.00 EUR"},
	{"woocommerce", "woocommerce/cartflows.cart-abandoned.derived.form", "cart.abandoned", "jane.roe@example.com", "29.00"},
	{"woocommerce", "woocommerce/coupon.created.json", "woocommerce.coupon.created", "", ""},
	{"woocommerce", "woocommerce/coupon.deleted.json", "woocommerce.coupon.deleted", "", ""},
	{"woocommerce", "woocommerce/customer.created.json", "customer.updated", "john.doe@example.com", ""},
	{"woocommerce", "woocommerce/customer.updated.json", "customer.updated", "john.doe@example.com", ""},
	{"woocommerce", "woocommerce/order.created.json", "order.paid", "john.doe@example.com", "29.35 USD"},
	{"woocommerce", "woocommerce/order.deleted.json", "woocommerce.unknown", "", ""},
	{"woocommerce", "woocommerce/order.updated.json", "order.paid", "john.doe@example.com", "29.35 USD"},
	{"woocommerce", "woocommerce/ping.form", "", "", ""},
	{"woocommerce", "woocommerce/product.created.json", "woocommerce.product.created", "", ""},
	{"woocommerce", "woocommerce/product.updated.json", "woocommerce.product.updated", "", ""},
	{"woocommerce", "woocommerce-memberships/user_membership.created.json", "membership.started", "", ""},
	{"woocommerce", "woocommerce-memberships/user_membership.updated.json", "membership.started", "", ""},
	{"woocommerce", "woocommerce-subscriptions/subscription.created.json", "subscription.started", "john.doe@example.com", "192.61 USD"},
	{"woocommerce", "woocommerce-subscriptions/subscription.retrieved.json", "subscription.started", "customer@example.com", "32.65 USD"},
}

func TestCapturedPayloads(t *testing.T) {
	if !hasShared(t) {
		return
	}
	samples := map[string]sample{}
	for _, c := range captured {
		dir := filepath.Dir(c.path)
		for _, s := range samplesIn(t, filepath.Join(shared, dir), c.kind) {
			samples[dir+"/"+s.name] = s
		}
	}
	for _, c := range captured {
		t.Run(c.path, func(t *testing.T) {
			s, ok := samples[c.path]
			if !ok {
				t.Fatal("the payload is not there any more")
			}
			_, got, err := Parse("shop", "default", testConfig(t, c.kind), testDeps(), s.request())
			if err != nil {
				t.Fatal(err)
			}
			email, amount := told(got)
			want := []string{c.types, c.email, c.amount}
			if diff := cmp.Diff(want, []string{strings.Join(types(got), " "), email, amount}); diff != "" {
				t.Error(diff)
			}
			for _, e := range got {
				if strings.Contains(string(e.Data.Raw), "REDACTED_TEST_SECRET") {
					t.Error("raw holds the secret")
				}
			}
		})
	}
}

func told(got []events.Event) (email, amount string) {
	if len(got) == 0 {
		return "", ""
	}
	d := got[0].Data
	if d.Contact != nil {
		email = d.Contact.Email
	}
	switch {
	case d.Refund != nil:
		amount = string(d.Refund.Amount) + " " + d.Refund.Currency
	case d.Order != nil:
		amount = string(d.Order.Total) + " " + d.Order.Currency
	case d.Subscription != nil:
		amount = string(d.Subscription.Amount) + " " + d.Subscription.Currency
	}
	return email, strings.TrimSpace(amount)
}
