package sandbox

import (
	"encoding/binary"
	"strings"
)

// column holds one value of every contact, by seat: a search reads some megabytes that lie side by side, not a million
// contacts that lie everywhere.
type column[T comparable] struct {
	none   T // the value of whoever has none
	chunks []*[chunkLength]T
}

// chunkLength bounds what one contact with a rare value costs.
const chunkLength = 1024

func (c *column[T]) at(seat uint32) T {
	if i := int(seat / chunkLength); i < len(c.chunks) && c.chunks[i] != nil {
		return c.chunks[i][seat%chunkLength]
	}
	return c.none
}

func (c *column[T]) set(seat uint32, v T) {
	if v == c.none {
		c.clear(seat)
		return
	}
	i := int(seat / chunkLength)
	for i >= len(c.chunks) {
		c.chunks = append(c.chunks, nil)
	}
	if c.chunks[i] == nil {
		c.chunks[i] = new([chunkLength]T)
		for j := range c.chunks[i] {
			c.chunks[i][j] = c.none
		}
	}
	c.chunks[i][seat%chunkLength] = v
}

// clear is set to none, also where none equals nothing, as with numbers.
func (c *column[T]) clear(seat uint32) {
	if i := int(seat / chunkLength); i < len(c.chunks) && c.chunks[i] != nil {
		c.chunks[i][seat%chunkLength] = c.none
	}
}

// key is how a text begins, in lower case: enough to tell most texts from a pattern.
type key [2]uint64

const keyLength = 16

// opaque is the key of a text that begins with other letters than those of English: one has to look at the text.
var opaque = key{^uint64(0), ^uint64(0)}

func keyOf[S string | []byte](s S) key {
	var b [keyLength]byte
	for i := range min(len(s), keyLength) {
		ch := s[i]
		switch {
		case ch == 0 || ch >= 0x80:
			return opaque
		case ch >= 'A' && ch <= 'Z':
			ch += 'a' - 'A'
		}
		b[i] = ch
	}
	return key{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])}
}

// verdict is what a column tells about a test.
type verdict uint8

const (
	no verdict = iota
	yes
	look // at the contact itself
)

// pattern is a text that is searched, whatever the case.
type pattern struct {
	text      string
	prefix    bool
	key, mask key
	sure      bool // a key that matches is a text that matches
}

// patternOf reads the value of a filter: a trailing * is a wildcard, NONE the empty text.
func patternOf(value string) pattern {
	if value == "NONE" {
		return exactly("")
	}
	text, prefix := strings.CutSuffix(value, "*")
	p := exactly(text)
	if n := len(p.text); prefix {
		p.prefix, p.sure = true, n <= keyLength
		for i := range p.mask {
			if rest := n - 8*i; rest < 8 {
				p.mask[i] = ^(^uint64(0) >> (8 * max(0, rest)))
			}
		}
	}
	return p
}

// asciiTwins are the letters outside ASCII that equal one inside, but for the case.
var asciiTwins = strings.NewReplacer("\u212a", "k", "\u017f", "s")

func exactly(text string) pattern {
	text = asciiTwins.Replace(text)
	return pattern{text: text, key: keyOf(text), mask: opaque, sure: len(text) < keyLength}
}

// of tells whether a text with this key matches. A pattern in other letters has no key that matches: its texts are opaque.
func (p *pattern) of(k key) verdict {
	switch {
	case k == opaque:
		return look
	case k[0]&p.mask[0] != p.key[0] || k[1]&p.mask[1] != p.key[1]:
		return no
	case p.sure:
		return yes
	}
	return look
}

func (p *pattern) matches(text string) bool {
	if p.prefix {
		text = asciiTwins.Replace(text)
		return len(text) >= len(p.text) && strings.EqualFold(text[:len(p.text)], p.text)
	}
	return strings.EqualFold(text, p.text)
}
