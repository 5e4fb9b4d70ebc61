package keap

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"bridge/internal/secret"
)

const nextKey = "KeapAK-fedcba9876543210fedcba9876543210fed8472a"

func TestCheckKey(t *testing.T) {
	for _, tc := range []struct {
		kind CredentialKind
		key  string
		want string // part of the message; "": fine
	}{
		{SAK, testKey, ""}, {PAT, "PAT-0123456789abcdef", ""},
		{SAK, "", "is empty"},
		{SAK, "0123456789abcdef0123456789ABCDEF", "31 October 2024"},
		{PAT, "0123456789abcdef0123456789abcdef", "31 October 2024"},
		{SAK, "PAT-0123456789abcdef", "begin with KeapAK-"},
		{SAK, testKey + "\n", "holds blanks"}, {PAT, "a b", "holds blanks"}, {PAT, "kéy", "holds blanks"},
	} {
		err := CheckKey(tc.kind, secret.New(tc.key))
		if tc.want == "" {
			if err != nil {
				t.Errorf("%s %q: %v", tc.kind, tc.key, err)
			}
			continue
		}
		e := asError(t, err)
		if !strings.Contains(e.Message, tc.want) || e.Hint == "" || e.Kind != KindCredential || tc.key != "" && strings.Contains(e.Error()+e.Hint, tc.key) {
			t.Errorf("%s %q: %+v", tc.kind, tc.key, e)
		}
	}
	if _, err := PersonalAccessToken(secret.New("PAT-0123456789abcdef"), secret.New("0123456789abcdef0123456789abcdef")); err == nil {
		t.Error("a legacy next key was taken")
	}
}

func TestDefaultLimits(t *testing.T) {
	key, oauth := Limits{10, 240, 30_000}, Limits{25, 1500, 150_000}
	if DefaultLimits(SAK) != key || DefaultLimits(PAT) != key || DefaultLimits(OAuth) != oauth || TenantLimits() != (Limits{0, 10_000, 250_000}) {
		t.Error("limits differ from Keap's published ones")
	}
}

// gate answers 401 for keys that are not good.
func gate(good ...string) (http.HandlerFunc, func() []string) {
	var mu sync.Mutex
	var used []string
	return func(w http.ResponseWriter, r *http.Request) {
			key := r.Header.Get("X-Keap-API-Key")
			mu.Lock()
			used = append(used, secret.New(key).Masked())
			mu.Unlock()
			if slices.Contains(good, key) {
				says(201, `{"id":"1"}`)(w, r)
				return
			}
			says(401, `{"fault":{"faultstring":"Invalid Access Token","detail":{"errorcode":"keymanagement.service.invalid_access_token"}}}`)(w, r)
		}, func() []string {
			mu.Lock()
			defer mu.Unlock()
			return slices.Clone(used)
		}
}

func TestNextKeyTakesOver(t *testing.T) {
	handler, used := gate(nextKey)
	f, _ := newFake(t, handler)
	credential := mustKey(t, testKey, nextKey)
	c := f.client(t, credential)
	for range 2 {
		if err := one(c); err != nil {
			t.Fatal(err)
		}
	}
	// Confirmed once with the first key, then the next one for good.
	if want := []string{"*****c5169", "*****c5169", "*****8472a", "*****8472a"}; !slices.Equal(used(), want) {
		t.Errorf("used %v", used())
	}
	if credential.Masked() != "*****8472a" {
		t.Errorf("in use: %s", credential.Masked())
	}
	if len(f.seen) != 4 {
		t.Errorf("observed %d answers", len(f.seen))
	}
}

func TestRefusedIsConfirmedOnce(t *testing.T) {
	for _, tc := range []struct {
		name, next string
		calls      int
	}{{"no next key", "", 2}, {"both refused", nextKey, 4}} {
		handler, used := gate()
		f, _ := newFake(t, handler)
		e := asError(t, one(f.client(t, mustKey(t, testKey, tc.next))))
		if e.Kind != KindDenied || e.Code != "keymanagement.service.invalid_access_token" || len(used()) != tc.calls {
			t.Errorf("%s: %+v after %v", tc.name, e, used())
		}
	}
}

func TestASingleRefusalIsForgotten(t *testing.T) {
	first := true
	f, _ := newFake(t, func(w http.ResponseWriter, r *http.Request) {
		if first {
			first = false
			says(401, `{}`)(w, r)
			return
		}
		says(201, `{"id":"1"}`)(w, r)
	})
	credential := mustKey(t, testKey, nextKey)
	if err := one(f.client(t, credential)); err != nil {
		t.Fatal(err)
	}
	if credential.Masked() != "*****c5169" {
		t.Error("one 401 made the next key take over")
	}
}

func TestExtraRequestsAskFirst(t *testing.T) {
	handler, used := gate()
	f, _ := newFake(t, handler)
	asked := 0
	c, err := New(Options{BaseURL: f.URL + "/crm", Credential: mustKey(t, testKey, nextKey), Extra: func(context.Context) error {
		asked++
		if asked == 2 {
			return errors.New("no permit")
		}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	if e := asError(t, one(c)); e.Kind != KindDenied || asked != 2 || len(used()) != 2 {
		t.Errorf("%+v after %d requests, asked %d times", e, len(used()), asked)
	}
}

func TestConcurrentCallsSwitchKeysOnce(t *testing.T) {
	handler, used := gate(nextKey)
	f, _ := newFake(t, handler)
	c := f.client(t, mustKey(t, testKey, nextKey))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if err := one(c); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := len(used()); n < 8+2 || n > 8*3 {
		t.Errorf("%d requests", n)
	}
}
