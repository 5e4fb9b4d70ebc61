package calls

// cover finds a minimum vertex cover of a two-sided graph: the least set of rows and columns such that each edge
// has its row or its column in it. edges[i] lists the columns of row i, columns counted from 0.
//
// It is exact: a maximum matching by augmenting paths, breadth first in phases (Hopcroft and Karp), then Kőnig's
// theorem: of what alternating paths reach from unmatched rows, the columns, and of what they do not reach, the rows.
func cover(edges [][]int, columns int) (rows, cols []bool) {
	m := matching{edges: edges, ofRow: fill(len(edges), -1), ofCol: fill(columns, -1), level: make([]int, len(edges))}
	for m.layer() {
		for r := range edges {
			if m.ofRow[r] < 0 {
				m.augment(r)
			}
		}
	}
	rows, cols = make([]bool, len(edges)), make([]bool, columns)
	for r := range rows {
		rows[r] = true
	}
	var reach func(r int)
	reach = func(r int) {
		rows[r] = false
		for _, c := range edges[r] {
			if !cols[c] {
				cols[c] = true
				if next := m.ofCol[c]; next >= 0 && rows[next] {
					reach(next)
				}
			}
		}
	}
	for r := range edges {
		if m.ofRow[r] < 0 && rows[r] {
			reach(r)
		}
	}
	return rows, cols
}

type matching struct {
	edges        [][]int
	ofRow, ofCol []int // partner, -1 without
	level        []int // of each row in the current phase, -1 when it is not reached
	queue        []int
}

// layer builds the levels of a phase; false when no augmenting path is left.
func (m *matching) layer() bool {
	m.queue = m.queue[:0]
	for r := range m.edges {
		m.level[r] = -1
		if m.ofRow[r] < 0 {
			m.level[r] = 0
			m.queue = append(m.queue, r)
		}
	}
	found := false
	for i := 0; i < len(m.queue); i++ {
		r := m.queue[i]
		for _, c := range m.edges[r] {
			next := m.ofCol[c]
			if next < 0 {
				found = true
			} else if m.level[next] < 0 {
				m.level[next] = m.level[r] + 1
				m.queue = append(m.queue, next)
			}
		}
	}
	return found
}

func (m *matching) augment(r int) bool {
	for _, c := range m.edges[r] {
		next := m.ofCol[c]
		if next < 0 || m.level[next] == m.level[r]+1 && m.augment(next) {
			m.ofRow[r], m.ofCol[c] = c, r
			return true
		}
	}
	m.level[r] = -1
	return false
}

func fill(n, value int) []int {
	s := make([]int, n)
	for i := range s {
		s[i] = value
	}
	return s
}
