package sources

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"bridge/internal/events"
	"bridge/internal/secret"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write what the tests find as what they expect")

// allSamples are the payloads of testdata, a folder a kind.
func allSamples(t testing.TB) []sample {
	t.Helper()
	var all []sample
	for _, k := range Kinds() {
		found := samplesIn(t, filepath.Join("testdata", k.Name), k.Name)
		if len(found) == 0 {
			t.Errorf("%s has no samples", k.Name)
		}
		all = append(all, found...)
	}
	return all
}

func (s *sample) request() Request {
	r := Request{Header: s.header.Clone(), Body: s.body, Received: testNow}
	if strings.HasSuffix(s.name, ".query") {
		r.Method, r.RawQuery, r.Body = http.MethodGet, strings.TrimSpace(string(s.body)), nil
	}
	return r
}

// golden is what a sample means, without the sender's body.
type golden struct {
	Ignored events.Reason  `json:"ignored,omitempty"`
	Why     string         `json:"why,omitempty"`
	Status  int            `json:"status,omitempty"`
	Events  []events.Event `json:"events,omitempty"`
}

// Every sample: type, id, contact, money to the cent. Run with -update after a change, and read the difference.
func TestSamples(t *testing.T) {
	for _, s := range allSamples(t) {
		t.Run(s.kind+"/"+s.name, func(t *testing.T) {
			reply, got, err := Parse("shop", "default", testConfig(t, s.kind), testDeps(), s.request())
			if err != nil {
				t.Fatal(err)
			}
			for i := range got {
				if reply.Ignored == "" && len(got[i].Data.Raw) == 0 && s.kind != "cloudevents" && s.kind != "nats" {
					t.Errorf("event %d has no raw", i)
				}
				got[i].Data.Raw = nil
			}
			b, err := json.MarshalIndent(golden{reply.Ignored, reply.Why, reply.Status, got}, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join("testdata", s.kind, s.name+".golden.json")
			if *update {
				if err := os.WriteFile(path, append(b, '\n'), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(b)+"\n"); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// signed makes the request that the sender would make of a sample.
func signed(t testing.TB, src Source, s *sample) Request {
	t.Helper()
	out, err := src.(Signer).Sign("", s.body)
	if err != nil {
		t.Fatal(err)
	}
	r := deliver(out)
	for name, values := range s.header {
		if r.Header.Get(name) == "" {
			r.Header[name] = values
		}
	}
	return r
}

// What Sign makes, Open accepts, with the ids that Parse gives; the same delivery again gives the same ids.
func TestSignedSamplesAreAccepted(t *testing.T) {
	for _, s := range allSamples(t) {
		t.Run(s.kind+"/"+s.name, func(t *testing.T) {
			src := mustNew(t, testConfig(t, s.kind), testDeps())
			r := signed(t, src, &s)
			reply, first, err := src.Open(context.Background(), r)
			if err != nil {
				t.Fatal(err)
			}
			if len(first) == 0 && reply.Ignored == "" {
				t.Error("neither events nor a reason")
			}
			_, second, err := src.Open(context.Background(), r)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(ids(first), ids(second)); diff != "" {
				t.Error("a resend got other ids:", diff)
			}
			seen := map[string]bool{}
			for _, e := range first {
				if seen[e.ID] {
					t.Errorf("two facts of one delivery share %s", e.ID)
				}
				seen[e.ID] = true
				if e.Account != "default" || e.Source != "shop" || e.Kind != s.kind || e.Received != testNow || e.Type == "" {
					t.Errorf("%+v", e)
				}
				for _, text := range []string{"a-secret-word", "hottok_of", "a-token-in-a-field"} {
					if bytes.Contains(e.Data.Raw, []byte(text)) {
						t.Errorf("raw holds the secret: %s", e.Data.Raw)
					}
				}
			}
		})
	}
}

func ids(list []events.Event) []string {
	out := []string{}
	for i := range list {
		out = append(out, list[i].ID)
	}
	return out
}

// unsigned are samples that senders cannot sign: pings, and forms of kinds that sign JSON only.
func unsigned(s *sample) bool { return s.kind == "woocommerce" && s.name == "ping.form" }

// Every kind refuses a delivery whose body, signature, timestamp, token, address or secret is another one.
func TestTamperedSamplesAreRefused(t *testing.T) {
	for _, s := range allSamples(t) {
		if unsigned(&s) {
			continue
		}
		t.Run(s.kind+"/"+s.name, func(t *testing.T) {
			src := mustNew(t, testConfig(t, s.kind), testDeps())
			good := signed(t, src, &s)
			for name, r := range tampered(t, src, good) {
				if _, got, err := src.Open(context.Background(), r); statusOf(err) != http.StatusUnauthorized {
					t.Errorf("%s: %v, %v", name, types(got), err)
				}
			}
		})
	}
}

// signsBody tells kinds whose proof covers the body from those that only show something.
func signsBody(kind string) bool {
	k, _ := KindOf(kind)
	return strings.Contains(k.Proof, "SHA256") && kind != "adobe-commerce" // its test configuration uses a token
}

func tampered(t *testing.T, src Source, good Request) map[string]Request {
	t.Helper()
	out := map[string]Request{}
	change := func(name string, f func(r *Request)) {
		r := good
		r.Header, r.Body = good.Header.Clone(), slices.Clone(good.Body)
		f(&r)
		out[name] = r
	}
	kind := kindOfSource(src)
	cfg := testConfig(t, kind)
	if signsBody(kind) {
		change("body", func(r *Request) { r.Body = append(r.Body, ' ') })
		change("no signature", func(r *Request) { r.Header = http.Header{"Content-Type": r.Header["Content-Type"]} })
	}
	if !cfg.PathSecret.Empty() {
		change("no path", func(r *Request) { r.SubPath = "" })
		change("other path", func(r *Request) { r.SubPath = testPathSecret[1:] + "0" })
		change("longer path", func(r *Request) { r.SubPath = testPathSecret + "/more" })
	} else {
		change("surplus path", func(r *Request) { r.SubPath = "more" })
	}
	for name := range good.Header {
		switch lower := strings.ToLower(name); {
		case strings.Contains(lower, "signature"), strings.Contains(lower, "hmac"), strings.Contains(lower, "token"), lower == "authorization",
			strings.Contains(lower, "hottok"), strings.Contains(lower, "webhook-key"), strings.HasSuffix(lower, "-sig"):
			if kind == "cielo" && !bytes.Contains(good.Body, []byte("PaymentId")) && !bytes.Contains(good.Body, []byte("RecurrentPaymentId")) {
				continue // Checkout's forms are proved by the address
			}
			change("empty "+name, func(r *Request) { r.Header.Set(name, "") })
			change("other "+name, func(r *Request) { r.Header.Set(name, flip(r.Header.Get(name))) })
		case strings.Contains(lower, "timestamp"), lower == "paypal-transmission-time":
			change("other "+name, func(r *Request) { r.Header.Set(name, "1795174800") })
			change("empty "+name, func(r *Request) { r.Header.Set(name, "") })
		}
	}
	if len(cfg.Secret) > 0 {
		other := cfg
		other.Secret = Secrets{secret.New("whsec_" + strings.Repeat("A", 32))}
		out["other secret"] = signed(t, mustNew(t, other, testDeps()), &sample{kind: kind, body: good.Body, header: good.Header})
	}
	return out
}

func kindOfSource(src Source) string {
	switch s := src.(type) {
	case *source:
		return s.kind.Name
	case interface{ inner() *source }:
		return s.inner().kind.Name
	}
	return ""
}

func (s *source) inner() *source { return s }

// flip changes the last letter or digit that matters.
func flip(text string) string {
	b := []byte(text)
	i := len(b) / 2
	for b[i] == '=' || b[i] == ',' {
		i++
	}
	if b[i] == '0' {
		b[i] = '1'
	} else {
		b[i] = '0'
	}
	return string(b)
}

// Late and early signatures of the schemes that sign a time.
func TestReplayWindows(t *testing.T) {
	for _, k := range Kinds() {
		if k.Replay == "" {
			continue
		}
		samples := samplesIn(t, filepath.Join("testdata", k.Name), k.Name)
		at := testNow
		deps := testDeps()
		src := mustNew(t, testConfig(t, k.Name), deps)
		r := signed(t, src, &samples[0])
		for _, minutes := range []int{-11, 11} {
			deps := testDeps()
			later := at.Add(time.Duration(minutes) * time.Minute)
			deps.Now = func() time.Time { return later }
			if _, _, err := mustNew(t, testConfig(t, k.Name), deps).Open(context.Background(), r); statusOf(err) != http.StatusUnauthorized {
				t.Errorf("%s, %d minutes away: %v", k.Name, minutes, err)
			}
		}
	}
}
