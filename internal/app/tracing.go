package app

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"bridge/internal/events"
)

// tracing makes the spans of OpenTelemetry: webhook, route, handle, and one for each call to Keap. Event.TraceParent
// carries the trace across the queue, whatever the time and the process in between. Spans hold names, ids and
// reasons, nothing about persons. A nil tracing makes none.
type tracing struct {
	tracer   trace.Tracer
	handling sync.Map // Event.Key → trace.SpanContext, of the events in hand
}

// tracingOn follows the standard's variables: it is on when they name somewhere to send spans to.
func tracingOn() bool {
	if os.Getenv("OTEL_SDK_DISABLED") == "true" || os.Getenv("OTEL_TRACES_EXPORTER") == "none" {
		return false
	}
	return os.Getenv("OTEL_TRACES_EXPORTER") == "otlp" || os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") != "" || os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") != ""
}

// startTracing sends spans as OTLP over HTTP; OTEL_* variables say where, as whom, and how many of them. stop sends
// what is left. tr is nil when tracing is off.
func startTracing(ctx context.Context, version string, log *slog.Logger) (tr *tracing, stop func(context.Context) error, err error) {
	if !tracingOn() {
		return nil, nil, nil
	}
	if p := os.Getenv("OTEL_EXPORTER_OTLP_PROTOCOL"); p != "" && p != "http/protobuf" {
		return nil, nil, fmt.Errorf("OTEL_EXPORTER_OTLP_PROTOCOL is %q: traces are sent as http/protobuf only", p)
	}
	client, err := newSpanClient()
	if err != nil {
		return nil, nil, err
	}
	exporter, err := otlptrace.New(ctx, client)
	if err != nil {
		return nil, nil, fmt.Errorf("traces cannot be sent: %w", err)
	}
	// What OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES say comes last and wins.
	who, err := resource.New(ctx, resource.WithAttributes(attribute.String("service.name", "bridge"), attribute.String("service.version", version)),
		resource.WithTelemetrySDK(), resource.WithFromEnv())
	if err != nil {
		return nil, nil, fmt.Errorf("OTEL_RESOURCE_ATTRIBUTES cannot be read: %w", err)
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { log.Warn("traces are not sent", "err", err) }))
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(who))
	return newTracing(provider), provider.Shutdown, nil
}

func newTracing(p trace.TracerProvider) *tracing { return &tracing{tracer: p.Tracer("bridge")} }

const traceParent = "traceparent"

// w3c reads and writes traceparent.
var w3c propagation.TraceContext

// under is a context in the trace that a traceparent names.
func under(ctx context.Context, parent string) context.Context {
	return w3c.Extract(ctx, propagation.MapCarrier{traceParent: parent})
}

// webhooks gives each request a span and puts it in the place of the sender's, so that events carry it on. known tells
// which accounts and sources are configured: others are not named, and neither is the rest of an address, which may be
// secret.
func (tr *tracing) webhooks(next http.Handler, known func(account, source string) bool) http.Handler {
	if tr == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, span := tr.tracer.Start(under(r.Context(), r.Header.Get(traceParent)), "webhook", trace.WithSpanKind(trace.SpanKindServer),
			trace.WithAttributes(attribute.String("http.request.method", r.Method)))
		defer span.End()
		if parts := strings.SplitN(strings.TrimPrefix(r.URL.Path, "/hooks/"), "/", 3); len(parts) > 1 && known(parts[0], parts[1]) {
			span.SetAttributes(attribute.String("bridge.account", parts[0]), attribute.String("bridge.source", parts[1]))
		}
		r = r.Clone(ctx)
		w3c.Inject(ctx, propagation.HeaderCarrier(r.Header))
		rec := &statusOf{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(rec, r)
		span.SetAttributes(attribute.Int("http.response.status_code", rec.status))
		if rec.status >= http.StatusInternalServerError {
			span.SetStatus(codes.Error, http.StatusText(rec.status))
		}
	})
}

// statusOf remembers the status of an answer.
type statusOf struct {
	http.ResponseWriter
	status int
}

// WriteHeader implements http.ResponseWriter.
func (s *statusOf) WriteHeader(status int) {
	s.status = status
	s.ResponseWriter.WriteHeader(status)
}

// Unwrap is for http.ResponseController.
func (s *statusOf) Unwrap() http.ResponseWriter { return s.ResponseWriter }

// eventAttributes name an event.
func eventAttributes(e *events.Event) trace.SpanStartEventOption {
	return trace.WithAttributes(attribute.String("bridge.event", e.ID), attribute.String("bridge.type", e.Type),
		attribute.String("bridge.account", e.Account), attribute.String("bridge.source", e.Source))
}

// route is the span of routing one event; end it with what came of it.
func (tr *tracing) route(e *events.Event) (end func(group string, p events.Priority)) {
	if tr == nil || e.TraceParent == "" {
		return func(string, events.Priority) {}
	}
	_, span := tr.tracer.Start(under(context.Background(), e.TraceParent), "route", trace.WithSpanKind(trace.SpanKindConsumer), eventAttributes(e))
	return func(group string, p events.Priority) {
		span.SetAttributes(attribute.String("bridge.group", group), attribute.String("bridge.priority", p.String()))
		span.End()
	}
}

// handle is the span of handling one delivery; end it with the verdict.
func (tr *tracing) handle(ctx context.Context, d *events.Delivery) (inside context.Context, end func(*events.Verdict)) {
	if tr == nil {
		return ctx, func(*events.Verdict) {}
	}
	ctx, span := tr.tracer.Start(under(ctx, d.Event.TraceParent), "handle "+d.Event.Type, trace.WithSpanKind(trace.SpanKindConsumer), eventAttributes(&d.Event))
	key := d.Event.Key()
	tr.handling.Store(key, span.SpanContext())
	return ctx, func(v *events.Verdict) {
		tr.handling.Delete(key)
		span.SetAttributes(attribute.String("bridge.state", string(v.State())), attribute.String("bridge.reason", string(v.Reason)),
			attribute.Int("bridge.calls", v.Calls), attribute.Int("bridge.attempt", v.Attempt))
		if s := v.State(); s == events.Failed || s == events.InDoubt {
			span.SetStatus(codes.Error, string(v.Reason))
		}
		span.End()
	}
}

// call makes the span of a call to Keap that was just made. It belongs to the first event that it worked for, and is
// linked to the others.
func (tr *tracing) call(at time.Time, c *events.CallReport) {
	if tr == nil {
		return
	}
	ctx := context.Background()
	var links []trace.Link
	for _, s := range c.Served {
		found, ok := tr.handling.Load(s.Key)
		if !ok {
			continue
		}
		of, ok := found.(trace.SpanContext)
		if !ok {
			continue
		}
		if !trace.SpanContextFromContext(ctx).IsValid() {
			ctx = trace.ContextWithSpanContext(ctx, of)
		} else if len(links) < mostLinks {
			links = append(links, trace.Link{SpanContext: of})
		}
	}
	_, span := tr.tracer.Start(ctx, "keap "+c.Operation, trace.WithSpanKind(trace.SpanKindClient), trace.WithTimestamp(at), trace.WithLinks(links...),
		trace.WithAttributes(attribute.String("bridge.group", c.Group), attribute.String("bridge.priority", c.Priority.String()),
			attribute.Int("http.response.status_code", c.Status), attribute.Int("bridge.subjects", c.Subjects), attribute.Int("bridge.steps", len(c.Served))))
	if c.Error != "" {
		span.SetStatus(codes.Error, c.Operation+" failed")
	}
	span.End(trace.WithTimestamp(at.Add(c.Took)))
}

// mostLinks is how many of the events of a shared call are linked.
const mostLinks = 100
