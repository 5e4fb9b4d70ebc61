package calls

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"bridge/internal/events"
	"bridge/internal/keap"
	"bridge/internal/secret"
)

// TestRefusalEndsASplit: nobody in the lane can give up a batch that Keap refused and whose halves wait for permits.
func TestRefusalEndsASplit(t *testing.T) {
	inBubble(t, plenty, func(b *bench) {
		behind := 0
		b.mu.Lock()
		b.c.Behind = func() (n [len(events.Priorities)]int) { n[events.Urgent] = behind; return n }
		b.mu.Unlock()
		b.far.answer = func(c keapCall) (int, string) {
			if c.Name != "column 3" {
				return 200, ""
			}
			go func() { // much urgent work comes while Keap thinks about it
				b.mu.Lock()
				defer b.mu.Unlock()
				behind = 1 << 20
			}()
			return 400, `{"message":"no"}`
		}
		results := make(chan []Result, 4)
		for _, a := range crowd(4, tag("3")) {
			go func() { results <- b.Do(b.t.Context(), a) }()
		}
		time.Sleep(5 * time.Minute)
		if len(results) == 4 {
			b.t.Fatal("the halves were sent: nothing is tried here")
		}
		b.Refuse()
		for range 4 {
			if r := <-results; !errors.Is(r[0].Err, context.Canceled) || r[0].Sent {
				b.t.Errorf("given back with %+v", r[0])
			}
		}
	})
}

// TestRefusedKeysDoNotWaitForEachOther: each of as many calls as may fly has its 401 confirmed by one more.
func TestRefusedKeysDoNotWaitForEachOther(t *testing.T) {
	inBubble(t, plenty, func(b *bench) {
		b.far.latency = 9500 * time.Millisecond
		b.far.answer = func(keapCall) (int, string) { return 401, `{"message":"unauthorized"}` }
		credential, err := keap.ServiceAccountKey(secret.New("KeapAK-0123456789abcdef"), secret.Text{})
		if err != nil {
			t.Fatal(err)
		}
		client, err := keap.New(keap.Options{
			BaseURL: "http://keap.test/crm", Transport: b.far, Observe: b.ledger.Observe, Credential: credential, Extra: b.Extra,
		})
		if err != nil {
			t.Fatal(err)
		}
		b.mu.Lock()
		b.account.Keap = client
		b.mu.Unlock()
		results := make(chan []Result, 2*mostFlying)
		for i := range 2 * mostFlying {
			go func() {
				results <- b.Do(b.t.Context(), ask(events.Normal, fmt.Sprint("c", i), fmt.Sprint(100+i), goal("x")))
			}()
		}
		for range 2 * mostFlying {
			b.refuses(<-results, events.Unauthorized)
		}
	})
}
