package sandbox

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// XML-RPC, the parts that Keap uses. A value is a string, int, bool, float64, time.Time, []any or map[string]any.

// maxXMLDepth bounds how deep values may nest.
const maxXMLDepth = 32

// parseXMLRPC reads a methodCall.
func parseXMLRPC(body []byte) (method string, params []any, err error) {
	d := xml.NewDecoder(bytes.NewReader(body))
	d.CharsetReader = func(_ string, r io.Reader) (io.Reader, error) { return r, nil }
	p := xmlParser{d}
	if err := p.open("methodCall"); err != nil {
		return "", nil, err
	}
	if err := p.open("methodName"); err != nil {
		return "", nil, err
	}
	if method, err = p.text(); err != nil {
		return "", nil, err
	}
	method = strings.TrimSpace(method)
	next, err := p.next()
	if err != nil || next != "params" {
		return method, nil, err
	}
	for {
		switch next, err = p.next(); {
		case err != nil:
			return method, nil, err
		case next == "":
			return method, params, nil
		case next != "param":
			return method, nil, fmt.Errorf("unexpected <%s> in <params>", next)
		}
		if err := p.open("value"); err != nil {
			return method, nil, err
		}
		v, err := p.value(0)
		if err != nil {
			return method, nil, err
		}
		params = append(params, v)
		if next, err = p.next(); err != nil || next != "" {
			return method, nil, errors.Join(err, errors.New("more than one value in <param>"))
		}
	}
}

type xmlParser struct{ d *xml.Decoder }

// next is the name of the next element that opens, "" where the current one closes.
func (p xmlParser) next() (string, error) {
	for {
		token, err := p.d.Token()
		if err != nil {
			return "", err
		}
		switch e := token.(type) {
		case xml.StartElement:
			return e.Name.Local, nil
		case xml.EndElement:
			return "", nil
		}
	}
}

func (p xmlParser) open(want string) error {
	got, err := p.next()
	if err != nil {
		return err
	}
	if got != want {
		return fmt.Errorf("found <%s>, want <%s>", got, want)
	}
	return nil
}

// text reads up to the end of the current element, which may hold no other.
func (p xmlParser) text() (string, error) {
	var b strings.Builder
	for {
		token, err := p.d.Token()
		if err != nil {
			return "", err
		}
		switch e := token.(type) {
		case xml.CharData:
			b.Write(e)
		case xml.StartElement:
			return "", fmt.Errorf("unexpected <%s>", e.Name.Local)
		case xml.EndElement:
			return b.String(), nil
		}
	}
}

// value reads what is inside <value>, and its end. Bare text is a string.
func (p xmlParser) value(depth int) (any, error) {
	if depth > maxXMLDepth {
		return nil, errors.New("values are nested too deeply")
	}
	var bare strings.Builder
	for {
		token, err := p.d.Token()
		if err != nil {
			return nil, err
		}
		switch e := token.(type) {
		case xml.CharData:
			bare.Write(e)
		case xml.EndElement:
			return bare.String(), nil
		case xml.StartElement:
			v, err := p.typed(e.Name.Local, depth)
			if err != nil {
				return nil, err
			}
			if next, err := p.next(); err != nil || next != "" {
				return nil, errors.Join(err, errors.New("more than one type in <value>"))
			}
			return v, nil
		}
	}
}

func (p xmlParser) typed(kind string, depth int) (any, error) {
	switch kind {
	case "array":
		return p.array(depth)
	case "struct":
		return p.structure(depth)
	case "nil":
		_, err := p.text()
		return "", err
	}
	s, err := p.text()
	if err != nil {
		return nil, err
	}
	trimmed := strings.TrimSpace(s)
	switch kind {
	case "string":
		return s, nil
	case "i4", "int", "i8":
		return strconv.Atoi(trimmed)
	case "boolean":
		return trimmed == "1" || trimmed == "true", nil
	case "double":
		return strconv.ParseFloat(trimmed, 64)
	case "dateTime.iso8601":
		return parseXMLTime(trimmed)
	case "base64":
		b, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(s), ""))
		return string(b), err
	}
	return nil, fmt.Errorf("unknown type <%s>", kind)
}

func (p xmlParser) array(depth int) (any, error) {
	if err := p.open("data"); err != nil {
		return nil, err
	}
	out := []any{}
	for {
		next, err := p.next()
		if err != nil {
			return nil, err
		}
		if next == "" {
			break
		}
		if next != "value" {
			return nil, fmt.Errorf("unexpected <%s> in <data>", next)
		}
		v, err := p.value(depth + 1)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	if next, err := p.next(); err != nil || next != "" {
		return nil, errors.Join(err, errors.New("more than <data> in <array>"))
	}
	return out, nil
}

func (p xmlParser) structure(depth int) (any, error) {
	out := map[string]any{}
	for {
		next, err := p.next()
		if err != nil {
			return nil, err
		}
		if next == "" {
			return out, nil
		}
		if next != "member" {
			return nil, fmt.Errorf("unexpected <%s> in <struct>", next)
		}
		if err := p.open("name"); err != nil {
			return nil, err
		}
		name, err := p.text()
		if err != nil {
			return nil, err
		}
		if err := p.open("value"); err != nil {
			return nil, err
		}
		if out[strings.TrimSpace(name)], err = p.value(depth + 1); err != nil {
			return nil, err
		}
		if next, err := p.next(); err != nil || next != "" {
			return nil, errors.Join(err, errors.New("more than name and value in <member>"))
		}
	}
}

// newYork is the zone of Keap's XML-RPC times, which name none. Where there is no database of zones, standard time
// has to do.
var newYork = func() *time.Location {
	if l, err := time.LoadLocation("America/New_York"); err == nil {
		return l
	}
	return time.FixedZone("EST", -5*60*60)
}()

const xmlTime = "20060102T15:04:05"

func parseXMLTime(s string) (time.Time, error) {
	for _, l := range []string{xmlTime, "2006-01-02T15:04:05", "20060102T150405"} {
		if t, err := time.ParseInLocation(l, s, newYork); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is no dateTime.iso8601", s)
}

// xmlResponse writes a methodResponse with one value.
func xmlResponse(v any) []byte {
	var b bytes.Buffer
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?><methodResponse><params><param>`)
	writeXML(&b, v)
	b.WriteString(`</param></params></methodResponse>`)
	return b.Bytes()
}

// fault is an XML-RPC fault; it is answered with HTTP 200.
type fault struct {
	code int
	text string
}

func (f fault) Error() string { return f.text }

func (f fault) response() []byte {
	var b bytes.Buffer
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?><methodResponse><fault>`)
	writeXML(&b, map[string]any{"faultCode": f.code, "faultString": f.text})
	b.WriteString(`</fault></methodResponse>`)
	return b.Bytes()
}

// writeXML writes <value>; strings are written without a type, as Keap does.
func writeXML(b *bytes.Buffer, v any) {
	b.WriteString("<value>")
	switch v := v.(type) {
	case string:
		_ = xml.EscapeText(b, []byte(v)) // a bytes.Buffer takes everything
	case int:
		fmt.Fprintf(b, "<i4>%d</i4>", v)
	case bool:
		n := 0
		if v {
			n = 1
		}
		fmt.Fprintf(b, "<boolean>%d</boolean>", n)
	case float64:
		fmt.Fprintf(b, "<double>%s</double>", strconv.FormatFloat(v, 'f', -1, 64))
	case time.Time:
		fmt.Fprintf(b, "<dateTime.iso8601>%s</dateTime.iso8601>", v.In(newYork).Format(xmlTime))
	case []any:
		b.WriteString("<array><data>")
		for _, e := range v {
			writeXML(b, e)
		}
		b.WriteString("</data></array>")
	case map[string]any:
		b.WriteString("<struct>")
		for _, name := range slices.Sorted(maps.Keys(v)) {
			b.WriteString("<member><name>")
			_ = xml.EscapeText(b, []byte(name))
			b.WriteString("</name>")
			writeXML(b, v[name])
			b.WriteString("</member>")
		}
		b.WriteString("</struct>")
	}
	b.WriteString("</value>")
}
