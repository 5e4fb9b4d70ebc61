package sources

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"bridge/internal/events"
)

// Kind describes a kind of sender, for documentation, checks and the console.
type Kind struct {
	Name        string   // in the configuration
	Title       string   // the sender's own name
	Proof       string   // what is verified, and how
	Replay      string   // how far a delivery's own time may be from now; "" where nothing but its id stops a replay
	Retries     string   // what the sender does about a failed delivery; "" means that it is lost
	SwitchesOff string   // when the sender stops delivering altogether; "" when never, as far as is known
	Thin        string   // what deliveries can lack and enrich asks for
	Sweeps      string   // what a sweep brings
	Methods     []string // HTTP methods that it uses

	takes    []string // configuration keys besides those of every kind
	subPaths []string // what the sender appends to its address
	open     func(s *setup) sender
}

// Docs is the path of the kind's page.
func (k *Kind) Docs() string { return "docs/senders/" + k.Name + ".md" }

// NeverRetries tells whether a delivery that is refused is lost.
func (k *Kind) NeverRetries() bool { return k.Retries == "" }

var (
	post       = []string{http.MethodPost}
	postAndGet = []string{http.MethodPost, http.MethodGet}
)

// kinds is the registry: one line a sender.
var kinds = []*Kind{
	wooKind,
	cartflowsKind,
	shopifyKind,
	paypalKind,
	paypalIPNKind,
	stripeKind,
	hotmartKind,
	adobeEventsKind,
	adobeCommerceKind,
	mageplazaKind,
	cieloKind,
	ewayKind,
	thrivecartKind,
	samcartKind,
	clickfunnelsKind,
	kajabiKind,
	bigcommerceKind,
	paddleKind,
	memberpressKind,
	membermouseKind,
	wpWebhooksKind,
	gravityformsKind,
	pmproKind,
	learndashKind,
	plusthisKind,
	standardKind,
	svixKind,
	cloudeventsKind,
	natsKind,
	genericKind,
	keapKind,
}

// Kinds lists every kind, in the order of the registry.
func Kinds() []Kind {
	out := make([]Kind, len(kinds))
	for i, k := range kinds {
		out[i] = *k
	}
	return out
}

// KindOf finds a kind by name.
func KindOf(name string) (Kind, bool) {
	for _, k := range kinds {
		if k.Name == name {
			return *k, true
		}
	}
	return Kind{}, false
}

// families are names of systems that have several ways of sending.
var families = map[string]string{
	"magento": "adobe-events, adobe-commerce or mageplaza",
}

// setup is what a kind's open works with; it collects every mistake.
type setup struct {
	name, account string
	cfg           *Config
	deps          *Deps
	kind          *Kind
	strip         []string
	mistakes      []Mistake
}

func (s *setup) mistake(path, format string, args ...any) {
	s.mistakes = append(s.mistakes, Mistake{Path: path, Text: fmt.Sprintf(format, args...)})
}

// secrets is the kind's secret, which it needs.
func (s *setup) secrets() Secrets {
	switch {
	case len(s.cfg.Secret) == 0:
		s.mistake("secret", "%s signs its deliveries: give the secret that it signs with", s.kind.Name)
	case s.cfg.Secret.Empty():
		s.mistake("secret", "the secret is empty: anybody could sign with it")
	}
	return s.cfg.Secret
}

// tokens is the kind's token, which it needs.
func (s *setup) tokens() Secrets {
	switch {
	case len(s.cfg.Token) == 0:
		s.mistake("token", "%s shows a token with every delivery: give it", s.kind.Name)
	case s.cfg.Token.Empty():
		s.mistake("token", "the token is empty: every delivery would match")
	}
	return s.cfg.Token
}

// address is the proof of senders that have none: the secret in their address.
func (s *setup) address() proof {
	if s.cfg.PathSecret.Empty() {
		s.mistake("path_secret", "%s has no authentication: give a path_secret of %d or more characters and use /hooks/%s/%s/<path_secret>",
			s.kind.Name, minPathSecret, s.account, s.name)
	}
	return addressProof{}
}

// minPathSecret is 16 characters: 96 bits when they are random letters and digits.
const minPathSecret = 16

// common checks what goes with every kind.
func (s *setup) common() {
	c := s.cfg
	if p := c.PathSecret.Reveal(); p != "" && (len(p) < minPathSecret || strings.ContainsAny(p, "/?#% ")) {
		s.mistake("path_secret", "at least %d letters and digits", minPathSecret)
	}
	if r := c.Rate; r != nil && (r.PerSecond <= 0 || r.Burst < 0) {
		s.mistake("rate.per_second", "must be above 0")
	}
	if c.SilentAfter < 0 {
		s.mistake("silent_after", "must not be negative")
	}
	if c.Sweep != nil && c.Sweep.Every < time.Minute {
		s.mistake("sweep.every", "at least 1m: every sweep is a request to the sender")
	}
	if c.Enrich != nil && c.Enrich.PerSecond < 0 {
		s.mistake("enrich.per_second", "must not be negative")
	}
	given := []struct {
		key   string
		given bool
	}{
		{"secret", len(c.Secret) > 0},
		{"token", len(c.Token) > 0},
		{"webhook_id", c.WebhookID != ""},
		{"client_id", c.ClientID != ""},
		{"receivers", len(c.Receivers) > 0},
		{"verify", c.Verify != nil},
		{"event", c.Event != nil},
		{"fields", len(c.Fields) > 0},
		{"enrich", c.Enrich != nil},
		{"sweep", c.Sweep != nil},
	}
	for _, g := range given {
		if g.given && !slices.Contains(s.kind.takes, g.key) {
			s.mistake(g.key, "%s takes no %s", s.kind.Name, g.key)
		}
	}
}

// New builds a source. name and account are as configured; mistakes come all at once, and only without any is the Source
// usable. It does no I/O.
func New(name, account string, cfg Config, deps Deps) (Source, []Mistake) {
	s, mistakes := build(name, account, cfg, deps)
	if len(mistakes) > 0 {
		return nil, mistakes
	}
	return s.face(), nil
}

func build(name, account string, cfg Config, deps Deps) (*source, []Mistake) {
	i := slices.IndexFunc(kinds, func(k *Kind) bool { return k.Name == cfg.Kind })
	if i < 0 {
		if family, ok := families[cfg.Kind]; ok {
			return nil, []Mistake{{"kind", fmt.Sprintf("%q is several kinds: write %s", cfg.Kind, family)}}
		}
		names := make([]string, len(kinds))
		for i, k := range kinds {
			names[i] = k.Name
		}
		return nil, []Mistake{{"kind", fmt.Sprintf("there is no kind %q; the kinds are %s", cfg.Kind, strings.Join(names, ", "))}}
	}
	if deps.Now == nil {
		deps.Now = time.Now
	}
	s := &setup{name: name, account: account, cfg: &cfg, deps: &deps, kind: kinds[i]}
	s.common()
	sender := s.kind.open(s)
	_, asks := sender.(enricher)
	return &source{
		name: name, account: account, cfg: cfg, kind: s.kind, now: deps.Now, remember: deps.Remember, sender: sender, strip: s.strip,
		asks: asks && cfg.Enrich != nil,
	}, s.mistakes
}

// Parse tells what a payload would mean, without any check that it is authentic and whatever its age. It is for people
// who try things out; it needs the configuration, which those who take requests do not have. Mistakes of the
// configuration come as the error, except that secrets may be missing.
func Parse(name, account string, cfg Config, deps Deps, r Request) (Reply, []events.Event, error) {
	s, mistakes := build(name, account, cfg, deps)
	for _, m := range mistakes {
		if s == nil || !slices.Contains([]string{"secret", "token", "path_secret", "webhook_id"}, m.Path) {
			return Reply{}, nil, fmt.Errorf("source %s: %s", name, m)
		}
	}
	if r.Header == nil {
		r.Header = http.Header{}
	}
	d := &delivery{Request: r, now: s.now()}
	if d.Received.IsZero() {
		d.Received = d.now
	}
	if g, ok := s.sender.(greeter); ok {
		if reply, ok, err := g.greet(d); ok || err != nil {
			return reply, nil, err
		}
	}
	return s.read(d, 0)
}

// Warnings are choices that work but may cost deliveries or prove less than they could; `check` shows them.
func Warnings(cfg Config) []Mistake {
	k, ok := KindOf(cfg.Kind)
	if !ok {
		return nil
	}
	var out []Mistake
	if cfg.Rate != nil && k.NeverRetries() && k.Name != genericKind.Name { // of a sender that nobody knows, nobody knows
		out = append(out, Mistake{"rate", k.Name + " never retries: what is refused above the rate is lost"})
	}
	if cfg.Rate != nil && k.SwitchesOff != "" {
		out = append(out, Mistake{"rate", "refusals may switch the sender off: " + k.SwitchesOff})
	}
	if k.Name == "cielo" && cfg.Enrich == nil && (cfg.Verify != nil || len(cfg.Token) > 0) {
		out = append(out, Mistake{"enrich", "Cielo's API notifications hold ids only and will fail without enrich: {key: MerchantId, secret: MerchantKey}"})
	}
	if k.Name == "paypal-ipn" && cfg.PathSecret.Empty() {
		out = append(out, Mistake{"path_secret", "without one anybody can make the bridge ask PayPal"})
	}
	return out
}
