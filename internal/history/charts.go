package history

import (
	"context"
	"database/sql"
	"time"

	"bridge/internal/events"
)

// accountsOf is the accounts that a table knows, found by leaps through its index; or the one that is asked for. The
// tables are sorted by account first, so that one account's day costs the same however many others there are.
func accountsOf(table, where, account string) string {
	if account != "" {
		return "WITH a (account) AS (SELECT ?1)"
	}
	return "WITH RECURSIVE a (account) AS (SELECT min(account) FROM " + table + " WHERE ?1 = ''" + where +
		" UNION ALL SELECT (SELECT min(account) FROM " + table + " WHERE account > a.account" + where + ") FROM a WHERE a.account IS NOT NULL)"
}

// Rates counts calls and events over time, oldest first. Steps below an hour are remembered for eight days.
func (ix *Index) Rates(ctx context.Context, q events.Series) ([]events.Rate, error) {
	step, span := max(int64(q.Step/time.Second), spanMinute), int64(spanMinute)
	for _, longer := range []int64{spanTen, spanHour} {
		if step%longer == 0 {
			span = longer
		}
	}
	var rates []events.Rate
	err := ix.each(ctx, func(rows *sql.Rows) error {
		var (
			r  events.Rate
			at int64
		)
		err := rows.Scan(&at, &r.Account, &r.What, &r.Status, &r.Count)
		r.At = time.Unix(at, 0).UTC()
		rates = append(rates, r)
		return err
	}, accountsOf("pulse", " AND span = ?3", q.Account)+`
		SELECT at - at % ?2 AS bucket, p.account, what, status, sum(count) FROM a CROSS JOIN pulse p
		WHERE p.span = ?3 AND p.account = a.account AND at >= ?4 AND at < ?5
		GROUP BY bucket, p.account, what, status ORDER BY bucket, p.account, what, status`,
		q.Account, step, span, floor(q.Since.Unix(), step), q.Until.Unix())
	return rates, err
}

// Costs tells what each rule cost over time for the events of each source, oldest first. Step is an hour at least.
func (ix *Index) Costs(ctx context.Context, q events.Series) ([]events.RuleCost, error) {
	step := max(int64(q.Step/time.Second), spanHour)
	var costs []events.RuleCost
	err := ix.each(ctx, func(rows *sql.Rows) error {
		var (
			c  events.RuleCost
			at int64
		)
		err := rows.Scan(&at, &c.Account, &c.Rule, &c.Source, &c.Events, &c.Steps, &c.Calls, &c.Goals)
		c.At = time.Unix(at, 0).UTC()
		costs = append(costs, c)
		return err
	}, accountsOf("rule", "", q.Account)+`
		SELECT at - at % ?2 AS bucket, r.account, rule, source, sum(events), sum(steps), sum(calls), sum(goals) FROM a CROSS JOIN rule r
		WHERE r.account = a.account AND at >= ?3 AND at < ?4
		GROUP BY bucket, r.account, rule, source ORDER BY bucket, r.account, rule, source`,
		q.Account, step, floor(q.Since.Unix(), step), q.Until.Unix())
	return costs, err
}

// QuotaDays tells how each account's quota was used since a day, oldest first.
func (ix *Index) QuotaDays(ctx context.Context, account string, since time.Time) ([]events.DayQuota, error) {
	var days []events.DayQuota
	err := ix.each(ctx, func(rows *sql.Rows) error {
		var (
			d   events.DayQuota
			day int64
		)
		err := rows.Scan(&d.Account, &day, &d.Limit, &d.Used, &d.Elsewhere, &d.Calls)
		d.Day = time.Unix(day, 0).UTC()
		days = append(days, d)
		return err
	}, accountsOf("pulse", " AND span = 3600", account)+`, ours AS (
			SELECT p.account, at - at % 86400 AS day, sum(count) AS calls FROM a CROSS JOIN pulse p
			WHERE span = 3600 AND p.account = a.account AND at >= ?2 AND what NOT IN ('accepted', 'settled') AND what <> 'token'
			GROUP BY p.account, day)
		SELECT account, day, coalesce(q."limit", 0), coalesce(q.used, 0), coalesce(q.elsewhere, 0), coalesce(o.calls, 0)
		FROM ours o FULL JOIN quota q USING (account, day)
		WHERE day >= ?2 AND (?1 = '' OR account = ?1) ORDER BY account, day`,
		account, floor(since.Unix(), spanDay))
	return days, err
}

// Sources tells when each source was last heard of. account "" means all.
func (ix *Index) Sources(ctx context.Context, account string) ([]events.Seen, error) {
	var sources []events.Seen
	err := ix.each(ctx, func(rows *sql.Rows) error {
		var (
			s           events.Seen
			first, last int64
		)
		err := rows.Scan(&s.Account, &s.Source, &first, &last, &s.Events)
		s.First, s.Last = time.UnixMilli(first).UTC(), time.UnixMilli(last).UTC()
		sources = append(sources, s)
		return err
	}, "SELECT account, source, first, last, events FROM seen WHERE ?1 = '' OR account = ?1 ORDER BY account, source", account)
	return sources, err
}

// Audit lists who changed what, newest first. job narrows it to one replay or discard where it is given.
func (ix *Index) Audit(ctx context.Context, job string, limit int) ([]events.AuditLine, error) {
	var lines []events.AuditLine
	scan := func(rows *sql.Rows) error {
		var (
			a  events.AuditLine
			at int64
		)
		err := rows.Scan(&at, &a.Who, &a.Action, &a.Account, &a.Target, &a.Job, &a.Detail)
		a.At = time.UnixMilli(at).UTC()
		lines = append(lines, a)
		return err
	}
	if limit <= 0 {
		limit = DefaultLimit
	}
	const columns = "SELECT at, who, action, account, target, job, detail FROM audit"
	var err error
	if job != "" {
		err = ix.each(ctx, scan, columns+" WHERE job = ? AND job <> '' ORDER BY n DESC LIMIT ?", job, limit)
	} else {
		err = ix.each(ctx, scan, columns+" ORDER BY n DESC LIMIT ?", limit)
	}
	return lines, err
}

// each runs a query on the open store.
func (ix *Index) each(ctx context.Context, scan func(*sql.Rows) error, query string, args ...any) error {
	st, done, err := ix.reading()
	if err != nil {
		return err
	}
	defer done()
	return st.each(ctx, scan, query, args...)
}
