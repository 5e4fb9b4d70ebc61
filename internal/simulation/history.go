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
// 1, and the hours of today before the time. There was no back-fill.
func (r *trial) history(until time.Time) []byte {
	l := quota.New(quota.Config{})
	rng := rand.New(rand.NewPCG(r.Seed, 0x68697374))
	live := r.Forecast * float64(r.Load.Live) / sumOf(r.Workload.BusyByHour[:])
	for hour := r.day.Begins.Add(-daysBefore * 24 * time.Hour); hour.Before(until.Add(-time.Hour)); hour = hour.Add(time.Hour) {
		for class, calls := range r.usual(live * r.Workload.BusyByHour[hour.UTC().Hour()]) {
			for range scatter(rng, calls) {
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

// usualLinger is how long tags of normal events waited for company on the days before, in hours.
const usualLinger = 0.5

// usual is how many calls of each class an hour takes in which so many live events fall. An urgent one takes its own.
// Normal ones take one for each contact that is to be written, and the columns that fall due.
func (r *trial) usual(live float64) (calls [len(events.Priorities)]float64) {
	for _, s := range r.Workload.Live {
		n := s.Share * live
		calls[s.Priority] += n * (s.New + (1-s.New)*s.Changed + float64(s.Goals))
		if s.Priority == events.Urgent {
			calls[s.Priority] += n
			continue
		}
		for _, sets := range []map[string]int{s.Apply, s.Remove} {
			for set, each := range sets {
				kinds := float64(r.Workload.Tags[set])
				pairs := n * float64(each) / kinds // an hour, of each kind
				calls[s.Priority] += kinds * pairs / (1 + pairs*usualLinger)
			}
		}
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
