package simulation

import (
	"sync"
	"time"

	"bridge/internal/quota"
)

const (
	// glance is how often the meter looks at the ledger.
	glance = 10 * time.Second
	// plenty is how many calls have to wait, and to be released by the plan of the day, for a minute to count as one
	// whose window should be used up.
	plenty = 500
)

// meter watches how well the minutes are used while there is work that may be done.
type meter struct {
	r          *trial
	unfinished bool

	mu    sync.Mutex
	since time.Time   // work has waited without a break; zero: it has not
	busy  []time.Time // the ends of minutes throughout which it did
}

func newMeter(r *trial) *meter { return &meter{r: r} }

func (m *meter) work(stop <-chan struct{}) {
	tick := time.NewTicker(glance)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case now := <-tick.C:
			m.look(now)
		}
	}
}

func (m *meter) look(now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.r.now.Load()
	if !released(p.ledger.Outlook(now)) {
		m.since = time.Time{}
		return
	}
	if m.since.IsZero() {
		m.since = now
	}
	if now.Sub(m.since) >= time.Minute {
		m.busy = append(m.busy, now)
	}
}

// released tells whether plenty of bulk work waits that the plan of the day lets go. Only bulk work tells: normal work
// that waits may do so for company.
func released(o quota.Outlook) bool {
	return o.Closed == nil && o.Waiting[quota.Bulk] >= plenty && o.Left-o.Kept[quota.Bulk] >= plenty
}

// use is the share of the minutes' calls that were made, of all minutes that had work; 1 when there were none.
func (m *meter) use(calls []time.Time, limit int) (share float64, minutes int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	made, first, next := 0, 0, 0
	for _, end := range m.busy {
		for next < len(calls) && !calls[next].After(end) {
			next++
		}
		for first < next && !calls[first].After(end.Add(-time.Minute)) {
			first++
		}
		made += next - first
	}
	if len(m.busy) == 0 {
		return 1, 0
	}
	return float64(made) / float64(len(m.busy)*limit), len(m.busy)
}
