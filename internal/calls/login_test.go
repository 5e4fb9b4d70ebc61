package calls

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"bridge/internal/events"
	"bridge/internal/keap"
	"bridge/internal/keap/sandbox"
	"bridge/internal/secret"
)

// oneLogin is a keap.TokenStore in memory.
type oneLogin struct {
	turn sync.Mutex
	mu   sync.Mutex
	pair keap.Tokens
	rev  uint64
}

func (l *oneLogin) Load(context.Context) (keap.Tokens, uint64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.pair, l.rev, nil
}

func (l *oneLogin) Save(_ context.Context, t keap.Tokens, revision uint64) (uint64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if revision != l.rev {
		return 0, keap.ErrStale
	}
	l.pair, l.rev = t, l.rev+1
	return l.rev, nil
}

func (l *oneLogin) Lock(context.Context) (func(), error) {
	l.turn.Lock()
	return l.turn.Unlock, nil
}

func (l *oneLogin) put(pair sandbox.Tokens, life time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pair = keap.Tokens{Access: secret.New(pair.Access), Refresh: secret.New(pair.Refresh), Expires: time.Now().Add(life)}
	l.rev++
}

// A refresh token that somebody else used up parks the account with its reason, and fails no event; after a new login
// the events go on by themselves.
func TestLostRefreshParksTheAccount(t *testing.T) {
	inSandbox(t, blackFriday, 3, func(b *sandboxed) {
		login := &oneLogin{}
		login.put(sandbox.Tokens{Access: "sandbox-access-none", Refresh: "sandbox-refresh-used"}, time.Minute)
		credential, err := keap.NewOAuth2(keap.OAuth2Config{
			ClientID: "client", ClientSecret: secret.New("s3cret"), RedirectURL: "http://127.0.0.1:7/", BaseURL: "http://keap.test/crm", Store: login, Transport: b.crm.Transport(),
		})
		if err != nil {
			t.Fatal(err)
		}
		if b.account.Keap, err = keap.New(keap.Options{BaseURL: "http://keap.test/crm", Transport: b.crm.Transport(), Credential: credential}); err != nil {
			t.Fatal(err)
		}
		var closed *Closed
		for who := range 3 {
			r := b.Do(context.Background(), ask(events.Normal, "c0", "1", goal("bought")))[0]
			if !errors.As(r.Err, &closed) || closed.Reason != events.RefreshLost || r.Sent || !strings.Contains(closed.Detail, "bridge keys login") {
				t.Errorf("event %d: %v, sent %t", who, r.Err, r.Sent)
			}
		}
		if got := len(b.crm.Log("", time.Time{}, 0)); got != 1 { // one refresh that was refused
			t.Errorf("%d requests", got)
		}
		login.put(b.crm.Issue("client", "ab123"), 24*time.Hour)
		time.Sleep(time.Until(closed.Until))
		if r := b.Do(context.Background(), ask(events.Normal, "c0", "1", goal("bought")))[0]; r.Err != nil {
			t.Error(r.Err)
		}
	})
}

// A person without an e-mail address is found by phone and created otherwise; a creation whose answer is lost is read
// back before it is tried again.
func TestPhoneOnlyContactIsMadeOnce(t *testing.T) {
	inSandbox(t, blackFriday, 0, func(b *sandboxed) {
		if err := b.crm.SetFaults([]sandbox.Fault{{Match: sandbox.Match{Operation: "contacts.create"}, Fault: "timeout_after", Times: 1}}); err != nil {
			t.Fatal(err)
		}
		step := contact(events.Contact{Phone: "+1 480 555 0100", FirstName: "Ann"})
		a := ask(events.Normal, "nobody", "", step)
		a.Person = events.Person{Phone: "+1 480 555 0100"}
		if r := b.Do(context.Background(), a)[0]; keap.KindOf(r.Err) != keap.KindTimeout || !r.Sent {
			t.Fatalf("the lost answer: %v", r.Err)
		}
		r := b.Do(context.Background(), a)[0]
		people := b.crm.State("ab123").Contacts
		if r.Err != nil || len(people) != 1 || people[0].ID != r.Contact {
			t.Errorf("%v, contact %q of %+v", r.Err, r.Contact, people)
		}
	})
}
