package console

import (
	"net/http"
	"time"

	"bridge/internal/events"
)

const day = 24 * time.Hour

func (c *Console) apiCosts(w http.ResponseWriter, r *http.Request, _ identity) error {
	q, err := seriesOf(r, 7*day, day)
	if err != nil {
		return err
	}
	costs, err := c.Desk.Records.Costs(r.Context(), q)
	if err != nil {
		return err
	}
	return reply(w, http.StatusOK, struct {
		Costs []events.RuleCost `json:"costs"`
	}{some(costs)})
}

func (c *Console) apiRates(w http.ResponseWriter, r *http.Request, _ identity) error {
	q, err := seriesOf(r, day, time.Hour)
	if err != nil {
		return err
	}
	rates, err := c.Desk.Records.Rates(r.Context(), q)
	if err != nil {
		return err
	}
	return reply(w, http.StatusOK, struct {
		Rates []events.Rate `json:"rates"`
	}{some(rates)})
}

func (c *Console) apiQuota(w http.ResponseWriter, r *http.Request, _ identity) error {
	q, err := seriesOf(r, 30*day, day)
	if err != nil {
		return err
	}
	days, err := c.Desk.Records.QuotaDays(r.Context(), q.Account, q.Since)
	if err != nil {
		return err
	}
	return reply(w, http.StatusOK, struct {
		Days []events.DayQuota `json:"days"`
	}{some(days)})
}

func (c *Console) apiAudit(w http.ResponseWriter, r *http.Request, _ identity) error {
	limit, err := numberOf(r, "limit", 100)
	if err != nil {
		return err
	}
	lines, err := c.Desk.Records.Audit(r.Context(), r.URL.Query().Get("job"), min(limit, 1000))
	if err != nil {
		return err
	}
	return reply(w, http.StatusOK, struct {
		Audit []events.AuditLine `json:"audit"`
	}{some(lines)})
}
