package queue

import (
	"testing"

	"pgregory.net/rapid"
)

// TestRecall holds: never more bytes than allowed (one value excepted), only the newest values, never a wrong one.
func TestRecall(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := newRecall[int, int](100)
		last := map[int]int{}
		for i := range rapid.IntRange(1, 400).Draw(t, "steps") {
			key := rapid.IntRange(0, 30).Draw(t, "key")
			switch rapid.IntRange(0, 9).Draw(t, "what") {
			case 0:
				r.drop(key)
				delete(last, key)
			case 1:
				r.clear()
				clear(last)
			default:
				r.put(key, i, rapid.IntRange(0, 120).Draw(t, "size"))
				last[key] = i
				if got, ok := r.get(key); !ok || got != i {
					t.Fatalf("just put %d: %d, %v", i, got, ok)
				}
			}
			bytes := 0
			for k, h := range r.held {
				if want, ok := last[k]; !ok || h.value != want {
					t.Fatalf("%d holds %d, %d was put last", k, h.value, want)
				}
				bytes += h.size
			}
			if bytes != r.bytes || bytes > 100 && len(r.held) > 1 {
				t.Fatalf("%d bytes in %d values, %d counted", bytes, len(r.held), r.bytes)
			}
			if len(r.order) > 3*len(r.held)+70 {
				t.Fatalf("%d keys in order for %d values", len(r.order), len(r.held))
			}
		}
	})
}
