package simulation

import (
	"math/bits"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// drawGraph draws a small graph without double edges.
func drawGraph(t *rapid.T, most int) *graph {
	g := &graph{columns: rapid.IntRange(1, most).Draw(t, "columns")}
	for range rapid.IntRange(0, most).Draw(t, "rows") {
		edges := rapid.SliceOfNDistinct(rapid.IntRange(0, g.columns-1), 0, g.columns, rapid.ID[int]).Draw(t, "edges")
		g.edges = append(g.edges, edges)
	}
	return g
}

// TestCoverIsLeast compares with every set of columns: given those, all rows with another column are needed.
func TestCoverIsLeast(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := drawGraph(t, 7)
		least := len(g.edges) + g.columns
		for set := range 1 << g.columns {
			calls := bits.OnesCount(uint(set))
			for _, edges := range g.edges {
				if slices.ContainsFunc(edges, func(c int) bool { return set>>c&1 == 0 }) {
					calls++
				}
			}
			least = min(least, calls)
		}
		rows, columns := g.cover()
		if len(rows)+len(columns) != least {
			t.Errorf("cover of %d rows and %d columns, least is %d", len(rows), len(columns), least)
		}
		for r, edges := range g.edges {
			for _, c := range edges {
				if !slices.Contains(rows, r) && !slices.Contains(columns, c) {
					t.Errorf("row %d, column %d is not covered by %v and %v", r, c, rows, columns)
				}
			}
		}
	})
}

// TestLeastIsNeverTooMuch compares with every way of giving each pair to its row or to its column.
func TestLeastIsNeverTooMuch(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := drawGraph(t, 4)
		capacity := rapid.IntRange(1, 5).Draw(t, "capacity")
		pairs := 0
		for _, e := range g.edges {
			pairs += len(e)
		}
		really := pairs
		for set := range 1 << pairs {
			really = min(really, g.calls(set, capacity))
		}
		got := g.least(capacity)
		if got > really {
			t.Errorf("%d calls are said to be the least, but %d are enough", got, really)
		}
		if capacity > 4 && got != really {
			t.Errorf("without a limit that matters the least is %d, not %d", really, got)
		}
	})
}

// calls counts the calls when the pairs in set go with their column and the others with their row.
func (g *graph) calls(set, capacity int) int {
	columns, n, calls := make([]int, g.columns), 0, 0
	for _, edges := range g.edges {
		row := 0
		for _, c := range edges {
			if set>>n&1 == 1 {
				columns[c]++
			} else {
				row++
			}
			n++
		}
		calls += (row + capacity - 1) / capacity
	}
	for _, c := range columns {
		calls += (c + capacity - 1) / capacity
	}
	return calls
}

// TestBoundsOfTheReference: the day's figures are known from its shares.
func TestBoundsOfTheReference(t *testing.T) {
	w := BlackFriday()
	b := w.Day(1, w.Days[0]).Bounds()
	perEvent := func(n int) float64 { return float64(n) / float64(b.Events) }
	if b.Events != 50_000 || perEvent(b.Wait) < 1.06 || perEvent(b.Wait) > 1.09 || perEvent(b.Urgent) < 1.20 || perEvent(b.Urgent) > 1.24 {
		t.Errorf("%+v: %.3f and %.3f calls per event", b, perEvent(b.Wait), perEvent(b.Urgent))
	}
	t.Logf("%d events: at least %.4f calls each if all may wait, %.4f if urgent ones may not", b.Events, perEvent(b.Wait), perEvent(b.Urgent))
}

// TestLeastOfAnEvent: an event alone takes what the workload says, and a bridge without merging a call for each step.
func TestLeastOfAnEvent(t *testing.T) {
	w := BlackFriday()
	for _, s := range w.Live {
		d := Day{Contacts: 1, Column: w.Column, Arrivals: []Arrival{{Kind: s.Kind, Priority: s.Priority, Writes: s.New > 0, Goals: s.Goals,
			Apply: tagsOf(s.Apply), Remove: tagsOf(s.Remove)}}}
		if got := d.Bounds().Urgent; s.Kind != Lead && got != w.AtLeast[s.Kind] {
			t.Errorf("%s: %d calls at least, want %d", s.Kind, got, w.AtLeast[s.Kind])
		}
	}
}

func tagsOf(sets map[string]int) (tags []Tag) {
	for set, n := range sets {
		for i := range n {
			tags = append(tags, Tag{set, i})
		}
	}
	return tags
}
