package notify

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"bridge/internal/secret"
)

// Webhook is a receiver over HTTP.
type Webhook struct {
	URL    string
	Secret secret.Text
	On     []string // patterns of types
	Client *http.Client
}

// Time limits of one try.
const (
	tryWithin     = 15 * time.Second
	connectWithin = 5 * time.Second
	mostAnswer    = 64 << 10
)

// NewClient makes the client for webhooks. Their addresses come from the operator, so that private ones are fine, but a
// redirect may lead to the same host only: a receiver must not be able to point the bridge elsewhere.
func NewClient() *http.Client {
	return &http.Client{
		Timeout: tryWithin,
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, DialContext: (&net.Dialer{Timeout: connectWithin}).DialContext,
			TLSHandshakeTimeout: connectWithin, IdleConnTimeout: time.Minute, ForceAttemptHTTP2: true,
		},
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			first := via[0]
			switch {
			case r.URL.Host != first.URL.Host || r.URL.Scheme != first.URL.Scheme:
				return errors.New("the receiver redirects to another host")
			case r.Method != first.Method || len(via) > 3:
				return errors.New("the receiver redirects in a way that loses the message")
			}
			return nil
		},
	}
}

// Name implements Receiver. It names the receiver in notes and logs.
func (w *Webhook) Name() string { return w.URL }

// Wants implements Receiver.
func (w *Webhook) Wants(typ string) bool { return Wants(w.On, typ) }

// Refused is an answer that is no success.
type Refused struct {
	Status int
	After  time.Duration // Retry-After; 0 when it says nothing
}

func (r *Refused) Error() string { return fmt.Sprintf("the receiver answered %d", r.Status) }

// Send implements Receiver: one try.
func (w *Webhook) Send(ctx context.Context, m Message) error {
	body, err := json.Marshal(m)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.URL, bytes.NewReader(body))
	if err != nil {
		return err
	}
	now := strconv.FormatInt(time.Now().Unix(), 10)
	req.Header.Set("Content-Type", "application/cloudevents+json")
	req.Header.Set("User-Agent", "bridge")
	req.Header.Set("Webhook-Id", m.ID)
	req.Header.Set("Webhook-Timestamp", now)
	req.Header.Set("Webhook-Signature", sign(w.Secret, m.ID, now, body))
	res, err := w.Client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, mostAnswer)) // so that the connection serves again
	if res.StatusCode < http.StatusMultipleChoices {
		return nil
	}
	refused := &Refused{Status: res.StatusCode}
	if s, err := strconv.Atoi(res.Header.Get("Retry-After")); err == nil && s > 0 {
		refused.After = time.Duration(s) * time.Second
	}
	return refused
}

// sign makes the v1 signature of Standard Webhooks: HMAC-SHA256 over id.timestamp.body.
func sign(s secret.Text, id, timestamp string, body []byte) string {
	mac := hmac.New(sha256.New, keyOf(s))
	mac.Write([]byte(id + "." + timestamp + "."))
	mac.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// leastKey is the shortest key that the standard asks for.
const leastKey = 24

// keyOf reads a secret as the standard writes it, whsec_ and base64; other text is the key as it stands.
func keyOf(s secret.Text) []byte {
	text, marked := strings.CutPrefix(s.Reveal(), "whsec_")
	if key, err := base64.StdEncoding.DecodeString(text); err == nil && (marked || len(key) >= leastKey) {
		return key
	}
	return []byte(s.Reveal())
}
