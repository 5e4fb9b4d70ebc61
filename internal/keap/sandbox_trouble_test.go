package keap_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"

	"bridge/internal/keap"
	"bridge/internal/keap/sandbox"
	"bridge/internal/quota"
	"bridge/internal/secret"
)

func TestSandboxActionSets(t *testing.T) {
	s, c := start(t, sandbox.Settings{XMLRPC: "up"})
	ctx := t.Context()
	one := buyer(t, c, "one@example.com")
	same(t, []keap.ActionSet{{ID: "42", Name: "Bought something"}}, must[[]keap.ActionSet](t)(c.ActionSets(ctx)))
	for _, r := range must[[]keap.ActionResult](t)(c.RunActionSet(ctx, one, "42")) {
		if r.Failed || r.Action == "" {
			t.Errorf("%+v", r)
		}
	}
	if runs := s.State("ab123").ActionSets; len(runs) != 1 || runs[0].ContactID != one {
		t.Errorf("%+v", runs)
	}
	if _, err := c.RunActionSet(ctx, "999", "42"); keap.KindOf(err) != keap.KindFault {
		t.Errorf("unknown contact: %v", err)
	}
	for _, state := range []string{"brownout", "gone"} {
		ok(t, s.SetSettings(sandbox.Settings{XMLRPC: state}))
		if _, err := c.RunActionSet(ctx, one, "42"); keap.KindOf(err) != keap.KindBrownout {
			t.Errorf("%s: %v", state, err)
		}
	}
	if runs := s.State("ab123").ActionSets; len(runs) != 1 {
		t.Errorf("%+v", runs)
	}
}

func TestSandboxFaults(t *testing.T) {
	for fault, want := range map[string]keap.Kind{
		"status:500": keap.KindServer, "status:503": keap.KindOverloaded, "status:429": keap.KindThrottled, "status:422": keap.KindRefused,
		"reset": keap.KindReset, "truncated": keap.KindUnreadable, "html": keap.KindServer, "not_json": keap.KindUnreadable,
	} {
		s, c := start(t, sandbox.Settings{})
		one := buyer(t, c, "one@example.com")
		ok(t, s.SetFaults([]sandbox.Fault{{Match: sandbox.Match{Operation: "notes.create"}, Fault: fault, Times: 1}}))
		_, err := c.CreateNote(t.Context(), keap.Note{ContactID: one, Title: "x"})
		var e *keap.Error
		if !errors.As(err, &e) || !e.Sent || e.Kind != want && !(fault == "truncated" && e.Kind == keap.KindReset) || e.Hint == "" || strings.Contains(e.Error(), "0123456789") {
			t.Errorf("%s: %+v", fault, e)
		}
		must[string](t)(c.CreateNote(t.Context(), keap.Note{ContactID: one, Title: "x"}))
	}
}

// Over the minute's quota, with and without headers: the window is named where Keap tells it.
func TestSandboxQuota(t *testing.T) {
	for headers, want := range map[string]keap.Window{"full": keap.WindowMinute, "none": keap.WindowUnknown} {
		s := sandbox.New(sandbox.Options{Seed: 1})
		web := httptest.NewServer(s)
		t.Cleanup(web.Close)
		ok(t, s.SetSettings(sandbox.Settings{Headers: headers, Quota: &sandbox.Quota{Second: new(0), Minute: new(3)}, Retry: new(true), Keys: map[string]sandbox.Key{key: {App: "ab123"}}}))
		credential, err := keap.ServiceAccountKey(secret.New(key), secret.Text{})
		ok(t, err)
		var seen []quota.Observation
		c, err := keap.New(keap.Options{BaseURL: web.URL + "/crm", Credential: credential, Observe: func(o quota.Observation) { seen = append(seen, o) }})
		ok(t, err)
		for range 3 {
			must[keap.UserInfo](t)(c.UserInfo(t.Context()))
		}
		_, err = c.UserInfo(t.Context())
		var e *keap.Error
		if !errors.As(err, &e) || e.Kind != keap.KindThrottled || e.Throttle != want || e.RetryAfter <= 0 {
			t.Errorf("%s: %+v", headers, e)
		}
		if last := seen[3]; last.Status != 429 || last.Minute.Known != (headers == "full") || headers == "full" && (last.Minute.Limit != 3 || last.Minute.Available != 0) {
			t.Errorf("%s: %+v", headers, last)
		}
		if calls := s.Calls("ab123"); calls.Total != 4 {
			t.Errorf("%d calls", calls.Total)
		}
	}
}

// Every method makes exactly one request, in memory as over the network.
func TestSandboxInMemory(t *testing.T) {
	s, _ := start(t, sandbox.Settings{})
	credential, err := keap.ServiceAccountKey(secret.New(key), secret.Text{})
	ok(t, err)
	c, err := keap.New(keap.Options{BaseURL: "http://keap.example.com/crm", Credential: credential, Transport: s.Transport()})
	ok(t, err)
	one := buyer(t, c, "one@example.com")
	must[[]keap.Note](t)(c.Notes(context.Background(), one))
	if calls := s.Calls("ab123"); calls.Total != 2 || calls.ByOperation["contacts.upsert"] != 1 || calls.ByOperation["notes.list"] != 1 {
		t.Errorf("%+v", calls)
	}
}
