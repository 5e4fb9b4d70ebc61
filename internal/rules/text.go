package rules

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

// text is a compiled text with its {{ }}: literal pieces and expressions in turn.
type text struct {
	parts []part
}

type part struct {
	literal string
	*expression
}

// literal tells whether the text stands as it is, without {{ }}.
func (t *text) literal() bool {
	return len(t.parts) == 0 || len(t.parts) == 1 && t.parts[0].expression == nil
}

// fixed tells whether the text is the same for every event: literal, or made of the parameters of a rule set alone.
func (t *text) fixed() bool {
	for _, p := range t.parts {
		if p.expression == nil {
			continue
		}
		for name := range p.uses {
			if name != "with" {
				return false
			}
		}
	}
	return true
}

// source is the literal text; only for literal ones.
func (t *text) source() string {
	if len(t.parts) == 0 {
		return ""
	}
	return t.parts[0].literal
}

// alone is the expression that the whole text consists of, nil otherwise.
func (t *text) alone() *expression {
	if len(t.parts) == 1 {
		return t.parts[0].expression
	}
	return nil
}

// reads tells whether an expression of the text reads the variable.
func (t *text) reads(variable string) bool {
	for _, p := range t.parts {
		if p.expression != nil && p.uses[variable] {
			return true
		}
	}
	return false
}

// render fills the text in.
func (t *text) render(vars any) (string, error) {
	if t.literal() {
		return t.source(), nil
	}
	var b strings.Builder
	for _, p := range t.parts {
		if p.expression == nil {
			b.WriteString(p.literal)
			continue
		}
		printed, err := p.print(vars)
		if err != nil {
			return "", err
		}
		b.WriteString(printed)
		if b.Len() > maxText {
			return "", fmt.Errorf("the text is longer than %d bytes", maxText)
		}
	}
	return b.String(), nil
}

// maxText bounds a filled-in text; Keap's longest fields take 64 KiB.
const maxText = 256 << 10

// written is a value as people write it: times as RFC 3339, numbers without exponents, nothing for null.
func written(value ref.Val) (string, error) {
	switch v := value.(type) {
	case types.String:
		return string(v), nil
	case types.Bool:
		return strconv.FormatBool(bool(v)), nil
	case types.Int:
		return strconv.FormatInt(int64(v), 10), nil
	case types.Uint:
		return strconv.FormatUint(uint64(v), 10), nil
	case types.Double:
		return strconv.FormatFloat(float64(v), 'f', -1, 64), nil
	case types.Timestamp:
		return v.Format(time.RFC3339), nil
	case types.Duration:
		return v.Duration.String(), nil
	case types.Null:
		return "", nil
	case *types.Optional:
		if !v.HasValue() {
			return "", nil
		}
		return written(v.GetValue())
	}
	return "", fmt.Errorf("a %s is no text", value.Type().TypeName())
}

// printable tells at compile time whether written can take a value of the type.
func printable(t *cel.Type) bool {
	switch t.Kind() {
	case types.ListKind, types.MapKind, types.StructKind, types.BytesKind, types.TypeKind:
		return false
	case types.OpaqueKind:
		return t.TypeName() == "optional_type" && printable(t.Parameters()[0])
	}
	return true
}

// parseText compiles a text. Every mistake in it is returned, with its offset.
func parseText(env *cel.Env, source string) (*text, []Mistake) {
	t := &text{}
	var mistakes []Mistake
	rest := 0
	for {
		open := strings.Index(source[rest:], "{{")
		if open < 0 {
			if rest < len(source) {
				t.parts = append(t.parts, part{literal: source[rest:]})
			}
			return t, mistakes
		}
		open += rest
		if open > rest {
			t.parts = append(t.parts, part{literal: source[rest:open]})
		}
		length, ok := expressionEnd(source[open+2:])
		if !ok {
			return t, append(mistakes, Mistake{Offset: open, Text: "{{ without }}"})
		}
		inner := source[open+2 : open+2+length]
		x, wrong := compileExpression(env, inner, open+2, true)
		if len(wrong) == 0 && !printable(x.result) {
			wrong = []Mistake{{Offset: open + 2, Text: fmt.Sprintf("this %s cannot be printed", typeText(x.result)), Hint: "pick one value of it"}}
		}
		mistakes = append(mistakes, wrong...)
		t.parts = append(t.parts, part{expression: x})
		rest = open + 2 + length + 2
	}
}

// expressionEnd finds the }} that ends an expression: not one inside a string or behind an open bracket.
func expressionEnd(s string) (int, bool) {
	depth := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '"', '\'':
			end := stringEnd(s[i:], i > 0 && (s[i-1] == 'r' || s[i-1] == 'R'))
			if end < 0 {
				return 0, false
			}
			i += end - 1
		case '(', '[', '{':
			depth++
		case ')', ']':
			depth--
		case '}':
			if depth <= 0 && strings.HasPrefix(s[i:], "}}") {
				return i, true
			}
			depth--
		}
	}
	return 0, false
}

// stringEnd is the length of the CEL string literal that s begins with, -1 when it does not end.
func stringEnd(s string, raw bool) int {
	quote := s[:1]
	if strings.HasPrefix(s, strings.Repeat(quote, 3)) {
		quote = s[:3]
	}
	for i := len(quote); i < len(s); i++ {
		switch {
		case s[i] == '\\' && !raw:
			i++
		case strings.HasPrefix(s[i:], quote):
			return i + len(quote)
		}
	}
	return -1
}

// CompileTemplate compiles a text whose expressions read the named variables, each of them JSON as encoding/json
// decodes it into an any (json.Number keeps large ids exact). The returned function fills it in and is safe for
// concurrent use. The error is a Mistake: the first one in the text.
func CompileTemplate(source string, variables ...string) (func(map[string]any) (string, error), error) {
	t, err := templates.compile(source, strings.Join(variables, ","), variables)
	if err != nil {
		return nil, err
	}
	return func(vars map[string]any) (string, error) { return t.render(vars) }, nil
}

// templates remembers what CompileTemplate made: ten thousand accounts have ten thousand forms with the same few texts.
var templates = templateCache{envs: map[string]*cel.Env{}, texts: map[[2]string]*text{}}

// maxTemplates bounds the memory; beyond it is begun anew.
const maxTemplates = 4096

type templateCache struct {
	mu    sync.Mutex
	envs  map[string]*cel.Env // by the names of their variables
	texts map[[2]string]*text // by the same and the text
}

func (c *templateCache) compile(source, key string, variables []string) (*text, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if t, ok := c.texts[[2]string{key, source}]; ok {
		return t, nil
	}
	env, ok := c.envs[key]
	if !ok {
		var options []cel.EnvOption
		for _, name := range variables {
			options = append(options, cel.Variable(name, cel.DynType))
		}
		var err error
		if env, err = newEnv(options...); err != nil {
			return nil, fmt.Errorf("variables %s: %w", key, err)
		}
		c.envs[key] = env
	}
	t, mistakes := parseText(env, source)
	if len(mistakes) > 0 {
		return nil, mistakes[0]
	}
	if len(c.texts) >= maxTemplates {
		clear(c.texts)
	}
	c.texts[[2]string{key, source}] = t
	return t, nil
}
