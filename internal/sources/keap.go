package sources

import (
	"net/http"
	"strings"

	"bridge/internal/events"
)

// Keap's own REST hooks: batches of ids of one kind, without data and without a signature, so the address has to be
// secret. The handshake echoes a header, and only while a subscription of ours is pending: else anybody could bind our
// address. Our own writes cause hooks too; what was most likely one is dropped, or rules would set themselves off for
// ever.
var keapKind = &Kind{
	Name: "keap", Title: "Keap REST hooks",
	Proof:       "the secret in the address; the handshake (X-Hook-Secret) only while a subscription of ours is pending",
	Retries:     "4 attempts: after 30 to 60 seconds, 5 and 30 minutes",
	SwitchesOff: "after the 4th attempt, or a 410, the hook becomes inactive", Methods: post, open: openKeap,
}

type keap struct {
	proof
	account, source string
	hooks           KeapHooks
}

func openKeap(s *setup) sender {
	if s.deps.Keap == nil {
		s.mistake("kind", "Keap's hooks cannot be taken here")
	}
	return &keap{s.address(), s.account, s.name, s.deps.Keap}
}

const keapSecret = "X-Hook-Secret"

func (k *keap) greet(d *delivery) (Reply, bool, error) {
	secret := d.Header.Get(keapSecret)
	if secret == "" {
		return Reply{}, false, nil
	}
	if k.hooks == nil || !k.hooks.Pending(k.account, k.source) || cleanHeader(secret, 256) != secret {
		return Reply{}, true, notAuthentic("a handshake while no subscription of ours is pending")
	}
	return Reply{Status: http.StatusOK, Header: http.Header{keapSecret: {secret}}, Ignored: events.Ignored, Why: "Keap's handshake"}, true, nil
}

func (*keap) answer() Reply { return Reply{Status: http.StatusOK} }

// maxKeapObjects is what Keap sends at most in one hook.
const maxKeapObjects = 1000

func (k *keap) read(d *delivery) (reading, error) {
	body, err := d.body()
	if err != nil {
		return reading{}, malformed("the body cannot be read", err)
	}
	key, object := body.get("event_key"), body.get("object_type")
	list := body.at("object_keys").list()
	if key == "" || len(list) > maxKeapObjects {
		return reading{}, malformed("an event_key and at most 1,000 object_keys are expected", nil)
	}
	got := reading{topic: key}
	ours := 0
	for _, o := range list {
		id, at := o.get("id"), o.at("timestamp").time()
		if id == "" {
			continue
		}
		if k.hooks != nil && k.hooks.Ours(k.account, key, id, at) {
			ours++
			continue
		}
		f := fact{
			typ: "keap." + cleanTopic(key), id: id + ":" + o.get("timestamp"), at: at, updated: at, subject: object + "/" + id,
			raw: map[string]any{"event_key": key, "object_type": object, "object": o.v},
		}
		if strings.EqualFold(object, "contact") || strings.HasPrefix(key, "contact.") {
			f.data.Contact = &events.Contact{ExternalID: id}
		}
		got.facts = append(got.facts, f)
	}
	if len(got.facts) == 0 {
		got.ignored = "it names no object"
		if ours > 0 {
			got.ignored = "every change was our own"
		}
	}
	return got, nil
}
