package sources

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// lookup asks a sender's own API, with the source's credentials, its own rate limit and a short memory: one order brings
// several events that all need the same customer. It is safe for concurrent use.
type lookup struct {
	client  *http.Client
	base    *url.URL
	auth    func(*http.Request)
	limiter *rate.Limiter
	now     func() time.Time

	mu     sync.Mutex
	memory map[string]remembered
}

type remembered struct {
	body  []byte
	until time.Time
}

// Limits of look-ups.
const (
	lookupTimeout = 10 * time.Second
	lookupMaxBody = 4 << 20
	lookupMemory  = time.Minute
	lookupEntries = 1000
	lookupPerSec  = 2
)

// openLookup makes the look-up of `enrich:`; base is the sender's own address where it has one. nil without enrich.
func openLookup(s *setup, base string) *lookup {
	c := s.cfg.Enrich
	if c == nil {
		return nil
	}
	if c.URL != "" {
		base = c.URL
	}
	l := &lookup{client: s.deps.HTTP, now: s.deps.Now, memory: map[string]remembered{}, auth: func(*http.Request) {}}
	if l.client == nil {
		s.mistake("enrich", "look-ups cannot be made here")
	}
	var err error
	if l.base, err = url.Parse(strings.TrimSuffix(base, "/")); err != nil || l.base.Host == "" || l.base.Scheme != "https" && l.base.Scheme != "http" {
		s.mistake("enrich.url", "an address like https://shop.example.com is needed")
	}
	perSecond := c.PerSecond
	if perSecond == 0 {
		perSecond = lookupPerSec
	}
	l.limiter = rate.NewLimiter(rate.Limit(perSecond), max(1, int(perSecond)))
	return l
}

// basic, bearer and header say how the look-up shows who asks.
func (l *lookup) basic(s *setup, user, password string) *lookup {
	if l != nil {
		c := s.cfg.Enrich
		if c.Key.Empty() || c.Secret.Empty() {
			s.mistake("enrich", "key (%s) and secret (%s) are both needed", user, password)
		}
		l.auth = func(r *http.Request) { r.SetBasicAuth(c.Key.Reveal(), c.Secret.Reveal()) }
	}
	return l
}

func (l *lookup) header(s *setup, name, prefix string) *lookup {
	if l != nil {
		c := s.cfg.Enrich
		if c.Token.Empty() {
			s.mistake("enrich.token", "the access token is needed")
		}
		l.auth = func(r *http.Request) { r.Header.Set(name, prefix+c.Token.Reveal()) }
	}
	return l
}

// errGone says that the sender does not know the thing (any more).
var errGone = errors.New("the sender knows no such thing")

// get asks for path (with its query) and decodes the JSON answer. Errors are *Later where a later attempt may do better.
func (l *lookup) get(ctx context.Context, path string) (tree, error) {
	l.mu.Lock()
	known, ok := l.memory[path]
	l.mu.Unlock()
	if ok && l.now().Before(known.until) {
		return parseAnswer(known.body)
	}
	b, err := l.fetch(ctx, path)
	if err != nil {
		return tree{}, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.memory) >= lookupEntries {
		clear(l.memory)
	}
	l.memory[path] = remembered{b, l.now().Add(lookupMemory)}
	return parseAnswer(b)
}

// getFresh is get without the memory.
func (l *lookup) getFresh(ctx context.Context, path string) (tree, error) {
	b, err := l.fetch(ctx, path)
	if err != nil {
		return tree{}, err
	}
	return parseAnswer(b)
}

func parseAnswer(b []byte) (tree, error) {
	v, err := decodeJSON(b)
	if err != nil {
		return tree{}, &Later{Err: fmt.Errorf("the answer is %w", err)}
	}
	return newTree(v), nil
}

func (l *lookup) fetch(ctx context.Context, path string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, l.base.String()+path, nil)
	if err != nil {
		return nil, err
	}
	return l.do(ctx, req)
}

// post sends a JSON document and decodes the JSON answer. Nothing is remembered.
func (l *lookup) post(ctx context.Context, path string, document any) (tree, error) {
	b, err := json.Marshal(document)
	if err != nil {
		return tree{}, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, l.base.String()+path, strings.NewReader(string(b)))
	if err != nil {
		return tree{}, err
	}
	req.Header.Set("Content-Type", "application/json")
	if b, err = l.do(ctx, req); err != nil {
		return tree{}, err
	}
	return parseAnswer(b)
}

func (l *lookup) do(ctx context.Context, req *http.Request) ([]byte, error) {
	if err := l.limiter.Wait(ctx); err != nil {
		return nil, &Later{Err: err}
	}
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	req = req.WithContext(ctx)
	req.Header.Set("Accept", "application/json")
	l.auth(req)
	resp, err := l.client.Do(req)
	if err != nil {
		return nil, &Later{Err: err}
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, lookupMaxBody))
	switch {
	case err != nil:
		return nil, &Later{Err: err}
	case resp.StatusCode == http.StatusOK || resp.StatusCode == http.StatusCreated:
		return b, nil
	case resp.StatusCode == http.StatusNotFound || resp.StatusCode == http.StatusGone:
		return nil, errGone
	case resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode >= 500:
		return nil, &Later{At: l.after(resp.Header.Get("Retry-After")), Err: fmt.Errorf("%s answered %s", req.URL.Host, resp.Status)}
	}
	return nil, fmt.Errorf("%s answered %s: check the credentials in enrich", req.URL.Host, resp.Status)
}

// after is the time that Retry-After asks for, zero when it does not say seconds.
func (l *lookup) after(seconds string) time.Time {
	n, err := strconv.Atoi(seconds)
	if err != nil || n <= 0 || n > 86400 {
		return time.Time{}
	}
	return l.now().Add(time.Duration(n) * time.Second)
}

// postback sends a form and returns the short text of the answer.
func postback(ctx context.Context, client *http.Client, address, form string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(form))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("User-Agent", "bridge-ipn")
	resp, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s answered %s", req.URL.Host, resp.Status)
	}
	b, err := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
	return string(b), err
}
