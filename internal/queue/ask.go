package queue

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/nats-io/nats.go"
)

// ErrNobody says that no process answers to the name.
var ErrNobody = errors.New("no process answers")

func askSubject(name string) string { return "bridge.ask." + hashToken(name) }

const headerRefused = "Bridge-Refused"

// Answer lets the other processes of the installation Ask this one under a name, over core NATS, until stop. answer
// runs in a goroutine of its own; its error reaches the asker as text. stop waits for answers that are under way.
func (q *Queue) Answer(name string, answer func(ctx context.Context, question []byte) ([]byte, error)) (stop func(), err error) {
	ctx, cancel := context.WithCancel(context.Background())
	var (
		mu      sync.Mutex
		stopped bool
		running sync.WaitGroup
	)
	sub, err := q.nc.Subscribe(askSubject(name), func(m *nats.Msg) {
		mu.Lock()
		defer mu.Unlock()
		if stopped {
			return
		}
		running.Go(func() {
			reply := &nats.Msg{Header: nats.Header{}}
			body, err := answer(ctx, m.Data)
			if reply.Data = body; err != nil {
				reply.Header.Set(headerRefused, "1")
				reply.Data = []byte(err.Error())
			}
			if err := m.RespondMsg(reply); err != nil {
				q.log.Debug("an answer was not sent", "err", err)
			}
		})
	})
	if err != nil {
		cancel()
		return nil, fmt.Errorf("listen for questions: %w", err)
	}
	return func() {
		mu.Lock()
		stopped = true
		mu.Unlock()
		_ = sub.Unsubscribe() // it fails on a closed connection only
		cancel()
		running.Wait()
	}, nil
}

// Refused is the text that the answering process gave instead of an answer.
type Refused struct{ Text string }

func (r *Refused) Error() string { return r.Text }

// Ask puts a question to the process that answers to a name and waits for its answer until ctx ends. ErrNobody when no
// process does, *Refused when it says no.
func (q *Queue) Ask(ctx context.Context, name string, question []byte) ([]byte, error) {
	m, err := q.nc.RequestWithContext(ctx, askSubject(name), question)
	switch {
	case errors.Is(err, nats.ErrNoResponders):
		return nil, ErrNobody
	case err != nil:
		return nil, fmt.Errorf("ask another process: %w", err)
	case m.Header.Get(headerRefused) != "":
		return nil, &Refused{string(m.Data)}
	}
	return m.Data, nil
}
