package app

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v4"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// spanClient sends spans as OTLP over HTTP; it implements otlptrace.Client. The client of OpenTelemetry's own would bring
// gRPC with it, which nothing here uses: two megabytes.
type spanClient struct {
	http     *http.Client
	address  string
	header   http.Header
	compress bool
	stopped  context.Context // ends when no more is to be tried
	stop     context.CancelFunc
}

// Defaults of the OTLP exporter specification 1.x (opentelemetry.io/docs/specs/otel/protocol/exporter).
const (
	spansAddress = "http://localhost:4318"
	spansPath    = "/v1/traces"
	spansTimeout = 10 * time.Second // for one batch, repetitions included
	spansAgain   = time.Second      // first delay of a repetition
	spansAnswer  = 64 << 10         // of an answer that is read, so that its connection can be used again
)

// otelSetting is a variable of the exporter, the one for traces before the one for all signals.
func otelSetting(name string) string {
	if v := os.Getenv("OTEL_EXPORTER_OTLP_TRACES_" + name); v != "" {
		return v
	}
	return os.Getenv("OTEL_EXPORTER_OTLP_" + name)
}

// newSpanClient reads the standard's variables.
func newSpanClient() (*spanClient, error) {
	c := &spanClient{header: http.Header{}, address: os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")}
	if c.address == "" {
		base := os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT")
		if base == "" {
			base = spansAddress
		}
		c.address = strings.TrimSuffix(base, "/") + spansPath
	}
	if u, err := url.Parse(c.address); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_ENDPOINT is no http address: %q", c.address)
	}
	for entry := range strings.SplitSeq(otelSetting("HEADERS"), ",") {
		name, value, ok := strings.Cut(entry, "=")
		text, err := url.PathUnescape(strings.TrimSpace(value))
		if entry != "" && (!ok || err != nil) {
			return nil, errors.New("OTEL_EXPORTER_OTLP_HEADERS is no list of name=value")
		}
		if ok {
			c.header.Add(strings.TrimSpace(name), text)
		}
	}
	switch v := otelSetting("COMPRESSION"); v {
	case "", "none":
	case "gzip":
		c.compress = true
	default:
		return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_COMPRESSION is %q: gzip and none are known", v)
	}
	timeout := spansTimeout
	if v := otelSetting("TIMEOUT"); v != "" {
		ms, err := strconv.Atoi(v)
		if err != nil || ms <= 0 {
			return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_TIMEOUT is %q: milliseconds are meant", v)
		}
		timeout = time.Duration(ms) * time.Millisecond
	}
	transport, err := spanTransport()
	if err != nil {
		return nil, err
	}
	c.http = &http.Client{Timeout: timeout, Transport: transport}
	c.stopped, c.stop = context.WithCancel(context.Background())
	return c, nil
}

// spanTransport is the usual transport with the certificates that the variables name.
func spanTransport() (*http.Transport, error) {
	t := &http.Transport{Proxy: http.ProxyFromEnvironment, MaxIdleConnsPerHost: 1, IdleConnTimeout: time.Minute, TLSClientConfig: &tls.Config{}}
	if path := otelSetting("CERTIFICATE"); path != "" {
		pem, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_CERTIFICATE: %w", err)
		}
		t.TLSClientConfig.RootCAs = x509.NewCertPool()
		if !t.TLSClientConfig.RootCAs.AppendCertsFromPEM(pem) {
			return nil, errors.New("OTEL_EXPORTER_OTLP_CERTIFICATE holds no certificate")
		}
	}
	if path := otelSetting("CLIENT_CERTIFICATE"); path != "" {
		pair, err := tls.LoadX509KeyPair(path, otelSetting("CLIENT_KEY"))
		if err != nil {
			return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE: %w", err)
		}
		t.TLSClientConfig.Certificates = []tls.Certificate{pair}
	}
	return t, nil
}

// Start implements otlptrace.Client.
func (c *spanClient) Start(context.Context) error { return nil }

// Stop implements otlptrace.Client: what is being repeated is given up.
func (c *spanClient) Stop(context.Context) error {
	c.stop()
	c.http.CloseIdleConnections()
	return nil
}

// UploadTraces implements otlptrace.Client. A collector that is away or busy is asked again until the time-out.
func (c *spanClient) UploadTraces(ctx context.Context, spans []*otlp.ResourceSpans) error {
	body, err := proto.Marshal(&otlp.TracesData{ResourceSpans: spans}) // on the wire the same as ExportTraceServiceRequest
	if err != nil {
		return err
	}
	if c.compress {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		if _, err := w.Write(body); err != nil {
			return err
		}
		if err := w.Close(); err != nil {
			return err
		}
		body = b.Bytes()
	}
	ctx, cancel := context.WithTimeout(ctx, c.http.Timeout)
	defer cancel()
	defer context.AfterFunc(c.stopped, cancel)()
	delay := backoff.NewExponentialBackOff(backoff.WithInitialInterval(spansAgain))
	return backoff.Retry(func() error { return c.upload(ctx, body) }, backoff.WithContext(delay, ctx))
}

// upload sends once. An error that repeating cannot heal is permanent.
func (c *spanClient) upload(ctx context.Context, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.address, bytes.NewReader(body))
	if err != nil {
		return backoff.Permanent(err)
	}
	req.Header = c.header.Clone()
	req.Header.Set("Content-Type", "application/x-protobuf")
	if c.compress {
		req.Header.Set("Content-Encoding", "gzip")
	}
	res, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, spansAnswer))
	switch {
	case res.StatusCode/100 == 2:
		return nil
	case res.StatusCode == http.StatusTooManyRequests || res.StatusCode >= http.StatusBadGateway && res.StatusCode <= http.StatusGatewayTimeout:
		return fmt.Errorf("the collector answered %s", res.Status) // Retry-After is below the time-out where it matters
	}
	return backoff.Permanent(fmt.Errorf("the collector answered %s", res.Status))
}
