package app

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"bridge/internal/events"
	"bridge/internal/ingress"
)

// metrics are the program's own; docs/metrics.md lists them. Labels come from closed lists and from the
// configuration, never from events.
type metrics struct {
	registry *prometheus.Registry
	webhooks *prometheus.CounterVec
	took     *prometheus.HistogramVec
	accepted *prometheus.CounterVec
	settled  *prometheus.CounterVec
	steps    *prometheus.CounterVec
	latency  *prometheus.HistogramVec
	calls    *prometheus.CounterVec
	callTook *prometheus.HistogramVec
	served   *prometheus.CounterVec
	notices  *prometheus.CounterVec
	sweeps   *prometheus.CounterVec
	found    *prometheus.CounterVec
}

func newMetrics() *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		webhooks: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "bridge_webhooks_total", Help: "Webhook requests by the source's kind and what became of them."}, []string{"kind", "outcome"}),
		took: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "bridge_webhook_seconds", Help: "Time from the request to the answer.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5}}, []string{"outcome"}),
		accepted: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "bridge_events_accepted_total", Help: "Events behind the durable line, by the source's kind."}, []string{"kind"}),
		settled:  prometheus.NewCounterVec(prometheus.CounterOpts{Name: "bridge_events_settled_total", Help: "Events settled by this process, by state and reason."}, []string{"state", "reason"}),
		steps:    prometheus.NewCounterVec(prometheus.CounterOpts{Name: "bridge_steps_total", Help: "Steps of settled events, by kind and state."}, []string{"do", "state"}),
		latency: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "bridge_event_seconds", Help: "Time from acceptance to the end, by priority.",
			Buckets: []float64{.1, .25, .5, 1, 2.5, 5, 15, 60, 300, 1800, 7200, 28800, 86400, 259200}}, []string{"priority"}),
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "bridge_keap_calls_total", Help: "Calls to Keap by operation and HTTP status (0: no answer)."}, []string{"operation", "status"}),
		callTook: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "bridge_keap_call_seconds", Help: "Time of one call to Keap.",
			Buckets: []float64{.05, .1, .2, .3, .5, 1, 2, 5, 10, 30}}, []string{"operation"}),
		served:  prometheus.NewCounterVec(prometheus.CounterOpts{Name: "bridge_keap_steps_served_total", Help: "Steps that calls to Keap worked for; divided by bridge_keap_calls_total it is the merge factor."}, []string{"operation"}),
		notices: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "bridge_notifications_total", Help: "Messages to other systems by type, and whether they were told or given up after a day."}, []string{"type", "outcome"}),
		sweeps:  prometheus.NewCounterVec(prometheus.CounterOpts{Name: "bridge_sweeps_total", Help: "Sweeps of sources by kind, and whether they went through."}, []string{"kind", "outcome"}),
		found:   prometheus.NewCounterVec(prometheus.CounterOpts{Name: "bridge_swept_events_total", Help: "Events that a sweep brought and the line did not know, by the source's kind."}, []string{"kind"}),
	}
	m.registry.MustRegister(m.own()...)
	m.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// own are the bridge's own, without those that read live state.
func (m *metrics) own() []prometheus.Collector {
	return []prometheus.Collector{m.webhooks, m.took, m.accepted, m.settled, m.steps, m.latency, m.calls, m.callTook, m.served, m.notices, m.sweeps, m.found}
}

// handler serves /metrics.
func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{EnableOpenMetrics: true})
}

// webhook counts one request.
func (m *metrics) webhook(kind string, s ingress.Seen) {
	m.webhooks.WithLabelValues(kind, s.Outcome).Inc()
	m.took.WithLabelValues(s.Outcome).Observe(s.Took.Seconds())
	if s.Outcome == "accepted" {
		m.accepted.WithLabelValues(kind).Add(float64(s.Events))
	}
}

// verdict counts one settled event.
func (m *metrics) verdict(d *events.Delivery, v *events.Verdict, now time.Time) {
	state := v.State()
	if !state.Settled() {
		return
	}
	m.settled.WithLabelValues(string(state), string(v.Reason)).Inc()
	for _, s := range v.Steps {
		m.steps.WithLabelValues(string(s.Do), string(s.State)).Inc()
	}
	if !d.Received.IsZero() {
		m.latency.WithLabelValues(d.Priority.String()).Observe(now.Sub(d.Received).Seconds())
	}
}

// call counts one call to Keap.
func (m *metrics) call(c *events.CallReport) {
	m.calls.WithLabelValues(c.Operation, strconv.Itoa(c.Status)).Inc()
	m.callTook.WithLabelValues(c.Operation).Observe(c.Took.Seconds())
	m.served.WithLabelValues(c.Operation).Add(float64(len(c.Served)))
}

// told counts a message to another system.
func (m *metrics) told(typ string, told bool) {
	if strings.HasPrefix(typ, "keap.") {
		typ = "keap" // what Keap may call its events is no closed list
	}
	m.notices.WithLabelValues(typ, outcomeOf(told, "told", "given up")).Inc()
}

// swept counts a sweep.
func (m *metrics) swept(kind string, fresh int, err error) {
	m.sweeps.WithLabelValues(kind, outcomeOf(err == nil, "ok", "failed")).Inc()
	m.found.WithLabelValues(kind).Add(float64(fresh))
}

func outcomeOf(ok bool, yes, no string) string {
	if ok {
		return yes
	}
	return no
}
