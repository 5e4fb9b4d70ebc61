package sandbox

import (
	"encoding/json"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// subscriber answers the simulator's own requests.
type subscriber struct {
	status  int  // of deliveries
	deaf    bool // does not return the secret
	secrets []string
	got     []delivered
}

type delivered struct {
	Event   string       `json:"event_key"`
	Type    string       `json:"object_type"`
	Objects []hookObject `json:"object_keys"`
	at      time.Time
}

func (s *subscriber) RoundTrip(r *http.Request) (*http.Response, error) {
	res := &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: http.NoBody}
	if secret := r.Header.Get("X-Hook-Secret"); secret != "" {
		s.secrets = append(s.secrets, secret)
		if !s.deaf {
			res.Header.Set("X-Hook-Secret", secret)
		}
		return res, nil
	}
	b, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	d := delivered{at: time.Now()}
	if err := json.Unmarshal(b, &d); err != nil {
		return nil, err
	}
	s.got = append(s.got, d)
	res.StatusCode = s.status
	return res, nil
}

// inBubble runs a test with a subscriber in virtual time, with deliveries on their schedule.
func inBubble(t *testing.T, sub *subscriber, test func(t *testing.T, s *Server)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{Hooks: &http.Client{Transport: sub}})
		s.mustSet(t, Settings{Quota: &Quota{Second: new(0)}})
		done := make(chan struct{})
		ctx, cancel := contextOf(t)
		go func() { s.RunHooks(ctx); close(done) }()
		test(t, s)
		cancel()
		<-done
	})
}

const subscribe = `{"eventKey":"contact.add","hookUrl":"https://example.com/hook"}`

func TestHookDelivery(t *testing.T) {
	sub := &subscriber{status: 200}
	inBubble(t, sub, func(t *testing.T, s *Server) {
		if v := s.do(t, "POST", "/crm/rest/v1/hooks", subscribe).want(t, 200); at(t, v, "status") != "Verified" {
			t.Fatalf("the handshake leaves %v", v)
		}
		began := time.Now()
		for range 3 {
			s.do(t, "POST", v1Contacts, `{"email_addresses":[{"email":"ann@example.com","field":"EMAIL1"}]}`).want(t, 201)
		}
		s.do(t, "PATCH", v1Contacts+"/1", `{"given_name":"Ann"}`).want(t, 200) // nobody asked for contact.edit
		wait(t, time.Hour)
		if len(sub.got) != 1 || sub.got[0].Event != "contact.add" || sub.got[0].Type != "contact" || len(sub.got[0].Objects) != 3 || sub.got[0].Objects[2].ID != 3 {
			t.Fatalf("delivered %+v", sub.got)
		}
		if late := sub.got[0].at.Sub(began); late < 30*time.Second || late > time.Minute {
			t.Errorf("delivered after %v, want 30 to 60 s", late)
		}
	})
}

func TestHookRetries(t *testing.T) {
	sub := &subscriber{status: 500}
	inBubble(t, sub, func(t *testing.T, s *Server) {
		s.do(t, "POST", "/crm/rest/v1/hooks", subscribe).want(t, 200)
		s.do(t, "POST", v1Contacts, `{"email_addresses":[{"email":"ann@example.com","field":"EMAIL1"}]}`).want(t, 201)
		wait(t, 2*time.Hour)
		if len(sub.got) != 4 {
			t.Errorf("%d attempts, want 4", len(sub.got))
		}
		if v := s.do(t, "GET", "/crm/rest/v1/hooks/1", "").want(t, 200); at(t, v, "status") != "Inactive" {
			t.Errorf("after four failures: %v", v)
		}
		if v := s.do(t, "POST", "/crm/rest/v1/hooks/1/verify", "").want(t, 200); at(t, v, "status") != "Verified" {
			t.Errorf("after verify: %v", v)
		}
		sub.status = http.StatusGone
		s.do(t, "POST", v1Contacts, `{"email_addresses":[{"email":"bob@example.com","field":"EMAIL1"}]}`).want(t, 201)
		wait(t, time.Hour)
		if v := s.do(t, "GET", "/crm/rest/v1/hooks/1", "").want(t, 200); at(t, v, "status") != "Inactive" || len(sub.got) != 5 {
			t.Errorf("after 410: %v, %d attempts in all", v, len(sub.got))
		}
	})
}

func TestHookHandshake(t *testing.T) {
	sub := &subscriber{status: 200, deaf: true}
	inBubble(t, sub, func(t *testing.T, s *Server) {
		if v := s.do(t, "POST", "/crm/rest/v1/hooks", subscribe).want(t, 200); at(t, v, "status") != "Unverified" {
			t.Errorf("a deaf subscriber is %v", v)
		}
		verify := func(secret string) result {
			req, err := http.NewRequest("POST", "http://keap.example.com/crm/rest/v1/hooks/1/delayedVerify", nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("X-Keap-API-Key", testKey)
			req.Header.Set("X-Hook-Secret", secret)
			return s.send(req)
		}
		verify("guessed").want(t, 403)
		if v := verify(sub.secrets[0]).want(t, 200); at(t, v, "status") != "Verified" {
			t.Errorf("with the secret: %v", v)
		}
		s.do(t, "POST", "/crm/rest/v1/hooks", `{"eventKey":"contact.sneeze","hookUrl":"https://example.com"}`).want(t, 400)
		s.do(t, "POST", "/crm/rest/v1/hooks", `{"eventKey":"contact.add","hookUrl":"/hook"}`).want(t, 400)
	})
}
