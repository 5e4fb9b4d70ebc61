package sources

import (
	"fmt"
	"strings"
	"testing"

	"bridge/internal/events"
)

// An order with n refunds; each is a fact, and each fact carries the body.
func refunded(n int) []byte {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf(`{"id":%d,"total":"-0.01"}`, i+1)
	}
	return wooOrderJSON(`"refunds": []`, `"refunds": [`+strings.Join(list, ",")+`]`)
}

// A delivery cannot grow beyond bounds: its facts share one body, and more than a thousand are kept as one.
func TestOneDeliveryStaysSmall(t *testing.T) {
	for _, tt := range []struct {
		refunds, facts int
		bodies         int // events that carry the body
	}{
		{3, 4, 4}, {999, 1000, 1}, {1000, 1, 1}, {30000, 1, 1},
	} {
		body := refunded(tt.refunds)
		var got []events.Event
		var reply Reply
		bounded(t, len(body), func() {
			var err error
			if reply, got, err = openWooSigned(t, "order.updated", body); err != nil {
				t.Fatal(err)
			}
		})
		bodies := 0
		for _, e := range got {
			if e.Data.Raw != nil {
				bodies++
			}
		}
		if len(got) != tt.facts || bodies != tt.bodies {
			t.Errorf("%d refunds: %d events, %d with the body (%d bytes)", tt.refunds, len(got), bodies, len(body))
		}
		if tt.facts == 1 && (got[0].Type != "woocommerce.order.updated" || !strings.Contains(reply.Why, "facts")) {
			t.Errorf("%d refunds: %s, %q", tt.refunds, got[0].Type, reply.Why)
		}
	}
}
