package sources

import (
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"
)

// decodeJSON reads one value and builds map[string]any, []any, string, json.Number, bool and nil of it. Numbers stay as they
// are written, so that ids beyond 2^53 and cents survive. Of duplicate keys the last one counts, as in the senders' own
// languages. It takes what encoding/json takes (a fuzz test holds it to that), in one pass over the text and half the time:
// reading the body is the largest part of what a webhook costs. Texts are parts of one copy of b, which lives as long as any
// of them.
func decodeJSON(b []byte) (any, error) {
	r := jsonReader{text: string(b)}
	v, err := r.value(0)
	if err == nil {
		r.blanks()
		if r.at < len(r.text) {
			err = errors.New("something follows the first value")
		}
	}
	if err != nil && !errors.Is(err, errTooDeep) {
		return nil, fmt.Errorf("not JSON: %w", err)
	}
	return v, err
}

// jsonReader is a place in a text.
type jsonReader struct {
	text string
	at   int
	// What objects and lists hold is gathered on stacks first, so that maps and slices are made once, in their size.
	fields []jsonField
	items  []any
}

type jsonField struct {
	name  string
	value any
}

func (r *jsonReader) blanks() {
	for r.at < len(r.text) {
		switch r.text[r.at] {
		case ' ', '\t', '\n', '\r':
			r.at++
		default:
			return
		}
	}
}

// next is the next byte that is no blank, 0 at the end; it stays to be read.
func (r *jsonReader) next() byte {
	r.blanks()
	if r.at == len(r.text) {
		return 0
	}
	return r.text[r.at]
}

func (r *jsonReader) wrong() error {
	if r.at >= len(r.text) {
		return errors.New("it ends too early")
	}
	return fmt.Errorf("%q at position %d", r.text[r.at], r.at)
}

func (r *jsonReader) value(depth int) (any, error) {
	switch c := r.next(); c {
	case '{':
		return r.object(depth + 1)
	case '[':
		return r.list(depth + 1)
	case '"':
		return r.string()
	case 't':
		return true, r.word("true")
	case 'f':
		return false, r.word("false")
	case 'n':
		return nil, r.word("null")
	default:
		if c == '-' || digit(c) {
			return r.number()
		}
		return nil, r.wrong()
	}
}

func (r *jsonReader) object(depth int) (any, error) {
	if depth > maxDepth {
		return nil, errTooDeep
	}
	r.at++
	if r.next() == '}' {
		r.at++
		return map[string]any{}, nil
	}
	from := len(r.fields)
	for {
		if r.next() != '"' {
			return nil, r.wrong()
		}
		name, err := r.string()
		if err != nil {
			return nil, err
		}
		if r.next() != ':' {
			return nil, r.wrong()
		}
		r.at++
		v, err := r.value(depth)
		if err != nil {
			return nil, err
		}
		r.fields = append(r.fields, jsonField{name, v})
		switch r.next() {
		case ',':
			r.at++
		case '}':
			r.at++
			all := make(map[string]any, len(r.fields)-from)
			for _, f := range r.fields[from:] {
				all[f.name] = f.value
			}
			clear(r.fields[from:])
			r.fields = r.fields[:from]
			return all, nil
		default:
			return nil, r.wrong()
		}
	}
}

func (r *jsonReader) list(depth int) (any, error) {
	if depth > maxDepth {
		return nil, errTooDeep
	}
	r.at++
	if r.next() == ']' {
		r.at++
		return []any{}, nil
	}
	from := len(r.items)
	for {
		v, err := r.value(depth)
		if err != nil {
			return nil, err
		}
		r.items = append(r.items, v)
		switch r.next() {
		case ',':
			r.at++
		case ']':
			r.at++
			all := append(make([]any, 0, len(r.items)-from), r.items[from:]...)
			clear(r.items[from:])
			r.items = r.items[:from]
			return all, nil
		default:
			return nil, r.wrong()
		}
	}
}

// string reads a text in quotes. What has escapes in it, or bytes that are no UTF-8, is left to encoding/json.
func (r *jsonReader) string() (string, error) {
	begin, plain, ascii := r.at, true, true
	for r.at++; r.at < len(r.text); r.at++ {
		switch c := r.text[r.at]; {
		case c == '"':
			r.at++
			inner := r.text[begin+1 : r.at-1]
			if plain && (ascii || utf8.ValidString(inner)) {
				return inner, nil
			}
			var s string
			err := json.Unmarshal([]byte(r.text[begin:r.at]), &s)
			return s, err
		case c == '\\':
			plain = false
			r.at++
		case c < ' ':
			return "", r.wrong()
		case c >= utf8.RuneSelf:
			ascii = false
		}
	}
	return "", r.wrong()
}

func (r *jsonReader) word(word string) error {
	for i := range len(word) {
		if r.at == len(r.text) || r.text[r.at] != word[i] {
			return r.wrong()
		}
		r.at++
	}
	return nil
}

// number reads -?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?
func (r *jsonReader) number() (any, error) {
	begin := r.at
	if r.text[r.at] == '-' {
		r.at++
	}
	if r.is('0') {
		r.at++
	} else if !r.digits() {
		return nil, r.wrong()
	}
	if r.is('.') {
		if r.at++; !r.digits() {
			return nil, r.wrong()
		}
	}
	if r.is('e') || r.is('E') {
		r.at++
		if r.is('+') || r.is('-') {
			r.at++
		}
		if !r.digits() {
			return nil, r.wrong()
		}
	}
	return json.Number(r.text[begin:r.at]), nil
}

func (r *jsonReader) is(c byte) bool { return r.at < len(r.text) && r.text[r.at] == c }

// digits reads one digit or more.
func (r *jsonReader) digits() bool {
	begin := r.at
	for r.at < len(r.text) && digit(r.text[r.at]) {
		r.at++
	}
	return r.at > begin
}

func digit(c byte) bool { return c >= '0' && c <= '9' }
