package sandbox

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestAuthentication(t *testing.T) {
	s := newTest(t)
	s.mustSet(t, Settings{Keys: map[string]Key{"KeapAK-revoked-00000": {App: "ab123", State: "revoked"}}})
	for name, c := range map[string]struct {
		header, value, path string
		status              int
		code                string
	}{
		"key":              {"X-Keap-API-Key", testKey, anyCall, 200, ""},
		"bearer":           {"Authorization", "Bearer " + testKey, anyCall, 200, ""},
		"none":             {"X-Other", "x", anyCall, 401, "oauth.v2.InvalidAccessToken"},
		"basic":            {"Authorization", "Basic eDp5", anyCall, 401, "oauth.v2.InvalidAccessToken"},
		"revoked":          {"X-Keap-API-Key", "KeapAK-revoked-00000", anyCall, 401, "keymanagement.service.invalid_access_token"},
		"forgotten token":  {"Authorization", "Bearer sandbox-access-0", anyCall, 401, "keymanagement.service.invalid_access_token"},
		"unknown path":     {"X-Other", "x", "/crm/rest/v1/nothing", 401, "oauth.v2.InvalidAccessToken"},
		"outside":          {"X-Keap-API-Key", testKey, "/crm/rest/v9/contacts", 404, "ApplicationNotFound"},
		"not simulated":    {"X-Keap-API-Key", testKey, "/crm/rest/v2/affiliates", 501, "the sandbox does not simulate GET /crm/rest/v2/affiliates"},
		"token in the URL": {"X-Other", "x", "/crm/rest/v2/tags?access_token=" + testKey, 200, ""},
	} {
		req, err := http.NewRequest("GET", "http://keap.example.com"+c.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set(c.header, c.value)
		r := s.send(req)
		r.want(t, c.status)
		if !strings.Contains(r.body, c.code) {
			t.Errorf("%s: %s, want %s", name, r.body, c.code)
		}
		if c.status == 401 && (r.header["X-Keap-Product-Quota-Used"] == nil || r.header.Get("X-Keap-Product-Quota-Used") != "" || r.header.Get("X-Keap-Product-Quota-Time-Unit") != "day") {
			t.Errorf("%s: headers %v", name, r.header)
		}
	}
	if got := s.Log("ab123", time.Time{}, 0); got[0].Credential != "*****bcdef" && got[0].Credential != "*****00000" {
		t.Errorf("the log shows %q", got[0].Credential)
	}
}

// exchange posts a form to the token endpoint.
func (s *Server) exchange(t *testing.T, form url.Values, basic string) (int, map[string]any) {
	t.Helper()
	req, err := http.NewRequest("POST", "http://keap.example.com/token", strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if basic != "" {
		req.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(basic)))
	}
	r := s.send(req)
	var out map[string]any
	if err := json.Unmarshal([]byte(r.body), &out); err != nil {
		t.Fatalf("%d %s: %v", r.status, r.body, err)
	}
	return r.status, out
}

// TestOAuth walks the authorization-code flow, then rotates.
func TestOAuth(t *testing.T) {
	s, now := clocked(t)
	back := "http://127.0.0.1:9999/back"
	q := url.Values{"client_id": {"cid"}, "redirect_uri": {back}, "response_type": {"code"}, "scope": {"full"}, "state": {"xyz"}, "app": {"ab123"}}
	r := s.doAs(t, "", "GET", "/app/oauth/authorize?"+q.Encode(), "")
	to, err := url.Parse(r.header.Get("Location"))
	if err != nil || r.status != http.StatusFound || to.Query().Get("state") != "xyz" || to.Query().Get("code") == "" {
		t.Fatalf("authorize: %d %v", r.status, r.header)
	}
	form := url.Values{"client_id": {"cid"}, "client_secret": {"s"}, "code": {to.Query().Get("code")}, "grant_type": {"authorization_code"}, "redirect_uri": {back}}
	status, first := s.exchange(t, form, "")
	if status != 200 || first["scope"] != "full|ab123.infusionsoft.com" || first["expires_in"] != 86400.0 || first["token_type"] != "bearer" {
		t.Fatalf("exchange: %d %v", status, first)
	}
	if status, _ = s.exchange(t, form, ""); status != 400 {
		t.Error("a code works twice")
	}
	refresh := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {first["refresh_token"].(string)}}
	status, second := s.exchange(t, refresh, "cid:s")
	if status != 200 || second["refresh_token"] == first["refresh_token"] {
		t.Fatalf("refresh: %d %v", status, second)
	}
	if status, again := s.exchange(t, refresh, "cid:s"); status != 400 || again["error"] != "invalid_grant" || again["error_description"] != "Invalid refresh token" {
		t.Errorf("the second use of a refresh token: %d %v", status, again)
	}
	access := second["access_token"].(string)
	call := func() result {
		req, err := http.NewRequest("GET", "http://keap.example.com"+anyCall, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+access)
		return s.send(req)
	}
	call().want(t, 200)
	*now = now.Add(24 * time.Hour)
	if r := call(); r.status != 401 || !strings.Contains(r.body, "access_token_expired") {
		t.Errorf("an expired token: %d %s", r.status, r.body)
	}
	*now = now.Add(45 * 24 * time.Hour)
	if status, _ = s.exchange(t, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {second["refresh_token"].(string)}}, "cid:s"); status != 400 {
		t.Error("a refresh token lives longer than 45 days")
	}
	if n := s.Calls("").ByOperation["token"]; n != 5 {
		t.Errorf("%d calls of token, want 5", n)
	}
}

// TestOneRefreshWins: of many that use one refresh token at once, one gets a pair.
func TestOneRefreshWins(t *testing.T) {
	s := newTest(t)
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {s.Issue("cid", "ab123").Refresh}}
	var wg sync.WaitGroup
	var mu sync.Mutex
	won := 0
	for range 8 {
		wg.Go(func() {
			if status, _ := s.exchange(t, form, "cid:s"); status == 200 {
				mu.Lock()
				won++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if won != 1 {
		t.Errorf("%d won, want 1", won)
	}
}

func TestOAuthRefusals(t *testing.T) {
	s := newTest(t)
	for name, c := range map[string]struct {
		form  url.Values
		basic string
		want  int
		code  string
	}{
		"no client":      {url.Values{"grant_type": {"refresh_token"}}, "", 401, "invalid_client"},
		"another client": {url.Values{"grant_type": {"refresh_token"}, "refresh_token": {s.Issue("cid", "ab123").Refresh}}, "other:s", 400, "invalid_grant"},
		"password":       {url.Values{"grant_type": {"password"}}, "cid:s", 400, "unsupported_grant_type"},
	} {
		if status, got := s.exchange(t, c.form, c.basic); status != c.want || got["error"] != c.code {
			t.Errorf("%s: %d %v", name, status, got)
		}
	}
	for _, q := range []string{"client_id=x&response_type=code&redirect_uri=http%3A%2F%2Fevil.example.com", "client_id=x&response_type=token&redirect_uri=https%3A%2F%2Fexample.com", ""} {
		if r := s.doAs(t, "", "GET", "/app/oauth/authorize?"+q, ""); r.status != 400 {
			t.Errorf("authorize?%s: %d", q, r.status)
		}
	}
}
