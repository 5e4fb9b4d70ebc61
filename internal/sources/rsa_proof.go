package sources

import (
	"context"
	"crypto/rsa"
	"encoding/base64"
	"time"
)

const adobeCommerceHeader = "X-Adobe-Commerce-Webhook-Signature"

// rsaProof is Adobe Commerce's signature over the body's base64 text.
type rsaProof struct {
	keys      []*rsa.PublicKey
	rehearsal *Rehearsal
}

func (p *rsaProof) verify(_ context.Context, d *delivery) error {
	signature, err := base64.StdEncoding.DecodeString(d.Header.Get(adobeCommerceHeader))
	if err != nil || len(signature) == 0 {
		return notAuthentic("no signature in %s", adobeCommerceHeader)
	}
	message := []byte(base64.StdEncoding.EncodeToString(d.Body))
	for _, key := range p.keys {
		if verifyRSA(key, signature, message) == nil {
			return nil
		}
	}
	if p.rehearsal != nil && verifyRSA(&p.rehearsal.key.PublicKey, signature, message) == nil {
		return nil
	}
	return notAuthentic("the signature is another one: wrong key, or the body was changed on its way")
}

func (p *rsaProof) sign(out *Signed, _ time.Time) error {
	if p.rehearsal == nil {
		return errNoRehearsal
	}
	signature, err := p.rehearsal.sign([]byte(base64.StdEncoding.EncodeToString(out.Body)))
	out.Header.Set(adobeCommerceHeader, base64.StdEncoding.EncodeToString(signature))
	return err
}
