package history

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"bridge/internal/events"
)

// Limits of a page.
const (
	DefaultLimit = 50
	MaxLimit     = 500
)

const rowColumns = "n, key, seq, id, class, step, detail, received, changed, until, attempts, calls, rules, person, number"

func (st *store) scanRow(rows *sql.Rows) (*row, error) {
	var (
		r     row
		key   []byte
		seq   int64
		class int64
	)
	err := rows.Scan(&r.n, &key, &seq, &r.id, &class, &r.step, &r.detail, &r.received, &r.changed, &r.until,
		&r.attempts, &r.calls, &r.rules, &r.person, &r.number)
	if err != nil {
		return nil, err
	}
	r.key, r.seq = string(key), uint64(seq)
	r.shelf = st.classes.byNumber(class)
	if r.shelf == nil {
		return nil, fmt.Errorf("history: event %d has the unknown class %d", r.n, class)
	}
	r.class = r.shelf.class
	return &r, nil
}

// public is the row as others see it.
func (r *row) public() events.Row {
	out := events.Row{
		Key: keyText([]byte(r.key)), ID: r.id, Seq: r.seq,
		Account: r.class.account, Source: r.class.source, Type: r.class.kind, Priority: r.class.priority,
		State: r.class.state, Reason: r.class.reason, Detail: r.detail, Step: r.step,
		Received: time.UnixMilli(r.received).UTC(), Changed: time.UnixMilli(r.changed).UTC(),
		Attempts: r.attempts, Calls: r.calls,
	}
	if r.changed == 0 {
		out.Changed = out.Received
	}
	if r.until != 0 {
		until := time.UnixMilli(r.until).UTC()
		out.Until = &until
	}
	if r.rules != "" {
		out.Rules = strings.Split(r.rules, "\n")
	}
	return out
}

// cursorMark begins every cursor, so that other text is not taken for one.
const cursorMark = "before-"

// List gives a page of the events that the filter chooses, newest first. cursor is Page.Next of the page before,
// "" for the first; events.ErrCursor when it is none. limit is DefaultLimit when 0 and at most MaxLimit.
func (ix *Index) List(ctx context.Context, f events.Filter, limit int, cursor string) (events.Page, error) {
	st, done, err := ix.reading()
	if err != nil {
		return events.Page{}, err
	}
	defer done()
	if limit <= 0 {
		limit = DefaultLimit
	}
	limit = min(limit, MaxLimit)
	hi := int64(math.MaxInt64)
	if cursor != "" {
		place, ok := strings.CutPrefix(cursor, cursorMark)
		n, err := strconv.ParseInt(place, 36, 64)
		if !ok || err != nil || n <= 0 {
			return events.Page{}, events.ErrCursor
		}
		hi = n - 1
	}
	lo, hi, err := st.span(ctx, f, hi)
	if err != nil {
		return events.Page{}, err
	}
	found, err := st.list(ctx, ix.way(st, &f, limit+1), &f, lo, hi, limit+1)
	if err != nil {
		return events.Page{}, err
	}
	var page events.Page
	if len(found) > limit {
		found = found[:limit]
		page.Next = cursorMark + strconv.FormatInt(found[limit-1].n, 36)
	}
	page.Rows = make([]events.Row, len(found))
	for i, r := range found {
		page.Rows[i] = r.public()
	}
	return page, nil
}

// span narrows n to the minutes that Since and Until name.
func (st *store) span(ctx context.Context, f events.Filter, hi int64) (int64, int64, error) {
	lo := int64(0)
	if !f.Since.IsZero() {
		err := st.each(ctx, func(r *sql.Rows) error { return r.Scan(&lo) },
			"SELECT coalesce(min(lo), 9223372036854775807) FROM minute WHERE at >= ?", floor(f.Since.Unix(), 60)/60)
		if err != nil {
			return 0, 0, err
		}
	}
	if !f.Until.IsZero() {
		last := int64(0)
		err := st.each(ctx, func(r *sql.Rows) error { return r.Scan(&last) },
			"SELECT coalesce(max(hi), 0) FROM minute WHERE at <= ?", floor(f.Until.Unix(), 60)/60)
		if err != nil {
			return 0, 0, err
		}
		hi = min(hi, last)
	}
	return lo, hi, nil
}

// way reads the next rows with n between lo and hi, highest n first, and tells the n to go on below; 0 when it has
// read everything. What it reads may be more than the filter chooses, never less.
type way func(ctx context.Context, lo, hi int64) (rows []*row, below int64, err error)

// list walks until it has limit rows of the filter.
func (st *store) list(ctx context.Context, next way, f *events.Filter, lo, hi int64, limit int) ([]*row, error) {
	var found []*row
	for {
		rows, below, err := next(ctx, lo, hi)
		if err != nil {
			return nil, err
		}
		for _, r := range rows {
			if !r.class.matches(f) || !r.within(f) {
				continue
			}
			if found = append(found, r); len(found) == limit {
				return found, nil
			}
		}
		if below == 0 {
			return found, nil
		}
		hi = below - 1
	}
}

func (r *row) within(f *events.Filter) bool {
	return (f.Since.IsZero() || r.received >= f.Since.UnixMilli()) && (f.Until.IsZero() || r.received < f.Until.UnixMilli())
}

// way chooses how to find the events of a filter: by what names few events; else along n, when a good part of all
// events match; else by merging the classes that match.
func (ix *Index) way(st *store, f *events.Filter, chunk int) way {
	if subquery, args := ix.few(f); subquery != "" {
		return func(ctx context.Context, lo, hi int64) ([]*row, int64, error) {
			return st.along(ctx, chunk, "SELECT "+rowColumns+" FROM event WHERE n IN ("+subquery+") AND n BETWEEN ? AND ? ORDER BY n DESC LIMIT ?",
				append(slices.Clone(args), lo, hi)...)
		}
	}
	shelves, matched, total := st.classes.matching(f)
	merged := func(ctx context.Context, lo, hi int64) ([]*row, int64, error) {
		best, err := st.merge(ctx, shelves, lo, hi, chunk)
		if err != nil || len(best) == 0 {
			return nil, 0, err
		}
		rows, err := st.byNumbers(ctx, best)
		if len(best) < chunk {
			return rows, 0, err
		}
		return rows, best[len(best)-1], err
	}
	const goodPart, manyClasses = 4, 256
	if matched*goodPart < total && (len(shelves) <= manyClasses || matched*32 < total) {
		return merged
	}
	seen := 0
	return func(ctx context.Context, lo, hi int64) ([]*row, int64, error) {
		if seen >= alongAtMost { // they are many, but not here
			return merged(ctx, lo, hi)
		}
		rows, below, err := st.along(ctx, chunk*2, "SELECT "+rowColumns+" FROM event WHERE n BETWEEN ? AND ? ORDER BY n DESC LIMIT ?", lo, hi)
		seen += len(rows)
		return rows, below, err
	}
}

// alongAtMost is how many rows are read along n before the classes are merged instead: an account that has a third of all
// events may have sent none of them this month.
const alongAtMost = 2000

// Chosen tells which of some events, given by key, a filter chooses.
func (ix *Index) Chosen(ctx context.Context, f events.Filter, keys []string) (map[string]bool, error) {
	st, done, err := ix.reading()
	if err != nil {
		return nil, err
	}
	defer done()
	wanted := make([]string, len(keys))
	for i, key := range keys {
		wanted[i] = keyBytes(key)
	}
	var rows []*row
	if err := st.byKeys(ctx, wanted, rowColumns, func(found *sql.Rows) error {
		r, err := st.scanRow(found)
		rows = append(rows, r)
		return err
	}); err != nil {
		return nil, err
	}
	subquery, args := ix.few(&f)
	chosen := make(map[string]bool, len(rows))
	for _, r := range rows {
		ok := r.class.matches(&f) && r.within(&f)
		if ok && subquery != "" {
			if err := st.each(ctx, func(answer *sql.Rows) error { return answer.Scan(&ok) }, "SELECT ? IN ("+subquery+")", append([]any{r.n}, args...)...); err != nil {
				return nil, err
			}
		}
		if ok {
			chosen[keyText([]byte(r.key))] = true
		}
	}
	return chosen, nil
}

// few is a subquery of n for what names few events: q, a contact, a job. "" when the filter has none of them.
func (ix *Index) few(f *events.Filter) (subquery string, args []any) {
	var parts []string
	if f.Q != "" {
		people := hashedPeople(ix.hash, f.Q)
		parts = append(parts, `SELECT n FROM (SELECT n FROM event WHERE id = ? UNION SELECT n FROM event WHERE key = ?
			UNION SELECT n FROM event WHERE number = ? UNION SELECT n FROM event WHERE person IN (?, ?))`)
		args = append(args, f.Q, []byte(keyBytes(strings.ToLower(f.Q))), ix.hash(numberText(f.Q)), people[0], people[1])
	}
	if f.Contact != "" {
		people := hashedPeople(ix.hash, f.Contact)
		parts = append(parts, "SELECT n FROM event WHERE person IN (?, ?)")
		args = append(args, people[0], people[1])
	}
	if f.Job != "" {
		parts = append(parts, "SELECT event FROM change WHERE job = ? AND job <> ''")
		args = append(args, f.Job)
	}
	return strings.Join(parts, " INTERSECT "), args
}

// along runs a query of rows whose last parameter is how many.
func (st *store) along(ctx context.Context, chunk int, query string, args ...any) (rows []*row, below int64, err error) {
	rows, err = st.rowsOf(ctx, query, append(args, chunk)...)
	if len(rows) == chunk {
		below = rows[chunk-1].n
	}
	return rows, below, err
}

// merge takes the highest n of several classes. The shelves come with the newest first, so it stops at the first one
// that cannot hold anything higher than what it has. An event that changes its class meanwhile may be missed.
func (st *store) merge(ctx context.Context, shelves []shelf, lo, hi int64, count int) ([]int64, error) {
	var best []int64 // descending
	for i := range shelves {
		if len(best) == count && shelves[i].newest < best[count-1] {
			break
		}
		from := lo
		if len(best) == count {
			from = best[count-1]
		}
		err := st.each(ctx, func(rows *sql.Rows) error {
			var n int64
			err := rows.Scan(&n)
			best = append(best, n)
			return err
		}, "SELECT n FROM event INDEXED BY event_class WHERE class = ? AND n BETWEEN ? AND ? ORDER BY n DESC LIMIT ?",
			shelves[i].id, from, hi, count)
		if err != nil {
			return nil, err
		}
		slices.SortFunc(best, func(a, b int64) int { return cmp.Compare(b, a) })
		best = slices.Compact(best) // an event may have changed its class between two queries
		best = best[:min(count, len(best))]
	}
	return best, nil
}

// byNumbers reads rows in the order of ns; those that are gone by now are left out.
func (st *store) byNumbers(ctx context.Context, ns []int64) ([]*row, error) {
	found := make([]*row, 0, len(ns))
	for _, n := range ns {
		rows, err := st.rowsOf(ctx, "SELECT "+rowColumns+" FROM event WHERE n = ?", n)
		if err != nil {
			return nil, err
		}
		found = append(found, rows...)
	}
	return found, nil
}

func (st *store) rowsOf(ctx context.Context, query string, args ...any) ([]*row, error) {
	var found []*row
	err := st.each(ctx, func(rows *sql.Rows) error {
		r, err := st.scanRow(rows)
		found = append(found, r)
		return err
	}, query, args...)
	return found, err
}

// hashedPeople hashes text as an e-mail address and as a phone number.
func hashedPeople(hash func(string) int64, text string) [2]int64 {
	var e events.Event
	e.Data.Contact = &events.Contact{Email: text}
	byEmail := hash(e.OrderKey())
	e.Data.Contact = &events.Contact{Phone: text}
	if key := e.OrderKey(); key != "" {
		return [2]int64{byEmail, hash(key)}
	}
	return [2]int64{byEmail, byEmail}
}
