package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"bridge/internal/events"
	"bridge/internal/rules"
	"bridge/internal/sources"
)

// TestResult is what one test of a rule came to.
type TestResult struct {
	Account  string   `json:"account"`
	Rule     string   `json:"rule"`
	File     string   `json:"file"` // of the configuration
	Line     int      `json:"line"`
	Payload  string   `json:"payload"`
	Source   string   `json:"source,omitempty"`   // that understood the payload
	Failures []string `json:"failures,omitempty"` // what is not as expected; empty: passed
}

// RunTests runs the tests written beside the rules, those of a rule set in the first account that uses it. now is what
// the expressions see. Nothing is called.
func RunTests(c *Config, now time.Time) []TestResult {
	var results []TestResult
	done := map[string]bool{} // rule sets that were tested
	for _, name := range slices.Sorted(maps.Keys(c.Accounts)) {
		a := c.Accounts[name]
		for i := range a.Rules {
			r := &a.Rules[i]
			if r.Use == "" {
				results = append(results, c.testRule(a, r, c.files[a.File], fmt.Sprintf("%s.rules[%d]", pathTo("accounts", name), i), now)...)
				continue
			}
			if done[r.Use] {
				continue
			}
			done[r.Use] = true
			set := c.RuleSets[r.Use]
			for j := range set {
				results = append(results, c.testRule(a, &set[j], c.files[c.setFiles[r.Use]], fmt.Sprintf("%s[%d]", pathTo("rule_sets", r.Use), j), now)...)
			}
		}
	}
	return results
}

func (c *Config) testRule(a *Account, r *rules.Rule, f *file, path string, now time.Time) []TestResult {
	if a.Set.Only(r.Name) == nil {
		return nil // an older version of the file is in force, without this rule
	}
	var results []TestResult
	for i := range r.Tests {
		t := &ruleTest{account: a, rule: r.Name, test: &r.Tests[i], folder: filepath.Dir(f.path), now: now}
		t.run()
		results = append(results, TestResult{
			Account: a.Name, Rule: r.Name, File: f.path, Line: f.tests[fmt.Sprintf("%s.tests[%d]", path, i)],
			Payload: t.test.Payload, Source: t.source, Failures: t.failures,
		})
	}
	return results
}

// ruleTest is one test while it runs.
type ruleTest struct {
	account *Account
	rule    string
	test    *rules.Test
	folder  string
	now     time.Time

	source   string
	failures []string
	events   []events.Event
	reason   events.Reason
	plans    []events.Plan // of this rule alone, one for each event that it matches
	rules    []string      // all that match any event
}

func (t *ruleTest) fail(format string, args ...any) {
	t.failures = append(t.failures, fmt.Sprintf(format, args...))
}

func (t *ruleTest) run() {
	request, err := t.request()
	if err != nil {
		t.fail("%v", err)
		return
	}
	if err := t.parse(request); err != nil {
		t.fail("%v", err)
		return
	}
	if err := t.plan(); err != nil {
		t.fail("%v", err)
		return
	}
	t.compare()
}

func (t *ruleTest) request() (sources.Request, error) {
	if t.test.Payload == "" {
		return sources.Request{}, errors.New("the test has no payload")
	}
	body, err := os.ReadFile(t.path(t.test.Payload))
	if err != nil {
		return sources.Request{}, fmt.Errorf("the payload %s cannot be read: %s", t.test.Payload, cause(err))
	}
	header := http.Header{}
	if t.test.HeadersFile != "" {
		text, err := os.ReadFile(t.path(t.test.HeadersFile))
		if err != nil {
			return sources.Request{}, fmt.Errorf("the headers %s cannot be read: %s", t.test.HeadersFile, cause(err))
		}
		var given map[string]string
		if err := json.Unmarshal(text, &given); err != nil {
			return sources.Request{}, fmt.Errorf("%s is no JSON object of texts: %w", t.test.HeadersFile, err)
		}
		for name, value := range given {
			header.Set(name, value)
		}
	}
	for name, value := range t.test.Headers {
		header.Set(name, value)
	}
	return sources.Request{Method: http.MethodPost, Header: header, Body: body, Received: t.now}, nil
}

func (t *ruleTest) path(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(t.folder, name)
}

// parse asks the source that the test names; otherwise the first whose events the rule matches, else the first that
// makes events of the payload.
func (t *ruleTest) parse(request sources.Request) error {
	names := slices.Sorted(maps.Keys(t.account.Sources))
	if t.test.Source != "" {
		if _, ok := t.account.Sources[t.test.Source]; !ok {
			return fmt.Errorf("account %s has no source %s", t.account.Name, t.test.Source)
		}
		names = []string{t.test.Source}
	}
	best := -1
	var last error
	for _, name := range names {
		r := request
		r.Header = request.Header.Clone()
		reply, found, err := sources.Parse(name, t.account.Name, t.account.Sources[name], SourceDeps(), r)
		if err != nil {
			last = fmt.Errorf("source %s: %w", name, err)
			continue
		}
		if rank := t.rank(found); rank > best {
			best, t.source, t.events, t.reason = rank, name, found, reply.Ignored
		}
	}
	switch {
	case best >= 0:
		return nil
	case last != nil:
		return last
	}
	return fmt.Errorf("account %s has no sources", t.account.Name)
}

// rank tells how well events fit the rule: 0 there are none, 1 there are, 2 the rule matches one.
func (t *ruleTest) rank(found []events.Event) int {
	only := t.account.Set.Only(t.rule)
	for i := range found {
		if names, _, _ := only.Match(&found[i], t.now); len(names) > 0 {
			return 2
		}
	}
	return min(len(found), 1)
}

func (t *ruleTest) plan() error {
	only := t.account.Set.Only(t.rule)
	for i := range t.events {
		e := &t.events[i]
		names, _, err := t.account.Set.Match(e, t.now)
		if err != nil {
			return fmt.Errorf("%s: %w", e.Type, err)
		}
		t.rules = append(t.rules, names...)
		p, err := only.Plan(e, t.now)
		if err != nil {
			return fmt.Errorf("%s: %w", e.Type, err)
		}
		if len(p.Rules) > 0 {
			t.plans = append(t.plans, p)
		}
	}
	return nil
}
