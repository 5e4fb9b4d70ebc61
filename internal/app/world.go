package app

import (
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"golang.org/x/time/rate"

	"bridge/internal/config"
	"bridge/internal/ingress"
	"bridge/internal/sources"
)

// world is one version of the configuration with what is made of it. It does not change; a reload makes a new one.
type world struct {
	cfg      *config.Config
	accounts map[string]*account
	groups   map[string]config.Group // by name
}

// account is one configured account. Its sources are made when first asked for: of ten thousand accounts few are busy.
type account struct {
	*config.Account
	group   string
	sources map[string]*source
}

// source is one configured way in.
type source struct {
	cfg     *sources.Config
	limiter *rate.Limiter
	maxBody int64

	once sync.Once
	made sources.Source
	err  error
}

// worlds holds the version in force. Safe for concurrent use.
type worlds struct {
	now     atomic.Pointer[world]
	deps    sources.Deps
	maxBody int64
	log     *slog.Logger
}

// use puts a configuration in force.
func (ws *worlds) use(cfg *config.Config) {
	w := &world{cfg: cfg, accounts: make(map[string]*account, len(cfg.Accounts)), groups: map[string]config.Group{}}
	for _, g := range cfg.Groups() {
		w.groups[g.Name] = g
		for _, name := range g.Accounts {
			w.accounts[name] = ws.build(cfg.Accounts[name], g.Name)
		}
	}
	if old := ws.now.Load(); old != nil {
		w.keepLimiters(old)
	}
	ws.now.Store(w)
}

func (ws *worlds) build(cfg *config.Account, group string) *account {
	a := &account{Account: cfg, group: group, sources: make(map[string]*source, len(cfg.Sources))}
	for name := range cfg.Sources {
		sc := cfg.Sources[name]
		s := &source{cfg: &sc, maxBody: int64(sc.MaxBody)}
		if s.maxBody == 0 {
			s.maxBody = ws.maxBody
		}
		if sc.Rate != nil && sc.Rate.PerSecond > 0 {
			burst := sc.Rate.Burst
			if burst == 0 {
				burst = max(1, int(sc.Rate.PerSecond))
			}
			s.limiter = rate.NewLimiter(rate.Limit(sc.Rate.PerSecond), burst)
		}
		a.sources[name] = s
	}
	return a
}

// keepLimiters carries the count of unchanged limits over: a reload is no way round them.
func (w *world) keepLimiters(old *world) {
	for name, a := range w.accounts {
		before := old.accounts[name]
		if before == nil {
			continue
		}
		for sn, s := range a.sources {
			b := before.sources[sn]
			if b != nil && s.limiter != nil && b.limiter != nil && s.limiter.Limit() == b.limiter.Limit() && s.limiter.Burst() == b.limiter.Burst() {
				s.limiter = b.limiter
			}
		}
	}
}

// groupOf is the quota group of an account; "" when it is not configured.
func (ws *worlds) groupOf(account string) string {
	if a := ws.find(account); a != nil {
		return a.group
	}
	return ""
}

// source returns a configured source, made on first use.
func (ws *worlds) source(account, name string) (*source, error) {
	a := ws.find(account)
	if a == nil || a.sources[name] == nil {
		return nil, fmt.Errorf("account %q has no source %q", account, name)
	}
	s := a.sources[name]
	s.once.Do(func() {
		made, mistakes := sources.New(name, account, *s.cfg, ws.deps)
		if len(mistakes) > 0 {
			s.err = fmt.Errorf("source %s of account %s: %s", name, account, mistakes[0])
			ws.log.Error("a source cannot be used", "account", account, "source", name, "err", s.err)
		}
		s.made = made
	})
	return s, s.err
}

// route finds the source of a request, for the ingress.
func (ws *worlds) route(account, name string) (ingress.Route, bool) {
	s, err := ws.source(account, name)
	if err != nil {
		return ingress.Route{}, false
	}
	return ingress.Route{Source: s.made, Limiter: s.limiter, MaxBody: s.maxBody}, true
}

// kind is the kind of a configured source, for metrics.
func (ws *worlds) kind(account, name string) string {
	if a := ws.find(account); a != nil && a.sources[name] != nil {
		return a.sources[name].cfg.Kind
	}
	return "unknown"
}

// has tells whether a source is configured.
func (ws *worlds) has(account, name string) bool {
	a := ws.find(account)
	return a != nil && a.sources[name] != nil
}

// group is the quota group of an account; ok is false when it is not configured.
func (ws *worlds) group(account string) (group string, ok bool) {
	a := ws.find(account)
	if a == nil {
		return "", false
	}
	return a.group, true
}

// find returns a configured account, nil when there is none.
func (ws *worlds) find(name string) *account { return ws.now.Load().accounts[name] }
