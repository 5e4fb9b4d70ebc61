package simulation

import "time"

const (
	// wayBack is how long a refusal may be on its way: what is refused within it was sent before the first was known.
	wayBack = time.Second
	// oneWindow is how long a minute stays closed, at most, and how long a closed day is left alone in between.
	oneWindow = 61 * time.Second
)

// refusals are calls that Keap refused for its quota, by what could be known when they were sent. Others close windows
// without our doing: it takes one call to see it, and a few may be on their way by then. Any more is useless.
type refusals struct {
	Found   int // the first in a while
	Flying  int // were on their way when it was refused
	Useless int // were sent afterwards, into a window that was closed

	last time.Time // that was found
}

// add takes the refusals in their order.
func (f *refusals) add(at time.Time) {
	switch since := at.Sub(f.last); {
	case since >= oneWindow:
		f.Found++
		f.last = at
	case since < wayBack:
		f.Flying++
	default:
		f.Useless++
	}
}

// judge holds the refusals to their bars: none but for others, one found for each window that they close, and none sent
// into a closed window when Keap's answers tell how the windows stand. Where they do not, one probe a window may be: it
// cannot be known whether the second is closed, the minute or the day, which is looked at once an hour.
func (r *trial) judge(out *Report) {
	f, found, useless := out.Refusals, out.Bursts, 0
	if !r.Weather.told() {
		useless = f.Found
		if out.Above.Day > 0 {
			hours := int(r.Patience/time.Hour) + 1
			found, useless = found+hours, useless+hours
		}
	}
	if f.Found > found || f.Flying > 3*f.Found || f.Useless > useless {
		out.mistake("calls were refused: %+v; at most %d may be found and %d useless (%d windows were closed by others)", f, found, useless, out.Bursts)
	}
}
