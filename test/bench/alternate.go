package main

import (
	"bufio"
	"fmt"
	"net"
	"slices"
	"time"
)

// alternate sends one request to each of two lines in turn and gives how many times as long the second takes, by the sum
// and by the median. What a disk does from one second to the next is the same for both then: with only one request under
// way the disk decides nearly all of it, and lines that are measured one after the other differ by more than what is asked.
func (b *bench) alternate(first, second line) (mean, median float64, err error) {
	orders := newOrders(configured{accounts: 1}.names(), 1, 5000)
	lines := [2]line{first, second}
	var conns [2]net.Conn
	var in [2]*bufio.Reader
	var took [2][]float64
	for i, l := range lines {
		if conns[i], err = (&net.Dialer{}).DialContext(b.ctx, "tcp", l.http); err != nil {
			return 0, 0, fmt.Errorf("%s: %w", l.name, err)
		}
		defer conns[i].Close()
		in[i] = bufio.NewReader(conns[i])
	}
	senders := [2]*sender{orders.sender(), orders.sender()}
	warm := b.short(time.Second)
	for begin := time.Now(); time.Since(begin) < warm+b.short(6*time.Second) && b.ctx.Err() == nil; {
		for i, l := range lines {
			request := senders[i].order(false)
			sent := time.Now()
			a, err := ask(conns[i], in[i], request)
			if err != nil {
				return 0, 0, l.explain(err)
			}
			if a.status >= 300 {
				return 0, 0, l.explain(fmt.Errorf("answered %d", a.status))
			}
			if time.Since(begin) > warm {
				took[i] = append(took[i], float64(time.Since(sent)))
			}
		}
	}
	var sums [2]float64
	for i := range took {
		for _, t := range took[i] {
			sums[i] += t
		}
		slices.Sort(took[i])
	}
	return over(sums[1], sums[0]), over(quantile(took[1], 0.5), quantile(took[0], 0.5)), b.ctx.Err()
}
