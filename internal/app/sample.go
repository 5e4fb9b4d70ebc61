package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"bridge/configs"
)

// samples are the payloads of test events, by the source's kind. number stands in each where its own id is, so that
// every test is an event of its own.
var samples = map[string]struct{ event, file, number string }{
	"woocommerce": {"order.updated", "woo-paid.json", "1001"},
	"standard":    {"", "membership-started.json", "77"},
}

// errNoSample says which kinds have test events.
var errNoSample = errors.New("there is no sample for this kind: send one of your own with bridge send")

// sendSample sends a sample with the configured signature through the real ingress and returns the event's id.
func (a *App) sendSample(ctx context.Context, account, source string) (string, error) {
	s, ok := samples[a.worlds.kind(account, source)]
	if !ok {
		return "", errNoSample
	}
	if a.HTTPAddr == "" {
		return "", errors.New("this process takes no webhooks: ask one with the role ingest")
	}
	now := time.Now()
	body, err := configs.Sample(s.file, now)
	if err != nil {
		return "", err
	}
	body = strings.ReplaceAll(body, s.number, strconv.FormatInt(now.UnixMilli(), 10))
	sent, err := Send(ctx, a.worlds.now.Load().cfg, Delivery{Account: account, Source: source, Event: s.event, Body: []byte(body), Base: "http://" + reachable(a.HTTPAddr)}, http.DefaultClient, nil)
	if err != nil {
		return "", err
	}
	var answer struct {
		IDs []string `json:"ids"`
	}
	if err := json.Unmarshal([]byte(sent.Body), &answer); err != nil || len(answer.IDs) == 0 {
		return "", fmt.Errorf("the ingress answered %d: %s", sent.Status, sent.Body)
	}
	return answer.IDs[0], nil
}
