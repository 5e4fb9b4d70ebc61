package app

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"bridge/internal/config"
	"bridge/internal/sources"
)

// Delivery is a payload that is sent to a running ingress as its sender would send it.
type Delivery struct {
	Account, Source string
	Event           string // the sender's own name of the event; "" where the body says it
	Body            []byte
	Base            string // address of the ingress: http://127.0.0.1:8080
}

// kindNATS is the kind of the sources whose events come over NATS.
const kindNATS = "nats"

// Sent is what the ingress answered.
type Sent struct {
	Status int    `json:"status"`
	Body   string `json:"body"`
}

// Send signs a payload with the configured secret and posts it. A Rehearsal is needed for senders whose private keys nobody has.
func Send(ctx context.Context, cfg *config.Config, d Delivery, client *http.Client, rehearsal *sources.Rehearsal) (Sent, error) {
	a := cfg.Accounts[d.Account]
	if a == nil {
		return Sent{}, fmt.Errorf("account %q is not in the configuration", d.Account)
	}
	sc, ok := a.Sources[d.Source]
	if !ok {
		return Sent{}, fmt.Errorf("account %q has no source %q", d.Account, d.Source)
	}
	if sc.Kind == kindNATS && sc.Token.Empty() { // with one it takes webhooks, too
		return Sent{}, &sources.Refusal{Public: "source " + d.Source + " takes CloudEvents over NATS, no webhooks", Hint: "bridge publish --account " + d.Account + " --source " + d.Source + " FILE"}
	}
	deps := config.SourceDeps()
	deps.Rehearsal = rehearsal
	src, mistakes := sources.New(d.Source, d.Account, sc, deps)
	if len(mistakes) > 0 {
		return Sent{}, fmt.Errorf("source %s: %s", d.Source, mistakes[0])
	}
	signer, ok := src.(sources.Signer)
	if !ok {
		return Sent{}, fmt.Errorf("source %s (%s) cannot be signed for", d.Source, sc.Kind)
	}
	signed, err := signer.Sign(d.Event, d.Body)
	if err != nil {
		return Sent{}, err
	}
	return post(ctx, client, strings.TrimSuffix(d.Base, "/")+"/hooks/"+d.Account+"/"+d.Source, signed)
}

func post(ctx context.Context, client *http.Client, url string, s sources.Signed) (Sent, error) {
	if s.SubPath != "" {
		url += "/" + s.SubPath
	}
	if s.Query != "" {
		url += "?" + s.Query
	}
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, s.Method, url, bytes.NewReader(s.Body))
	if err != nil {
		return Sent{}, err
	}
	for name, values := range s.Header {
		req.Header[name] = values
	}
	res, err := client.Do(req)
	if err != nil {
		return Sent{}, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	return Sent{Status: res.StatusCode, Body: strings.TrimSpace(string(body))}, err
}
