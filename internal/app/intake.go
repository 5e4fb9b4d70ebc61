package app

import (
	"context"
	"errors"
	"fmt"

	"bridge/internal/events"
	"bridge/internal/ingress"
	"bridge/internal/queue"
)

// intake is the durable line as the ingress knows it.
type intake struct{ queue *queue.Queue }

// Accept implements ingress.Intake.
func (i intake) Accept(ctx context.Context, batch []events.Event) ([]bool, error) {
	duplicate, err := i.queue.Accept(ctx, batch)
	if errors.Is(err, queue.ErrTooLarge) {
		err = fmt.Errorf("%w: %w", ingress.ErrTooLarge, err)
	}
	return duplicate, err
}
