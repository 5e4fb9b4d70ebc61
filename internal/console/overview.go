package console

import (
	"cmp"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"time"

	"bridge/internal/events"
	"bridge/internal/ops"
)

// cardsAtMost is how many accounts the overview shows in full; with more it lists them, the worst first.
const cardsAtMost = 4

// needsAtMost is how many things that need a person it names.
const needsAtMost = 12

type overviewBody struct {
	Needs   []ops.Need
	Cards   []accountCard
	Lines   []accountLine
	Account string
	Sources []sourceLine
	More    int // needs that are not shown
}

// accountLine is one account in the list of many.
type accountLine struct {
	Name, Standing, Level string
	ops.AccountStatus
}

// accountCard is one account in full.
type accountCard struct {
	accountLine
	Chart   template.HTML
	Reasons []reasonCount
	Waits   []reasonCount
}

type reasonCount struct {
	Reason events.Reason
	Events int
}

func (c *Console) overviewPage(w http.ResponseWriter, r *http.Request, who identity) error {
	ctx, now := r.Context(), time.Now().UTC()
	status, err := c.Desk.Status(ctx)
	if err != nil {
		return err
	}
	body := overviewBody{Account: r.URL.Query().Get("account")}
	if body.Needs, err = c.Desk.Check(ctx); err != nil {
		return err
	}
	body.More = max(0, len(body.Needs)-needsAtMost)
	body.Needs = body.Needs[:len(body.Needs)-body.More]
	for name, a := range status.Accounts {
		line := accountLine{Name: name, AccountStatus: a}
		line.Standing, line.Level = standing(a, now)
		body.Lines = append(body.Lines, line)
	}
	rank := map[string]int{"bad": 0, "wait": 1, "ok": 2}
	slices.SortFunc(body.Lines, func(a, b accountLine) int {
		return cmp.Or(cmp.Compare(rank[a.Level], rank[b.Level]), cmp.Compare(b.Failed+b.InDoubt, a.Failed+a.InDoubt), cmp.Compare(a.Name, b.Name))
	})
	for _, line := range body.Lines {
		if line.Name != body.Account && (body.Account != "" || len(body.Lines) > cardsAtMost) {
			continue
		}
		card, err := c.card(r, line, now)
		if err != nil {
			return err
		}
		body.Cards = append(body.Cards, card)
	}
	if len(body.Lines) <= cardsAtMost {
		body.Lines = nil
	}
	body.Lines = body.Lines[:min(len(body.Lines), 100)]
	if body.Sources, err = c.sourceLines(r); err != nil {
		return err
	}
	slices.SortStableFunc(body.Sources, func(a, b sourceLine) int { return cmp.Compare(trouble(b), trouble(a)) })
	body.Sources = body.Sources[:min(len(body.Sources), 20)]
	return c.render(w, r, who, http.StatusOK, "overview", view{Title: "Overview", Section: "overview", Live: true, Body: body})
}

// needPage is where something that needs a person can be put right.
func needPage(n ops.Need) string {
	account := "?" + url.Values{"account": {n.Account}}.Encode()
	switch n.Kind {
	case ops.NeedCredential:
		return "/accounts" + account
	case ops.NeedSource:
		return "/sources"
	case ops.NeedConfiguration:
		return "/rules" + account
	default:
		return "/failed" + account
	}
}

// trouble puts the sources first that somebody should look at.
func trouble(s sourceLine) int {
	n := min(s.Refused, 1000)
	if s.Silent {
		n += 10_000
	}
	return n
}

func (c *Console) card(r *http.Request, line accountLine, now time.Time) (accountCard, error) {
	rates, err := c.Desk.Records.Rates(r.Context(), events.Series{Account: line.Name, Since: now.Add(-24 * time.Hour), Until: now.Add(time.Minute), Step: 10 * time.Minute})
	if err != nil {
		return accountCard{}, err
	}
	return accountCard{accountLine: line, Chart: dayChart(rates, now).svg(), Reasons: mostFirst(line.ByReason), Waits: mostFirst(line.Waits)}, nil
}

func mostFirst(reasons ops.Reasons) []reasonCount {
	var out []reasonCount
	for r, n := range reasons {
		out = append(out, reasonCount{r, n})
	}
	slices.SortFunc(out, func(a, b reasonCount) int {
		return cmp.Or(cmp.Compare(b.Events, a.Events), cmp.Compare(a.Reason, b.Reason))
	})
	return out
}

// live sends a tick whenever something has changed; the page then asks for itself again.
func (c *Console) live(w http.ResponseWriter, r *http.Request, _ identity) error {
	return c.stream(w, r, func(send func(string, any) error, rows []events.Row) error { return send("tick", len(rows)) })
}
