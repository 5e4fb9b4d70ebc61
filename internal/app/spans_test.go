package app

import (
	"compress/gzip"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// answers is a collector in memory: it answers with the next of the codes, and keeps requests.
type answers struct {
	codes []int
	got   []*http.Request
	body  []byte
}

func (a *answers) RoundTrip(r *http.Request) (*http.Response, error) {
	code := a.codes[min(len(a.got), len(a.codes)-1)]
	a.got = append(a.got, r)
	in := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(r.Body)
		if err != nil {
			return nil, err
		}
		in = z
	}
	var err error
	a.body, err = io.ReadAll(in)
	return &http.Response{StatusCode: code, Status: http.StatusText(code), Header: http.Header{}, Body: io.NopCloser(strings.NewReader(""))}, err
}

func someSpans() []*otlp.ResourceSpans {
	return []*otlp.ResourceSpans{{ScopeSpans: []*otlp.ScopeSpans{{Spans: []*otlp.Span{{Name: "webhook"}}}}}}
}

// TestSpansAsTheStandardSays sends to the address, with the headers and the compression that the variables name, what any
// collector reads.
func TestSpansAsTheStandardSays(t *testing.T) {
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector.example.com:4318/base/")
	t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", "api-key=a%20key, x-team=shop")
	t.Setenv("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "gzip")
	c, err := newSpanClient()
	if err != nil {
		t.Fatal(err)
	}
	a := &answers{codes: []int{http.StatusOK}}
	c.http.Transport = a
	if err := c.UploadTraces(t.Context(), someSpans()); err != nil {
		t.Fatal(err)
	}
	var req collector.ExportTraceServiceRequest
	if err := proto.Unmarshal(a.body, &req); err != nil || req.GetResourceSpans()[0].GetScopeSpans()[0].GetSpans()[0].GetName() != "webhook" {
		t.Errorf("a collector reads %v, %v", &req, err)
	}
	r := a.got[0]
	if got := r.URL.String(); got != "http://collector.example.com:4318/base/v1/traces" {
		t.Errorf("sent to %s", got)
	}
	if r.Header.Get("Api-Key") != "a key" || r.Header.Get("X-Team") != "shop" || r.Header.Get("Content-Type") != "application/x-protobuf" {
		t.Errorf("headers %v", r.Header)
	}
}

// TestSpansAreSentAgain where that can help, until the time-out and no longer than the client lives.
func TestSpansAreSentAgain(t *testing.T) {
	for name, c := range map[string]struct {
		codes []int
		sent  int
		good  bool
	}{
		"busy twice": {[]int{http.StatusTooManyRequests, http.StatusServiceUnavailable, http.StatusOK}, 3, true},
		"refused":    {[]int{http.StatusBadRequest}, 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, err := newSpanClient()
				if err != nil {
					t.Fatal(err)
				}
				a := &answers{codes: c.codes}
				client.http.Transport = a
				err = client.UploadTraces(t.Context(), someSpans())
				if (err == nil) != c.good || len(a.got) != c.sent {
					t.Errorf("sent %d times: %v", len(a.got), err)
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		client, err := newSpanClient()
		if err != nil {
			t.Fatal(err)
		}
		client.http.Transport = &answers{codes: []int{http.StatusBadGateway}}
		begin := time.Now()
		if err := client.UploadTraces(t.Context(), someSpans()); err == nil || time.Since(begin) > spansTimeout {
			t.Errorf("gave up after %s: %v", time.Since(begin), err)
		}
		if err := client.Stop(context.Background()); err != nil {
			t.Error(err)
		}
		begin = time.Now()
		if err := client.UploadTraces(t.Context(), someSpans()); err == nil || time.Since(begin) > 0 {
			t.Errorf("stopped, and tried for %s: %v", time.Since(begin), err)
		}
	})
}

// TestSpanSettingsThatAreWrong says which variable it is.
func TestSpanSettingsThatAreWrong(t *testing.T) {
	for name, value := range map[string]string{
		"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4317", "OTEL_EXPORTER_OTLP_HEADERS": "key", "OTEL_EXPORTER_OTLP_COMPRESSION": "br",
		"OTEL_EXPORTER_OTLP_TIMEOUT": "10s", "OTEL_EXPORTER_OTLP_CERTIFICATE": "/nowhere.pem", "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE": "/nowhere.pem",
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(name, value)
			if _, err := newSpanClient(); err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("%v", err)
			}
		})
	}
}
