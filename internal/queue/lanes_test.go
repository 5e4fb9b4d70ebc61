package queue

import (
	"testing"
	"time"

	"bridge/internal/events"
)

// narrowHands hold what a test says.
type narrowHands struct {
	testHands
	deliveries, bytes int
}

func (h *narrowHands) Room() (deliveries, bytes int) { return h.deliveries, h.bytes }

func narrowGroup(w *work, name string, hands *narrowHands) *group {
	g := newGroup(w, name)
	g.hands, g.capacity = hands, hands.bytes
	if w.open == nil {
		w.open = map[string]*group{}
	}
	w.open[name] = g
	return g
}

// TestParkedDeliveriesLeaveRoom: events that wait for an hour keep nobody from being worked meanwhile, however many they
// are, and in whatever lane.
func TestParkedDeliveriesLeaveRoom(t *testing.T) {
	w := &work{q: &Queue{memory: &memory{memos: map[string]*memo{}}}}
	for _, p := range events.Priorities {
		g := narrowGroup(w, "g", &narrowHands{deliveries: 1000, bytes: 1 << 20})
		var want [len(events.Priorities)]int
		for i, ln := range g.lanes {
			want[i] = g.room(ln)
		}
		var held []*taken
		for seq := range uint64(20_000) {
			d := &taken{workSeq: seq, lane: g.lanes[p]}
			g.keep(d, true, seal{})
			g.park(d)
			g.park(d) // tried again in between, and parked once more
			held = append(held, d)
		}
		for i, ln := range g.lanes {
			if got := g.room(ln); got != want[i] {
				t.Errorf("with %s work parked, room for %s: %d, want %d", p, ln.priority, got, want[i])
			}
		}
		for _, d := range held {
			g.letGo(d)
		}
		if ln := g.lanes[p]; ln.held != 0 || ln.parked != 0 {
			t.Errorf("after all has gone %d are held, %d parked", ln.held, ln.parked)
		}
	}
}

// TestRunningWorkLeavesRoom: among groups that have much to do, what is urgent finds room everywhere, and the rest as soon
// as the hands have let go of what they held.
func TestRunningWorkLeavesRoom(t *testing.T) {
	const groups, each = 80, 4 << 20
	w := &work{q: &Queue{}}
	var busy []*narrowHands
	for i := range groups {
		h := &narrowHands{deliveries: 400, bytes: each}
		g := narrowGroup(w, string(rune('a'+i)), h)
		g.weigh()
		h.bytes = 0 // full of events
		g.weigh()
		busy = append(busy, h)
	}
	if w.held != groups*each {
		t.Errorf("%d bytes are counted, want %d", w.held, groups*each)
	}
	idle := narrowGroup(w, "idle", &narrowHands{deliveries: 2000, bytes: each})
	if got := [2]int{idle.room(idle.lanes[events.Urgent]), idle.room(idle.lanes[events.Normal])}; got[0] == 0 || got[1] != 0 {
		t.Errorf("while the process is full there is room for %d urgent and %d normal events", got[0], got[1])
	}
	for i, h := range busy {
		h.bytes = each // all of it runs by now
		w.open[string(rune('a'+i))].weigh()
	}
	select {
	case <-idle.nudge:
	case <-time.After(patience):
		t.Error("a group that waited for room was not told")
	}
	if w.held != 0 || idle.room(idle.lanes[events.Normal]) == 0 {
		t.Errorf("%d bytes are still counted", w.held)
	}
}
