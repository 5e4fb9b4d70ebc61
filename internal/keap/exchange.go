package keap

import (
	"context"
	"strings"
)

// Exchange is one request to Keap and its answer as they went over the line, for people: without headers, with the
// credential hidden wherever it shows, and with only the beginning of long bodies.
type Exchange struct {
	Method   string
	Target   string // path and query below the base URL
	Sent     Excerpt
	Status   int // HTTP status; 0 without an answer
	Answered Excerpt
}

// Excerpt is the beginning of a body, at most maxExcerpt bytes.
type Excerpt struct {
	Text string
	Size int // bytes of the whole body
}

// maxExcerpt shows any request that the bridge writes, and enough of an answer.
const maxExcerpt = 4 << 10

type overhearing struct{}

// Overhear lets the caller see what a method that is called with the context sends and gets. Read the Exchange once the
// method has returned; it holds the last request where the method made several, and nothing when it made none.
func Overhear(ctx context.Context) (context.Context, *Exchange) {
	x := &Exchange{}
	return context.WithValue(ctx, overhearing{}, x), x
}

// overheard tells who listens; nil when nobody does.
func overheard(ctx context.Context) *Exchange {
	x, _ := ctx.Value(overhearing{}).(*Exchange)
	return x
}

// asked notes a request that is about to be written.
func (x *Exchange) asked(r *request, target string, payload []byte, proof Proof) {
	if x != nil {
		*x = Exchange{Method: r.method, Target: proof.hide(target), Sent: excerpt(payload, proof)}
	}
}

// got notes its answer.
func (x *Exchange) got(status int, body []byte, proof Proof) {
	if x != nil {
		x.Status, x.Answered = status, excerpt(body, proof)
	}
}

// excerpt cuts a body after the credential is hidden: a cut through it would leave a part.
func excerpt(body []byte, proof Proof) Excerpt {
	text := proof.hide(string(body))
	text = strings.ToValidUTF8(text[:min(len(text), maxExcerpt)], "")
	return Excerpt{Text: text, Size: len(body)}
}
