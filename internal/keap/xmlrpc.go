package keap

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // XML-RPC's times need America/New_York wherever this runs
)

// XML-RPC dies on 31 December 2026. What is here serves action sets, which REST does not have, and nothing else.

// EndOfXMLRPC is when Keap switches XML-RPC off for good ("Firm Deadline – No Extensions Available").
var EndOfXMLRPC = time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)

// call calls a method and returns its result.
//
// Faults come with HTTP 200; what they become is told by faultKind. 401, 403 and 429 are as in REST. Any other answer
// but a response or a fault is KindBrownout: whether XML-RPC alone is away, the caller learns from a REST call. An
// XML-RPC answer that breaks off is KindUnreadable, because the method has then probably run.
func (c *Client) call(ctx context.Context, operation, method string, params ...any) (value, error) {
	body, err := encodeCall(method, params)
	if err != nil {
		return value{}, invalid(operation, "", "%v", err)
	}
	r := post(operation, "/xmlrpc/v1", nil)
	r.xml = body
	a, err := c.send(ctx, r)
	if err != nil {
		return value{}, err
	}
	switch a.status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests:
		return value{}, a.failure(r)
	}
	result, fault, err := decodeResponse(a.body)
	switch {
	case fault != nil:
		return value{}, a.fault(operation, fault)
	case a.status != http.StatusOK:
		return value{}, a.brownout(operation)
	case err != nil && bytes.Contains(a.body[:min(len(a.body), 400)], []byte("<methodResponse")):
		return value{}, a.unreadable(operation, "a broken XML-RPC response", err)
	case err != nil:
		return value{}, a.brownout(operation)
	}
	return result, nil
}

func (a *answer) brownout(operation string) *Error {
	return &Error{
		Kind: KindBrownout, Operation: operation, Status: a.status, Hint: hints[KindBrownout], Sent: true, Answered: true,
		Message: fmt.Sprintf("XML-RPC is away: it answered %d with something that is no XML-RPC", a.status), RetryAfter: a.observed.RetryAfter,
	}
}

// value is a value of an XML-RPC answer: string, int64, float64 as its text, bool, time.Time, map[string]value,
// []value or nil.
type value struct{ v any }

func (v value) text() string {
	switch x := v.v.(type) {
	case string:
		return x
	case int64:
		return strconv.FormatInt(x, 10)
	case bool:
		return strconv.FormatBool(x)
	}
	return ""
}

// truth reads booleans in the forms in which they arrive: typed, 1 and 0, "true".
func (v value) truth() bool {
	t := strings.ToLower(v.text())
	return t == "true" || t == "1"
}

func (v value) array() ([]value, bool) {
	a, ok := v.v.([]value)
	return a, ok
}

func (v value) member(name string) value {
	m, _ := v.v.(map[string]value)
	return m[name]
}

// encodeCall writes a method call. Params are string, int64, []string and map[string]string: all that is needed.
func encodeCall(method string, params []any) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString(xml.Header + "<methodCall><methodName>" + method + "</methodName><params>")
	for _, p := range params {
		b.WriteString("<param>")
		if err := encodeValue(&b, p); err != nil {
			return nil, err
		}
		b.WriteString("</param>")
	}
	b.WriteString("</params></methodCall>")
	return b.Bytes(), nil
}

func encodeValue(b *bytes.Buffer, p any) error {
	b.WriteString("<value>")
	switch x := p.(type) {
	case string:
		b.WriteString("<string>")
		if err := xml.EscapeText(b, []byte(x)); err != nil {
			return err
		}
		b.WriteString("</string>")
	case int64:
		// i4 has 32 bits; Keap's ids fit.
		if x != int64(int32(x)) {
			return fmt.Errorf("%d does not fit into an i4", x)
		}
		fmt.Fprintf(b, "<i4>%d</i4>", x)
	case []string:
		b.WriteString("<array><data>")
		for _, s := range x {
			if err := encodeValue(b, s); err != nil {
				return err
			}
		}
		b.WriteString("</data></array>")
	case map[string]string:
		b.WriteString("<struct>")
		for name, s := range x {
			b.WriteString("<member><name>" + name + "</name>")
			if err := encodeValue(b, s); err != nil {
				return err
			}
			b.WriteString("</member>")
		}
		b.WriteString("</struct>")
	default:
		return fmt.Errorf("no XML-RPC form of %T", p)
	}
	b.WriteString("</value>")
	return nil
}

// Times of XML-RPC have no zone; they are New York's.
const xmlTime = "20060102T15:04:05"

var newYork = mustLoad("America/New_York")

func mustLoad(name string) *time.Location {
	l, err := time.LoadLocation(name)
	if err != nil {
		panic(err) // time/tzdata is linked in
	}
	return l
}

// errNotXMLRPC tells that an answer is something else altogether.
var errNotXMLRPC = errors.New("not an XML-RPC response")

// maxDepth bounds how deep values may nest; Keap's answers have three levels.
const maxDepth = 20

// decodeResponse reads a response or a fault. An error means that it is neither.
func decodeResponse(body []byte) (value, *fault, error) {
	d := xml.NewDecoder(bytes.NewReader(body))
	if err := descend(d, "methodResponse"); err != nil {
		return value{}, nil, errNotXMLRPC
	}
	kind, err := nextElement(d)
	if err != nil {
		return value{}, nil, err
	}
	switch kind {
	case "params":
		if err := descend(d, "param"); err != nil {
			return value{}, nil, err
		}
		fallthrough
	case "fault":
		if err := descend(d, "value"); err != nil {
			return value{}, nil, err
		}
	default:
		return value{}, nil, errNotXMLRPC
	}
	v, err := decodeValue(d, 0)
	if err != nil {
		return value{}, nil, err
	}
	if err := drain(d); err != nil {
		return value{}, nil, err
	}
	if kind == "params" {
		return v, nil, nil
	}
	if _, ok := v.v.(map[string]value); !ok {
		return value{}, nil, errNotXMLRPC
	}
	code, _ := strconv.Atoi(v.member("faultCode").text())
	return value{}, &fault{code, v.member("faultString").text()}, nil
}

// drain reads to the end, so that an answer that breaks off behind its value is recognised.
func drain(d *xml.Decoder) error {
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

func nextElement(d *xml.Decoder) (string, error) {
	for {
		t, err := d.Token()
		if err != nil {
			return "", err
		}
		switch x := t.(type) {
		case xml.StartElement:
			return x.Name.Local, nil
		case xml.EndElement:
			return "", errNotXMLRPC
		case xml.CharData:
			if len(bytes.TrimSpace(x)) > 0 {
				return "", errNotXMLRPC
			}
		}
	}
}

func descend(d *xml.Decoder, want string) error {
	got, err := nextElement(d)
	if err == nil && got != want {
		err = errNotXMLRPC
	}
	return err
}

// decodeValue reads what stands inside <value>, its end included. Text without a type is a string.
func decodeValue(d *xml.Decoder, depth int) (value, error) {
	if depth > maxDepth {
		return value{}, errors.New("values nest too deep")
	}
	var text strings.Builder
	for {
		t, err := d.Token()
		if err != nil {
			return value{}, err
		}
		switch x := t.(type) {
		case xml.CharData:
			text.Write(x)
		case xml.EndElement:
			return value{text.String()}, nil
		case xml.StartElement:
			v, err := decodeTyped(d, x.Name.Local, depth)
			if err != nil {
				return value{}, err
			}
			return v, d.Skip() // the blanks up to </value>
		}
	}
}

func decodeTyped(d *xml.Decoder, kind string, depth int) (value, error) {
	switch kind {
	case "array":
		return decodeArray(d, depth)
	case "struct":
		return decodeStruct(d, depth)
	}
	var text string
	if err := d.DecodeElement(&text, &xml.StartElement{Name: xml.Name{Local: kind}}); err != nil {
		return value{}, err
	}
	trimmed := strings.TrimSpace(text)
	switch kind {
	case "string", "base64", "double":
		return value{text}, nil
	case "i4", "int", "i8":
		n, err := strconv.ParseInt(trimmed, 10, 64)
		return value{n}, err
	case "boolean":
		b, err := strconv.ParseBool(trimmed)
		return value{b}, err
	case "nil":
		return value{}, nil
	case "dateTime.iso8601":
		at, err := time.ParseInLocation(xmlTime, trimmed, newYork)
		return value{at}, err
	}
	return value{}, fmt.Errorf("unknown type %.40q", kind)
}

func decodeArray(d *xml.Decoder, depth int) (value, error) {
	if err := descend(d, "data"); err != nil {
		return value{}, err
	}
	items := []value{}
	for {
		t, err := d.Token()
		if err != nil {
			return value{}, err
		}
		switch x := t.(type) {
		case xml.EndElement: // </data>
			return value{items}, d.Skip()
		case xml.StartElement:
			if x.Name.Local != "value" {
				return value{}, errNotXMLRPC
			}
			v, err := decodeValue(d, depth+1)
			if err != nil {
				return value{}, err
			}
			items = append(items, v)
		}
	}
}

func decodeStruct(d *xml.Decoder, depth int) (value, error) {
	members := map[string]value{}
	for {
		t, err := d.Token()
		if err != nil {
			return value{}, err
		}
		switch x := t.(type) {
		case xml.EndElement: // </struct>
			return value{members}, nil
		case xml.StartElement:
			if x.Name.Local != "member" {
				return value{}, errNotXMLRPC
			}
			var name string
			if err := descend(d, "name"); err != nil {
				return value{}, err
			}
			if err := d.DecodeElement(&name, &xml.StartElement{Name: xml.Name{Local: "name"}}); err != nil {
				return value{}, err
			}
			if err := descend(d, "value"); err != nil {
				return value{}, err
			}
			if members[name], err = decodeValue(d, depth+1); err != nil {
				return value{}, err
			}
			if err := d.Skip(); err != nil { // </member>
				return value{}, err
			}
		}
	}
}
