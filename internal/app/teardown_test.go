package app

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
)

func TestTeardownRunsInReverseAndToTheEnd(t *testing.T) {
	var order []string
	td := teardown{log: slog.New(slog.DiscardHandler)}
	for _, name := range []string{"queue", "history", "server"} {
		td.add(name, func(context.Context) error {
			order = append(order, name)
			if name == "history" {
				return errors.New("stuck")
			}
			return nil
		})
	}
	err := td.run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "stop history: stuck") {
		t.Errorf("err = %v", err)
	}
	if want := []string{"server", "history", "queue"}; !slices.Equal(order, want) {
		t.Errorf("order %v, want %v", order, want)
	}
	if err := td.run(t.Context()); err != nil || len(order) != 3 {
		t.Errorf("a second run closed things again: %v %v", order, err)
	}
}
