package queue

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"bridge/internal/events"
)

// idleTraffic is how many messages a second a process may exchange with an external server while nothing happens.
const idleTraffic = 10

// TestIdleIsQuiet: accounts that have nothing to do cost no messages, however many have been at work, and a lane that never
// had work has no consumer.
func TestIdleIsQuiet(t *testing.T) {
	if testing.Short() {
		t.Skip("watches a quiet process for some seconds: not with -short")
	}
	t.Parallel()
	const groups = 40
	b := startMember(t, startExternal(t), done)
	var sent []events.Event
	for i := range groups {
		e := event(strconv.Itoa(i), fmt.Sprintf("c%d@example.com", i))
		e.Account = fmt.Sprintf("shop-%d", i)
		sent = append(sent, e)
	}
	accept(t, b.Queue, sent...)
	eventually(t, "all events are done", func() bool {
		for _, e := range sent {
			if b.index.last(e.Key()) != "done" {
				return false
			}
		}
		return true
	})
	if got := len(b.groups.names()); got != groups {
		t.Fatalf("%d groups were at work, want %d", got, groups)
	}
	consumers := 0
	for shard := range workShards {
		info, err := b.info(t.Context(), streamWork+strconv.Itoa(shard))
		if err != nil {
			t.Fatal(err)
		}
		consumers += info.State.Consumers
	}
	if consumers > groups {
		t.Errorf("%d consumers for %d lanes that had work", consumers, groups)
	}
	// The last looks after the last work end within moments, on a busy machine within longer ones.
	eventually(t, fmt.Sprintf("no more than %d messages a second go to and fro", idleTraffic), func() bool {
		before, begin := b.nc.Stats(), time.Now()
		<-time.After(3 * time.Second)
		after, took := b.nc.Stats(), time.Since(begin).Seconds()
		rate := float64(after.InMsgs+after.OutMsgs-before.InMsgs-before.OutMsgs) / took
		t.Logf("%.1f messages a second", rate)
		return rate <= idleTraffic
	})
}
