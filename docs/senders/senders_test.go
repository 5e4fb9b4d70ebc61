package senders

import (
	"strings"
	"testing"
)

// TestSteps: every page has steps, and none of them shows a placeholder of the address or a mark of Markdown.
func TestSteps(t *testing.T) {
	entries, err := pages.ReadDir(".")
	if err != nil || len(entries) < 30 {
		t.Fatalf("%d pages, %v", len(entries), err)
	}
	const address = "https://bridge.example.com/hooks/default/shop"
	for _, e := range entries {
		kind := strings.TrimSuffix(e.Name(), ".md")
		steps := Steps(kind, address)
		if len(steps) == 0 {
			t.Errorf("%s has no steps", kind)
		}
		for _, s := range steps {
			if strings.ContainsAny(s, "*`<>") || strings.Count(s, "“") != strings.Count(s, "”") {
				t.Errorf("%s: %q", kind, s)
			}
		}
	}
	if got := Steps("woocommerce", address); len(got) != 6 || got[0] != "WooCommerce → Settings → Advanced → Webhooks → Add webhook." || !strings.Contains(got[1], "Topic “Order created”") || !strings.Contains(got[1], address+";") {
		t.Errorf("%q", got)
	}
	if got := Steps("nats", "ingest.default.crm"); !strings.HasPrefix(got[0], "Publish to ingest.default.crm ") {
		t.Errorf("%q", got)
	}
	if got := Steps("nobody", address); got != nil {
		t.Errorf("%q", got)
	}
}
