package app

import (
	"context"
	"errors"

	"bridge/internal/events"
	"bridge/internal/queue"
)

type tmpWork struct{ *queue.Queue }

func (tmpWork) Erase(context.Context, string, []events.Row) (int, error) { return 0, errors.New("x") }
