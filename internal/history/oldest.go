package history

import (
	"context"
	"database/sql"
	"time"

	"bridge/internal/events"
)

// Oldest tells when the oldest event that is not settled yet was received, by priority; zero where all are.
func (ix *Index) Oldest(ctx context.Context) (oldest [len(events.Priorities)]time.Time, err error) {
	st, done, err := ix.reading()
	if err != nil {
		return oldest, err
	}
	defer done()
	for _, state := range []events.State{events.Waiting, events.Working, events.Parked} {
		shelves, _, _ := st.classes.matching(&events.Filter{State: state})
		for _, s := range shelves {
			// Events are numbered as they are heard of, which is the order in which they came but for moments.
			err := st.each(ctx, func(rows *sql.Rows) error {
				var received int64
				if err := rows.Scan(&received); err != nil {
					return err
				}
				if at := time.UnixMilli(received); oldest[s.priority].IsZero() || at.Before(oldest[s.priority]) {
					oldest[s.priority] = at
				}
				return nil
			}, "SELECT received FROM event WHERE class = ? ORDER BY n LIMIT 1", s.id)
			if err != nil {
				return oldest, err
			}
		}
	}
	return oldest, nil
}
