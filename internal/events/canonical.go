package events

// Types are the canonical event types by family: order.paid is family order, word paid. Types of other families are
// the senders' own topics behind the kind of their source (woocommerce.coupon.created) or Keap's (keap.contact.add).
var Types = map[string][]string{
	"order":        {"created", "paid", "refunded", "failed", "cancelled"},
	"subscription": {"started", "renewed", "payment_failed", "paused", "resumed", "cancelled", "expired"},
	"membership":   {"started", "expired", "cancelled", "transferred"},
	"customer":     {"created", "updated", "deleted"},
	"lead":         {"submitted"},
	"cart":         {"abandoned", "recovered"},
	"consent":      {"updated"},
	"dispute":      {"opened"},
}
