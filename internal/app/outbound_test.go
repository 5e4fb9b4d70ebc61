package app

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// TestFencedProcessSendsNothing: over a connection that stands, too.
func TestFencedProcessSendsNothing(t *testing.T) {
	var got atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { got.Add(1) }))
	defer srv.Close()
	var may atomic.Bool
	transport := keapTransport(may.Load)
	defer transport.CloseIdleConnections()
	c := &http.Client{Transport: transport}
	for i, allowed := range []bool{true, false, false, true} {
		may.Store(allowed)
		res, err := c.Post(srv.URL, "application/json", strings.NewReader("{}"))
		if err == nil {
			_, _ = io.Copy(io.Discard, res.Body)
			_ = res.Body.Close()
		}
		if allowed != (err == nil) || !allowed && !errors.Is(err, errFenced) {
			t.Errorf("%d: allowed %v, %v", i, allowed, err)
		}
	}
	if n := got.Load(); n != 2 {
		t.Errorf("%d requests arrived, want 2", n)
	}
}
