package sources

import (
	"context"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"time"

	"bridge/internal/events"
	"bridge/internal/secret"
)

// Standard Webhooks 1.0.0 and Svix, its origin: the same scheme under two sets of header names. v1 is HMAC-SHA256 with a
// shared secret, v1a is ed25519 with the sender's public key. A header may hold several signatures, a source several
// secrets; versions that are not known are skipped.
var (
	standardKind = &Kind{
		Name: "standard", Title: "Standard Webhooks",
		Proof:  "HMAC-SHA256 (v1) or ed25519 (v1a) of id.timestamp.body, base64, in webhook-signature",
		Replay: "5 minutes", Retries: "as each sender chooses; 10 times over 75 hours are recommended",
		Methods: post, takes: []string{"secret", "event"}, open: openStandard,
	}
	svixKind = &Kind{
		Name: "svix", Title: "Svix",
		Proof:  "HMAC-SHA256 (v1) or ed25519 (v1a) of id.timestamp.body, base64, in svix-signature",
		Replay: "5 minutes", Retries: "8 times over 28 hours",
		Methods: post, takes: []string{"secret", "event"}, open: openStandard,
	}
)

type standard struct {
	*standardProof
	mapping *mapping // nil without `event:`
}

func openStandard(s *setup) sender {
	return &standard{openStandardProof(s), openMapping(s)}
}

// standardProof checks and makes signatures of Standard Webhooks.
type standardProof struct {
	prefixes  []string // of the header names; the first is written
	keys      [][]byte // HMAC
	public    []ed25519.PublicKey
	private   ed25519.PrivateKey // for signing; nil with a public key only
	tolerance time.Duration
}

func openStandardProof(s *setup) *standardProof {
	p := &standardProof{prefixes: []string{"Webhook-", "Svix-"}, tolerance: 5 * time.Minute}
	if s.kind.Name == "svix" {
		p.prefixes = []string{"Svix-", "Webhook-"}
	}
	for _, t := range s.secrets() {
		if err := p.add(t); err != nil && !t.Empty() {
			s.mistake("secret", "%v", err)
		}
	}
	return p
}

// add takes a secret in any of the standard's forms: whsec_ or plain base64 for v1, whpk_ or whsk_ for v1a.
func (p *standardProof) add(t secret.Text) error {
	kind, text := "whsec", t.Reveal()
	if head, rest, ok := strings.Cut(text, "_"); ok {
		kind, text = head, rest
	}
	key, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return fmt.Errorf("the part after %s_ must be base64, as the sender shows it", kind)
	}
	switch {
	case kind == "whsec" && len(key) >= 16:
		p.keys = append(p.keys, key)
	case kind == "whsec":
		return fmt.Errorf("the secret is %d bytes long; the standard asks for 24 to 64", len(key))
	case kind == "whpk" && len(key) == ed25519.PublicKeySize:
		p.public = append(p.public, key)
	case kind == "whsk" && (len(key) == ed25519.PrivateKeySize || len(key) == ed25519.SeedSize):
		p.private = ed25519.NewKeyFromSeed(key[:ed25519.SeedSize])
		p.public = append(p.public, p.private.Public().(ed25519.PublicKey))
	default:
		return fmt.Errorf("a secret starts with whsec_, a public key with whpk_, and both have their full length")
	}
	return nil
}

func (p *standardProof) verify(_ context.Context, d *delivery) error {
	prefix := p.prefixes[0]
	if d.Header.Get(prefix+"Signature") == "" {
		prefix = p.prefixes[1]
	}
	id, timestamp := d.Header.Get(prefix+"Id"), d.Header.Get(prefix+"Timestamp")
	if id == "" || d.Header.Get(prefix+"Signature") == "" {
		return notAuthentic("%sid or %[1]ssignature is missing", strings.ToLower(p.prefixes[0]))
	}
	if err := fresh(timestamp, d.now, p.tolerance, p.tolerance); err != nil {
		return err
	}
	head := []byte(id + "." + timestamp + ".")
	signatures := strings.Fields(d.Header.Get(prefix + "Signature"))
	for _, one := range signatures[:min(len(signatures), maxSignatures)] {
		version, text, _ := strings.Cut(one, ",")
		given, err := base64.StdEncoding.DecodeString(text)
		if err == nil && p.matches(version, head, d.Body, given) {
			return nil
		}
	}
	return notAuthentic("none of %d signatures is right: wrong secret, or the body was changed on its way", len(signatures))
}

func (p *standardProof) matches(version string, head, body, given []byte) bool {
	switch version {
	case "v1":
		for _, key := range p.keys {
			if hmac.Equal(macOf(sha256.New, key, head, body), given) {
				return true
			}
		}
	case "v1a":
		for _, key := range p.public {
			if len(given) == ed25519.SignatureSize && ed25519.Verify(key, append(head[:len(head):len(head)], body...), given) {
				return true
			}
		}
	}
	return false
}

func (p *standardProof) sign(out *Signed, now time.Time) error {
	id, timestamp := "msg_"+bodyID(out.Body), strconv.FormatInt(now.Unix(), 10)
	head := []byte(id + "." + timestamp + ".")
	var signature string
	switch {
	case len(p.keys) > 0:
		signature = "v1," + base64.StdEncoding.EncodeToString(macOf(sha256.New, p.keys[0], head, out.Body))
	case p.private != nil:
		signature = "v1a," + base64.StdEncoding.EncodeToString(ed25519.Sign(p.private, append(head, out.Body...)))
	default:
		return errPublicOnly
	}
	out.Header.Set(p.prefixes[0]+"Id", id)
	out.Header.Set(p.prefixes[0]+"Timestamp", timestamp)
	out.Header.Set(p.prefixes[0]+"Signature", signature)
	return nil
}

// errPublicOnly says why nothing can be signed.
var errPublicOnly = &Refusal{
	Status: 400, Public: "only the sender's public key is configured, so nothing can be signed in its name",
	Hint: "for tests, give the private key (whsk_…) as secret",
}

func (s *standard) read(d *delivery) (reading, error) {
	body, err := d.body()
	if err != nil {
		return reading{}, malformed("the body cannot be read", err)
	}
	id := d.Header.Get(s.prefixes[0] + "Id")
	if id == "" {
		id = d.Header.Get(s.prefixes[1] + "Id")
	}
	if s.mapping != nil {
		return s.mapping.read(d, body, id)
	}
	typ := body.get("type|event_type|eventType")
	got := reading{topic: typ, id: id}
	f := fact{id: id, at: body.at("timestamp|created_at").time()}
	if data, ok := canonicalData(body.at("data")); ok && isCanonical(typ) {
		f.typ, f.data = typ, data
	} else {
		f.data.Contact = anyContact.read(body)
	}
	got.facts = []fact{f}
	return got, nil
}

// canonicalTypes are the types of contract and documentation; publishers may use others of their own.
var canonicalTypes = map[string]bool{
	"order.created": true, "order.paid": true, "order.refunded": true, "order.failed": true, "order.cancelled": true,
	"subscription.started": true, "subscription.renewed": true, "subscription.payment_failed": true, "subscription.paused": true,
	"subscription.resumed": true, "subscription.cancelled": true, "subscription.expired": true,
	"membership.started": true, "membership.expired": true, "membership.cancelled": true, "membership.transferred": true,
	"customer.created": true, "customer.updated": true, "customer.deleted": true, "lead.submitted": true,
	"cart.abandoned": true, "cart.recovered": true, "consent.updated": true, "dispute.opened": true,
}

func isCanonical(typ string) bool { return canonicalTypes[typ] }

// canonicalData reads a body that is already in our shape; ok is false when it is not.
func canonicalData(t tree) (events.Data, bool) {
	data, err := dataOf(t.v)
	return data, err == nil && (data.Contact != nil || data.Order != nil)
}
