package console

import (
	"html/template"
	"net/http"
	"time"

	"bridge/internal/events"
	"bridge/internal/ops"
)

type rulesBody struct {
	Rules   []ruleLine
	Account string
	Try     string
	Compare *planAnswer
	Error   string
}

// ruleLine is a rule with what it did within a week.
type ruleLine struct {
	ops.Rule
	Events int
	Steps  int
	Calls  float64
}

// Daily is what it costs a day, in Keap calls.
func (l ruleLine) Daily() float64 { return l.Calls / 7 }

func (c *Console) rulesPage(w http.ResponseWriter, r *http.Request, who identity) error {
	now := time.Now().UTC()
	body := rulesBody{Account: r.URL.Query().Get("account"), Try: r.URL.Query().Get("try")}
	rules, err := c.Desk.Live.Rules(r.Context())
	if err != nil {
		return err
	}
	costs, err := c.Desk.Records.Costs(r.Context(), events.Series{Account: body.Account, Since: now.Add(-7 * day), Until: now.Add(time.Minute), Step: day})
	if err != nil {
		return err
	}
	type name struct{ account, rule string }
	sums := map[name]ruleLine{}
	for _, cost := range costs {
		s := sums[name{cost.Account, cost.Rule}]
		s.Events, s.Steps, s.Calls = s.Events+cost.Events, s.Steps+cost.Steps, s.Calls+cost.Calls
		sums[name{cost.Account, cost.Rule}] = s
	}
	for _, rule := range rules {
		if body.Account == "" || body.Account == rule.Account {
			line := sums[name{rule.Account, rule.Name}]
			line.Rule = rule
			body.Rules = append(body.Rules, line)
		}
	}
	if body.Try != "" {
		cmp, err := c.Desk.Compare(r.Context(), ops.Ref{ID: body.Try, Account: body.Account})
		if err != nil {
			p := describe(err)
			if p.Status >= http.StatusInternalServerError {
				return err
			}
			body.Error = capital(p.Detail)
			if who.role < Operator {
				body.Error = maskText(body.Error)
			}
		} else {
			answer := who.compare(cmp)
			body.Compare = &answer
		}
	}
	const most = 200
	body.Rules = body.Rules[:min(len(body.Rules), most)]
	return c.render(w, r, who, http.StatusOK, "rules", view{Title: "Rules", Section: "rules", Body: body})
}

func (c *Console) sourcesPage(w http.ResponseWriter, r *http.Request, who identity) error {
	lines, err := c.sourceLines(r)
	if err != nil {
		return err
	}
	const most = 50
	return c.render(w, r, who, http.StatusOK, "sources", view{Title: "Sources", Section: "sources", Live: true, Body: lines[:min(len(lines), most)]})
}

func (c *Console) testForm(w http.ResponseWriter, r *http.Request, who identity) error {
	if _, err := c.Desk.Test(r.Context(), who.name, r.PathValue("account"), r.PathValue("source")); err != nil {
		return err
	}
	http.Redirect(w, r, "/sources?notice=sent", http.StatusSeeOther)
	return nil
}

// accountSheet is one account with its month.
type accountSheet struct {
	ops.Account
	Standing, Level string
	Chart           template.HTML
	Ends            bool // some action set has an end
}

func (c *Console) accountsPage(w http.ResponseWriter, r *http.Request, who identity) error {
	now := time.Now().UTC()
	accounts, err := c.Desk.Live.Accounts(r.Context())
	if err != nil {
		return err
	}
	status, err := c.Desk.Status(r.Context())
	if err != nil {
		return err
	}
	var sheets []accountSheet
	const most = 20
	only := r.URL.Query().Get("account")
	for _, a := range accounts {
		if only != "" && a.Name != only || len(sheets) == most {
			continue
		}
		days, err := c.Desk.Records.QuotaDays(r.Context(), a.Name, now.Add(-30*day))
		if err != nil {
			return err
		}
		sheet := accountSheet{Account: a, Chart: quotaChart(days, now).svg()}
		sheet.Standing, sheet.Level = standing(status.Accounts[a.Name], now)
		sheets = append(sheets, sheet)
	}
	return c.render(w, r, who, http.StatusOK, "accounts", view{Title: "Accounts", Section: "accounts", Body: sheets})
}

func (c *Console) pauseForm(w http.ResponseWriter, r *http.Request, who identity) error {
	if err := c.Desk.Pause(r.Context(), who.name, r.PathValue("account")); err != nil {
		return err
	}
	http.Redirect(w, r, "/accounts?notice=paused", http.StatusSeeOther)
	return nil
}

func (c *Console) resumeForm(w http.ResponseWriter, r *http.Request, who identity) error {
	if err := c.Desk.Resume(r.Context(), who.name, r.PathValue("account")); err != nil {
		return err
	}
	http.Redirect(w, r, "/accounts?notice=resumed", http.StatusSeeOther)
	return nil
}

func (c *Console) auditPage(w http.ResponseWriter, r *http.Request, who identity) error {
	lines, err := c.Desk.Records.Audit(r.Context(), "", 200)
	if err != nil {
		return err
	}
	if who.role < Operator {
		for i := range lines {
			lines[i].Target, lines[i].Detail = maskText(lines[i].Target), maskText(lines[i].Detail)
		}
	}
	return c.render(w, r, who, http.StatusOK, "audit", view{Title: "Audit", Section: "audit", Body: lines})
}
