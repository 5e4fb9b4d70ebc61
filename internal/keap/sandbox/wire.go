package sandbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"time"
)

// ref is an id. v1 writes it as a number, v2 as text; both are read, in whichever version.
type ref int64

func (r ref) String() string { return strconv.FormatInt(int64(r), 10) }

// UnmarshalJSON reads 12 and "12"; "" is no id.
func (r *ref) UnmarshalJSON(b []byte) error {
	s := string(bytes.Trim(b, `"`))
	if s == "null" || s == "" {
		*r = 0
		return nil
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return fmt.Errorf("%s is no id", b)
	}
	*r = ref(n)
	return nil
}

// text is the v2 form of an id; no id is left out.
func (r ref) text() string {
	if r == 0 {
		return ""
	}
	return r.String()
}

func parseRef(s string) ref {
	n, _ := strconv.ParseInt(s, 10, 64)
	return ref(n) // 0 is nobody's id
}

// id is the n-th variable of the path as an id; 0, which nothing has, where it is none.
func (c *call) id(n int) ref { return parseRef(c.args[n]) }

// stamp is how both versions write an instant; the zero time is left out.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z")
}

// layouts of instants that are read: RFC 3339 with any fraction, offsets without colon, and the bare date.
var layouts = []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999-0700", "2006-01-02T15:04:05.999999999", time.DateOnly}

var errInstant = errors.New("is no date and time such as 2026-11-23T10:00:00.000Z")

func parseInstant(s string) (time.Time, error) {
	for _, l := range layouts {
		if t, err := time.Parse(l, s); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("%q %w", s, errInstant)
}

// instant is a time in a body.
type instant struct{ time.Time }

func (i *instant) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil || s == "" {
		return err
	}
	t, err := parseInstant(s)
	i.Time = t
	return err
}

// MarshalJSON writes it as both versions do.
func (i instant) MarshalJSON() ([]byte, error) { return json.Marshal(stamp(i.Time)) }

// list is every value of a query parameter, whether repeated or separated by commas.
func list(q url.Values, name string) []string {
	var out []string
	for _, v := range q[name] {
		for part := range strings.SplitSeq(v, ",") {
			if part = strings.TrimSpace(part); part != "" {
				out = append(out, part)
			}
		}
	}
	return out
}

// read decodes the body of a call. v1 refuses properties that it does not know (keap-api §5.1); v2 drops them,
// but a property that is only misspelt in its case is refused here, because encoding/json would take it and Keap
// would not.
func (c *call) read(into any) error {
	known := shapeOf(reflect.TypeOf(into).Elem())
	if err := known.check(c.body, c.version == 1); err != nil {
		return err
	}
	if err := json.Unmarshal(c.body, into); err != nil {
		return fmt.Errorf("Cannot parse request: %s", strings.TrimPrefix(err.Error(), "json: "))
	}
	return nil
}

// shape is the property names of a type, with the shapes of what they hold.
type jsonShape struct {
	properties map[string]*jsonShape
	elements   *jsonShape // of a list
}

var shapes sync.Map // reflect.Type → *jsonShape

func shapeOf(t reflect.Type) *jsonShape {
	if s, ok := shapes.Load(t); ok {
		return s.(*jsonShape)
	}
	s := &jsonShape{}
	switch {
	case reflect.PointerTo(t).Implements(reflect.TypeFor[json.Unmarshaler]()):
	case t.Kind() == reflect.Pointer:
		return shapeOf(t.Elem())
	case t.Kind() == reflect.Slice:
		s.elements = shapeOf(t.Elem())
	case t.Kind() == reflect.Struct:
		s.properties = map[string]*jsonShape{}
		for f := range t.Fields() {
			if f.Anonymous {
				for name, inner := range shapeOf(f.Type).properties {
					s.properties[name] = inner
				}
				continue
			}
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			s.properties[name] = shapeOf(f.Type)
		}
	}
	shapes.Store(t, s)
	return s
}

func (s *jsonShape) check(body []byte, strict bool) error {
	switch {
	case s.properties != nil:
		var got map[string]json.RawMessage
		if err := json.Unmarshal(body, &got); err != nil {
			return fmt.Errorf("Cannot parse request: %w", err)
		}
		for name, value := range got {
			inner, ok := s.properties[name]
			if !ok {
				if strict || s.misspelt(name) {
					return unrecognized(name)
				}
				continue
			}
			if err := inner.check(value, strict); err != nil {
				return err
			}
		}
	case s.elements != nil && s.elements.holds():
		var got []json.RawMessage
		if err := json.Unmarshal(body, &got); err != nil {
			return fmt.Errorf("Cannot parse request: %w", err)
		}
		for _, value := range got {
			if err := s.elements.check(value, strict); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *jsonShape) holds() bool {
	return s.properties != nil || s.elements != nil && s.elements.holds()
}

func (s *jsonShape) misspelt(name string) bool {
	for p := range s.properties {
		if strings.EqualFold(p, name) {
			return true
		}
	}
	return false
}

func unrecognized(property string) error {
	return fmt.Errorf("Unrecognized property: %s", property)
}
