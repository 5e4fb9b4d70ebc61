package main

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"bridge/internal/events"
)

// costs is the quota ledger for people: where the calls of the last week went.
type costs struct {
	Rules      []events.RuleCost `json:"costs"`      // by day, rule and source
	Operations []events.Rate     `json:"operations"` // by day and operation of Keap
	Days       []events.DayQuota `json:"days"`       // by day, with what others spent
}

func (g *globals) showCosts(cmd *cobra.Command, c *client) error {
	var (
		out   costs
		rates struct {
			Rates []events.Rate `json:"rates"`
		}
	)
	week := url.Values{"step": {"day"}, "since": {"168h"}}
	for path, into := range map[string]any{"/api/costs": &out, "/api/rates": &rates, "/api/quota": &out} {
		if err := c.do(cmd.Context(), http.MethodGet, path, week, nil, into); err != nil {
			return err
		}
	}
	for _, r := range rates.Rates {
		if r.What != events.RateAccepted && r.What != events.RateSettled {
			out.Operations = append(out.Operations, r)
		}
	}
	if g.json {
		return printJSON(cmd.OutOrStdout(), out)
	}
	if err := out.write(cmd.OutOrStdout()); err != nil {
		return err
	}
	for _, advice := range cheaper(out.Rules) {
		fmt.Fprintln(cmd.OutOrStdout(), advice)
	}
	return nil
}

// write shows the tables, each for itself.
func (o *costs) write(w io.Writer) error {
	t := table(w)
	fmt.Fprintln(t, "DAY\tACCOUNT\tRULE\tSOURCE\tEVENTS\tSTEPS\tCALLS\tAPI GOALS")
	for _, r := range o.Rules {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%d\t%d\t%.1f\t%d\n", r.At.UTC().Format(time.DateOnly), r.Account, dash(r.Rule), dash(r.Source), r.Events, r.Steps, r.Calls, r.Goals)
	}
	fmt.Fprintln(t, "\nDAY\tACCOUNT\tOPERATION\tANSWER\tCALLS")
	for _, r := range o.Operations {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%d\n", r.At.UTC().Format(time.DateOnly), r.Account, r.What, dash(r.Status), r.Count)
	}
	fmt.Fprintln(t, "\nDAY\tACCOUNT\tOURS\tELSEWHERE\tKEAP COUNTED\tLIMIT")
	for _, d := range o.Days {
		fmt.Fprintf(t, "%s\t%s\t%d\t%d\t%d\t%d\n", d.Day.UTC().Format(time.DateOnly), d.Account, d.Calls, d.Elsewhere, d.Used, d.Limit)
	}
	return t.Flush()
}

// cheaper says what another form of a rule would save. An API goal is a call of its own for every event; a tag that is
// a goal of the automation in Keap goes along with the event's other tags, or with the same tag of other contacts.
func cheaper(costs []events.RuleCost) []string {
	type rule struct{ account, name string }
	goals, days := map[rule]int{}, map[rule]map[time.Time]bool{}
	var order []rule
	for _, c := range costs {
		if c.Goals == 0 {
			continue
		}
		r := rule{c.Account, c.Rule}
		if goals[r] == 0 {
			order, days[r] = append(order, r), map[time.Time]bool{}
		}
		goals[r] += c.Goals
		days[r][c.At] = true
	}
	var advice []string
	for _, r := range order {
		advice = append(advice, fmt.Sprintf("%s: rule %s: a tag goal in place of its API goals would save up to %d calls a day", r.account, r.name, goals[r]/len(days[r])))
	}
	return advice
}
