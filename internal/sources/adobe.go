package sources

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"bridge/internal/events"
)

// Adobe I/O Events deliver what Adobe Commerce (Magento) announces: CloudEvents in JSON, signed with RSA over the raw
// body; two keys are named at a time and either is enough. Answers of 4xx other than 429 drop the event for good.
var adobeEventsKind = &Kind{
	Name: "adobe-events", Title: "Adobe Commerce through Adobe I/O Events",
	Proof:   "RSA-SHA256 of the body in x-adobe-digital-signature-1 or -2, keys from static.adobeioevents.com only; the recipient's client id",
	Retries: "after 429 and 5xx for 24 hours", SwitchesOff: "at 80 % failures within 24 hours the registration is disabled",
	Thin: "invoices and credit memos name no buyer: enrich asks the shop's /rest/V1/orders", Methods: postAndGet,
	takes: []string{"client_id", "enrich", "sweep"}, open: openAdobeEvents, Sweeps: magentoSweeps,
}

type adobeEvents struct {
	magentoShop
	clientID string
	keys     keys
}

func openAdobeEvents(s *setup) sender {
	if s.cfg.ClientID == "" {
		s.mistake("client_id", "give the client id of your Adobe Developer Console project: Adobe signs everybody's events with the same keys")
	}
	if s.deps.Certificates == nil && s.deps.Rehearsal == nil {
		s.mistake("kind", "keys cannot be fetched here")
	}
	return &adobeEvents{magentoShop: openMagentoShop(s), clientID: s.cfg.ClientID, keys: keys{s.deps.Certificates, s.deps.Rehearsal}}
}

const (
	adobeKeyHost = "static.adobeioevents.com"
	adobeKeyPath = "/prod/keys/"
)

var (
	adobeChallenge = regexp.MustCompile(`^[A-Za-z0-9_-]{1,100}$`)
	adobeKeyName   = regexp.MustCompile(`^/prod/keys/[A-Za-z0-9._-]{1,100}$`)
)

// greet answers the registration's challenge. The other way of registering posts an address for somebody to open within
// five minutes; it is shown to people, and opened by nobody here.
func (a *adobeEvents) greet(d *delivery) (Reply, bool, error) {
	if d.Method == http.MethodGet {
		challenge := d.queryValue("challenge")
		if !adobeChallenge.MatchString(challenge) {
			return Reply{}, true, malformed("a challenge is expected", nil)
		}
		return Reply{Status: http.StatusOK, ContentType: "text/plain", Body: []byte(challenge), Ignored: events.Ignored, Why: "Adobe's challenge"}, true, nil
	}
	if d.Header.Get("X-Adobe-Digital-Signature-1") != "" || len(d.Body) > 2048 {
		return Reply{}, false, nil
	}
	body, err := d.body()
	if err != nil || body.get("validationUrl") == "" {
		return Reply{}, false, nil
	}
	why := "Adobe asks for a validation at an address that is not Adobe's"
	if u, err := url.Parse(body.get("validationUrl")); err == nil && u.Scheme == "https" && u.Host == "csm.adobe.io" {
		why = "Adobe asks for a validation: open " + u.String() + " within 5 minutes"
	}
	return Reply{Status: http.StatusOK, Ignored: events.Ignored, Why: why}, true, nil
}

func (a *adobeEvents) verify(ctx context.Context, d *delivery) error {
	why := errors.New("no signature")
	for _, n := range []string{"1", "2"} {
		signature, err := base64.StdEncoding.DecodeString(d.Header.Get("X-Adobe-Digital-Signature-" + n))
		path := d.Header.Get("X-Adobe-Public-Key" + n + "-Path")
		if err != nil || len(signature) == 0 || !adobeKeyName.MatchString(path) {
			continue
		}
		text, _, err := a.keys.get(ctx, adobeKeyHost, adobeKeyPath, strings.TrimPrefix(path, adobeKeyPath))
		if err != nil {
			return fmt.Errorf("Adobe's key could not be fetched: %w", err) // no refusal: Adobe tries again
		}
		key, err := publicKey(text)
		if err == nil {
			err = verifyRSA(key, signature, d.Body)
		}
		if err == nil {
			return a.addressed(d)
		}
		why = err
	}
	return notAuthentic("neither of Adobe's signatures is right: %w", why)
}

// addressed checks that the event is for us: the signature is the same for every customer of Adobe.
func (a *adobeEvents) addressed(d *delivery) error {
	body, err := d.body()
	if err != nil {
		return malformed("the body cannot be read", err)
	}
	if id := body.get("recipientclientid|recipient_client_id"); id != a.clientID {
		return notAuthentic("the event is for another client id")
	}
	return nil
}

func (a *adobeEvents) sign(out *Signed, _ time.Time) error {
	if a.keys.rehearsal == nil {
		return errNoRehearsal
	}
	if err := setField(out, "recipientclientid", a.clientID); err != nil {
		return err
	}
	signature, err := a.keys.rehearsal.sign(out.Body)
	out.Header.Set("X-Adobe-Digital-Signature-1", base64.StdEncoding.EncodeToString(signature))
	out.Header.Set("X-Adobe-Public-Key1-Path", adobeKeyPath+rehearsalPath)
	return err
}

func (a *adobeEvents) read(d *delivery) (reading, error) {
	body, err := d.body()
	if err != nil {
		return reading{}, malformed("the body cannot be read", err)
	}
	id := body.get("id|eventid|event_id")
	if id == "" {
		id = d.Header.Get("X-Adobe-Event-Id")
	}
	data := body.at("data")
	if value := data.at("value"); !value.empty() {
		data = value
	}
	return readMagento(body.get("type"), id, data, body.at("time").time()), nil
}

// Adobe Commerce Webhooks block the shop until they are answered, and abort what the shopper does when the answer is not
// this one.
var adobeCommerceKind = &Kind{
	Name: "adobe-commerce", Title: "Adobe Commerce webhooks (synchronous)",
	Proof:   "RSA-SHA256 of base64(body) in x-adobe-commerce-webhook-signature with the public key given as secret, or a header token",
	Methods: post, takes: []string{"secret", "token", "verify", "enrich", "sweep"}, open: openAdobeCommerce,
	Sweeps: magentoSweeps,
}

type adobeCommerce struct {
	magentoShop
	proof
}

func openAdobeCommerce(s *setup) sender {
	a := &adobeCommerce{magentoShop: openMagentoShop(s)}
	if len(s.cfg.Secret) == 0 {
		a.proof = s.configured("Authorization")
		return a
	}
	p := &rsaProof{rehearsal: s.deps.Rehearsal}
	for _, t := range s.cfg.Secret {
		key, err := publicKey([]byte(t.Reveal()))
		if err != nil {
			s.mistake("secret", "the public key that Adobe Commerce shows is needed, in PEM: %v", err)
			continue
		}
		p.keys = append(p.keys, key)
	}
	a.proof = p
	return a
}

func (*adobeCommerce) answer() Reply {
	return Reply{Status: http.StatusOK, ContentType: "application/json", Body: []byte(`{"op":"success"}`)}
}

func (a *adobeCommerce) read(d *delivery) (reading, error) {
	body, err := d.body()
	if err != nil {
		return reading{}, malformed("the body cannot be read", err)
	}
	data := body
	for _, inner := range []string{"data.value", "data.order", "data", "value", "order"} {
		if t := body.at(inner); !t.empty() {
			data = t
			break
		}
	}
	return readMagento(body.get("eventName|event_name|type"), "", data, time.Time{}), nil
}
