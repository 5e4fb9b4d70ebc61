package sources

import (
	"context"
	"testing"
)

// A delivery of a usual size, from the bytes to the events.
func BenchmarkOpen(b *testing.B) {
	for _, c := range []struct{ kind, topic, sample string }{
		{"woocommerce", "order.created", "order.created.json"}, {"shopify", "orders/create", "orders.create.json"}, {"stripe", "", "invoice.paid.create.json"},
		{"paypal", "", "CHECKOUT.ORDER.COMPLETED.json"},
	} {
		b.Run(c.kind, func(b *testing.B) {
			src := mustNew(b, testConfig(b, c.kind), testDeps())
			for _, s := range samplesIn(b, "testdata/"+c.kind, c.kind) {
				if s.name != c.sample {
					continue
				}
				out, err := src.(Signer).Sign(c.topic, s.body)
				if err != nil {
					b.Fatal(err)
				}
				r := deliver(out)
				b.SetBytes(int64(len(r.Body)))
				b.ReportAllocs()
				for b.Loop() {
					if _, _, err := src.Open(context.Background(), r); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}
