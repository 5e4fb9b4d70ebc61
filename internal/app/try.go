package app

import (
	"fmt"
	"net/http"
	"slices"
	"time"

	"bridge/internal/config"
	"bridge/internal/events"
	"bridge/internal/sources"
)

// Trial is a payload to try out, as its sender would send it but for the signature.
type Trial struct {
	Account, Source string
	Header          http.Header
	Body            []byte
}

// TrialResult is what a payload would become.
type TrialResult struct {
	Events  []events.Event `json:"events"`
	Rules   []string       `json:"rules"`
	Calls   []events.Call  `json:"calls"`
	Cost    int            `json:"cost"`             // calls of the steps
	Lookups []events.Call  `json:"lookups"`          // calls beside them at most, for what the bridge does not know yet
	Reason  events.Reason  `json:"reason,omitempty"` // why there are no events …
	Detail  string         `json:"detail,omitempty"` // … in words
}

// Try parses a payload, matches the rules and lists the Keap calls, each event on its own. It calls nothing.
func Try(cfg *config.Config, t Trial, now time.Time) (*TrialResult, error) {
	a := cfg.Accounts[t.Account]
	if a == nil {
		return nil, fmt.Errorf("account %q is not in the configuration", t.Account)
	}
	src, ok := a.Sources[t.Source]
	if !ok {
		return nil, fmt.Errorf("account %q has no source %q", t.Account, t.Source)
	}
	reply, list, err := sources.Parse(t.Source, t.Account, src, config.SourceDeps(), sources.Request{
		Method: http.MethodPost, Header: t.Header, Body: t.Body, Received: now,
	})
	if err != nil {
		return nil, err
	}
	out := &TrialResult{Events: []events.Event{}, Rules: []string{}, Calls: []events.Call{}, Lookups: []events.Call{}}
	if len(list) == 0 {
		out.Reason, out.Detail = reply.Ignored, reply.Why
		return out, nil
	}
	out.Events = list
	for i := range list {
		plan, err := a.Set.Plan(&list[i], now)
		if err != nil {
			return nil, err
		}
		for _, r := range plan.Rules {
			if !slices.Contains(out.Rules, r) {
				out.Rules = append(out.Rules, r)
			}
		}
		out.Calls = append(out.Calls, plan.Calls()...)
		out.Lookups = append(out.Lookups, plan.Lookups()...)
	}
	out.Cost = len(out.Calls)
	return out, nil
}
