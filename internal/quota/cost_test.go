package quota

import (
	"testing"
	"time"
)

// BenchmarkTake is one permit of a full minute, under the plan of a day with two weeks of history.
func BenchmarkTake(b *testing.B) {
	l := New(Config{Limits: Limits{Second: 10, Minute: 240, Day: 1 << 30}})
	day := start.Add(-15 * 24 * time.Hour)
	for hour := range 15 * 24 {
		l.Take(day.Add(time.Duration(hour)*time.Hour), Urgent)
	}
	l.Waiting([3]int{0, 1000, 1000})
	now := start
	for b.Loop() {
		a := l.Take(now, Normal)
		if !a.OK {
			now = a.At
			continue
		}
		l.Finished(now)
		now = now.Add(time.Millisecond)
	}
}
