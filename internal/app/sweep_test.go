package app

import (
	"bytes"
	"context"
	"fmt"
	"testing"
	"time"

	"bridge/internal/events"
)

// pageSweeper gives one page for each sweep.
type pageSweeper []events.Event

func (pageSweeper) Every() time.Duration { return time.Hour }

func (s pageSweeper) Sweep(ctx context.Context, _ time.Time, take func(context.Context, []events.Event) error) error {
	return take(ctx, s)
}

// TestSweepsPassWhatCannotBeAccepted: an event that is too large, or none at all, keeps a sweep neither from what else it
// found nor from its end.
func TestSweepsPassWhatCannotBeAccepted(t *testing.T) {
	r := newReceiver(t)
	a := startChores(t, choresFolder(t, r), "")
	defer stopChores(t, a)
	var page pageSweeper
	for i := range 4 {
		page = append(page, events.Event{ID: fmt.Sprint("shop:order.paid:", i), Account: "default", Source: "shop", Type: "order.paid", Time: time.Now(),
			Data: events.Data{Contact: &events.Contact{Email: "missed@example.com"}}})
	}
	page[1].Data.Raw = append(append([]byte(`"`), bytes.Repeat([]byte("x"), 16<<20)...), '"')
	page[2].ID = ""
	for sweep, want := range []int{2, 0} {
		if fresh, err := a.sweepSince(t.Context(), "default", "shop", page); fresh != want || err != nil {
			t.Fatalf("sweep %d: %d new, %v", sweep, fresh, err)
		}
	}
	until(t, a, page[0].ID, events.Done)
	until(t, a, page[3].ID, events.Done)
	if value, _, err := a.queue.Note(t.Context(), "sweep/default/shop"); value == nil || err != nil {
		t.Errorf("the next sweep begins anew: %v", err)
	}
}
