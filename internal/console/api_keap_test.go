package console

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"bridge/internal/ops"
)

// told answers for Keap and remembers what it was asked.
type told struct{ asked []string }

var monday = time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)

func (k *told) Prove(_ context.Context, account string, names []ops.Name) (ops.Proof, error) {
	k.asked = append(k.asked, "prove "+account)
	if account == "broken" {
		return ops.Proof{}, &ops.Error{Kind: ops.Outside, Message: "Keap does not answer", Hint: "see status.thryv.com"}
	}
	p := ops.Proof{Keys: []ops.KeyProof{{Credential: ops.Credential{Name: "service_account_key", Kind: "service account key", Masked: "*****c5169", Created: monday}, Works: true, App: "ab123"}}}
	for _, n := range names {
		p.Names = append(p.Names, ops.NameProof{Name: n, Found: ops.FoundNo, Detail: "no such tag"})
	}
	return p, nil
}

func (k *told) Hooks(_ context.Context, account string) ([]ops.Hook, error) {
	k.asked = append(k.asked, "hooks "+account)
	return []ops.Hook{{Source: "keap", Event: "contact.add", Status: "missing", Wanted: true}}, nil
}

func (k *told) SyncHooks(_ context.Context, account string) ([]ops.Hook, error) {
	k.asked = append(k.asked, "sync "+account)
	return []ops.Hook{{Source: "keap", Event: "contact.add", Key: "1", Status: "Verified", Wanted: true, Done: "created"}}, nil
}

func (k *told) BeginLogin(_ context.Context, account, redirect string) (ops.Login, error) {
	k.asked = append(k.asked, "begin "+account)
	return ops.Login{URL: "https://accounts.example.com/", State: "s", Redirect: redirect, Ends: monday}, nil
}

func (k *told) EndLogin(_ context.Context, account, state, code string) (ops.Credential, error) {
	k.asked = append(k.asked, "end "+account+" "+state+" "+code)
	return ops.Credential{Kind: "OAuth2", Masked: "*****c5169", Active: true, Created: monday}, nil
}

func TestAPIKeap(t *testing.T) {
	d := newDesk(t, nil)
	d.AccountList = append(d.AccountList, ops.Account{Name: "broken"})
	keap := &told{}
	d.Desk.Keap = keap
	schemas := compiledSchemas(t)
	for _, tt := range []struct{ method, path, real, body string }{
		{"post", "/api/accounts/{account}/proof", "/api/accounts/default/proof", `{"names":[{"kind":"tag","name":"Customer"}]}`},
		{"get", "/api/accounts/{account}/hooks", "/api/accounts/default/hooks", ""},
		{"post", "/api/accounts/{account}/hooks", "/api/accounts/default/hooks", "{}"},
		{"post", "/api/accounts/{account}/login", "/api/accounts/default/login", `{"redirect":"http://127.0.0.1:8765/"}`},
		{"post", "/api/accounts/{account}/login", "/api/accounts/default/login", `{"state":"s","code":"c"}`},
	} {
		text := d.answer(200, nil, strings.ToUpper(tt.method), tt.real, tt.body)
		value, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		if err := schemas(tt.method, tt.path, "200", "application/json").Validate(value); err != nil {
			t.Errorf("%s %s: %v\nin %s", tt.method, tt.path, err, text)
		}
	}
	want := []string{"prove default", "hooks default", "sync default", "begin default", "end default s c"}
	if diff := cmp.Diff(want, keap.asked); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
	if res, text := d.ask("POST", "/api/accounts/broken/proof", "{}"); res.StatusCode != 502 || !strings.Contains(text, "status.thryv.com") {
		t.Errorf("%d %s", res.StatusCode, text)
	}
	if res, text := d.ask("POST", "/api/accounts/nope/proof", "{}"); res.StatusCode != 404 {
		t.Errorf("%d %s", res.StatusCode, text)
	}
	if res, text := d.ask("POST", "/api/accounts/default/login", `{"state":"s"}`); res.StatusCode != 400 {
		t.Errorf("a login without a code: %d %s", res.StatusCode, text)
	}
}
