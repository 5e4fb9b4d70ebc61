package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/spf13/cobra"

	"bridge/internal/config"
	"bridge/internal/events"
	"bridge/internal/ops"
)

// importing is one run of bridge import.
type importing struct {
	account, source, rule, batch string
	file                         string
	dry                          bool

	rules   *config.Account
	client  *client // nil in a dry run
	rejects *rejects
	bar     *progressBar
	mark    importMark
	now     func() time.Time
}

// importMark is how far an import has come. It lies beside the file until the import is through.
type importMark struct {
	Sum     string `json:"sha256"` // of the file
	Account string `json:"account"`
	Source  string `json:"source"`
	Rule    string `json:"rule"`
	Batch   string `json:"batch"`
	importCounts
}

// importCounts is what became of the rows so far.
type importCounts struct {
	Rows       int `json:"rows"`
	Accepted   int `json:"accepted"`
	Duplicates int `json:"duplicates"`
	Rejected   int `json:"rejected"`
	Calls      int `json:"calls"` // Keap calls for the rows that are accepted, at most
}

func newImport(g *globals) *cobra.Command {
	var im importing
	cmd := &cobra.Command{
		Use:   "import FILE.csv",
		Short: "bulk leads from a CSV file, as work that can wait",
		Long: "import makes an event lead.submitted of every row and has the rule named work it, after everything urgent and normal.\n" +
			"The first row names the columns: email, first_name, last_name, phone, company, line1, line2, city, region,\n" +
			"postal_code, country, external_id; any other column becomes a field under its own name. Rows that were\n" +
			"imported before are skipped, and an import that was stopped goes on where it was: run it again. Rows that\n" +
			"cannot be taken go to FILE.rejects.csv with the reason; correct them there and import that file.",
		Args: exactArgs(1, "one CSV file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			im.file, im.now = args[0], time.Now
			return g.runImport(cmd, &im)
		},
	}
	f := cmd.Flags()
	f.StringVar(&im.account, "account", "", "account, by its name in the configuration")
	f.StringVar(&im.source, "source", "", "source that the leads are counted under")
	f.StringVar(&im.rule, "rule", "", "rule that works each lead, whatever its on: and when: say")
	f.StringVar(&im.batch, "batch", "", "name of the import (default: the file's name): a row is a duplicate within it")
	f.BoolVar(&im.dry, "dry-run", false, "only read the file: how many rows, what is wrong, how many Keap calls")
	must(cmd, "account", "source", "rule")
	return cmd
}

func (g *globals) runImport(cmd *cobra.Command, im *importing) (err error) {
	e, err := g.env()
	if err != nil {
		return err
	}
	cfg, err := configured(e.Config, im.account, im.source)
	if err != nil {
		return err
	}
	if err := im.find(cfg); err != nil {
		return err
	}
	total, s, err := im.survey()
	if err != nil {
		return &usageError{fmt.Errorf("%s: %w", im.file, err), "bridge import --help tells which columns it knows"}
	}
	im.prepare(s)
	im.bar = newProgressBar(cmd.ErrOrStderr(), total, g.json)
	if limits := im.rules.Limits(); im.dry {
		im.bar.account.Quota.Minute.Limit, im.bar.account.Quota.Day.Limit = limits.Minute, limits.Day
	} else {
		if im.client, err = g.connect(cmd); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, im.client.close()) }()
	}
	err = im.run(cmd.Context(), s)
	im.bar.end(cmd.Context(), im)
	if err != nil {
		if errors.Is(err, context.Canceled) {
			err = errors.New("the import was stopped")
		}
		hint := ""
		if im.mark.Rows > 0 && !im.dry {
			hint = fmt.Sprintf("%d of %d rows are in; run the same command again and it goes on there", im.mark.Rows, total)
		}
		return &hintedError{err, hint}
	}
	return g.reportImport(cmd.OutOrStdout(), im)
}

// find checks what the flags name, so that a million rows do not fail one by one.
func (im *importing) find(cfg *config.Config) error {
	im.rules = cfg.Accounts[im.account]
	if names := im.rules.Set.Names(); !slices.Contains(names, im.rule) {
		return usagef("its rules are "+strings.Join(names, ", "), "account %q has no rule %q", im.account, im.rule)
	}
	if im.batch == "" {
		im.batch = filepath.Base(im.file)
	}
	im.batch = strings.Map(func(r rune) rune {
		if r > ' ' && r <= '~' && r != ':' {
			return r
		}
		return '-'
	}, im.batch[:min(len(im.batch), 80)])
	return nil
}

// survey reads the whole file once and counts its rows.
func (im *importing) survey() (rows int, s survey, err error) {
	f, err := os.Open(im.file)
	if err != nil {
		return 0, s, err
	}
	defer f.Close()
	if s, err = surveyOf(f); err != nil {
		return 0, s, err
	}
	err = im.each(s, func(*lead) error { rows++; return nil })
	return rows, s, err
}

// each gives every row to fn.
func (im *importing) each(s survey, fn func(*lead) error) error {
	f, err := os.Open(im.file)
	if err != nil {
		return err
	}
	defer f.Close()
	l, err := openLeads(f, s)
	if err != nil {
		return err
	}
	if im.rejects != nil {
		im.rejects.header = l.header
	}
	for {
		row, err := l.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := fn(&row); err != nil {
			return err
		}
	}
}

// prepare finds out whether an earlier run left a mark for the same file and the same purpose.
func (im *importing) prepare(s survey) {
	im.mark = importMark{Sum: s.sum, Account: im.account, Source: im.source, Rule: im.rule, Batch: im.batch}
	im.rejects = &rejects{}
	if im.dry {
		return
	}
	im.rejects.path = beside(im.file, ".rejects.csv")
	var left importMark
	if body, err := os.ReadFile(im.markPath()); err == nil && json.Unmarshal(body, &left) == nil {
		counts := left.importCounts
		left.importCounts = importCounts{}
		if left == im.mark {
			im.mark.importCounts = counts
			im.rejects.more = true
		}
	}
}

func (im *importing) markPath() string { return beside(im.file, ".progress.json") }

// beside is a file next to a CSV file.
func beside(path, suffix string) string {
	return strings.TrimSuffix(path, filepath.Ext(path)) + suffix
}

// run reads the rows that are left and sends them. What is counted in the mark is in the bridge, on disk.
func (im *importing) run(ctx context.Context, s survey) (err error) {
	defer func() { err = errors.Join(err, im.rejects.close()) }()
	if err := im.bar.look(ctx, im); err != nil {
		return err
	}
	skip, pack := im.mark.Rows, packet{}
	err = im.each(s, func(l *lead) error {
		if skip > 0 {
			skip--
			return nil
		}
		if err := im.add(&pack, l); err != nil {
			return err
		}
		if len(pack.events) < maxAtOnce && pack.size < maxPacket {
			return nil
		}
		return im.flush(ctx, &pack)
	})
	if err == nil {
		err = im.flush(ctx, &pack)
	}
	if err == nil && !im.dry {
		if gone := os.Remove(im.markPath()); gone != nil && !errors.Is(gone, os.ErrNotExist) {
			return gone
		}
	}
	return err
}

// packet is the rows that go out together.
type packet struct {
	rows     []lead // of events, in order
	rejected []lead
	events   []json.RawMessage
	calls    []int // of each event
	size     int
}

// maxPacket bounds the bytes of one request; the API takes twice as much.
const maxPacket = 512 << 10

// add puts a row into the packet: as an event, or as one that cannot be taken.
func (im *importing) add(p *packet, l *lead) error {
	if l.reason != "" {
		p.rejected = append(p.rejected, *l)
		return nil
	}
	id, err := l.id(im.batch, im.rule)
	if err != nil {
		return err
	}
	now := im.now().UTC()
	e := events.Event{
		ID: id, Account: im.account, Source: im.source, Kind: im.rules.Sources[im.source].Kind, Type: "lead.submitted", Time: now, Received: now,
		Rule: im.rule, Priority: events.Bulk.String(), Data: events.Data{Contact: &l.contact},
	}
	plan, err := im.rules.Set.Plan(&e, now)
	if err != nil {
		l.reason = err.Error()
		p.rejected = append(p.rejected, *l)
		return nil
	}
	body, err := json.Marshal(e)
	if err != nil {
		return err
	}
	p.rows, p.events, p.calls = append(p.rows, *l), append(p.events, body), append(p.calls, len(plan.Calls()))
	p.size += len(body)
	return nil
}

// flush sends a packet, writes down what cannot be taken, and then the mark.
func (im *importing) flush(ctx context.Context, p *packet) error {
	published, err := im.publish(ctx, p)
	if err != nil {
		return err
	}
	counts := &im.mark.importCounts
	counts.Rows += len(p.rows) + len(p.rejected)
	for i, one := range published {
		switch one.Status {
		case "accepted":
			counts.Accepted++
			counts.Calls += p.calls[i]
		case "duplicate":
			counts.Duplicates++
		default:
			p.rows[i].reason = one.Detail
			p.rejected = append(p.rejected, p.rows[i])
		}
	}
	counts.Rejected += len(p.rejected)
	slices.SortFunc(p.rejected, func(a, b lead) int { return a.line - b.line })
	if err := im.rejects.add(p.rejected); err != nil {
		return err
	}
	*p = packet{}
	if im.dry {
		return ctx.Err()
	}
	body, err := json.Marshal(im.mark)
	if err != nil {
		return err
	}
	if err := os.WriteFile(im.markPath(), body, 0o600); err != nil {
		return fmt.Errorf("the import cannot note how far it has come: %w", err)
	}
	return im.bar.look(ctx, im)
}

// sendPatience is how long an import waits for a bridge that does not take events, because it restarts or its disk is slow.
const sendPatience = 2 * time.Minute

// publish sends the events; a dry run takes all of them for accepted. Sending twice is safe: the ids are stable.
func (im *importing) publish(ctx context.Context, p *packet) ([]ops.Published, error) {
	if im.dry {
		return slices.Repeat([]ops.Published{{Status: "accepted"}}, len(p.events)), nil
	}
	if len(p.events) == 0 {
		return nil, nil
	}
	var out struct {
		Events []ops.Published `json:"events"`
	}
	in := map[string]any{"account": im.account, "source": im.source, "events": p.events}
	wait := backoff.NewExponentialBackOff(backoff.WithMaxElapsedTime(sendPatience))
	err := backoff.Retry(func() error {
		err := im.client.do(ctx, http.MethodPost, "/api/events", nil, in, &out)
		var refused *problem
		if errors.As(err, &refused) && refused.Status < http.StatusInternalServerError {
			return backoff.Permanent(err)
		}
		return err
	}, backoff.WithContext(wait, ctx))
	if err == nil && len(out.Events) != len(p.events) {
		err = fmt.Errorf("%d events were sent and %d answered for", len(p.events), len(out.Events))
	}
	return out.Events, err
}
