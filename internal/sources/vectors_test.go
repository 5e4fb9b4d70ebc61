package sources

import (
	"context"
	"net/http"
	"testing"
	"time"
)

// Vectors that the schemes publish.
func TestStandardWebhooksVectors(t *testing.T) {
	at := time.Unix(1614265330, 0)
	const (
		v1  = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
		v1a = "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg=="
		hs  = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
		pub = "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4="
	)
	tests := []struct {
		name      string
		secrets   Secrets
		signature string
		clock     time.Duration
		ok        bool
	}{
		{"v1", secrets(hs), v1, 0, true},
		{"v1a", secrets(pub), v1a, 0, true},
		{"several signatures", secrets(hs), "v2,zzz v1,AAAA bare " + v1a + " " + v1, 0, true},
		{"several secrets", secrets("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", hs), v1, 0, true},
		{"secret and public key", secrets(hs, pub), v1a, 0, true},
		{"v1a with the secret only", secrets(hs), v1a, 0, false},
		{"bare v1", secrets(hs), "v1", 0, false},
		{"five minutes late", secrets(hs), v1, 5 * time.Minute, true},
		{"later", secrets(hs), v1, 5*time.Minute + time.Second, false},
		{"five minutes early", secrets(hs), v1, -5 * time.Minute, true},
		{"earlier", secrets(hs), v1, -5*time.Minute - time.Second, false},
	}
	for _, kind := range []string{"standard", "svix"} {
		for _, prefix := range []string{"Webhook-", "Svix-"} {
			for _, tt := range tests {
				t.Run(kind+" "+prefix+" "+tt.name, func(t *testing.T) {
					deps := testDeps()
					deps.Now = func() time.Time { return at.Add(tt.clock) }
					s := mustNew(t, Config{Kind: kind, Secret: tt.secrets}, deps)
					h := http.Header{}
					h.Set(prefix+"Id", "msg_p5jXN8AQM9LWM0D4loKWxJek")
					h.Set(prefix+"Timestamp", "1614265330")
					h.Set(prefix+"Signature", tt.signature)
					_, got, err := s.Open(context.Background(), Request{Header: h, Body: []byte(`{"test": 2432232314}`)})
					if tt.ok && (err != nil || len(got) != 1) || !tt.ok && statusOf(err) != http.StatusUnauthorized {
						t.Errorf("%v, %v", got, err)
					}
				})
			}
		}
	}
}

func TestStandardWebhooksSecretsThatLetEverybodyIn(t *testing.T) {
	for _, text := range []string{"", "whsec_", "whsec_AAAA", "whpk_AAAA", "whsk_AAAA", "whsec_not base64"} {
		if _, mistakes := New("s", "a", Config{Kind: "standard", Secret: secrets(text)}, testDeps()); len(mistakes) != 1 {
			t.Errorf("%q: %v", text, mistakes)
		}
	}
}

func TestShopifyVector(t *testing.T) {
	s := mustNew(t, Config{Kind: "shopify", Secret: secrets("hush")}, testDeps())
	for _, name := range []string{"X-Shopify-Hmac-Sha256", "Shopify-Hmac-Sha256"} {
		h := http.Header{}
		h.Set(name, "hMTq0K2x7oyOjoBwGYeTj5oxfnaVYXzbanUG9aajpKI=")
		if _, _, err := s.Open(context.Background(), Request{Header: h, Body: []byte(`"my secret message"`)}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPlainHMACVectors(t *testing.T) {
	for encoding, signature := range map[string]string{
		"hex":       "d42927434049e0b8c73ce887062238cc1c6bb6644bfe66e66d8dd0f30b85679e",
		"base64":    "1CknQ0BJ4LjHPOiHBiI4zBxrtmRL/mbmbY3Q8wuFZ54=",
		"base64url": "1CknQ0BJ4LjHPOiHBiI4zBxrtmRL_mbmbY3Q8wuFZ54",
	} {
		cfg := testConfig(t, "generic")
		cfg.Verify = &Verify{HMAC: &HMAC{Header: "X-Signature", Encoding: encoding, Prefix: "sha256=", Secret: secrets("s3cr3t")}}
		h := http.Header{"X-Signature": {"sha256=" + signature}}
		if _, _, err := mustNew(t, cfg, testDeps()).Open(context.Background(), Request{Header: h, Body: []byte(`{"a":1}`)}); err != nil {
			t.Errorf("%s: %v", encoding, err)
		}
	}
}
