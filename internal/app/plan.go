package app

import (
	"fmt"
	"time"

	"bridge/internal/ops"
	"bridge/internal/quota"
)

// planOf puts the ledger's plan of the day into words and figures for people.
func planOf(q *quota.Outlook) *ops.Plan {
	return &ops.Plan{
		Left: q.Left, Surplus: q.Surplus, Forecast: q.Forecast,
		Urgent: shareOf(q, quota.Urgent), Normal: shareOf(q, quota.Normal), Bulk: shareOf(q, quota.Bulk),
	}
}

func shareOf(q *quota.Outlook, c quota.Class) ops.Share {
	s := ops.Share{Waiting: q.Waiting[c], Expected: q.Expected[c], Kept: q.Kept[c], Tomorrow: q.Tomorrow[c], Why: whyTomorrow(q, c)}
	if !q.ETA[c].IsZero() {
		eta := q.ETA[c].UTC().Truncate(time.Second)
		s.ETA = &eta
	}
	return s
}

// whyTomorrow tells what keeps work of a class from being done today; "" when nothing does.
func whyTomorrow(q *quota.Outlook, c quota.Class) string {
	if q.Tomorrow[c] == 0 {
		return ""
	}
	higher := [...]string{quota.Urgent: "", quota.Normal: "urgent work", quota.Bulk: "urgent and normal work"}[c]
	basis := "reserve: says"
	if q.Forecast {
		basis = "the last days show"
	}
	kept := min(q.Kept[c], q.Left)
	switch {
	case q.Closed != nil && !q.Closed.Until.Before(q.Day.Resets):
		return "the day's calls are used up"
	case kept > 0 && q.Left-kept < q.Waiting[c]:
		return fmt.Sprintf("the day has %d calls left and %d of them are kept for %s, as %s", q.Left, kept, higher, basis)
	case q.Left < q.Waiting[c]:
		return fmt.Sprintf("the day has %d calls left", q.Left)
	}
	return "the minutes until midnight have no room for more"
}
