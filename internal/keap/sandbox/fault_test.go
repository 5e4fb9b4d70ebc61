package sandbox

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

const createAnn = `{"duplicate_option":"Email","given_name":"Ann","email_addresses":[{"email":"ann@example.com","field":"EMAIL1"}]}`

// TestFaults: each fault once, with what the caller sees and whether the call had its effect.
func TestFaults(t *testing.T) {
	for fault, c := range map[string]struct {
		status  int // 0: no answer
		kind    string
		err     error
		happens bool
	}{
		"status:503":     {503, "application/json", nil, false},
		"status:401":     {401, "application/json", nil, false},
		"status:400":     {400, "application/json", nil, false},
		"timeout_before": {0, "", context.DeadlineExceeded, false},
		"timeout_after":  {0, "", context.DeadlineExceeded, true},
		"reset":          {0, "", syscall.ECONNRESET, false},
		"truncated":      {200, "application/json;charset=UTF-8", io.ErrUnexpectedEOF, true},
		"html":           {502, "text/html", nil, false},
		"not_json":       {200, "text/plain", nil, true},
		"slow:2s":        {200, "application/json;charset=UTF-8", nil, true},
	} {
		t.Run(fault, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := New(Options{})
				if err := s.SetFaults([]Fault{{Match: Match{Operation: "contacts.upsert"}, Fault: fault, Times: 1}}); err != nil {
					t.Fatal(err)
				}
				r := upsertWithin(t, s, 5*time.Second)
				if r.status != c.status && c.status != 0 || !errors.Is(r.err, c.err) {
					t.Errorf("answered %d %s with error %v, want %d and %v", r.status, r.body, r.err, c.status, c.err)
				}
				if c.status != 0 && r.header.Get("Content-Type") != c.kind {
					t.Errorf("Content-Type is %q, want %q", r.header.Get("Content-Type"), c.kind)
				}
				if got := len(s.State("").Contacts) == 1; got != c.happens {
					t.Errorf("the contact exists: %v, want %v", got, c.happens)
				}
				log := s.Log("", time.Time{}, 0)
				if len(log) != 1 || log[0].Fault == nil || *log[0].Fault != fault || log[0].Status != c.status {
					t.Errorf("the log says %+v", log)
				}
				if r = upsertWithin(t, s, 5*time.Second); r.status != 200 || r.err != nil {
					t.Errorf("the call after it is answered %d %v", r.status, r.err)
				}
			})
		})
	}
}

func upsertWithin(t *testing.T, s *Server, d time.Duration) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "PUT", "http://keap.example.com/crm/rest/v1/contacts", strings.NewReader(createAnn))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Keap-API-Key", testKey)
	return s.send(req)
}

func TestFaultMatching(t *testing.T) {
	for name, c := range map[string]struct {
		fault Fault
		want  int // of 100 calls
		at    int // leeway
	}{
		"all":           {Fault{Fault: "status:503"}, 100, 0},
		"every third":   {Fault{Match: Match{Every: 3}, Fault: "status:503"}, 33, 0},
		"a rate":        {Fault{Match: Match{Rate: 0.2}, Fault: "status:503"}, 20, 12},
		"five times":    {Fault{Fault: "status:503", Times: 5}, 5, 0},
		"family":        {Fault{Match: Match{Operation: "tags.*"}, Fault: "status:503"}, 100, 0},
		"another":       {Fault{Match: Match{Operation: "tags.apply"}, Fault: "status:503"}, 0, 0},
		"other tenants": {Fault{Match: Match{App: "zz999"}, Fault: "status:503"}, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := newTest(t)
			s.mustSet(t, Settings{Quota: &Quota{Second: new(0)}})
			if err := s.SetFaults([]Fault{c.fault}); err != nil {
				t.Fatal(err)
			}
			for range 100 {
				s.do(t, "GET", anyCall, "")
			}
			if got := s.Calls("").ByStatus["503"]; got < c.want-c.at || got > c.want+c.at {
				t.Errorf("%d calls failed, want %d ± %d", got, c.want, c.at)
			}
		})
	}
}

func TestFaultMistakes(t *testing.T) {
	for _, body := range []string{
		`[{"fault":"reset","match":{"operation":"contact.upsert"}}]`, `[{"fault":"reset","match":{"operation":"tag.*"}}]`,
		`[{"fault":"status:42"}]`, `[{"fault":"status:"}]`, `[{"fault":"slow"}]`, `[{"fault":"slow:-1s"}]`, `[{"fault":"explode"}]`,
		`[{"fault":"reset","match":{"every":2,"rate":0.5}}]`, `[{"fault":"reset","match":{"rate":1.5}}]`, `[{"fault":"reset","matches":{}}]`, `{}`,
	} {
		if _, err := ParseFaults([]byte(body)); err == nil {
			t.Errorf("%s is taken", body)
		}
	}
	if faults, err := ParseFaults([]byte(`[{"match":{"operation":"contacts.upsert","rate":0.05},"fault":"status:503","times":9}]`)); err != nil || len(faults) != 1 {
		t.Errorf("the contract's example: %v, %v", faults, err)
	}
}

// TestFaultsOverHTTP: what a real connection shows of them.
func TestFaultsOverHTTP(t *testing.T) {
	s := New(Options{})
	srv := httptest.NewServer(s)
	defer srv.Close()
	client := &http.Client{Timeout: 200 * time.Millisecond, Transport: &http.Transport{DisableKeepAlives: true}}
	call := func(fault string) (int, string, error) {
		t.Helper()
		if err := s.SetFaults([]Fault{{Fault: fault, Times: 1}}); err != nil {
			t.Fatal(err)
		}
		req, err := http.NewRequestWithContext(t.Context(), "PUT", srv.URL+"/crm/rest/v1/contacts", strings.NewReader(createAnn))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Keap-API-Key", testKey)
		res, err := client.Do(req)
		if err != nil {
			return 0, "", err
		}
		defer func() { _ = res.Body.Close() }()
		b, err := io.ReadAll(res.Body)
		return res.StatusCode, string(b), err
	}
	if _, _, err := call("reset"); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("reset is %v", err)
	}
	if status, _, err := call("truncated"); status != 200 || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("truncated is %d %v", status, err)
	}
	if _, _, err := call("timeout_after"); err == nil || !strings.Contains(err.Error(), "Client.Timeout") {
		t.Errorf("timeout_after is %v", err)
	}
	if status, body, err := call("html"); status != 502 || err != nil || !strings.HasPrefix(body, "<html>") {
		t.Errorf("html is %d %s %v", status, body, err)
	}
}
