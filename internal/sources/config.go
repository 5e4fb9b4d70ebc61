package sources

import (
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"bridge/internal/secret"
)

// Config is one source as it stands in the configuration. Which of the fields a kind takes, and which it needs, New
// says; path_secret, allow_ips, rate, silent_after and max_body go with every kind.
type Config struct {
	Kind       string         `yaml:"kind"`
	Secret     Secrets        `yaml:"secret,omitempty"`     // of senders that sign; two while one replaces the other
	Token      Secrets        `yaml:"token,omitempty"`      // of senders that only show one
	WebhookID  string         `yaml:"webhook_id,omitempty"` // paypal: the webhook's own id, part of what is signed
	ClientID   string         `yaml:"client_id,omitempty"`  // adobe-events: whom events must be addressed to
	Receivers  []string       `yaml:"receivers,omitempty"`  // paypal-ipn: our own e-mail addresses or merchant ids
	PathSecret secret.Text    `yaml:"path_secret,omitempty"`
	AllowIPs   []netip.Prefix `yaml:"allow_ips,omitempty"`
	Rate       *Rate          `yaml:"rate,omitempty"`

	SilentAfter time.Duration `yaml:"silent_after,omitempty"` // 0: the caller's default
	MaxBody     Size          `yaml:"max_body,omitempty"`     // 0: the caller's default

	Verify *Verify           `yaml:"verify,omitempty"` // generic, and kinds whose header the merchant chooses
	Event  *Template         `yaml:"event,omitempty"`  // generic, and kinds whose body the merchant designs
	Fields map[string]string `yaml:"fields,omitempty"` // gravityforms and other forms: email: "2", first_name: "1.3"
	Enrich *Enrich           `yaml:"enrich,omitempty"`
	Sweep  *Sweep            `yaml:"sweep,omitempty"`
}

// Rate is a source's own ingress limit.
type Rate struct {
	PerSecond float64 `yaml:"per_second"`
	Burst     int     `yaml:"burst,omitempty"` // 0: one second's worth, at least 1
}

// Verify is how a generic sender shows that a delivery is its own. Everything that is given has to hold.
type Verify struct {
	HMAC   *HMAC   `yaml:"hmac,omitempty"`
	Token  *Token  `yaml:"token,omitempty"`
	Basic  *Basic  `yaml:"basic,omitempty"`
	Bearer Secrets `yaml:"bearer,omitempty"`
}

// HMAC is a signature over the body.
type HMAC struct {
	Header    string        `yaml:"header"`
	Algorithm string        `yaml:"algorithm,omitempty"` // sha256 (default), sha1, sha512
	Encoding  string        `yaml:"encoding,omitempty"`  // hex (default), base64, base64url
	Prefix    string        `yaml:"prefix,omitempty"`    // before the signature in the header: "sha256="
	Secret    Secrets       `yaml:"secret"`
	Signed    string        `yaml:"signed,omitempty"`    // what is signed: "{body}" (default), "{timestamp}.{body}", "{id}.{timestamp}.{body}"
	Timestamp string        `yaml:"timestamp,omitempty"` // header with seconds since 1970
	ID        string        `yaml:"id,omitempty"`        // header for {id}
	Tolerance time.Duration `yaml:"tolerance,omitempty"` // either way; 0 with a timestamp: 5 minutes
}

// Token is a text that every delivery shows, in one of three places.
type Token struct {
	Header string  `yaml:"header,omitempty"`
	Query  string  `yaml:"query,omitempty"`
	Field  string  `yaml:"field,omitempty"` // of the body
	Value  Secrets `yaml:"value,omitempty"` // empty: the source's token
}

// Basic is RFC 7617.
type Basic struct {
	User     string      `yaml:"user"`
	Password secret.Text `yaml:"password"`
}

// Enrich is where a source asks for what deliveries leave out, and with which credentials. Kinds with one fixed address
// need no URL.
type Enrich struct {
	URL       string      `yaml:"url,omitempty"`        // of the shop
	Key       secret.Text `yaml:"key,omitempty"`        // consumer key, client id, merchant id, API key: the first half
	Secret    secret.Text `yaml:"secret,omitempty"`     // consumer secret, client secret, merchant key, password: the second
	Token     secret.Text `yaml:"token,omitempty"`      // access token
	Sandbox   bool        `yaml:"sandbox,omitempty"`    // ask the sender's sandbox
	PerSecond float64     `yaml:"per_second,omitempty"` // look-ups per second; 0: 2
}

// Sweep asks for changes regularly, with the credentials of enrich.
type Sweep struct {
	Every time.Duration `yaml:"every"`
}

// Template says, in texts with {{ }}, what event a body of the merchant's own design means. A text that cannot be filled
// (the field is not there this time) is empty.
type Template struct {
	Type         string         `yaml:"type"`
	ID           string         `yaml:"id,omitempty"`   // what tells this fact from others; empty: the whole body
	Time         string         `yaml:"time,omitempty"` // the fact's own time
	Updated      string         `yaml:"updated,omitempty"`
	Contact      map[string]any `yaml:"contact,omitempty"` // as in events: email, first_name, …, address: {line1, …}, fields: {…}
	Order        map[string]any `yaml:"order,omitempty"`
	Items        *Items         `yaml:"items,omitempty"`
	Subscription map[string]any `yaml:"subscription,omitempty"`
	Membership   map[string]any `yaml:"membership,omitempty"`
	Refund       map[string]any `yaml:"refund,omitempty"`
}

// Items makes line items of a list in the body.
type Items struct {
	Each string            `yaml:"each"` // where the list is: "order.lines"
	Item map[string]string `yaml:"item"` // sku, name, quantity, price, product_id; the line is {{item}}
}

// Secrets is one secret or a list of them. During a rotation either of two counts.
type Secrets []secret.Text

// UnmarshalYAML takes a text or a list of texts.
func (s *Secrets) UnmarshalYAML(unmarshal func(any) error) error {
	var one secret.Text
	if unmarshal(&one) == nil {
		*s = Secrets{one}
		return nil
	}
	var many []secret.Text
	if err := unmarshal(&many); err != nil {
		return err
	}
	*s = many
	return nil
}

// Empty tells whether there is none, or an empty one among them.
func (s Secrets) Empty() bool {
	for _, t := range s {
		if t.Empty() {
			return true
		}
	}
	return len(s) == 0
}

// equal compares with each, whichever matches, without stopping early.
func (s Secrets) equal(given string) bool {
	ok := false
	for _, t := range s {
		ok = t.Equal(given) || ok
	}
	return ok
}

// Size is a number of bytes, written 65536, 64KiB or 1MiB.
type Size int64

// UnmarshalText reads a size.
func (s *Size) UnmarshalText(b []byte) error {
	text := strings.TrimSpace(string(b))
	factor := int64(1)
	for suffix, f := range map[string]int64{"KiB": 1 << 10, "MiB": 1 << 20} {
		if digits, ok := strings.CutSuffix(text, suffix); ok {
			text, factor = strings.TrimSpace(digits), f
		}
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n <= 0 || n > math.MaxInt64/factor {
		return fmt.Errorf("%q is no size; write 65536, 64KiB or 1MiB", b)
	}
	*s = Size(n * factor)
	return nil
}
