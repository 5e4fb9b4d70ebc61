package calls

import (
	"strconv"
	"testing"
)

// TestLookupsAreBounded: what a year of products leaves behind is bounded, and nobody who waits loses his place.
func TestLookupsAreBounded(t *testing.T) {
	l := newLookups()
	for n := range 3 * mostIDs {
		key := lookupKey{account: "default", what: productRecord, name: strconv.Itoa(n)}
		first, done := l.errand(key)
		second, also := l.errand(key)
		if first != second {
			t.Fatal("two go for the same id")
		}
		done()
		if third, again := l.errand(key); third != first {
			t.Fatal("one that somebody waits for was taken away")
		} else {
			again()
		}
		also()
		l.remember(key, "id")
		if l.known(key) != "id" {
			t.Fatal("the newest id is forgotten")
		}
	}
	if len(l.errands) > 0 || len(l.ids) > mostIDs {
		t.Errorf("%d errands and %d ids are left", len(l.errands), len(l.ids))
	}
}
