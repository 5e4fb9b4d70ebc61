package main

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"bridge/internal/events"
	"bridge/internal/ops"
)

func TestCheaperForms(t *testing.T) {
	monday := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	got := cheaper([]events.RuleCost{
		{At: monday, Account: "a", Rule: "purchase", Calls: 30, Goals: 10}, {At: monday, Account: "a", Rule: "lead", Calls: 20},
		{At: monday.AddDate(0, 0, 1), Account: "a", Rule: "purchase", Source: "shop", Calls: 40, Goals: 20},
		{At: monday.AddDate(0, 0, 1), Account: "a", Rule: "purchase", Source: "forms", Calls: 10, Goals: 10},
		{At: monday, Account: "b", Rule: "purchase", Calls: 1, Goals: 1},
	})
	want := []string{
		"a: rule purchase: a tag goal in place of its API goals would save up to 20 calls a day",
		"b: rule purchase: a tag goal in place of its API goals would save up to 1 calls a day",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestNeedLine(t *testing.T) {
	for want, n := range map[string]ops.Need{
		"default: 1 event has failed (bridge events ls)":    {Account: "default", What: "1 event has failed", Hint: "bridge events ls"},
		"bridge.yaml:3:1: unknown key \"x\" (bridge check)": {What: "bridge.yaml:3:1: unknown key \"x\"", Hint: "bridge check"},
	} {
		if got := needLine(&n); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
