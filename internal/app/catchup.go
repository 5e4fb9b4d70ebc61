package app

import "context"

// CatchUp waits until the index has read what the logs hold now. Commands that only look begin with it.
func (a *App) CatchUp(ctx context.Context) error {
	pos, err := a.queue.End(ctx)
	if err != nil {
		return err
	}
	return a.history.Wait(ctx, pos)
}
