package app

import (
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"bridge/configs"
	"bridge/internal/events"
)

// collect is an OTLP collector that keeps what it gets.
type collect struct {
	*httptest.Server
	mu      sync.Mutex
	spans   []*otlp.Span
	service string
}

func newCollect(t *testing.T) *collect {
	t.Helper()
	c := &collect{}
	c.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var req collector.ExportTraceServiceRequest
		if err != nil || r.URL.Path != "/v1/traces" || proto.Unmarshal(body, &req) != nil {
			t.Errorf("%s: %v", r.URL.Path, err)
			return
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, of := range req.GetResourceSpans() {
			for _, a := range of.GetResource().GetAttributes() {
				if a.GetKey() == "service.name" {
					c.service = a.GetValue().GetStringValue()
				}
			}
			for _, scope := range of.GetScopeSpans() {
				c.spans = append(c.spans, scope.GetSpans()...)
			}
		}
	}))
	t.Cleanup(c.Close)
	return c
}

// TestTraceCrossesTheQueue follows one webhook from a sender that traces: request, routing, handling and every call to Keap
// are one trace, and none of it names the person.
func TestTraceCrossesTheQueue(t *testing.T) {
	c := newCollect(t)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", c.URL)
	t.Setenv("OTEL_SERVICE_NAME", "bridge-of-the-tests")
	const sender = "4bf92f3577b34da6a3ce929d0e0e4736"
	a, _ := started(t, nil)
	body, err := configs.Sample("woo-paid.json", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: withHeader{"traceparent", "00-" + sender + "-00f067aa0ba902b7-01"}}
	sent, err := Send(t.Context(), a.worlds.now.Load().cfg, Delivery{Account: "default", Source: "shop", Event: "order.updated", Body: []byte(body), Base: "http://" + a.HTTPAddr}, client, nil)
	if err != nil || sent.Status != http.StatusAccepted {
		t.Fatalf("%+v %v", sent, err)
	}
	until(t, a, "shop:order.paid:1001", events.Done)
	http.DefaultClient.CloseIdleConnections()
	if err := a.Stop(); err != nil { // what is left is sent
		t.Fatal(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	names, ids := []string{}, map[string]string{} // span id → name
	for _, s := range c.spans {
		if hex.EncodeToString(s.GetTraceId()) == sender {
			names = append(names, s.GetName())
			ids[string(s.GetSpanId())] = s.GetName()
		}
		if text := s.String(); strings.Contains(text, "ada@example.com") || strings.Contains(text, "Ada") {
			t.Errorf("a span names a person: %s", text)
		}
	}
	for _, want := range []string{"webhook", "route", "handle order.paid", "keap contacts.upsert", "keap tags.apply"} {
		if !slices.Contains(names, want) {
			t.Errorf("no span %q in the sender's trace: %q", want, names)
		}
	}
	for _, s := range c.spans {
		if s.GetName() == "keap contacts.upsert" && ids[string(s.GetParentSpanId())] != "handle order.paid" {
			t.Errorf("the upsert belongs to %q", ids[string(s.GetParentSpanId())])
		}
		if s.GetName() == "handle order.paid" && ids[string(s.GetParentSpanId())] != "webhook" {
			t.Errorf("the handling belongs to %q", ids[string(s.GetParentSpanId())])
		}
	}
	if c.service != "bridge-of-the-tests" {
		t.Errorf("service %q", c.service)
	}
}

// withHeader sends one header more.
type withHeader [2]string

// RoundTrip implements http.RoundTripper.
func (h withHeader) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set(h[0], h[1])
	return http.DefaultTransport.RoundTrip(r)
}

func TestTracingIsOffUnlessAskedFor(t *testing.T) {
	for name, want := range map[string]bool{
		"": false, "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318": true, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://127.0.0.1:4318/v1/traces": true,
		"OTEL_TRACES_EXPORTER=otlp": true, "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318 OTEL_SDK_DISABLED=true": false,
		"OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318 OTEL_TRACES_EXPORTER=none": false, "OTEL_SERVICE_NAME=x": false,
	} {
		t.Run(name, func(t *testing.T) {
			for pair := range strings.FieldsSeq(name) {
				k, v, _ := strings.Cut(pair, "=")
				t.Setenv(k, v)
			}
			if got := tracingOn(); got != want {
				t.Errorf("on: %v", got)
			}
		})
	}
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4317")
	t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
	if _, _, err := startTracing(t.Context(), "test", nil); err == nil || !strings.Contains(err.Error(), "http/protobuf") {
		t.Errorf("grpc: %v", err)
	}
}
