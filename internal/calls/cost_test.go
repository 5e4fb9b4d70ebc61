package calls

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"bridge/internal/events"
)

// crowded is a board with 10,000 waiting steps of all kinds: 4,000 contacts to write, 500 goals, and tags of
// 2,750 leads, each two of six.
func crowded(rng *rand.Rand, now time.Time) *board {
	b := newBoard(func(columnKey) int { return columnCap })
	for i := range 4500 {
		r := beginning
		if i%9 == 0 {
			r = ending
		}
		b.addSolo(&solo{prio: events.Priority(1 + i%2), rank: r, account: "a", contact: fmt.Sprint(i), since: now})
	}
	for i := range 2750 {
		lead(b, rng, i, now)
	}
	return b
}

func lead(b *board, rng *rand.Rand, i int, now time.Time) {
	first := rng.IntN(6)
	for _, n := range []int{first, (first + 1 + rng.IntN(5)) % 6} {
		s := &seat{step: &events.Step{}, contact: fmt.Sprint("l", i), answered: make(chan seatAnswer, 1)}
		b.addSeat(s, columnKey{account: "a", target: fmt.Sprint(n)}, fmt.Sprint(i), events.Priority(1+i%2), now)
	}
}

// BenchmarkPermit is the choice of what one permit is spent on while 10,000 steps wait. What was taken comes back, so
// that the board stays full; that is not counted.
func BenchmarkPermit(b *testing.B) {
	rng, now := rand.New(rand.NewPCG(1, 2)), time.Now()
	full := crowded(rng, now)
	l := lingering{events.Normal: longLinger, events.Bulk: bulkLinger}
	n, permits, planning := 2750, 0, time.Duration(0)
	for b.Loop() {
		now = now.Add(250 * time.Millisecond)
		for _, prio := range []events.Priority{events.Normal, events.Bulk} {
			began := time.Now()
			ready := full.ready(prio, l, now)
			var s *solo
			var t *batch
			if ready {
				s, t = full.next(prio, l, now)
			}
			planning += time.Since(began)
			permits++
			if s != nil {
				s.since = now
				full.addSolo(s)
			}
			for ; t != nil && full.edges[graphKey{account: "a"}] < 5500; n++ {
				lead(full, rng, n, now)
			}
		}
	}
	b.ReportMetric(float64(planning.Microseconds())/float64(permits), "µs/permit")
}

// BenchmarkReplan is the whole choice made exactly: the graph of all pairs that wait among 10,000 steps is drawn and
// covered.
func BenchmarkReplan(b *testing.B) {
	full := crowded(rand.New(rand.NewPCG(1, 2)), time.Now())
	oldest := full.queues[events.Normal].Front().Value.(*pair)
	for b.Loop() {
		full.coverSide(oldest, false)
	}
}

// BenchmarkCover is the exact cover by itself.
func BenchmarkCover(b *testing.B) {
	for _, pairs := range []int{400, 10_000} {
		b.Run(fmt.Sprint(pairs), func(b *testing.B) {
			rng := rand.New(rand.NewPCG(1, 2))
			edges := make([][]int, pairs/2)
			for r := range edges {
				first := rng.IntN(40)
				edges[r] = []int{first, (first + 1 + rng.IntN(39)) % 40}
			}
			for b.Loop() {
				cover(edges, 40)
			}
		})
	}
}
