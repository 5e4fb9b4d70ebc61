package queue

import (
	"testing"
	"time"
)

// TestJumpsEndAMembership: a process whose clock was set, whichever way, no longer relies on the others taking it for
// alive, until it has renewed its key.
func TestJumpsEndAMembership(t *testing.T) {
	q := &Queue{opt: Options{MemberTTL: 2 * time.Second}}
	begin := time.Date(2026, 11, 27, 9, 0, 0, 0, time.UTC)
	c := &crowd{q: q, id: "a", renewed: begin}
	for jump, want := range map[time.Duration]bool{
		0: true, time.Second: true, -time.Second: true, 2 * time.Second: false, time.Hour: false, -time.Hour: false, 400 * 24 * time.Hour: false,
	} {
		c.now = func() time.Time { return begin.Add(jump) }
		if got := c.valid(); got != want {
			t.Errorf("after a jump of %v: valid %t", jump, got)
		}
		c.renewed = c.now()
		if !c.valid() {
			t.Errorf("not even after it was renewed at %v", jump)
		}
		c.renewed = begin
	}
}
