package sources

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Limits of what is decoded. They are far above what senders send (64 levels, 1,000 pairs).
const (
	maxDepth = 64
	maxPairs = 1000
)

var (
	errTooDeep   = fmt.Errorf("nested deeper than %d levels", maxDepth)
	errTooMany   = fmt.Errorf("more than %d form fields", maxPairs)
	errEmptyBody = errors.New("empty body")
)

// decode reads a body by what it looks like, because Content-Type cannot be relied on: WooCommerce sends its ping
// without one that fits, forms come as text/plain. The text is converted to UTF-8 first. asJSON is the body itself where it
// is JSON: it may share memory with it.
func decode(body []byte, contentType string) (v any, asJSON []byte, err error) {
	mediaType, params := contentType, map[string]string(nil)
	if contentType != "application/json" { // as nearly always
		mediaType, params, _ = mime.ParseMediaType(contentType)
	}
	body = toUTF8(body, params["charset"])
	trimmed := bytes.TrimSpace(bytes.TrimPrefix(body, []byte("\ufeff")))
	switch {
	case len(trimmed) == 0:
		return nil, nil, errEmptyBody
	case trimmed[0] == '<':
		v, err = decodeXML(trimmed)
	case mediaType == "application/x-www-form-urlencoded" && !bytes.ContainsAny(trimmed[:1], "{["), looksLikeForm(trimmed):
		v, err = decodeForm(string(trimmed), params["charset"])
	default:
		asJSON = trimmed
		v, err = decodeJSON(trimmed)
	}
	return v, asJSON, err
}

// looksLikeForm tells a=b from JSON: JSON that starts with a letter is true, false or null and has no equals sign.
func looksLikeForm(b []byte) bool {
	return !bytes.ContainsAny(b[:1], `{["-0123456789`) && bytes.IndexByte(b, '=') > 0
}

// decodeForm reads an urlencoded form; names like customer[address][0] make objects, as PHP means them. The charset is
// said by the form itself (PayPal's charset field) or by the caller.
func decodeForm(form, charset string) (any, error) {
	pairs, err := formPairs(form)
	if err != nil {
		return nil, err
	}
	for _, p := range pairs {
		if p[0] == "charset" {
			charset = p[1]
		}
	}
	root := map[string]any{}
	for _, p := range pairs {
		keys, err := formKeys(string(toUTF8([]byte(p[0]), charset)))
		if err != nil {
			return nil, err
		}
		put(root, keys, string(toUTF8([]byte(p[1]), charset)))
	}
	return root, nil
}

func formPairs(form string) ([][2]string, error) {
	var pairs [][2]string
	for form != "" {
		var one string
		one, form, _ = strings.Cut(form, "&")
		if one == "" {
			continue
		}
		if len(pairs) == maxPairs {
			return nil, errTooMany
		}
		name, value, _ := strings.Cut(one, "=")
		name, err := url.QueryUnescape(name)
		if err != nil {
			return nil, fmt.Errorf("not a form: %w", err)
		}
		if value, err = url.QueryUnescape(value); err != nil {
			return nil, fmt.Errorf("not a form: %w", err)
		}
		pairs = append(pairs, [2]string{name, value})
	}
	return pairs, nil
}

// formKeys splits "a[b][c]" into a, b, c.
func formKeys(name string) ([]string, error) {
	head, rest, nested := strings.Cut(name, "[")
	if !nested || head == "" || !strings.HasSuffix(rest, "]") {
		return []string{name}, nil
	}
	keys := append([]string{head}, strings.Split(strings.TrimSuffix(rest, "]"), "][")...)
	if len(keys) > maxDepth {
		return nil, errTooDeep
	}
	return keys, nil
}

// put sets a value at keys; an empty key appends.
func put(m map[string]any, keys []string, value string) {
	for _, key := range keys[:len(keys)-1] {
		next, ok := m[orNext(m, key)].(map[string]any)
		if !ok {
			next = map[string]any{}
			m[orNext(m, key)] = next
		}
		m = next
	}
	m[orNext(m, keys[len(keys)-1])] = value
}

func orNext(m map[string]any, key string) string {
	if key == "" {
		return strconv.Itoa(len(m))
	}
	return key
}

// decodeXML makes an object of the root's children: elements with children are objects, repeated ones lists, others
// text; attributes are left out. There are no entities besides XML's own five, so nothing can grow.
func decodeXML(b []byte) (any, error) {
	decoder := xml.NewDecoder(bytes.NewReader(b))
	decoder.CharsetReader = func(_ string, r io.Reader) (io.Reader, error) { return r, nil } // it is UTF-8 by now
	for {
		token, err := decoder.Token()
		if err != nil {
			return nil, fmt.Errorf("not XML: %w", err)
		}
		if _, ok := token.(xml.StartElement); ok {
			return element(decoder, 1)
		}
	}
}

func element(decoder *xml.Decoder, depth int) (any, error) {
	if depth > maxDepth {
		return nil, errTooDeep
	}
	var text strings.Builder
	var children map[string]any
	for {
		token, err := decoder.Token()
		if err != nil {
			return nil, fmt.Errorf("not XML: %w", err)
		}
		switch token := token.(type) {
		case xml.CharData:
			text.Write(token)
		case xml.StartElement:
			child, err := element(decoder, depth+1)
			if err != nil {
				return nil, err
			}
			if children == nil {
				children = map[string]any{}
			}
			name := token.Name.Local
			switch before := children[name].(type) {
			case nil:
				children[name] = child
			case []any:
				children[name] = append(before, child)
			default:
				children[name] = []any{before, child}
			}
		case xml.EndElement:
			if children != nil {
				return children, nil
			}
			return strings.TrimSpace(text.String()), nil
		}
	}
}

// noText are the families of types that no sender's text goes by. Which type of text it is cannot be relied on (see decode): JSON
// comes as text/plain, as a form and as XML.
var noText = []string{"image", "audio", "video", "font", "model"}

// checkEncoding refuses compressed bodies (no sender compresses, and a small one may grow without end) and multipart
// ones, which no sender signs.
func checkEncoding(h http.Header) error {
	if e := h.Get("Content-Encoding"); e != "" && !strings.EqualFold(e, "identity") {
		return &Refusal{
			Status: http.StatusUnsupportedMediaType, Public: "compressed bodies are not taken", Hint: "send the body without Content-Encoding",
		}
	}
	family, _, _ := strings.Cut(strings.ToLower(strings.TrimSpace(h.Get("Content-Type"))), "/")
	if slices.Contains(noText, family) {
		return &Refusal{Status: http.StatusUnsupportedMediaType, Public: "this type of content is not taken", Hint: "send JSON, XML or an urlencoded form"}
	}
	if family == "multipart" {
		return &Refusal{
			Status: http.StatusUnsupportedMediaType, Public: "multipart bodies are not taken", Hint: "send JSON, XML or an urlencoded form",
		}
	}
	return nil
}
