package queue

import "sync"

// Bounds of what is kept at hand, by the bytes of the events' JSON: the router is seldom further behind.
const (
	acceptedBytes = 4 << 20
	routedBytes   = 4 << 20
)

// recall keeps at hand what was just written and is about to be read: the newest values up to a number of bytes. Whatever
// is not there is read from disk, so forgetting costs time only. The values are shared: nobody may change them. Safe for
// concurrent use.
type recall[K comparable, V any] struct {
	most int

	mu    sync.Mutex
	held  map[K]recalled[V]
	order []turn[K] // oldest first; some may be gone, or put anew since
	puts  uint64
	bytes int
}

type recalled[V any] struct {
	value V
	size  int
	n     uint64
}

// turn is the n-th put.
type turn[K comparable] struct {
	key K
	n   uint64
}

func newRecall[K comparable, V any](most int) *recall[K, V] {
	return &recall[K, V]{most: most, held: map[K]recalled[V]{}}
}

// put keeps a value of this many bytes, and lets the oldest go where there is no room.
func (r *recall[K, V]) put(key K, value V, size int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.dropLocked(key)
	r.puts++
	r.held[key] = recalled[V]{value, size, r.puts}
	r.order = append(r.order, turn[K]{key, r.puts})
	r.bytes += size
	n := 0
	for ; r.bytes > r.most && n < len(r.order)-1; n++ {
		if r.holdsLocked(r.order[n]) {
			r.dropLocked(r.order[n].key)
		}
	}
	r.order = r.order[n:]
	if len(r.order) > 2*len(r.held)+64 {
		rest := make([]turn[K], 0, len(r.held))
		for _, t := range r.order {
			if r.holdsLocked(t) {
				rest = append(rest, t)
			}
		}
		r.order = rest
	}
}

// holdsLocked tells whether what was put then is still there.
func (r *recall[K, V]) holdsLocked(t turn[K]) bool {
	h, ok := r.held[t.key]
	return ok && h.n == t.n
}

func (r *recall[K, V]) get(key K) (V, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	h, ok := r.held[key]
	return h.value, ok
}

// drop forgets one value.
func (r *recall[K, V]) drop(key K) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.dropLocked(key)
}

func (r *recall[K, V]) dropLocked(key K) {
	if h, ok := r.held[key]; ok {
		delete(r.held, key)
		r.bytes -= h.size
	}
}

// clear forgets everything, and gives the memory back.
func (r *recall[K, V]) clear() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.held, r.order, r.bytes = map[K]recalled[V]{}, nil, 0
}
