package app

import (
	"io"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/prometheus/client_golang/prometheus"

	"bridge/internal/events"
)

func readDoc(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile("../../" + path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

var fqName = regexp.MustCompile(`fqName: "([a-z_]+)"`)

// names lists every metric of the bridge's own.
func names() []string {
	ch := make(chan *prometheus.Desc, 256)
	for _, c := range append(newMetrics().own(), &gauges{}) {
		c.Describe(ch)
	}
	close(ch)
	var list []string
	for d := range ch {
		list = append(list, fqName.FindStringSubmatch(d.String())[1])
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// TestMetricsAreDocumented: docs/metrics.md has a row for every metric and for nothing else.
func TestMetricsAreDocumented(t *testing.T) {
	var rows []string
	for _, m := range regexp.MustCompile("(?m)^\\| `(bridge_[a-z_]+)`").FindAllStringSubmatch(readDoc(t, "docs/metrics.md"), -1) {
		rows = append(rows, m[1])
	}
	slices.Sort(rows)
	if got := names(); !slices.Equal(got, rows) {
		t.Errorf("metrics\n%v\ndocumented\n%v", got, rows)
	}
}

// TestAlertsAndDashboardNameRealMetrics: a metric that is renamed would silence its alert without a word.
func TestAlertsAndDashboardNameRealMetrics(t *testing.T) {
	known := names()
	for _, path := range []string{"configs/prometheus/alerts.yaml", "configs/grafana/bridge.json", "docs/runbook.md", "docs/metrics.md"} {
		found := regexp.MustCompile(`\bbridge_[a-z_]+`).FindAllString(readDoc(t, path), -1)
		if len(found) == 0 {
			t.Errorf("%s names no metric", path)
		}
		for _, name := range found {
			if plain := strings.TrimSuffix(name, "_bucket"); !slices.Contains(known, plain) {
				t.Errorf("%s names %s, which is none", path, name)
			}
		}
	}
}

// TestAlertsHaveRunbooks: each alert has its entry in the runbook, and each entry its alert.
func TestAlertsHaveRunbooks(t *testing.T) {
	var file struct {
		Groups []struct {
			Rules []struct {
				Alert       string
				Expr        string
				Annotations struct{ Summary, Runbook string }
			}
		}
	}
	if err := yaml.Unmarshal([]byte(readDoc(t, "configs/prometheus/alerts.yaml")), &file); err != nil {
		t.Fatal(err)
	}
	var alerts, entries []string
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			alerts = append(alerts, r.Alert)
			if want := "docs/runbook.md#" + strings.ToLower(r.Alert); r.Annotations.Runbook != want || r.Annotations.Summary == "" || r.Expr == "" {
				t.Errorf("%s: %+v", r.Alert, r)
			}
		}
	}
	for _, m := range regexp.MustCompile(`(?m)^## (\w+)$`).FindAllStringSubmatch(readDoc(t, "docs/runbook.md"), -1) {
		entries = append(entries, m[1])
	}
	if !slices.Equal(alerts, entries) || len(alerts) == 0 {
		t.Errorf("alerts\n%v\nrunbook\n%v", alerts, entries)
	}
}

// TestScrapeShowsLiveState reads /metrics of a bridge at work.
func TestScrapeShowsLiveState(t *testing.T) {
	a, _ := started(t, nil)
	publishLead(t, a, "scraped-1", "ann@example.com")
	until(t, a, "scraped-1", events.Done)
	if err := a.desk.Pause(t.Context(), "tests", "default"); err != nil {
		t.Fatal(err)
	}
	publishLead(t, a, "scraped-2", "bob@example.com")
	until(t, a, "scraped-2", events.Parked)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+a.ConsoleAddr+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "application/openmetrics-text")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`bridge_events_settled_total{reason="",state="done"} 1.0`, `# {event="`,
		`bridge_keap_permit_wait_seconds_count{priority="normal"} `, `bridge_keap_calls_total{operation="contacts.upsert",status="`,
		`bridge_quota_used{group="`, `window="day"} `, `bridge_account_paused{account="default",reason="paused"} 1.0`,
		`bridge_parked_events{account="default",reason="paused"} 1.0`, `bridge_oldest_event_seconds{priority="normal"} `,
		`bridge_stream_messages{stream="EVENTS"} 2.0`, "bridge_gauges_failed 0.0", "go_goroutines ",
	} {
		if !strings.Contains(string(body), want) {
			t.Errorf("no %s", want)
		}
	}
	if t.Failed() {
		for line := range strings.Lines(string(body)) {
			if strings.HasPrefix(line, "bridge_") {
				t.Log(strings.TrimSpace(line))
			}
		}
	}
}
