package queue

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/nats-io/nats.go"

	"bridge/internal/events"
)

// benchEvent is an event of the size of a WooCommerce order (1.1 kB body).
func benchEvent(n int64) events.Event {
	e := event(fmt.Sprintf("order:%d", n), fmt.Sprintf("c%d@example.com", n%5000))
	e.Data.Raw = json.RawMessage(`{"body":"` + strings.Repeat("x", 1100) + `"}`)
	return e
}

// BenchmarkAccept measures the durable line against one synced publish an event, the plain way, at the same concurrency.
func BenchmarkAccept(b *testing.B) {
	for _, c := range []int{1, 16, 64, 256} {
		b.Run(fmt.Sprintf("group/c=%d", c), func(b *testing.B) {
			q := openQueue(b, testOptions(b))
			spread(b, c, func(n int64) error {
				_, err := q.Accept(context.Background(), []events.Event{benchEvent(n)})
				return err
			})
		})
		b.Run(fmt.Sprintf("plain/c=%d", c), func(b *testing.B) {
			q := openQueue(b, testOptions(b))
			spread(b, c, func(n int64) error {
				e := benchEvent(n)
				body, err := json.Marshal(e)
				if err != nil {
					return err
				}
				_, err = q.js.PublishMsg(context.Background(), &nats.Msg{Subject: subjectNew, Data: body, Header: nats.Header{"Nats-Msg-Id": {e.Key()}}})
				return err
			})
		})
	}
}

// BenchmarkEndToEnd accepts, routes, delivers and settles.
func BenchmarkEndToEnd(b *testing.B) {
	var settled atomic.Int64
	q := started(b, testOptions(b), func(d events.Delivery) (events.Verdict, bool) {
		settled.Add(1)
		return done(d)
	})
	spread(b, 256, func(n int64) error {
		_, err := q.Accept(context.Background(), []events.Event{benchEvent(n)})
		return err
	})
	eventually(b, "all settled", func() bool { return settled.Load() >= int64(b.N) })
}

// spread runs op b.N times in c goroutines.
func spread(b *testing.B, c int, op func(n int64) error) {
	b.Helper()
	var next atomic.Int64
	var failed atomic.Int64
	done := make(chan struct{})
	b.ResetTimer()
	for range c {
		go func() {
			defer func() { done <- struct{}{} }()
			for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
				if op(n) != nil {
					failed.Add(1)
				}
			}
		}()
	}
	for range c {
		<-done
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
	if failed.Load() > 0 {
		b.Fatalf("%d failed", failed.Load())
	}
}
