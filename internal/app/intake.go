package app

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"bridge/internal/events"
	"bridge/internal/ingress"
	"bridge/internal/queue"
)

// intake is the durable line as the ingress knows it: that of the queue, or of the local disk while a start waits for NATS.
// Safe for concurrent use.
type intake struct{ line atomic.Pointer[accept] }

// accept is the Accept of a line.
type accept func(ctx context.Context, batch []events.Event) (duplicate []bool, err error)

func (i *intake) set(to accept) {
	if to == nil {
		i.line.Store(nil)
		return
	}
	i.line.Store(&to)
}

// open tells whether there is a line.
func (i *intake) open() bool { return i.line.Load() != nil }

// Accept implements ingress.Intake.
func (i *intake) Accept(ctx context.Context, batch []events.Event) ([]bool, error) {
	line := i.line.Load()
	if line == nil {
		return nil, fmt.Errorf("%w: it is being opened", queue.ErrUnavailable)
	}
	duplicate, err := (*line)(ctx, batch)
	if errors.Is(err, queue.ErrTooLarge) {
		err = fmt.Errorf("%w: %w", ingress.ErrTooLarge, err)
	}
	return duplicate, err
}
