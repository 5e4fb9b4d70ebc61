package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"bridge/internal/events"
)

func TestCheaperForms(t *testing.T) {
	got := cheaper([]events.RuleCost{
		{Account: "a", Rule: "purchase", Calls: 30, Goals: 10}, {Account: "a", Rule: "lead", Calls: 20},
		{Account: "a", Rule: "purchase", Calls: 50, Goals: 30}, {Account: "b", Rule: "purchase", Calls: 1, Goals: 1},
	})
	want := []string{
		"a: rule purchase: a tag goal in place of its API goals would save up to 20 calls a day",
		"b: rule purchase: a tag goal in place of its API goals would save up to 1 calls a day",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
