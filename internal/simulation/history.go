package simulation

import (
	"context"
	"math"
	"math/rand/v2"
	"time"

	"bridge/internal/events"
	"bridge/internal/quota"
)

// daysBefore is how many earlier days the ledger remembers.
const daysBefore = 14

// history is the state of a ledger that has seen two weeks of days like this one, of another size where Forecast is not
// 1, and the hours of today before the time. Urgent and normal events took the calls that they take without hurry;
// there was no back-fill.
func (r *trial) history(until time.Time) []byte {
	l := quota.New(quota.Config{})
	rng := rand.New(rand.NewPCG(r.Seed, 0x68697374))
	live := r.Forecast * float64(r.Load.Live) / sumOf(r.Workload.BusyByHour[:])
	for hour := r.day.Begins.Add(-daysBefore * 24 * time.Hour); hour.Before(until.Add(-time.Hour)); hour = hour.Add(time.Hour) {
		events := live * r.Workload.BusyByHour[hour.UTC().Hour()]
		for class, perEvent := range r.usual() {
			for range scatter(rng, events*perEvent) {
				l.Take(hour, quota.Class(class))
				l.Finished(hour)
			}
		}
	}
	var state []byte
	save := func(_ context.Context, s []byte) error { state = s; return nil }
	_ = l.Leave(context.Background(), until, save) // save has no error
	return state
}

// usual is how many calls of each class a live event takes on average: an urgent one its own, a normal one its
// contact's and a share of a column.
func (r *trial) usual() (calls [len(events.Priorities)]float64) {
	for _, s := range r.Workload.Live {
		writes := s.New + (1-s.New)*s.Changed
		tags := 0
		for _, n := range s.Apply {
			tags += n
		}
		for _, n := range s.Remove {
			tags += n
		}
		each := writes + float64(s.Goals) + float64(tags)/float64(r.Workload.Column)
		if s.Priority == events.Urgent {
			each = writes + float64(s.Goals) + 1
		}
		calls[s.Priority] += s.Share * each
	}
	return calls
}

// scatter draws how many of independent events fall, given how many do on average.
func scatter(rng *rand.Rand, mean float64) int {
	return max(0, int(math.Round(mean+rng.NormFloat64()*math.Sqrt(mean))))
}

func sumOf(list []float64) (s float64) {
	for _, x := range list {
		s += x
	}
	return s
}
