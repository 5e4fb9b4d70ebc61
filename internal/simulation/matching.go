package simulation

// graph is a two-sided graph: row r may be joined to the columns edges[r].
type graph struct {
	columns int
	edges   [][]int
}

const free = -1

// matching finds a maximum matching by Hopcroft and Karp's algorithm: rows[r] is the column of row r and columns[c]
// the row of column c, or free.
func (g *graph) matching() (rows, columns []int) {
	rows, columns = filled(len(g.edges)), filled(g.columns)
	for {
		layer := g.layers(rows, columns)
		if layer == nil {
			return rows, columns
		}
		for r := range g.edges {
			if rows[r] == free {
				g.augment(r, layer, rows, columns)
			}
		}
	}
}

func filled(n int) []int {
	list := make([]int, n)
	for i := range list {
		list[i] = free
	}
	return list
}

// layers numbers the rows by their distance from a free row along alternating paths; nil when no path ends at a
// free column.
func (g *graph) layers(rows, columns []int) []int {
	layer := filled(len(rows))
	var queue []int
	for r, c := range rows {
		if c == free {
			layer[r] = 0
			queue = append(queue, r)
		}
	}
	found := false
	for ; len(queue) > 0; queue = queue[1:] {
		for _, c := range g.edges[queue[0]] {
			switch next := columns[c]; {
			case next == free:
				found = true
			case layer[next] == free:
				layer[next] = layer[queue[0]] + 1
				queue = append(queue, next)
			}
		}
	}
	if !found {
		return nil
	}
	return layer
}

// augment looks for a path from row r to a free column, one layer a step, and turns it over.
func (g *graph) augment(r int, layer, rows, columns []int) bool {
	for _, c := range g.edges[r] {
		next := columns[c]
		if next != free && (layer[next] != layer[r]+1 || !g.augment(next, layer, rows, columns)) {
			continue
		}
		rows[r], columns[c] = c, r
		return true
	}
	layer[r] = free // a dead end
	return false
}

// cover is a least set of rows and columns that touches every edge. Its size is that of a maximum matching (Kőnig):
// all columns that alternating paths from free rows reach, and the rows that none reaches.
func (g *graph) cover() (rows, columns []int) {
	mateOfRow, mateOfColumn := g.matching()
	seenRow, seenColumn := make([]bool, len(g.edges)), make([]bool, g.columns)
	var queue []int
	for r, c := range mateOfRow {
		if c == free {
			seenRow[r] = true
			queue = append(queue, r)
		}
	}
	for ; len(queue) > 0; queue = queue[1:] {
		for _, c := range g.edges[queue[0]] {
			if seenColumn[c] {
				continue
			}
			seenColumn[c] = true
			if next := mateOfColumn[c]; next != free && !seenRow[next] {
				seenRow[next] = true
				queue = append(queue, next)
			}
		}
	}
	for r := range g.edges {
		if !seenRow[r] && len(g.edges[r]) > 0 {
			rows = append(rows, r)
		}
	}
	for c, seen := range seenColumn {
		if seen {
			columns = append(columns, c)
		}
	}
	return rows, columns
}
