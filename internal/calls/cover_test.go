package calls

import (
	"math/bits"
	"testing"

	"pgregory.net/rapid"
)

// TestCoverIsMinimal holds cover against trying every set of rows and columns.
func TestCoverIsMinimal(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rows, columns := rapid.IntRange(1, 7).Draw(t, "rows"), rapid.IntRange(1, 7).Draw(t, "columns")
		edges := make([][]int, rows)
		for r := range edges {
			for c := range columns {
				if rapid.IntRange(0, 2).Draw(t, "edge") == 0 {
					edges[r] = append(edges[r], c)
				}
			}
		}
		gotRows, gotCols := cover(edges, columns)
		size := 0
		for _, in := range append(append([]bool{}, gotRows...), gotCols...) {
			if in {
				size++
			}
		}
		for r := range edges {
			for _, c := range edges[r] {
				if !gotRows[r] && !gotCols[c] {
					t.Fatalf("the edge from row %d to column %d is not covered", r, c)
				}
			}
		}
		if least := leastCover(edges, columns); size != least {
			t.Fatalf("a cover of %d, the least is %d: %v", size, least, edges)
		}
	})
}

// leastCover tries every set of rows; the columns follow from it.
func leastCover(edges [][]int, columns int) int {
	least := len(edges) + columns
	for set := range 1 << len(edges) {
		need := 0
		for r := range edges {
			if set>>r&1 == 0 {
				for _, c := range edges[r] {
					need |= 1 << c
				}
			}
		}
		least = min(least, bits.OnesCount(uint(set))+bits.OnesCount(uint(need)))
	}
	return least
}
