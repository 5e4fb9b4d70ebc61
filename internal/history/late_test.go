package history

import (
	"testing"
	"time"

	"bridge/internal/events"
)

// TestLateWordOfAFormerOwner holds that what a process writes down after another one has taken over from it and settled the event
// does not count, and that a replay's word does.
func TestLateWordOfAFormerOwner(t *testing.T) {
	ix, log := newFollowed(t)
	for n, tc := range []struct {
		first events.State
		then  []events.State
		want  events.State
	}{
		{events.Done, []events.State{events.Parked}, events.Done},
		{events.Done, []events.State{events.Failed}, events.Done},
		{events.Done, []events.State{events.InDoubt}, events.Done},
		{events.Failed, []events.State{events.Parked}, events.Failed},
		{events.InDoubt, []events.State{events.Parked}, events.InDoubt},
		{events.Parked, []events.State{events.Parked, events.Failed}, events.Failed},
		{events.Parked, []events.State{events.Parked}, events.Parked},
		{events.InDoubt, []events.State{events.Done}, events.Done},
		{events.Done, []events.State{events.Waiting, events.Parked}, events.Parked},
		{events.Done, []events.State{events.Waiting, events.Failed}, events.Failed},
		{events.Done, []events.State{events.Waiting, events.Parked, events.Done, events.Parked}, events.Done},
	} {
		e := order(n, "default", "shop", "ada@example.com")
		log.event(e, events.Normal)
		for i, s := range append([]events.State{tc.first}, tc.then...) {
			o := state(e, day.Add(time.Duration(i)*time.Second), s, "")
			o.Seq = log.position().Events
			log.outcome(o)
		}
		caughtUp(t, ix, log)
		p, err := ix.List(t.Context(), events.Filter{}, 1, "")
		if err != nil || len(p.Rows) != 1 || p.Rows[0].State != tc.want {
			t.Errorf("%s, then %v: %+v, %v; want %s", tc.first, tc.then, p.Rows, err, tc.want)
		}
	}
}
