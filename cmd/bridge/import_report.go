package main

import (
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"bridge/internal/ops"
)

// rejects is the file of rows that cannot be taken; it is made with the first one. Without a path the first few rows
// are only remembered.
type rejects struct {
	path   string
	first  []rejected
	header []string
	more   bool // go on with the file of an earlier run
	file   *os.File
}

// rejected is a row as a dry run tells of it.
type rejected struct {
	Line   int    `json:"line"`
	Reason string `json:"reason"`
}

const firstRejects = 20

// add writes rows with their places and reasons in front. Columns that an earlier rejects file had are left out.
func (r *rejects) add(rows []lead) error {
	if len(rows) == 0 {
		return nil
	}
	if r.path == "" {
		for i := 0; i < len(rows) && len(r.first) < firstRejects; i++ {
			r.first = append(r.first, rejected{rows[i].line, rows[i].reason})
		}
		return nil
	}
	begun := r.file != nil
	if !begun {
		flags := os.O_CREATE | os.O_WRONLY | os.O_TRUNC
		if r.more {
			flags = os.O_CREATE | os.O_WRONLY | os.O_APPEND
		}
		f, err := os.OpenFile(r.path, flags, 0o600)
		if err != nil {
			return fmt.Errorf("rows that cannot be taken have no place to go: %w", err)
		}
		r.file = f
		if info, err := f.Stat(); err == nil {
			begun = info.Size() > 0
		}
	}
	w := csv.NewWriter(r.file)
	if !begun {
		_ = w.Write(append([]string{rejectLine, rejectReason}, r.own(r.header)...)) // Flush keeps the error
	}
	for i := range rows {
		_ = w.Write(append([]string{strconv.Itoa(rows[i].line), rows[i].reason}, r.own(rows[i].fields)...))
	}
	w.Flush()
	return w.Error()
}

// own is the fields without those that a rejects file adds.
func (r *rejects) own(fields []string) []string {
	var kept []string
	for i, f := range fields {
		if i >= len(r.header) || r.header[i] != rejectLine && r.header[i] != rejectReason {
			kept = append(kept, f)
		}
	}
	return kept
}

func (r *rejects) close() error {
	if r.file == nil {
		return nil
	}
	return r.file.Close()
}

// progressBar shows how far an import is, where a person looks.
type progressBar struct {
	w       io.Writer // nil: nobody looks
	total   int
	began   time.Time
	from    int // rows that were in before
	drawn   time.Time
	asked   time.Time
	known   int // rows that were accepted when it was asked
	account ops.AccountStatus
}

// How often the bar is drawn, and how often the bridge is asked how its quota stands.
const (
	drawEvery = 200 * time.Millisecond
	askEvery  = 5 * time.Second
)

func newProgressBar(w io.Writer, total int, quiet bool) *progressBar {
	b := &progressBar{total: total}
	if !quiet && terminal(w) {
		b.w = w
	}
	return b
}

// look asks how the quota stands, now and then, and draws.
func (b *progressBar) look(ctx context.Context, im *importing) error {
	now := im.now()
	if b.began.IsZero() {
		b.began, b.from = now, im.mark.Rows
	}
	if im.client != nil && now.Sub(b.asked) >= askEvery {
		var s ops.Status
		if err := im.client.do(ctx, http.MethodGet, "/api/status", nil, nil, &s); err == nil { // else the last answer serves
			b.account, b.known = s.Accounts[im.account], im.mark.Accepted
		}
		b.asked = now
	}
	if b.w == nil || now.Sub(b.drawn) < drawEvery && im.mark.Rows < b.total {
		return nil
	}
	b.drawn = now
	_, err := fmt.Fprint(b.w, "\r"+b.line(&im.mark.importCounts, now)+"\x1b[K")
	return err
}

const barWidth = 24

// line is the bar with rate and time left of the sending, and when Keap will be through.
func (b *progressBar) line(c *importCounts, now time.Time) string {
	share := 1.0
	if b.total > 0 {
		share = float64(c.Rows) / float64(b.total)
	}
	full := int(share * barWidth)
	text := fmt.Sprintf("[%s%s] %3.0f%% %d/%d rows", strings.Repeat("█", full), strings.Repeat("·", barWidth-full), share*100, c.Rows, b.total)
	if passed := now.Sub(b.began).Seconds(); passed > 0 && c.Rows > b.from {
		rate := float64(c.Rows-b.from) / passed
		text += fmt.Sprintf("  %.0f/s, sent in %s", rate, time.Duration(float64(b.total-c.Rows)/rate*float64(time.Second)).Round(time.Second))
	}
	if at := b.through(c, now); !at.IsZero() {
		text += ", Keap through about " + at.Local().Format("2006-01-02 15:04")
	}
	return text
}

// through estimates when Keap will have all of it, with the calls that a row costs on average.
func (b *progressBar) through(c *importCounts, now time.Time) time.Time {
	if c.Accepted == 0 {
		return time.Time{}
	}
	each := float64(c.Calls) / float64(c.Accepted)
	waiting := b.account.Backlog.Total() + c.Accepted - b.known + b.total - c.Rows
	return finish(now, int(each*float64(waiting)), &b.account.Quota)
}

// end asks a last time.
func (b *progressBar) end(ctx context.Context, im *importing) {
	b.asked = time.Time{}
	_ = b.look(ctx, im)
	if b.w != nil {
		_, _ = fmt.Fprintln(b.w)
	}
}

// finish is when so many calls are made at the pace of the minute's quota, with what the day has left and then
// whole days; zero when the quota is not known.
func finish(now time.Time, calls int, q *ops.Quota) time.Time {
	if q.Minute.Limit <= 0 || q.Day.Limit <= 0 {
		return time.Time{}
	}
	pace := func(n int) time.Duration { return time.Duration(n) * time.Minute / time.Duration(q.Minute.Limit) }
	left := max(0, q.Day.Limit-q.Day.Used)
	if calls <= left {
		return now.Add(pace(calls))
	}
	day := now.UTC().Truncate(24 * time.Hour).Add(24 * time.Hour)
	if q.Day.ResetsAt != nil {
		day = *q.Day.ResetsAt
	}
	calls -= left
	days := (calls - 1) / q.Day.Limit
	return day.AddDate(0, 0, days).Add(pace(calls - days*q.Day.Limit))
}

// importReport is the answer with --json.
type importReport struct {
	File    string     `json:"file"`
	Batch   string     `json:"batch"`
	DryRun  bool       `json:"dry_run,omitempty"`
	Rejects string     `json:"rejects,omitempty"`        // file of the rows that could not be taken
	First   []rejected `json:"first_rejected,omitempty"` // of a dry run
	importCounts
	Finish *time.Time `json:"finish,omitempty"` // about when Keap has all of it
}

func (g *globals) reportImport(w io.Writer, im *importing) error {
	c := im.mark.importCounts
	out := importReport{File: im.file, Batch: im.batch, DryRun: im.dry, importCounts: c, First: im.rejects.first}
	if c.Rejected > 0 {
		out.Rejects = im.rejects.path
	}
	if at := im.bar.through(&c, im.now()); !at.IsZero() {
		out.Finish = &at
	}
	if g.json {
		return printJSON(w, out)
	}
	words := []string{fmt.Sprintf("%d accepted", c.Accepted), fmt.Sprintf("%d duplicates", c.Duplicates), fmt.Sprintf("%d rejected", c.Rejected)}
	if im.dry {
		words = slices.Delete(words, 1, 2)
		words[0] = fmt.Sprintf("%d can be taken", c.Accepted)
	}
	text := fmt.Sprintf("%d rows: %s\n", c.Rows, strings.Join(words, ", "))
	for _, r := range out.First {
		text += fmt.Sprintf("  line %d: %s\n", r.Line, r.Reason)
	}
	if out.Rejects != "" {
		text += "rejected rows and why: " + out.Rejects + "\n"
	}
	text += fmt.Sprintf("Keap calls, at most: %d", c.Calls)
	if out.Finish != nil {
		text += ", through about " + out.Finish.Local().Format("2006-01-02 15:04")
	}
	_, err := fmt.Fprintln(w, text)
	return err
}
