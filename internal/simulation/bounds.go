package simulation

import "bridge/internal/events"

// Bounds are the least numbers of calls that a day's events can take, whatever the planner.
type Bounds struct {
	Events int
	Wait   int // LB: everything may wait for the end of the day
	Urgent int // LBu: urgent events are served at once and alone, the rest may wait
}

// Bounds computes both.
//
// A contact that has to be written takes one call however often it changed, a goal one call each. The tags that are
// put on form a graph of contacts and tags of which one call can clear a row or a column; so do those that are taken
// off. Each graph takes at least a minimum vertex cover, and at least its pairs divided by what one call can hold.
//
// An urgent event served at once takes a call for its fields where they changed, and one for its tags. What waits for the
// same contact may ride along: it is counted for nothing.
func (d *Day) Bounds() Bounds {
	b := Bounds{Events: len(d.Arrivals)}
	writes, urgentWrites := make([]bool, d.Contacts), make([]int, d.Contacts)
	urgent := make([]bool, d.Contacts)
	goals, rows := 0, 0
	for i := range d.Arrivals {
		a := &d.Arrivals[i]
		goals += a.Goals
		writes[a.Contact] = writes[a.Contact] || a.Writes
		if a.Priority != events.Urgent {
			continue
		}
		urgent[a.Contact] = true
		if a.Writes {
			urgentWrites[a.Contact]++
		}
		rows += min(1, len(a.Apply)) + min(1, len(a.Remove))
	}
	b.Wait, b.Urgent = goals, goals+rows
	for contact, write := range writes {
		if write {
			b.Wait++
			b.Urgent += max(1, urgentWrites[contact])
		}
	}
	for _, tags := range []func(*Arrival) []Tag{
		func(a *Arrival) []Tag { return a.Apply },
		func(a *Arrival) []Tag { return a.Remove },
	} {
		b.Wait += d.pairs(tags, nil).least(d.Column)
		b.Urgent += d.pairs(tags, urgent).least(d.Column)
	}
	return b
}

// pairs is the graph of contacts and tags, without the contacts left out.
func (d *Day) pairs(tags func(*Arrival) []Tag, without []bool) *graph {
	g, column := &graph{edges: make([][]int, d.Contacts)}, map[Tag]int{}
	seen := map[[2]int]bool{}
	for i := range d.Arrivals {
		a := &d.Arrivals[i]
		if without != nil && without[a.Contact] {
			continue
		}
		for _, t := range tags(a) {
			c, ok := column[t]
			if !ok {
				c = g.columns
				column[t] = c
				g.columns++
			}
			if pair := [2]int{a.Contact, c}; !seen[pair] {
				seen[pair] = true
				g.edges[a.Contact] = append(g.edges[a.Contact], c)
			}
		}
	}
	return g
}

// least is the least number of calls that can clear the graph when one call holds at most most pairs.
func (g *graph) least(most int) int {
	pairs := 0
	for _, e := range g.edges {
		pairs += len(e)
	}
	rows, columns := g.cover()
	return max(len(rows)+len(columns), (pairs+most-1)/most)
}
