package quota

import (
	"slices"
	"time"
)

// stamp is calls of others that the server told of.
type stamp struct {
	at time.Time
	n  int
}

// rolling counts calls over the last span. Our own are known one by one, those of others from the server's
// answers; the latter stand at the latest time at which they can have been made.
type rolling struct {
	span   time.Duration
	limit  int // 0: none
	higher int // a higher limit that the server told of, in force from …
	from   time.Time

	own    []time.Time // ascending
	others []stamp     // ascending
	sum    int         // of others
}

// expire forgets what has left the window. What lies ahead of now, because the clock was put back, counts as made now.
func (r *rolling) expire(now time.Time) {
	for i := len(r.own) - 1; i >= 0 && r.own[i].After(now); i-- {
		r.own[i] = now
	}
	for i := len(r.others) - 1; i >= 0 && r.others[i].at.After(now); i-- {
		r.others[i].at = now
	}
	n := 0
	for n < len(r.own) && now.Sub(r.own[n]) >= r.span {
		n++
	}
	if n > 0 {
		r.own = r.own[:copy(r.own, r.own[n:])]
	}
	n = 0
	for n < len(r.others) && now.Sub(r.others[n].at) >= r.span {
		r.sum -= r.others[n].n
		n++
	}
	if n > 0 {
		r.others = r.others[:copy(r.others, r.others[n:])]
	}
	if r.higher > 0 && !now.Before(r.from) {
		r.limit, r.higher = r.higher, 0
	}
}

// used is how many calls the window holds; expire comes first.
func (r *rolling) used() int { return len(r.own) + r.sum }

// left is how many more fit.
func (r *rolling) left() int {
	if r.limit == 0 {
		return int(^uint(0) >> 2)
	}
	return r.limit - r.used()
}

// opens is when one more call fits under limit − spare: now when it does already.
func (r *rolling) opens(now time.Time, spare int) time.Time {
	if r.limit == 0 {
		return now
	}
	need := r.used() - max(r.limit-spare, 1) + 1
	if need <= 0 {
		return now
	}
	at, i, j := now, 0, 0
	for need > 0 {
		if j >= len(r.others) || i < len(r.own) && !r.own[i].After(r.others[j].at) {
			at = r.own[i]
			need--
			i++
			continue
		}
		at = r.others[j].at
		need -= r.others[j].n
		j++
	}
	return at.Add(r.span)
}

func (r *rolling) add(at time.Time) { r.own = append(r.own, at) }

// move corrects the time of a call: the request was written later than its permit was given.
func (r *rolling) move(from, to time.Time) {
	i, ok := slices.BinarySearchFunc(r.own, from, time.Time.Compare)
	if !ok || !to.After(from) {
		return
	}
	j := i
	for j+1 < len(r.own) && r.own[j+1].Before(to) {
		r.own[j] = r.own[j+1]
		j++
	}
	r.own[j] = to
}

// observe takes the server's count. The server counts ours, or fewer where requests are still on their way, and
// those of others; what it has more than we know of was spent elsewhere, at the latest when it answered.
func (r *rolling) observe(at time.Time, told Reading) {
	if !told.Known {
		return
	}
	r.learn(at, told.Limit)
	if more := told.Used - r.used(); more > 0 {
		r.others = append(r.others, stamp{at, more})
		r.sum += more
	}
}

// learn takes the server's limit: a lower one at once, a higher one when the window has passed.
func (r *rolling) learn(at time.Time, limit int) {
	switch {
	case limit <= 0 || limit == r.limit:
		r.higher = 0
	case r.limit == 0 || limit < r.limit:
		r.limit, r.higher = limit, 0
	case r.higher != limit:
		r.higher, r.from = limit, at.Add(r.span)
	}
}
