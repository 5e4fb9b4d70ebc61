package sandbox

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"syscall"
)

// Transport answers requests in memory, whatever host they name. Timeouts injected as faults end with the
// request's context; a reset is an error that wraps syscall.ECONNRESET.
func (s *Server) Transport() http.RoundTripper { return transport{s} }

type transport struct{ s *Server }

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		var err error
		body, err = io.ReadAll(r.Body)
		_ = r.Body.Close() // the contract of RoundTripper; reading is over either way
		if err != nil {
			return nil, err
		}
	}
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	a, err := t.s.answer(newRequest(r, body, r.URL.Scheme+"://"+r.URL.Host))
	if err != nil {
		return nil, err
	}
	if a.fault == faultReset {
		return nil, &net.OpError{Op: "read", Net: "tcp", Err: fmt.Errorf("connection to the sandbox: %w", syscall.ECONNRESET)}
	}
	h := make(http.Header, len(a.header)+3)
	values := make([]string, len(a.header)) // one allocation for all: this is the path of whole simulated days
	for i, f := range a.header {
		name, known := canonical[f.name]
		if !known {
			name = http.CanonicalHeaderKey(f.name)
		}
		values[i] = f.value
		h[name] = values[i : i+1 : i+1]
	}
	h["X-Sandbox"] = []string{"true"}
	if a.kind != "" {
		h["Content-Type"] = []string{a.kind}
	}
	length := int64(len(a.body))
	var rest io.Reader = bytes.NewReader(a.body)
	if a.fault == faultTruncated {
		rest = io.MultiReader(bytes.NewReader(a.body[:len(a.body)/2]), cut{})
	}
	if a.status != http.StatusNoContent {
		h["Content-Length"] = []string{strconv.FormatInt(length, 10)}
	}
	return &http.Response{
		Status: strconv.Itoa(a.status) + " " + http.StatusText(a.status), StatusCode: a.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: h, Body: io.NopCloser(rest), ContentLength: length, Request: r,
	}, nil
}

// canonical are the names of the quota headers as http.Header has them.
var canonical = func() map[string]string {
	out := map[string]string{}
	for _, f := range quotaHeaders(nil, "") {
		out[f.name] = http.CanonicalHeaderKey(f.name)
	}
	return out
}()

// cut is the end of a body that never came.
type cut struct{}

func (cut) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// write sends an answer over HTTP. Header names keep their case: Keap's quota headers are lower case on the wire.
func (s *Server) write(w http.ResponseWriter, a answer) {
	if a.fault == faultReset {
		reset(w)
		return
	}
	h := w.Header()
	for _, f := range a.header {
		h[f.name] = []string{f.value}
	}
	h["X-Sandbox"] = []string{"true"}
	if a.kind != "" {
		h["Content-Type"] = []string{a.kind}
	} else {
		h["Content-Type"] = nil // or net/http would guess one
	}
	if a.status != http.StatusNoContent {
		h["Content-Length"] = []string{strconv.Itoa(len(a.body))}
	}
	w.WriteHeader(a.status)
	if a.fault == faultTruncated {
		_, _ = w.Write(a.body[:len(a.body)/2])
		if f, ok := w.(http.Flusher); ok {
			f.Flush()
		}
		panic(http.ErrAbortHandler)
	}
	_, _ = w.Write(a.body) // nobody is left to tell about a client that went away
}

// reset closes the connection so that the client sees ECONNRESET, where the server lets us.
func reset(w http.ResponseWriter) {
	if h, ok := w.(http.Hijacker); ok {
		if conn, _, err := h.Hijack(); err == nil {
			if tcp, ok := conn.(*net.TCPConn); ok {
				_ = tcp.SetLinger(0) // RST instead of FIN
			}
			_ = conn.Close()
			return
		}
	}
	panic(http.ErrAbortHandler)
}
