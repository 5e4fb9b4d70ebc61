package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"sync"
	"time"
)

// load is what is sent to a server. Every connection has one request under way at a time and sends the next as soon as
// it is answered.
type load struct {
	addrs  []string // connections are spread over them
	conns  int
	orders *orders
	mixed  bool          // 1 % bad signatures and 5 % of orders sent twice among them
	warm   time.Duration // sent before anything is counted
	lasts  time.Duration // 0: until most are sent
	most   int           // accepted orders; 0: no bound
}

// Every so many requests of a mixed load: 1 % and 5 %.
const (
	badEvery   = 100
	againEvery = 20
)

// sent is what came of a load.
type sent struct {
	accepted, duplicates, refused int
	later                         int // 503, sent again as a sender would
	took                          time.Duration
	latencies                     []float64 // ms, sorted
}

func (s *sent) answered() int { return s.accepted + s.duplicates + s.refused }

// rate is answers a second: each of them is work for the server.
func (s *sent) rate() float64 { return float64(s.answered()) / s.took.Seconds() }

// run sends the load. began is called when counting begins.
func (l *load) run(ctx context.Context, began func()) (*sent, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c := &counting{most: l.most}
	if l.warm == 0 {
		c.from = time.Now()
		began()
	} else {
		start := time.AfterFunc(l.warm, func() {
			began()
			c.begin()
		})
		defer start.Stop()
	}
	var end *time.Timer
	if l.lasts > 0 {
		end = time.AfterFunc(l.warm+l.lasts, c.end)
		defer end.Stop()
	}
	var all sync.WaitGroup
	errs := make([]error, l.conns)
	for i := range l.conns {
		all.Go(func() {
			if errs[i] = l.connection(ctx, l.addrs[i%len(l.addrs)], c); errs[i] != nil {
				cancel()
			}
		})
	}
	all.Wait()
	for _, err := range errs {
		if err != nil && !errors.Is(err, net.ErrClosed) { // the first error closes the connections of the others
			return nil, err
		}
	}
	slices.Sort(c.latencies)
	return &c.sent, nil
}

// counting is what the connections share.
type counting struct {
	mu     sync.Mutex
	from   time.Time // zero: warming up
	over   bool
	most   int
	issued int
	sent
}

func (c *counting) begin() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.from = time.Now()
}

func (c *counting) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.endLocked()
}

// again counts an answer that asks to try later.
func (c *counting) again() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.later++
}

func (c *counting) endLocked() {
	if !c.over {
		c.over, c.took = true, time.Since(c.from)
	}
}

// more tells whether another request is to be sent.
func (c *counting) more() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.most > 0 && c.issued >= c.most {
		return false
	}
	c.issued++
	return !c.over
}

// answer counts one answer.
func (c *counting) answer(a answer, took time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.from.IsZero() || c.over {
		return
	}
	switch {
	case a.status == 401:
		c.refused++
	case a.duplicate:
		c.duplicates++
	default:
		c.accepted++
	}
	c.latencies = append(c.latencies, float64(took)/1e6)
	if c.most > 0 && c.answered() >= c.most {
		c.endLocked()
	}
}

func (l *load) connection(ctx context.Context, addr string, c *counting) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	defer conn.Close()
	in := bufio.NewReader(conn)
	s := l.orders.sender()
	for n := 1; c.more(); n++ {
		bad := l.mixed && n%badEvery == 0
		request := s.request
		if !l.mixed || n%againEvery != againEvery/2 { // else: the order before this one once more
			request = s.order(bad)
		}
		begin := time.Now()
		a, err := ask(conn, in, request)
		for ; err == nil && a.status == 503; a, err = ask(conn, in, request) {
			c.again()
		}
		if err != nil {
			return err
		}
		if a.status != 202 && !(a.status == 401 && l.mixed) {
			return fmt.Errorf("the server answered %d", a.status)
		}
		c.answer(a, time.Since(begin))
	}
	return nil
}

func ask(conn net.Conn, in *bufio.Reader, request []byte) (answer, error) {
	if _, err := conn.Write(request); err != nil {
		return answer{}, err
	}
	a, err := readAnswer(in)
	if err != nil {
		return a, fmt.Errorf("answer: %w", err)
	}
	return a, nil
}

// answer is what a response says.
type answer struct {
	status    int
	duplicate bool
}

// readAnswer reads an HTTP/1.1 response with a Content-Length. The standard client would take more of the processors
// than the server that is measured.
func readAnswer(in *bufio.Reader) (answer, error) {
	line, err := in.ReadSlice('\n')
	if err != nil {
		return answer{}, err
	}
	if len(line) < 12 {
		return answer{}, fmt.Errorf("no status line: %q", line)
	}
	status, err := strconv.Atoi(string(line[9:12]))
	if err != nil {
		return answer{}, fmt.Errorf("no status: %q", line)
	}
	length := -1
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return answer{}, err
		}
		line = bytes.TrimSpace(line)
		if len(line) == 0 {
			break
		}
		if value, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
			if length, err = strconv.Atoi(string(value)); err != nil {
				return answer{}, err
			}
		}
	}
	if length < 0 || length > in.Size() {
		return answer{}, fmt.Errorf("a body of %d bytes", length)
	}
	body, err := in.Peek(length)
	if err != nil {
		return answer{}, err
	}
	a := answer{status: status, duplicate: bytes.Contains(body, []byte(`"duplicate"`))}
	_, err = in.Discard(length)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return a, err
}
