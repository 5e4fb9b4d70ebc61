package history

import (
	"context"
	"time"

	"bridge/internal/events"
)

// Counters outlive events: minutes are kept for a week of charts, hours and days for a year of costs.
const (
	keepMinutes = 8 * 24 * time.Hour
	keepHours   = 400 * 24 * time.Hour
	pruneAtOnce = 1000
)

// prune forgets done and discarded events that were received before the cutoff, some at a time, and old counters.
// Events that need a person, or are still to be worked, stay whatever their age. more tells that it has not seen
// them all.
func (st *store) prune(ctx context.Context, now, cutoff time.Time) (more bool, err error) {
	old, next, err := st.oldest(ctx, cutoff)
	if err != nil {
		return false, err
	}
	moves := map[*shelf]*move{}
	err = st.transact(ctx, func(ctx context.Context) error {
		for _, r := range old {
			for _, query := range []string{
				"DELETE FROM change WHERE event = ?", "DELETE FROM served WHERE event = ?", "DELETE FROM event WHERE n = ?",
			} {
				if err := st.exec(ctx, query, r.n); err != nil {
					return err
				}
			}
			if moves[r.shelf] == nil {
				moves[r.shelf] = &move{}
			}
			moves[r.shelf].events--
		}
		for s, m := range moves {
			if err := st.exec(ctx, "UPDATE class SET events = events + ? WHERE id = ?", m.events, s.id); err != nil {
				return err
			}
		}
		if next != 0 {
			return nil
		}
		return st.pruneCounters(ctx, now, cutoff)
	})
	if err != nil {
		return false, err
	}
	st.classes.commit(moves)
	st.pruneAfter = next
	return next != 0, nil
}

func (st *store) pruneCounters(ctx context.Context, now, cutoff time.Time) error {
	for _, old := range []struct {
		query  string
		before int64
	}{
		{"DELETE FROM minute WHERE at < ? AND NOT EXISTS (SELECT 1 FROM event WHERE n BETWEEN lo AND hi)", cutoff.Unix() / 60},
		{"DELETE FROM call WHERE at < ?", cutoff.UnixMilli()},
		{"DELETE FROM pulse WHERE span IN (60, 600) AND at < ?", now.Add(-keepMinutes).Unix()},
		{"DELETE FROM pulse WHERE span = 3600 AND at < ?", now.Add(-keepHours).Unix()},
		{"DELETE FROM rule WHERE at < ?", now.Add(-keepHours).Unix()},
		{"DELETE FROM quota WHERE day < ?", now.Add(-keepHours).Unix()},
		{"DELETE FROM audit WHERE at < ?", now.Add(-keepHours).UnixMilli()},
	} {
		if err := st.exec(ctx, old.query, old.before); err != nil {
			return err
		}
	}
	return nil
}

type oldRow struct {
	n     int64
	shelf *shelf
}

// oldest looks at the next rows and picks those to drop. next is where to go on, 0 when the young ones are reached.
func (st *store) oldest(ctx context.Context, cutoff time.Time) (old []oldRow, next int64, err error) {
	rows, err := st.query(ctx, "SELECT n, class, received FROM event WHERE n > ? ORDER BY n LIMIT ?", st.pruneAfter, pruneAtOnce)
	if err != nil {
		return nil, 0, err
	}
	defer rows.Close()
	seen := 0
	for rows.Next() {
		var n, class, received int64
		if err := rows.Scan(&n, &class, &received); err != nil {
			return nil, 0, err
		}
		if received >= cutoff.UnixMilli() {
			return old, 0, nil
		}
		if s := st.classes.byNumber(class); s != nil && (s.state == events.Done || s.state == events.StateDiscarded) {
			old = append(old, oldRow{n, s})
		}
		next = n
		seen++
	}
	if seen < pruneAtOnce {
		next = 0
	}
	return old, next, rows.Err()
}
