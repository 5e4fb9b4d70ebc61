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
// answers; the latter stand at the latest time at which they can have been made. Calls are kept for a while longer,
// because an answer tells the server's count of when it got the request.
type rolling struct {
	span   time.Duration
	limit  int // 0: none
	told   int // the limit as the server told it last; 0: it told none
	higher int // a higher limit that the server told of, in force from …
	from   time.Time

	own    []time.Time // ascending
	in     int         // own[in:] are in the window
	others []stamp     // ascending
	othersIn,
	sum int // of others[othersIn:]
}

// slowest is how old an answer's count may be.
const slowest = 30 * time.Second

// expire forgets what has left the window. What lies ahead of now, because the clock was put back, counts as made now.
func (r *rolling) expire(now time.Time) {
	for i := len(r.own) - 1; i >= 0 && r.own[i].After(now); i-- {
		r.own[i] = now
	}
	for i := len(r.others) - 1; i >= 0 && r.others[i].at.After(now); i-- {
		r.others[i].at = now
	}
	for r.in < len(r.own) && now.Sub(r.own[r.in]) >= r.span {
		r.in++
	}
	for r.othersIn < len(r.others) && now.Sub(r.others[r.othersIn].at) >= r.span {
		r.sum -= r.others[r.othersIn].n
		r.othersIn++
	}
	r.purge(now)
	if r.higher > 0 && !now.Before(r.from) {
		r.limit, r.higher = r.higher, 0
	}
}

// purge drops what no answer can speak of any more.
func (r *rolling) purge(now time.Time) {
	n := 0
	for n < r.in && now.Sub(r.own[n]) >= r.span+slowest {
		n++
	}
	if n > 0 {
		r.own, r.in = r.own[:copy(r.own, r.own[n:])], r.in-n
	}
	n = 0
	for n < r.othersIn && now.Sub(r.others[n].at) >= r.span+slowest {
		n++
	}
	if n > 0 {
		r.others, r.othersIn = r.others[:copy(r.others, r.others[n:])], r.othersIn-n
	}
}

// used is how many calls the window holds; expire comes first.
func (r *rolling) used() int { return len(r.own) - r.in + r.sum }

// since counts the calls that the window held at an earlier time, and all since.
func (r *rolling) since(at time.Time) int {
	n := 0
	for i := len(r.own) - 1; i >= 0 && at.Sub(r.own[i]) < r.span; i-- {
		n++
	}
	for i := len(r.others) - 1; i >= 0 && at.Sub(r.others[i].at) < r.span; i-- {
		n += r.others[i].n
	}
	return n
}

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
	at, i, j := now, r.in, r.othersIn
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
	if !ok || i < r.in || !to.After(from) {
		return
	}
	j := i
	for j+1 < len(r.own) && r.own[j+1].Before(to) {
		r.own[j] = r.own[j+1]
		j++
	}
	r.own[j] = to
}

// observe takes the server's count. It counts those of ours that it had when it got the request, and those of
// others; what it has more than we know of was spent elsewhere, at the latest when it answered.
func (r *rolling) observe(sent, at time.Time, told Reading) {
	if !told.Known {
		return
	}
	r.learn(at, told.Limit)
	if more := told.Used - r.since(sent); more > 0 {
		if n := len(r.others); n > 0 && at.Before(r.others[n-1].at) { // answers need not be told of in order
			at = r.others[n-1].at
		}
		r.others = append(r.others, stamp{at, more})
		r.sum += more
	}
}

// learn takes the server's limit: a lower one at once, a higher one when the window has passed.
func (r *rolling) learn(at time.Time, limit int) {
	if limit > 0 {
		r.told = limit
	}
	switch {
	case limit <= 0 || limit == r.limit:
		r.higher = 0
	case r.limit == 0 || limit < r.limit:
		r.limit, r.higher = limit, 0
	case r.higher != limit:
		r.higher, r.from = limit, at.Add(r.span)
	}
}
