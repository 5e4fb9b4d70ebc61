package history

import (
	"context"
	"database/sql"
	"encoding/json"
	"math"
	"slices"
	"strings"
	"time"

	"bridge/internal/events"
)

// Find gives the events with an id or a key, newest first; account and source narrow the search where they are
// given. An id is unique only within an account and source, so there may be several.
func (ix *Index) Find(ctx context.Context, id, account, source string) ([]events.Row, error) {
	st, done, err := ix.reading()
	if err != nil {
		return nil, err
	}
	defer done()
	rows, err := st.rowsOf(ctx, "SELECT "+rowColumns+` FROM event WHERE n IN
		(SELECT n FROM event WHERE id = ? AND id <> '' UNION SELECT n FROM event WHERE key = ?) ORDER BY n DESC`,
		id, []byte(keyBytes(strings.ToLower(id))))
	if err != nil {
		return nil, err
	}
	var found []events.Row
	for _, r := range rows {
		if (account == "" || account == r.class.account) && (source == "" || source == r.class.source) {
			found = append(found, r.public())
		}
	}
	return found, nil
}

// Story tells what happened to the event with a key. ok is false when there is none.
func (ix *Index) Story(ctx context.Context, key string) (_ events.Story, ok bool, err error) {
	st, done, err := ix.reading()
	if err != nil {
		return events.Story{}, false, err
	}
	defer done()
	rows, err := st.rowsOf(ctx, "SELECT "+rowColumns+" FROM event WHERE key = ?", []byte(keyBytes(key)))
	if err != nil || len(rows) == 0 {
		return events.Story{}, false, err
	}
	r := rows[0]
	story := events.Story{Row: r.public()}
	if story.Changes, story.Steps, err = st.changesOf(ctx, r.n); err != nil {
		return events.Story{}, false, err
	}
	if story.Served, err = st.callsOf(ctx, r.n); err != nil {
		return events.Story{}, false, err
	}
	err = st.neighbours(ctx, r, &story)
	return story, err == nil, err
}

// changesOf reads the changes of an event, and the last report of its steps.
func (st *store) changesOf(ctx context.Context, event int64) (changes []events.Change, steps []events.StepReport, err error) {
	var last []byte
	err = st.each(ctx, func(rows *sql.Rows) error {
		var (
			c         events.Change
			at, until int64
			report    []byte
		)
		if err := rows.Scan(&at, &c.State, &c.Reason, &until, &c.Attempt, &c.Detail, &c.Step, &c.Job, &c.Who, &report); err != nil {
			return err
		}
		c.At = time.UnixMilli(at).UTC()
		if until != 0 {
			t := time.UnixMilli(until).UTC()
			c.Until = &t
		}
		if report != nil {
			last = report
		}
		changes = append(changes, c)
		return nil
	}, "SELECT at, state, reason, until, attempt, detail, step, job, who, steps FROM change WHERE event = ? ORDER BY n", event)
	if err == nil && last != nil {
		err = json.Unmarshal(last, &steps)
	}
	return changes, steps, err
}

// callsOf reads the calls that served an event.
func (st *store) callsOf(ctx context.Context, event int64) ([]events.ServedCall, error) {
	var (
		calls []events.ServedCall
		last  int64
	)
	err := st.each(ctx, func(rows *sql.Rows) error {
		var (
			c                   events.ServedCall
			n, at, took, waited int64
			step                string
		)
		if err := rows.Scan(&n, &at, &c.Operation, &c.Status, &c.Error, &took, &waited, &c.Subjects, &c.ID, &step); err != nil {
			return err
		}
		if n == last {
			calls[len(calls)-1].Steps = append(calls[len(calls)-1].Steps, step)
			return nil
		}
		last = n
		c.At, c.Took, c.Steps = time.UnixMilli(at).UTC(), time.Duration(took)*time.Microsecond, []string{step}
		c.Waited = time.Duration(waited) * time.Microsecond
		calls = append(calls, c)
		return nil
	}, `SELECT c.n, c.at, c.operation, c.status, c.error, c.took, c.waited, c.subjects, c.exchange, s.step
		FROM served s JOIN call c ON c.n = s.call WHERE s.event = ? ORDER BY s.call, s.step`, event)
	return calls, err
}

// neighboursAtMost bounds how far events of the same contact are counted.
const neighboursAtMost = 10_000

// neighbours counts the events of the same contact and priority that wait for this one, and that it waits for.
func (st *store) neighbours(ctx context.Context, r *row, story *events.Story) error {
	if !r.person.Valid || r.class.state.Settled() {
		return nil
	}
	count := func(what *int, oldest *string, query string) error {
		return st.each(ctx, func(rows *sql.Rows) error {
			var (
				class int64
				key   []byte
			)
			if err := rows.Scan(&class, &key); err != nil {
				return err
			}
			s := st.classes.byNumber(class)
			if s == nil || s.state.Settled() || s.account != r.class.account || s.priority != r.class.priority {
				return nil
			}
			if *what++; oldest != nil {
				*oldest = keyText(key)
			}
			return nil
		}, query, r.person.Int64, r.n, neighboursAtMost)
	}
	if err := count(&story.Behind, nil, "SELECT class, key FROM event WHERE person = ? AND n > ? ORDER BY n LIMIT ?"); err != nil {
		return err
	}
	return count(&story.Ahead, &story.First, "SELECT class, key FROM event WHERE person = ? AND n < ? ORDER BY n DESC LIMIT ?")
}

// Tallies counts all events by what they have in common, in any order; add up those of interest. Events that differ
// only in their message are counted apart.
func (ix *Index) Tallies(context.Context) ([]events.Tally, error) {
	st, done, err := ix.reading()
	if err != nil {
		return nil, err
	}
	defer done()
	return st.classes.tallies(), nil
}

// FailureGroups gathers failed and in-doubt events by account, reason and message, the largest groups first. account
// "" means all.
func (ix *Index) FailureGroups(ctx context.Context, account string) ([]events.FailureGroup, error) {
	st, done, err := ix.reading()
	if err != nil {
		return nil, err
	}
	defer done()
	type group struct {
		account string
		state   events.State
		reason  events.Reason
		message string
	}
	byGroup := map[group][]shelf{}
	shelves, _, _ := st.classes.matching(&events.Filter{Account: account})
	for _, s := range shelves {
		if s.state == events.Failed || s.state == events.InDoubt {
			g := group{s.account, s.state, s.reason, s.message}
			byGroup[g] = append(byGroup[g], s)
		}
	}
	groups := make([]events.FailureGroup, 0, len(byGroup))
	for g, shelves := range byGroup {
		out := events.FailureGroup{Account: g.account, State: g.state, Reason: g.reason, Message: g.message}
		for _, s := range shelves {
			out.Events += s.events
		}
		best, err := st.merge(ctx, shelves, 0, math.MaxInt64, 1)
		if err != nil {
			return nil, err
		}
		newest, err := st.byNumbers(ctx, best)
		if err != nil {
			return nil, err
		}
		if len(newest) == 0 {
			continue // all of them were put right meanwhile
		}
		out.Sample = newest[0].public()
		groups = append(groups, out)
	}
	slices.SortFunc(groups, func(a, b events.FailureGroup) int {
		if a.Events != b.Events {
			return b.Events - a.Events
		}
		return b.Sample.Changed.Compare(a.Sample.Changed)
	})
	return groups, nil
}
