package sources

import (
	"encoding/base64"
	"encoding/hex"
	"strings"
	"time"
)

// Generic: any sender of JSON, XML or form posts, verified and read as the configuration says.
var genericKind = &Kind{
	Name: "generic", Title: "Anything that posts JSON, XML or a form",
	Proof:   "as `verify` says: HMAC, token, Basic, Bearer; or the secret in the address",
	Replay:  "where a timestamp header is named, its tolerance (5 minutes)",
	Methods: postAndGet, takes: []string{"verify", "event", "token", "fields"}, open: openGeneric,
}

type generic struct {
	proof
	mapping *mapping
	form    *form
}

func openGeneric(s *setup) sender {
	if s.cfg.Event == nil && len(s.cfg.Fields) == 0 {
		s.mistake("event", "say what a delivery means: event: {type: …, contact: {email: …}}")
	}
	return &generic{s.configured(""), openMapping(s), openForm(s)}
}

func (g *generic) read(d *delivery) (reading, error) {
	body, err := d.body()
	if err != nil {
		return reading{}, malformed("the body cannot be read", err)
	}
	if g.mapping != nil {
		return g.mapping.read(d, body, "")
	}
	return g.form.read(body), nil
}

// configured is the proof that `verify` and `token` ask for; header is where a kind's token stands when the
// configuration does not say. Without any it is the secret in the address.
func (s *setup) configured(header string) proof {
	v := s.cfg.Verify
	if v == nil {
		v = &Verify{}
	}
	var all allProofs
	if v.HMAC != nil {
		all = append(all, s.openHMAC(v.HMAC))
	}
	if v.Token != nil || len(s.cfg.Token) > 0 {
		all = append(all, s.openToken(v.Token, header))
	}
	if v.Basic != nil {
		if v.Basic.User == "" || v.Basic.Password.Empty() {
			s.mistake("verify.basic", "user and password are both needed")
		}
		all = append(all, basicProof(v.Basic))
	}
	if len(v.Bearer) > 0 {
		if v.Bearer.Empty() {
			s.mistake("verify.bearer", "the token is empty: every delivery would match")
		}
		all = append(all, bearerProof(v.Bearer))
	}
	if len(all) == 0 {
		if s.cfg.PathSecret.Empty() {
			s.mistake("verify", "say how deliveries are verified (hmac, token, basic, bearer), or give a path_secret of %d or more characters", minPathSecret)
		}
		return addressProof{}
	}
	return all
}

func (s *setup) openToken(t *Token, header string) proof {
	if t == nil {
		t = &Token{Header: header}
	}
	p := &tokenProof{header: t.Header, query: t.Query, field: t.Field, values: t.Value}
	if len(p.values) == 0 {
		p.values = s.cfg.Token
	}
	if p.values.Empty() {
		s.mistake("verify.token", "the token is empty: every delivery would match")
	}
	places := 0
	for _, place := range []string{t.Header, t.Query, t.Field} {
		if place != "" {
			places++
		}
	}
	if places != 1 {
		s.mistake("verify.token", "say where the token is: one of header, query, field")
	}
	if t.Field != "" {
		s.strip = append(s.strip, t.Field)
	}
	return p
}

func (s *setup) openHMAC(c *HMAC) proof {
	p := &hmacProof{
		headers: []string{c.Header}, hash: hashOf(c.Algorithm), prefix: c.Prefix, secrets: c.Secret, message: c.Signed,
		timestamp: c.Timestamp, id: c.ID, tolerance: c.Tolerance,
	}
	if c.Header == "" {
		s.mistake("verify.hmac.header", "say which header holds the signature")
	}
	if p.hash == nil {
		s.mistake("verify.hmac.algorithm", "%q is none of sha256, sha1, sha512", c.Algorithm)
	}
	if c.Secret.Empty() {
		s.mistake("verify.hmac.secret", "the secret is empty: anybody could sign with it")
	}
	switch c.Encoding {
	case "", "hex":
		p.encode, p.decode = hex.EncodeToString, hex.DecodeString
	case "base64":
		p.encode, p.decode = base64.StdEncoding.EncodeToString, base64.StdEncoding.DecodeString
	case "base64url":
		p.encode, p.decode = base64.RawURLEncoding.EncodeToString, func(t string) ([]byte, error) {
			return base64.RawURLEncoding.DecodeString(strings.TrimRight(t, "="))
		}
	default:
		s.mistake("verify.hmac.encoding", "%q is none of hex, base64, base64url", c.Encoding)
	}
	if p.message == "" {
		p.message = "{body}"
	}
	if strings.Count(p.message, "{body}") != 1 {
		s.mistake("verify.hmac.signed", "must hold {body} once, and may hold {timestamp} and {id}")
	}
	if strings.Contains(p.message, "{timestamp}") && p.timestamp == "" {
		s.mistake("verify.hmac.timestamp", "say which header holds the {timestamp} that is signed")
	}
	if strings.Contains(p.message, "{id}") && p.id == "" {
		s.mistake("verify.hmac.id", "say which header holds the {id} that is signed")
	}
	if p.timestamp != "" && !strings.Contains(p.message, "{timestamp}") {
		s.mistake("verify.hmac.signed", "the timestamp is not part of what is signed, so checking it would prove nothing: add {timestamp}")
	}
	if p.tolerance == 0 {
		p.tolerance = 5 * time.Minute
	}
	return p
}
