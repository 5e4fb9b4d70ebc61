package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"bridge/internal/app"
	"bridge/internal/config"
	"bridge/internal/events"
	"bridge/internal/ops"
)

const importRules = `
accounts:
  default:
    app: ab123
    keap: {service_account_key: KeapAK-import-000000000000000000000000000000}
    quota: {second: 200, minute: 12000, day: 1000000}
    sources:
      leads: {kind: nats}
    rules:
      - name: fair
        on: lead.submitted
        when: "false"
        do:
          - contact: {opt_in: "Left a card at the fair", fields: {Stand: "{{event.contact.fields['Stand No']}}"}}
          - note: {title: "Met at the fair", body: "Stand {{event.contact.fields['Stand No']}}"}
`

const importFile = `Email,First Name,last_name,Phone 1,Street Address 1,Postal Code,Stand No
ada@example.com,Ada,Lovelace,+44 20 7946 0000,1 Row,E1 6AN,12
bob@example.com,Bob,,,,,3
no address here,Nobody,,,,,
,Noreach,,,,,7

short@example.com,Short
ada@example.com,Ada,Lovelace,+44 20 7946 0000,1 Row,E1 6AN,12
,,,,,,
"quote"d@example.com,Quote,,,,,1
carol@example.com,Carol,"van ""Dijk""",,,,9
`

// startBridge runs a whole bridge over a folder, with the sandbox for Keap.
func startBridge(t *testing.T, rules string) (a *app.App, flags []string) {
	t.Helper()
	dir := t.TempDir()
	cfg, data := filepath.Join(dir, "bridge.yaml"), filepath.Join(dir, "data")
	if err := os.WriteFile(cfg, []byte(rules), 0o600); err != nil {
		t.Fatal(err)
	}
	e := config.DefaultEnv()
	e.Config, e.DataDir, e.HTTPAddr, e.ConsoleAddr = cfg, data, "127.0.0.1:0", "127.0.0.1:0"
	a, err := app.Start(t.Context(), app.Settings{Env: e, Sandbox: true, Version: "test", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Stop(); err != nil {
			t.Error(err)
		}
	})
	return a, []string{"--config", cfg, "--data-dir", data}
}

// bridgeRun runs a command and returns its exit code and what it printed.
func bridgeRun(t *testing.T, args ...string) (code int, out, errs string) {
	t.Helper()
	var o, e bytes.Buffer
	code = run(args, strings.NewReader(""), &o, &e)
	return code, o.String(), e.String()
}

func writeFile(t *testing.T, body string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "leads.csv")
	if err := os.WriteFile(path, []byte(body), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestImport(t *testing.T) {
	a, flags := startBridge(t, importRules)
	file := writeFile(t, importFile)
	args := append([]string{"import", "--account", "default", "--source", "leads", "--rule", "fair", "--json", file}, flags...)

	var first importReport
	importTo(t, &first, args)
	want := importCounts{Rows: 8, Accepted: 3, Duplicates: 1, Rejected: 4, Calls: 6}
	if first.importCounts != want {
		t.Errorf("first run: %+v, want %+v", first.importCounts, want)
	}
	if _, err := os.Stat(beside(file, ".progress.json")); !os.IsNotExist(err) {
		t.Errorf("the mark is still there: %v", err)
	}
	rejects, err := os.ReadFile(first.Rejects)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		"reject_line,reject_reason,Email,First Name,last_name,Phone 1,Street Address 1,Postal Code,Stand No\n",
		"4,the e-mail address is not valid,no address here,Nobody,,,,,\n",
		"5,neither an e-mail address nor a phone number,,Noreach,,,,,7\n",
		`7,"the row has 2 values, the first row names 7",short@example.com,Short` + "\n",
		`10,"extraneous or missing "" in quoted-field"` + "\n",
	} {
		if !strings.Contains(string(rejects), line) {
			t.Errorf("the rejects have no line %q:\n%s", line, rejects)
		}
	}

	awaitDone(t, a, 3)
	byEmail := map[string][]string{}
	for _, c := range a.Sandbox.State("").Contacts {
		byEmail[c.Email] = append([]string{}, c.GivenName, c.FamilyName, c.CustomFields["Stand"].(string))
	}
	wantContacts := map[string][]string{
		"ada@example.com": {"Ada", "Lovelace", "12"}, "bob@example.com": {"Bob", "", "3"},
		"carol@example.com": {"Carol", `van "Dijk"`, "9"},
	}
	if !maps.EqualFunc(byEmail, wantContacts, slices.Equal) {
		t.Errorf("in the CRM: %v", byEmail)
	}

	var again importReport
	importTo(t, &again, args)
	if want := (importCounts{Rows: 8, Duplicates: 4, Rejected: 4}); again.importCounts != want {
		t.Errorf("second run: %+v, want %+v", again.importCounts, want)
	}
}

func importTo(t *testing.T, into *importReport, args []string) {
	t.Helper()
	code, out, errs := bridgeRun(t, args...)
	if code != exitFine {
		t.Fatalf("exit %d: %s", code, errs)
	}
	if err := json.Unmarshal([]byte(out), into); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// awaitDone waits until n events are done and nothing waits.
func awaitDone(t *testing.T, a *app.App, n int) {
	t.Helper()
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	deadline := time.After(20 * time.Second)
	c := &client{base: "http://" + a.ConsoleAddr, http: &http.Client{}}
	for {
		var s ops.Status
		if err := c.do(t.Context(), http.MethodGet, "/api/status", nil, nil, &s); err != nil {
			t.Fatal(err)
		}
		if d := s.Accounts["default"]; d.Done == n && d.Backlog.Total() == 0 {
			return
		}
		select {
		case <-look.C:
		case <-deadline:
			t.Fatalf("not done: %+v", s.Accounts["default"])
		}
	}
}

// TestImportGoesOn: what a mark says is in is not sent again, and the rejects of both runs are in one file.
func TestImportGoesOn(t *testing.T) {
	_, flags := startBridge(t, importRules)
	file := writeFile(t, "email,Stand No\none@example.com,1\nwrong,2\nthree@example.com,3\nalso wrong,4\n")
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s, err := surveyOf(f)
	if err != nil {
		t.Fatal(err)
	}
	mark := importMark{Sum: s.sum, Account: "default", Source: "leads", Rule: "fair", Batch: "leads.csv", importCounts: importCounts{Rows: 2, Accepted: 1, Rejected: 1, Calls: 2}}
	body, err := json.Marshal(mark)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(beside(file, ".progress.json"), body, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(beside(file, ".rejects.csv"), []byte("reject_line,reject_reason,email,Stand No\n3,bad,wrong,2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var out importReport
	importTo(t, &out, append([]string{"import", "--account", "default", "--source", "leads", "--rule", "fair", "--json", file}, flags...))
	if want := (importCounts{Rows: 4, Accepted: 2, Rejected: 2, Calls: 4}); out.importCounts != want {
		t.Errorf("%+v, want %+v", out.importCounts, want)
	}
	rejects, err := os.ReadFile(out.Rejects)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(string(rejects), "\n"); got != 3 || strings.Count(string(rejects), rejectLine) != 1 {
		t.Errorf("rejects:\n%s", rejects)
	}
}

// TestImportStopsHalfway: an import that its bridge stops taking leaves a mark; the next run sends the rest, and nothing twice.
func TestImportStopsHalfway(t *testing.T) {
	const rows = 450
	var body strings.Builder
	body.WriteString("email,Stand No\n")
	for i := range rows {
		fmt.Fprintf(&body, "lead%d@example.com,%d\n", i, i)
	}
	dir := t.TempDir()
	cfgFile := filepath.Join(dir, "bridge.yaml")
	if err := os.WriteFile(cfgFile, []byte(importRules), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(cfgFile)
	if err != nil {
		t.Fatal(err)
	}
	taken, requests := map[string]int{}, 0
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api/events" {
			_, _ = io.WriteString(w, "{}")
			return
		}
		if requests++; requests == 2 {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		var in struct{ Events []events.Event }
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			t.Error(err)
		}
		out := []ops.Published{}
		for _, e := range in.Events {
			taken[e.ID]++
			out = append(out, ops.Published{ID: e.ID, Status: "accepted"})
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"events": out})
	}))
	defer api.Close()
	file := writeFile(t, body.String())
	importing := func() (*importing, error) {
		im := &importing{account: "default", source: "leads", rule: "fair", file: file, now: time.Now, client: &client{base: api.URL, http: api.Client()}}
		if err := im.find(cfg); err != nil {
			t.Fatal(err)
		}
		total, s, err := im.survey()
		if err != nil || total != rows {
			t.Fatalf("%d rows, %v", total, err)
		}
		im.prepare(s)
		im.bar = newProgressBar(io.Discard, total, true)
		return im, im.run(t.Context(), s)
	}
	im, err := importing()
	if err == nil || im.mark.Rows != maxAtOnce {
		t.Errorf("the first run: %d rows, %v", im.mark.Rows, err)
	}
	if im, err = importing(); err != nil || im.mark.Rows != rows || im.mark.Accepted != rows {
		t.Errorf("the second run: %+v, %v", im.mark.importCounts, err)
	}
	if len(taken) != rows {
		t.Errorf("%d rows arrived, want %d", len(taken), rows)
	}
	for id, n := range taken {
		if n != 1 {
			t.Errorf("%s was sent %d times", id, n)
		}
	}
}

func TestImportAnswers(t *testing.T) {
	dir := t.TempDir()
	cfg := filepath.Join(dir, "bridge.yaml")
	if err := os.WriteFile(cfg, []byte(importRules), 0o600); err != nil {
		t.Fatal(err)
	}
	good := writeFile(t, importFile)
	for name, c := range map[string]struct {
		args []string
		code int
		want string
	}{
		"account": {[]string{"--account", "nobody", "--source", "leads", "--rule", "fair", good}, exitUsage, `account "nobody" is not in the configuration`},
		"source":  {[]string{"--account", "default", "--source", "shop", "--rule", "fair", good}, exitUsage, `has no source "shop"`},
		"rule":    {[]string{"--account", "default", "--source", "leads", "--rule", "fare", good}, exitUsage, "its rules are fair"},
		"flags":   {[]string{"--account", "default", good}, exitUsage, "required"},
		"file":    {[]string{"--account", "default", "--source", "leads", "--rule", "fair", good + "x"}, exitUsage, "no such file"},
		"empty":   {[]string{"--account", "default", "--source", "leads", "--rule", "fair", writeFile(t, "")}, exitUsage, "empty"},
		"header":  {[]string{"--account", "default", "--source", "leads", "--rule", "fair", writeFile(t, "a,b\n1,2\n")}, exitUsage, "no column is named email or phone"},
		"twice":   {[]string{"--account", "default", "--source", "leads", "--rule", "fair", writeFile(t, "email,E-Mail\n")}, exitUsage, "mean the same"},
		"utf-16":  {[]string{"--account", "default", "--source", "leads", "--rule", "fair", writeFile(t, "\xff\xfee\x00")}, exitUsage, "UTF-16"},
		"dry run": {[]string{"--account", "default", "--source", "leads", "--rule", "fair", "--dry-run", good}, exitFine, "8 rows: 4 can be taken, 4 rejected"},
	} {
		t.Run(name, func(t *testing.T) {
			code, out, errs := bridgeRun(t, append([]string{"import", "--config", cfg, "--data-dir", dir}, c.args...)...)
			if code != c.code || !strings.Contains(out+errs, c.want) {
				t.Errorf("exit %d\n%s%s", code, out, errs)
			}
		})
	}
}

func TestFinish(t *testing.T) {
	now := time.Date(2026, 11, 23, 18, 0, 0, 0, time.UTC)
	quota := &ops.Quota{Minute: ops.Window{Limit: 100}, Day: ops.Window{Limit: 1000, Used: 900}}
	for calls, want := range map[int]time.Time{
		0: now, 100: now.Add(time.Minute), 200: time.Date(2026, 11, 24, 0, 1, 0, 0, time.UTC), 1100: time.Date(2026, 11, 24, 0, 10, 0, 0, time.UTC),
		1200: time.Date(2026, 11, 25, 0, 1, 0, 0, time.UTC),
	} {
		if got := finish(now, calls, quota); !got.Equal(want) {
			t.Errorf("%s calls: %v, want %v", strconv.Itoa(calls), got, want)
		}
	}
	if got := finish(now, 5, &ops.Quota{}); !got.IsZero() {
		t.Errorf("without a quota: %v", got)
	}
}

func TestProgressLine(t *testing.T) {
	now := time.Date(2026, 11, 23, 18, 0, 0, 0, time.UTC)
	b := progressBar{total: 1000, began: now.Add(-10 * time.Second), known: 250}
	got := b.line(&importCounts{Rows: 250, Accepted: 250, Calls: 500}, now)
	if want := "[██████··················]  25% 250/1000 rows  25/s, sent in 30s"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
