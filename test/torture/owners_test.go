//go:build unix

package torture

import (
	"cmp"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"time"
)

// door is where one bridge reaches the sandbox: it knows who calls.
type door struct {
	mu    sync.Mutex
	calls map[string][]time.Time // by Keap account, in their order
}

// newDoor opens one more, and returns its address.
func (s *stage) newDoor() string {
	d := &door{calls: map[string][]time.Time{}}
	s.doors = append(s.doors, d)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d.note(r.Header.Get("X-Keap-API-Key")+r.Header.Get("Authorization"), time.Now())
		s.crm.ServeHTTP(w, r)
	}))
	s.t.Cleanup(server.Close)
	return server.URL + "/crm"
}

func (d *door) note(credential string, at time.Time) {
	for _, a := range accounts {
		if strings.HasSuffix(credential, a.key) || a.nextKey != "" && strings.HasSuffix(credential, a.nextKey) {
			d.mu.Lock()
			d.calls[a.app] = append(d.calls[a.app], at)
			d.mu.Unlock()
			return
		}
	}
}

// lastBefore is a Keap account's last call through the door before a moment; zero when there was none.
func (d *door) lastBefore(app string, at time.Time) (last time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	i, _ := slices.BinarySearchFunc(d.calls[app], at, time.Time.Compare)
	if i > 0 {
		last = d.calls[app][i-1]
	}
	return last
}

// firstFrom is its first call from a moment on.
func (d *door) firstFrom(app string, at time.Time) (first time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	i, _ := slices.BinarySearchFunc(d.calls[app], at, time.Time.Compare)
	if i < len(d.calls[app]) {
		first = d.calls[app][i]
	}
	return first
}

// blow is a kill or a pause of a bridge.
type blow struct {
	bridge   int
	at, ends time.Time // the process is gone or still in between, and no owner before ends
}

// takeover is how long a quota group with urgent work had nobody to call for it, from the blow to its owner to the first call of
// the next one.
type takeover struct {
	app   string
	blow  blow
	took  time.Duration
	again bool // another bridge was hit meanwhile: perhaps the next owner
}

func (t takeover) String() string {
	return fmt.Sprintf("%s from bridge%d %.2fs", t.app, t.blow.bridge+1, t.took.Seconds())
}

// busy is how recent a group's last call is when it has work.
const busy = 300 * time.Millisecond

// takeovers finds out of the calls who took over from whom.
func (s *stage) takeovers(blows []blow) (single, several []takeover) {
	for i, b := range blows {
		for _, app := range apps() {
			owner, last := -1, b.at.Add(-busy)
			for j, d := range s.doors {
				if at := d.lastBefore(app, b.at); at.After(last) {
					owner, last = j, at
				}
			}
			if owner != b.bridge {
				continue
			}
			var next time.Time
			for j, d := range s.doors {
				from := b.at.Add(time.Millisecond) // what it had handed to the network arrives
				if j == b.bridge {
					from = b.ends
				}
				if at := d.firstFrom(app, from); !at.IsZero() && (next.IsZero() || at.Before(next)) {
					next = at
				}
			}
			if next.IsZero() {
				continue // there was nothing left to do
			}
			t := takeover{app: app, blow: b, took: next.Sub(b.at)}
			t.again = i+1 < len(blows) && blows[i+1].at.Before(next)
			if t.again {
				several = append(several, t)
			} else {
				single = append(single, t)
			}
		}
	}
	longestFirst := func(a, b takeover) int { return cmp.Compare(b.took, a.took) }
	slices.SortFunc(single, longestFirst)
	slices.SortFunc(several, longestFirst)
	return single, several
}
