package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"
)

// teardown closes what was opened, last first. It is not safe for concurrent use.
type teardown struct {
	log   *slog.Logger
	steps []teardownStep
}

type teardownStep struct {
	name  string
	close func(context.Context) error
}

// add registers how to close what was just opened.
func (t *teardown) add(name string, close func(context.Context) error) {
	t.steps = append(t.steps, teardownStep{name, close})
}

// first makes the step of this name, if there is one, the next to be closed.
func (t *teardown) first(name string) {
	i := slices.IndexFunc(t.steps, func(s teardownStep) bool { return s.name == name })
	if i >= 0 {
		s := t.steps[i]
		t.steps = append(slices.Delete(t.steps, i, i+1), s)
	}
}

// run closes everything. A step that fails does not keep the others from running; ctx bounds them all together.
func (t *teardown) run(ctx context.Context) error {
	var errs []error
	for i := len(t.steps) - 1; i >= 0; i-- {
		s := t.steps[i]
		start := time.Now()
		if err := s.close(ctx); err != nil {
			errs = append(errs, fmt.Errorf("stop %s: %w", s.name, err))
		}
		t.log.Debug("stopped", "part", s.name, "took", time.Since(start))
	}
	t.steps = nil
	return errors.Join(errs...)
}
