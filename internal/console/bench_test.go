package console

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"testing"

	"bridge/internal/events"
	"bridge/test/office"
)

// BenchmarkPages loads the pages with many events stored (CONSOLE_EVENTS, 20,000 when unset).
func BenchmarkPages(b *testing.B) {
	total := 20_000
	if text := os.Getenv("CONSOLE_EVENTS"); text != "" {
		var err error
		if total, err = strconv.Atoi(text); err != nil {
			b.Fatal(err)
		}
	}
	o := office.New(b)
	for n := range total {
		e := office.Order(n*36_000/total, "default", "shop", fmt.Sprintf("p%d@example.com", n))
		e.ID = fmt.Sprint("shop:order.paid:", n)
		o.Succeed(e, events.Priority(n%3))
		if n%1000 == 0 {
			o.CaughtUp(b)
		}
	}
	failed := o.Fail(36_000, "ada@example.com")
	o.CaughtUp(b)
	c := New(Options{Desk: o.Desk})
	defer c.Close()
	for _, path := range []string{"/", "/events", "/events?state=failed", "/events/" + failed.Key(), "/failed", "/rules", "/sources", "/accounts", "/audit", "/api/status", "/api/events?limit=500"} {
		b.Run(path, func(b *testing.B) {
			for b.Loop() {
				r := httptest.NewRequestWithContext(b.Context(), "GET", "http://127.0.0.1"+path, nil)
				w := httptest.NewRecorder()
				c.ServeHTTP(w, r)
				if w.Code != http.StatusOK {
					b.Fatal(w.Code, w.Body)
				}
			}
		})
	}
}
