package main

import "fmt"

// growth measures what an event costs the bridge as the configuration or the event grows.
func (b *bench) growth() error {
	for range b.half() {
		for _, by := range []struct {
			what  string
			sizes []int
			bar   float64 // of the last cost to the first; 0: it may grow
			flow  func(n int) (configured, int)
		}{
			{"accounts", []int{1, 10, 100, 1000, 10_000}, 1.2, func(n int) (configured, int) { return configured{accounts: n, rules: 1, lifted: true}, 1 }},
			{"rules", []int{1, 4, 16, 64}, 1.2, func(n int) (configured, int) { return configured{accounts: 1, rules: n, lifted: true}, 1 }},
			{"line items", []int{1, 5, 20, 200}, 0, func(n int) (configured, int) { return configured{accounts: 1, rules: 1, lifted: true}, n }},
		} {
			var x, y []float64
			for _, size := range b.some(by.sizes) {
				c, items := by.flow(b.few(size))
				w, err := b.flow(c, items, b.few(max(oneAccount, 2*size)), 1, "")
				if err != nil {
					return err
				}
				x, y = append(x, float64(size)), append(y, w.cpu)
				b.report.add(fmt.Sprintf("%s %s, processor time an event, end to end", count(size), by.what), "ms", w.cpu)
			}
			last := len(y) - 1
			name := fmt.Sprintf("cost of an event with %s %s to that with 1", count(by.sizes[last]), by.what)
			if by.bar > 0 {
				b.report.atMost(by.bar, name, "×", y[last]/y[0])
			} else {
				b.report.add(name, "×", y[last]/y[0])
			}
			b.report.add("exponent of the cost by "+by.what, "", exponent(x, y))
		}
	}
	return nil
}
