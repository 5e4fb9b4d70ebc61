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
	waits    *prometheus.HistogramVec
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
		waits: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "bridge_keap_permit_wait_seconds", Help: "Time that a call to Keap waited for its permit, merging with others included, by priority.",
			Buckets: []float64{.01, .05, .1, .25, .5, 1, 2.5, 5, 15, 60, 300, 1800, 7200}}, []string{"priority"}),
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
	return []prometheus.Collector{m.webhooks, m.took, m.accepted, m.settled, m.steps, m.latency, m.calls, m.callTook, m.waits, m.served, m.notices, m.sweeps, m.found}
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
		observe(m.latency.WithLabelValues(d.Priority.String()), now.Sub(d.Received), exemplar(d.Event.Key(), d.Event.TraceParent))
	}
}

// call counts one call to Keap.
func (m *metrics) call(c *events.CallReport) {
	m.calls.WithLabelValues(c.Operation, strconv.Itoa(c.Status)).Inc()
	var one prometheus.Labels
	if len(c.Served) > 0 {
		one = exemplar(c.Served[0].Key, "")
	}
	observe(m.callTook.WithLabelValues(c.Operation), c.Took, one)
	observe(m.waits.WithLabelValues(c.Priority.String()), c.Waited, one)
	m.served.WithLabelValues(c.Operation).Add(float64(len(c.Served)))
}

// exemplar names one event of those that a number is made of: /events/{event} of the console shows it, and its trace is
// found by its id where traces are kept. Exemplars are no labels: a series has one at a time.
func exemplar(key, traceParent string) prometheus.Labels {
	labels := prometheus.Labels{"event": key}
	if parts := strings.Split(traceParent, "-"); len(parts) == 4 {
		labels["trace_id"] = parts[1]
	}
	return labels
}

func observe(to prometheus.Observer, took time.Duration, exemplar prometheus.Labels) {
	if with, ok := to.(prometheus.ExemplarObserver); ok && exemplar != nil {
		with.ObserveWithExemplar(took.Seconds(), exemplar)
		return
	}
	to.Observe(took.Seconds())
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
