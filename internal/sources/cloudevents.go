package sources

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"time"
	"unicode/utf8"

	"bridge/internal/events"
)

// CloudEvents 1.0 over HTTP (binary, structured, batch) and, with the same parser, over NATS. Publishers keep their ids
// and types; data in our shape is checked strictly, because a publisher can mend what a shop cannot.
var (
	cloudeventsKind = &Kind{
		Name: "cloudevents", Title: "CloudEvents over HTTP",
		Proof: "a token, as Authorization: Bearer or ?access_token=", Retries: "as each publisher chooses",
		Methods: []string{http.MethodPost, http.MethodOptions}, takes: []string{"token"}, open: openCloudEvents,
	}
	natsKind = &Kind{
		Name: "nats", Title: "Publishers on NATS (CloudEvents on ingest.{account}.{source})",
		Proof:   "the NATS server's own users and permissions; over HTTP a token as Authorization: Bearer",
		Retries: "publishers wait for JetStream's ack",
		Methods: []string{http.MethodPost, http.MethodOptions}, takes: []string{"token"}, open: openCloudEvents,
	}
)

type cloudevents struct {
	proof
	account, source, kind string
	rate                  *Rate
}

func openCloudEvents(s *setup) sender {
	c := &cloudevents{account: s.account, source: s.name, kind: s.kind.Name, rate: s.cfg.Rate}
	tokens := s.cfg.Token
	if s.kind.Name == "cloudevents" {
		tokens = s.tokens()
	}
	c.proof = eitherProof{bearerProof(tokens), &tokenProof{query: "access_token", values: tokens}}
	return c
}

// greet answers the handshake of the CloudEvents webhook specification, which asks whether events are welcome here. They
// are, for whoever knows the token; nobody's callback address is called.
func (c *cloudevents) greet(d *delivery) (Reply, bool, error) {
	if d.Method != http.MethodOptions {
		return Reply{}, false, nil
	}
	h := http.Header{"Allow": {"OPTIONS, POST"}}
	if origin := d.Header.Get("WebHook-Request-Origin"); origin != "" && cleanHeader(origin, 253) == origin {
		rate := "*"
		if c.rate != nil {
			rate = fmt.Sprintf("%.0f", max(1, c.rate.PerSecond*60)) // requests per minute
		}
		h.Set("WebHook-Allowed-Origin", origin)
		h.Set("WebHook-Allowed-Rate", rate)
	}
	return Reply{Status: http.StatusOK, Header: h, Ignored: events.Ignored, Why: "a handshake"}, true, nil
}

func (c *cloudevents) label(event string, out *Signed) {
	out.Header.Set("Content-Type", "application/cloudevents+json")
	if bytes.HasPrefix(bytes.TrimSpace(out.Body), []byte("[")) {
		out.Header.Set("Content-Type", "application/cloudevents-batch+json")
	}
}

func (c *cloudevents) read(d *delivery) (reading, error) {
	found, err := ParseCloudEvent(c.account, c.source, d.Header, d.Body, d.Received)
	if err != nil {
		return reading{}, &Refusal{Status: http.StatusBadRequest, Public: err.Error(), Hint: "see docs/senders/cloudevents.md"}
	}
	for i := range found {
		found[i].Kind = c.kind
	}
	return reading{events: found}, nil
}

// ParseCloudEvent reads a message of a publisher: one CloudEvent in binary mode (ce- headers) or in structured mode
// (JSON), or a batch. The publisher's id and type are kept; account, source and time of receipt are ours to say. header
// may be a NATS header. The error's text is for the publisher.
func ParseCloudEvent(account, source string, header map[string][]string, body []byte, received time.Time) ([]events.Event, error) {
	h := http.Header{}
	for name, values := range header { // NATS keeps the case of names
		h[http.CanonicalHeaderKey(name)] = values
	}
	contentType := h.Get("Content-Type")
	trimmed := bytes.TrimSpace(body)
	switch {
	case strings.HasPrefix(contentType, "application/cloudevents-batch"), bytes.HasPrefix(trimmed, []byte("[")) && h.Get("Ce-Id") == "":
		return parseBatch(account, source, trimmed, received)
	case h.Get("Ce-Specversion") != "" || h.Get("Ce-Id") != "":
		attributes, err := binaryAttributes(h)
		if err != nil {
			return nil, err
		}
		e, err := eventOf(account, source, attributes, contentType, body, received)
		return []events.Event{e}, err
	}
	e, err := parseStructured(account, source, trimmed, received)
	return []events.Event{e}, err
}

// maxBatch bounds the events of one message.
const maxBatch = 1000

func parseBatch(account, source string, body []byte, received time.Time) ([]events.Event, error) {
	v, err := decodeJSON(body)
	if err != nil {
		return nil, fmt.Errorf("the batch is %w", err)
	}
	list, ok := v.([]any)
	if !ok || len(list) > maxBatch {
		return nil, fmt.Errorf("a batch is a JSON list of at most %d CloudEvents", maxBatch)
	}
	var parts []json.RawMessage
	if err := json.Unmarshal(body, &parts); err != nil {
		return nil, fmt.Errorf("the batch is not JSON: %w", err)
	}
	out := make([]events.Event, 0, len(parts))
	for i, part := range parts {
		e, err := parseStructured(account, source, part, received)
		if err != nil {
			return nil, fmt.Errorf("event %d of the batch: %w", i+1, err)
		}
		out = append(out, e)
	}
	return out, nil
}

func parseStructured(account, source string, body []byte, received time.Time) (events.Event, error) {
	v, err := decodeJSON(body)
	if err != nil {
		return events.Event{}, err
	}
	m, ok := v.(map[string]any)
	if !ok {
		return events.Event{}, errors.New("a CloudEvent in structured mode is a JSON object")
	}
	var parts map[string]json.RawMessage
	if err := json.Unmarshal(body, &parts); err != nil {
		return events.Event{}, fmt.Errorf("not JSON: %w", err)
	}
	attributes := map[string]string{}
	for name, value := range m {
		switch value.(type) {
		case map[string]any, []any, nil:
			continue
		}
		attributes[name] = newTree(value).text()
	}
	data := []byte(parts["data"])
	if encoded, ok := m["data_base64"].(string); ok {
		delete(attributes, "data_base64")
		if data, err = base64.StdEncoding.DecodeString(encoded); err != nil {
			return events.Event{}, errors.New("data_base64 is not base64")
		}
	}
	if s, ok := m["data"].(string); ok && !isJSON(attributes["datacontenttype"]) {
		data = []byte(s)
	}
	delete(attributes, "data")
	return eventOf(account, source, attributes, attributes["datacontenttype"], data, received)
}

func isJSON(contentType string) bool {
	mediaType, _, _ := strings.Cut(contentType, ";")
	mediaType = strings.TrimSpace(strings.ToLower(mediaType))
	return mediaType == "" || mediaType == "application/json" || mediaType == "text/json" || strings.HasSuffix(mediaType, "+json")
}

// binaryAttributes reads ce- headers: percent-encoded UTF-8, perhaps in double quotes.
func binaryAttributes(h http.Header) (map[string]string, error) {
	attributes := map[string]string{}
	for name, values := range h {
		attribute, ok := strings.CutPrefix(strings.ToLower(name), "ce-")
		if !ok || len(values) == 0 {
			continue
		}
		value := values[0]
		if len(value) >= 2 && value[0] == '"' && value[len(value)-1] == '"' {
			value = value[1 : len(value)-1]
		}
		if decoded, err := url.PathUnescape(value); err == nil {
			value = decoded
		}
		if !utf8.ValidString(value) {
			return nil, fmt.Errorf("ce-%s is not UTF-8", attribute)
		}
		attributes[attribute] = newTree(value).text() // as in structured mode, or one event had two ids
	}
	return attributes, nil
}

// eventOf checks attributes and data and makes the event.
func eventOf(account, source string, attributes map[string]string, contentType string, data []byte, received time.Time) (events.Event, error) {
	if v := attributes["specversion"]; v != "1.0" {
		return events.Event{}, errors.New("specversion must be 1.0")
	}
	for _, name := range []string{"id", "source", "type"} {
		v := attributes[name]
		if v == "" {
			return events.Event{}, fmt.Errorf("the attribute %s is missing", name)
		}
		if len(v) > maxID || strings.IndexFunc(v, func(r rune) bool { return r < ' ' || r == 0x7f }) >= 0 {
			return events.Event{}, fmt.Errorf("the attribute %s is longer than %d bytes or has control characters", name, maxID)
		}
	}
	if a := attributes["account"]; a != "" && a != account {
		return events.Event{}, errors.New("the attribute account names another account than the address")
	}
	e := events.Event{
		ID: attributes["id"], Account: account, Source: source, Kind: "nats", Type: attributes["type"], Subject: attributes["subject"],
		Time: received, Received: received, TraceParent: cleanHeader(attributes["traceparent"], 128),
		Rule: attributes["rule"], Priority: attributes["priority"],
	}
	if _, err := events.ParsePriority(e.Priority); err != nil {
		return events.Event{}, err
	}
	for name, to := range map[string]*time.Time{"time": &e.Time, "updated": &e.Updated} {
		if text := attributes[name]; text != "" {
			at, err := time.Parse(time.RFC3339Nano, text)
			if err != nil || !writable(&at) {
				return events.Event{}, fmt.Errorf("the attribute %s is not a time as RFC 3339 writes it", name)
			}
			*to = at
		}
	}
	var err error
	e.Data, err = parseData(contentType, data)
	return e, err
}

// parseData reads our shape strictly; what it does not know stays in raw.
func parseData(contentType string, data []byte) (events.Data, error) {
	if len(bytes.TrimSpace(data)) == 0 {
		return events.Data{}, nil
	}
	if !isJSON(contentType) {
		text, err := json.Marshal(string(toUTF8(data, "")))
		return events.Data{Raw: text}, err
	}
	v, err := decodeJSON(data)
	if err != nil {
		return events.Data{}, fmt.Errorf("data is %w", err)
	}
	out, err := dataOf(v)
	if err != nil {
		return events.Data{}, err
	}
	if out.Raw == nil && !says(&out, v) {
		out.Raw = bytes.Clone(data)
	}
	return out, nil
}

// says tells whether data says everything that v says.
func says(data *events.Data, v any) bool {
	b, err := json.Marshal(data)
	if err != nil {
		return false
	}
	again, err := decodeJSON(b)
	return err == nil && reflect.DeepEqual(again, v)
}

// members are the names in our data.
var members = []string{"contact", "order", "subscription", "membership", "refund", "raw"}

// dataOf reads a decoded value as canonical data. Members of other names are left out.
func dataOf(v any) (events.Data, error) {
	var data events.Data
	m, ok := v.(map[string]any)
	if !ok {
		return data, nil
	}
	ours := map[string]any{}
	for _, name := range members {
		if value, ok := m[name]; ok {
			ours[name] = value
		}
	}
	b, err := json.Marshal(ours)
	if err != nil {
		return data, err
	}
	if err := json.Unmarshal(b, &data); err != nil {
		return events.Data{}, dataError(err)
	}
	if name := unwritable(&data); name != "" {
		return events.Data{}, fmt.Errorf("data.%s is no time as RFC 3339 writes it", name)
	}
	return data, nil
}

// writable tells whether a time that was read can be written again: reading takes a zone of 24 hours, which RFC 3339 does
// not know and writing refuses.
func writable(at *time.Time) bool {
	if at == nil {
		return true
	}
	_, err := at.MarshalText()
	return err == nil
}

// unwritable names the first time in data that cannot be written, "" when all can.
func unwritable(d *events.Data) string {
	switch {
	case d.Order != nil && !writable(d.Order.PaidAt):
		return "order.paid_at"
	case d.Subscription != nil && !writable(d.Subscription.NextAt):
		return "subscription.next_at"
	case d.Subscription != nil && !writable(d.Subscription.EndsAt):
		return "subscription.ends_at"
	case d.Membership != nil && !writable(d.Membership.StartsAt):
		return "membership.starts_at"
	case d.Membership != nil && !writable(d.Membership.EndsAt):
		return "membership.ends_at"
	}
	return ""
}

// dataError says where data is wrong, without its values.
func dataError(err error) error {
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		return fmt.Errorf("data.%s is a %s; it must be %s", wrong.Field, wrong.Value, wanted(wrong.Type.String()))
	}
	return fmt.Errorf("data: %w", err)
}

func wanted(goType string) string {
	switch {
	case strings.Contains(goType, "Time"):
		return "a time as RFC 3339 writes it"
	case strings.HasPrefix(goType, "[]"):
		return "a list"
	case strings.Contains(goType, "int"):
		return "a whole number"
	case strings.Contains(goType, "bool"):
		return "true or false"
	case strings.Contains(goType, "string"):
		return "text"
	}
	return "an object"
}
