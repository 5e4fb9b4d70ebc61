package sources

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"time"
)

// Rehearsal is a key and a certificate with which the bridge can sign in the name of senders whose own private keys
// nobody has (PayPal, Adobe), to try things out. A source accepts them only where its Deps name the same Rehearsal.
// Never put one into production: whoever has it can sign.
type Rehearsal struct {
	key   *rsa.PrivateKey
	cert  *x509.Certificate
	roots *x509.CertPool
}

// NewRehearsal makes one that is valid from a day before now, for ten years.
func NewRehearsal(now time.Time) (*Rehearsal, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: rehearsalName}, DNSNames: []string{rehearsalName},
		NotBefore: now.AddDate(0, 0, -1), NotAfter: now.AddDate(10, 0, 0),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, IsCA: true, BasicConstraintsValid: true,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	return rehearsalOf(key, der)
}

// rehearsalName is what the certificate is made out to.
const rehearsalName = "rehearsal.messageverificationcerts.paypal.com"

// ReadRehearsal reads what PEM wrote.
func ReadRehearsal(text []byte) (*Rehearsal, error) {
	keyBlock, rest := pem.Decode(text)
	certBlock, _ := pem.Decode(rest)
	if keyBlock == nil || certBlock == nil {
		return nil, errors.New("a key and a certificate are needed, in PEM")
	}
	key, err := x509.ParsePKCS8PrivateKey(keyBlock.Bytes)
	if err != nil {
		return nil, fmt.Errorf("key: %w", err)
	}
	rsaKey, ok := key.(*rsa.PrivateKey)
	if !ok {
		return nil, errors.New("the key is not RSA")
	}
	return rehearsalOf(rsaKey, certBlock.Bytes)
}

func rehearsalOf(key *rsa.PrivateKey, der []byte) (*Rehearsal, error) {
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("certificate: %w", err)
	}
	r := &Rehearsal{key: key, cert: cert, roots: x509.NewCertPool()}
	r.roots.AddCert(cert)
	return r, nil
}

// PEM writes key and certificate, for another process to read. It is a secret.
func (r *Rehearsal) PEM() ([]byte, error) {
	key, err := x509.MarshalPKCS8PrivateKey(r.key)
	if err != nil {
		return nil, err
	}
	return append(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}), r.certificate()...), nil
}

func (r *Rehearsal) certificate() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: r.cert.Raw})
}

func (r *Rehearsal) sign(message ...[]byte) ([]byte, error) {
	h := sha256.New()
	for _, m := range message {
		h.Write(m)
	}
	return rsa.SignPKCS1v15(rand.Reader, r.key, crypto.SHA256, h.Sum(nil))
}

// errNoRehearsal says why nothing can be signed.
var errNoRehearsal = &Refusal{
	Status: 400, Public: "this sender signs with a private key that only it has",
	Hint: "run `bridge serve --sandbox`, which makes a key for trying things out",
}

// keys fetches a certificate, from the rehearsal where its own address is asked for.
type keys struct {
	fetch     Certificates
	rehearsal *Rehearsal
}

// rehearsalPath stands in the place of a certificate's name.
const rehearsalPath = "bridge-rehearsal"

func (k *keys) get(ctx context.Context, host, path, name string) ([]byte, bool, error) {
	if k.rehearsal != nil && name == rehearsalPath {
		return k.rehearsal.certificate(), true, nil
	}
	text, err := k.fetch.Certificate(ctx, "https://"+host+path+name)
	return text, false, err
}
