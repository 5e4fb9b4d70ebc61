package app

import (
	"bytes"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"
	"time"

	"bridge/internal/events"
)

// promtool runs Prometheus' own checks, or skips the test by name where it is not installed.
func promtool(t *testing.T, stdin []byte, args ...string) {
	t.Helper()
	path, err := exec.LookPath("promtool")
	if err != nil {
		t.Skipf("%s did not run: no promtool is installed (Debian: prometheus)", t.Name())
	}
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Dir, cmd.Stdin = "../..", bytes.NewReader(stdin)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func TestPromtoolChecksAlerts(t *testing.T) {
	promtool(t, nil, "check", "rules", "configs/prometheus/alerts.yaml")
}

// TestPromtoolRunsAlerts: every alert fires when it should, and none when all is well.
func TestPromtoolRunsAlerts(t *testing.T) {
	promtool(t, nil, "test", "rules", "configs/prometheus/alerts.test.yaml")
}

// TestPromtoolChecksMetrics: names, units and help texts are as Prometheus' own rules want them.
func TestPromtoolChecksMetrics(t *testing.T) {
	m := newMetrics()
	m.call(&events.CallReport{Operation: "tags.apply", Status: 200})
	m.verdict(&events.Delivery{Received: time.Unix(0, 0)}, &events.Verdict{Kind: events.VerdictDone}, time.Unix(1, 0))
	m.told("keap.contact.add", true)
	m.swept("woocommerce", 1, nil)
	w := httptest.NewRecorder()
	m.handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", "/metrics", nil))
	promtool(t, w.Body.Bytes(), "check", "metrics")
}

// TestEveryAlertIsTried: configs/prometheus/alerts.test.yaml knows every alert.
func TestEveryAlertIsTried(t *testing.T) {
	tried := readDoc(t, "configs/prometheus/alerts.test.yaml")
	for line := range strings.Lines(readDoc(t, "configs/prometheus/alerts.yaml")) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "- alert: "); ok && !strings.Contains(tried, "alertname: "+name+"\n        exp_alerts:") {
			t.Errorf("%s is not tried", name)
		}
	}
}
