package sources

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"bridge/internal/secret"
)

// proof is how a sender shows that a delivery is its own. Errors of verify are 401s; what was wrong goes to the log only.
type proof interface {
	verify(ctx context.Context, d *delivery) error
	sign(out *Signed, now time.Time) error
}

// hmacProof is a keyed hash over the body, and over a timestamp and an id where the sender signs them.
type hmacProof struct {
	headers   []string // where the signature is; the first that is there
	hash      func() hash.Hash
	encode    func([]byte) string
	decode    func(string) ([]byte, error)
	prefix    string
	secrets   Secrets
	message   string // "{body}", "{timestamp}.{body}" …
	timestamp string // header of {timestamp}
	id        string // header of {id}
	tolerance time.Duration
}

// base64HMAC is the most usual form: HMAC-SHA256 of the body in base64.
func base64HMAC(secrets Secrets, headers ...string) *hmacProof {
	return &hmacProof{
		headers: headers, hash: sha256.New, secrets: secrets, message: "{body}",
		encode: base64.StdEncoding.EncodeToString, decode: base64.StdEncoding.DecodeString,
	}
}

// hexHMAC is HMAC-SHA256 in hex over message.
func hexHMAC(secrets Secrets, header, message string) *hmacProof {
	return &hmacProof{
		headers: []string{header}, hash: sha256.New, secrets: secrets, message: message,
		encode: hex.EncodeToString, decode: hex.DecodeString,
	}
}

func (p *hmacProof) verify(_ context.Context, d *delivery) error {
	given := ""
	for _, name := range p.headers {
		if given = d.Header.Get(name); given != "" {
			break
		}
	}
	given, ok := strings.CutPrefix(given, p.prefix)
	if !ok || given == "" {
		return notAuthentic("no signature in %s", strings.Join(p.headers, " or "))
	}
	want, err := p.decode(given)
	if err != nil {
		return notAuthentic("the signature is not encoded as it should be: %w", err)
	}
	if p.timestamp != "" {
		if err := fresh(d.Header.Get(p.timestamp), d.now, p.tolerance, p.tolerance); err != nil {
			return err
		}
	}
	message := p.signed(d.Header, d.Body)
	for _, s := range p.secrets {
		if !s.Empty() && hmac.Equal(p.sum(s, message...), want) {
			return nil
		}
	}
	return notAuthentic("the signature is another one: wrong secret, or the body was changed on its way")
}

// signed is the message in parts, so that the body is not copied.
func (p *hmacProof) signed(h http.Header, body []byte) [][]byte {
	before, after, _ := strings.Cut(p.message, "{body}")
	fill := func(s string) []byte {
		s = strings.ReplaceAll(s, "{timestamp}", h.Get(p.timestamp))
		return []byte(strings.ReplaceAll(s, "{id}", h.Get(p.id)))
	}
	return [][]byte{fill(before), body, fill(after)}
}

func (p *hmacProof) sum(key secret.Text, parts ...[]byte) []byte {
	return macOf(p.hash, []byte(key.Reveal()), parts...)
}

func macOf(h func() hash.Hash, key []byte, parts ...[]byte) []byte {
	mac := hmac.New(h, key)
	for _, part := range parts {
		mac.Write(part)
	}
	return mac.Sum(nil)
}

// errNoSecret says why nothing can be signed.
var errNoSecret = &Refusal{Status: http.StatusBadRequest, Public: "the source has no secret to sign with"}

func (p *hmacProof) sign(out *Signed, now time.Time) error {
	if p.secrets.Empty() {
		return errNoSecret
	}
	if p.timestamp != "" {
		out.Header.Set(p.timestamp, strconv.FormatInt(now.Unix(), 10))
	}
	if p.id != "" && out.Header.Get(p.id) == "" {
		out.Header.Set(p.id, bodyID(out.Body))
	}
	out.Header.Set(p.headers[0], p.prefix+p.encode(p.sum(p.secrets[0], p.signed(out.Header, out.Body)...)))
	return nil
}

// fresh checks a time of signing in seconds since 1970 against a clock.
func fresh(timestamp string, now time.Time, old, future time.Duration) error {
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil {
		return notAuthentic("the timestamp is no number")
	}
	age := now.Sub(time.Unix(seconds, 0))
	if age > old || age < -future {
		return notAuthentic("the timestamp is %s away from now: a replay, or a clock that is wrong", age.Round(time.Second))
	}
	return nil
}

// listProof is a signature header that is itself a list, "t=1700000000,v1=ab…,v1=cd…" (Stripe, Paddle), over timestamp +
// join + body in hex. Every signature is tried with every secret; versions not asked for are skipped.
type listProof struct {
	header, separator     string
	timeKey, signatureKey string
	join                  string
	secrets               Secrets
	tolerance             time.Duration
}

func (p *listProof) verify(_ context.Context, d *delivery) error {
	timestamp := ""
	var given [][]byte
	for part := range strings.SplitSeq(d.Header.Get(p.header), p.separator) {
		key, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch key {
		case p.timeKey:
			timestamp = value
		case p.signatureKey:
			if b, err := hex.DecodeString(value); err == nil && len(given) < maxSignatures {
				given = append(given, b)
			}
		}
	}
	if len(given) == 0 {
		return notAuthentic("no %s signature in %s", p.signatureKey, p.header)
	}
	if err := fresh(timestamp, d.now, p.tolerance, p.tolerance); err != nil {
		return err
	}
	for _, s := range p.secrets {
		sum := macOf(sha256.New, []byte(s.Reveal()), []byte(timestamp+p.join), d.Body)
		for _, g := range given {
			if !s.Empty() && hmac.Equal(sum, g) {
				return nil
			}
		}
	}
	return notAuthentic("none of %d signatures is right: wrong secret, or the body was changed on its way", len(given))
}

// maxSignatures bounds the work that one header can cause.
const maxSignatures = 10

func (p *listProof) sign(out *Signed, now time.Time) error {
	if p.secrets.Empty() {
		return errNoSecret
	}
	t := strconv.FormatInt(now.Unix(), 10)
	sum := macOf(sha256.New, []byte(p.secrets[0].Reveal()), []byte(t+p.join), out.Body)
	out.Header.Set(p.header, p.timeKey+"="+t+p.separator+p.signatureKey+"="+hex.EncodeToString(sum))
	return nil
}

// tokenProof is a text that every delivery shows, in a header, in the query or in a field of the body.
type tokenProof struct {
	header, prefix string
	query, field   string
	values         Secrets
}

func (p *tokenProof) verify(_ context.Context, d *delivery) error {
	given := ""
	switch {
	case p.header != "":
		given = strings.TrimPrefix(d.Header.Get(p.header), p.prefix)
	case p.query != "":
		given = d.queryValue(p.query)
	default:
		body, err := d.body()
		if err != nil {
			return notAuthentic("the body, which should show the token, cannot be read: %w", err)
		}
		given = body.get(p.field)
	}
	if !p.values.equal(given) {
		return notAuthentic("the token is missing or another one")
	}
	return nil
}

func (p *tokenProof) sign(out *Signed, _ time.Time) error {
	if p.values.Empty() {
		return errNoSecret
	}
	value := p.values[0].Reveal()
	switch {
	case p.header != "":
		out.Header.Set(p.header, p.prefix+value)
	case p.query != "":
		out.Query = withQuery(out.Query, p.query, value)
	default:
		return setField(out, p.field, value)
	}
	return nil
}

// bearerProof is RFC 6750.
func bearerProof(values Secrets) *tokenProof {
	return &tokenProof{header: "Authorization", prefix: "Bearer ", values: values}
}

// basicProof is RFC 7617, and any other header that never changes.
func basicProof(b *Basic) *tokenProof {
	pair := base64.StdEncoding.EncodeToString([]byte(b.User + ":" + b.Password.Reveal()))
	return &tokenProof{header: "Authorization", prefix: "Basic ", values: Secrets{secret.New(pair)}}
}

// allProofs have to hold together.
type allProofs []proof

func (p allProofs) verify(ctx context.Context, d *delivery) error {
	for _, one := range p {
		if err := one.verify(ctx, d); err != nil {
			return err
		}
	}
	return nil
}

func (p allProofs) sign(out *Signed, now time.Time) error {
	for _, one := range p {
		if err := one.sign(out, now); err != nil {
			return err
		}
	}
	return nil
}

// addressProof is the address itself: the secret in it was compared before any proof is asked.
type addressProof struct{}

func (addressProof) verify(context.Context, *delivery) error { return nil }
func (addressProof) sign(*Signed, time.Time) error           { return nil }

// eitherProof is satisfied by one of two; the first signs.
type eitherProof [2]proof

func (p eitherProof) verify(ctx context.Context, d *delivery) error {
	if p[0].verify(ctx, d) == nil {
		return nil
	}
	return p[1].verify(ctx, d)
}

func (p eitherProof) sign(out *Signed, now time.Time) error { return p[0].sign(out, now) }

func hashOf(algorithm string) func() hash.Hash {
	switch algorithm {
	case "", "sha256":
		return sha256.New
	case "sha1":
		return sha1.New
	case "sha512":
		return sha512.New
	}
	return nil
}

func withQuery(query, name, value string) string {
	if query != "" {
		query += "&"
	}
	return query + url.QueryEscape(name) + "=" + url.QueryEscape(value)
}

// Dummy spends about the work of a verification. A caller that answers 401 for an account or source that does not exist
// calls it first, so that the time of the answer does not tell which names exist.
func Dummy(r Request) {
	sum := macOf(sha256.New, []byte("no such source"), r.Body)
	given, _ := base64.StdEncoding.DecodeString(r.Header.Get("X-WC-Webhook-Signature"))
	_ = hmac.Equal(sum, given) || bytes.Equal(given, nil)
}
