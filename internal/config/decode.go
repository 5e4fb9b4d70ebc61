package config

import (
	"encoding"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"bridge/internal/secret"
)

// maxNodes, and one more for each byte, bounds how many nodes a file may come to, aliases followed: a few lines of aliases
// can mean billions.
const maxNodes = 100_000

// maxDepth is how deep values may be nested; an anchor inside itself would have no end.
const maxDepth = 60

// decoder fills Go values from YAML and keeps every mistake. Where a list is expected, a single value counts as a list
// of one. Where a type implements encoding.TextUnmarshaler, a scalar goes there, even for a struct.
type decoder struct {
	file     string
	expander expander
	anchors  map[string]ast.Node
	mistakes Mistakes
	left     int              // nodes that may still be visited
	depth    int              // of the node that is being visited
	hidden   map[place]string // values that references stand for: they are not shown
	broken   map[place]bool   // where decoding found mistakes: what follows from one is no second one
}

// parse reads YAML; the node is nil for an empty document.
func (d *decoder) parse(content []byte) ast.Node {
	d.left, d.anchors = maxNodes+len(content), map[string]ast.Node{}
	d.hidden, d.broken = map[place]string{}, map[place]bool{}
	file, err := parser.ParseBytes(disguised(content), 0, parser.AllowDuplicateMapKey())
	if err != nil {
		d.syntax(err)
		return nil
	}
	var body ast.Node
	for _, doc := range file.Docs {
		switch {
		case doc.Body == nil || doc.Body.Type() == ast.CommentType || doc.Body.Type() == ast.DirectiveType:
		case body != nil:
			d.wrong(placeOf(doc.Body), "a second document; one file is one document", "take the --- out")
		default:
			body = doc.Body
		}
	}
	if body != nil {
		ast.Walk(anchorFinder{d}, body)
	}
	return body
}

type anchorFinder struct{ *decoder }

func (f anchorFinder) Visit(n ast.Node) ast.Visitor {
	if a, ok := n.(*ast.AnchorNode); ok && a.Name != nil {
		f.anchors[a.Name.GetToken().Value] = a.Value
	}
	return f
}

// syntax turns the parser's error into a mistake.
func (d *decoder) syntax(err error) {
	var located interface {
		error
		GetToken() *token.Token
		GetMessage() string
	}
	if errors.As(err, &located) {
		d.wrong(at(located.GetToken()), "no YAML: "+reveal.Replace(located.GetMessage()), "texts that begin with {{ or hold : need quotes")
		return
	}
	first, _, _ := strings.Cut(err.Error(), "\n")
	d.wrong(place{}, "no YAML: "+reveal.Replace(first), "")
}

func (d *decoder) wrong(p place, text, hint string) {
	if d.tells(p, text) {
		text, hint = "what the reference stands for does not fit here (it is not shown)", ""
	}
	d.mistakes = append(d.mistakes, Mistake{File: d.file, Line: p.line, Column: p.column, Text: text, Hint: hint})
}

// tells finds messages that show a value from outside: that of the place itself, or a long one from elsewhere in the
// file, whole or cut.
func (d *decoder) tells(p place, text string) bool {
	const most = 12 // so many characters in a row are no coincidence
	for at, value := range d.hidden {
		if at != p && len(value) < most {
			continue
		}
		size := min(len(value), most)
		for i := 0; size > 0 && i+size <= len(value); i++ {
			if strings.Contains(text, value[i:i+size]) {
				return true
			}
		}
	}
	return false
}

// follow resolves aliases and takes anchors and tags off.
func (d *decoder) follow(n ast.Node) ast.Node {
	for range 32 {
		alias, ok := plain(n).(*ast.AliasNode)
		if !ok {
			return plain(n)
		}
		target, ok := d.anchors[alias.Value.GetToken().Value]
		if !ok {
			return alias
		}
		n = target
	}
	return n
}

// decode fills v, which must be settable.
func (d *decoder) decode(n ast.Node, v reflect.Value) {
	d.left--
	d.depth++
	defer func() { d.depth-- }()
	if d.left <= 0 || d.depth > maxDepth {
		if d.left >= 0 {
			d.wrong(placeOf(n), "the file comes to too many values", "do aliases (*) repeat one another?")
			d.left = 0
		}
		return
	}
	n = d.follow(n)
	switch n := n.(type) {
	case *ast.AliasNode:
		d.wrong(placeOf(n), "there is no anchor &"+n.Value.GetToken().Value, "")
		return
	case *ast.NullNode:
		if v.Kind() == reflect.Pointer && v.Type().Elem().Kind() == reflect.Struct {
			v.Set(reflect.New(v.Type().Elem())) // "order:" says the same as "order: {}"
		}
		return
	}
	if d.custom(n, v) {
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		d.decode(n, v.Elem())
	case reflect.Struct:
		d.fields(n, v)
	case reflect.Map:
		d.entries(n, v)
	case reflect.Slice:
		d.list(n, v)
	case reflect.Interface:
		d.any(n, v)
	default:
		d.scalar(n, v)
	}
}

// custom handles types that decode themselves, and the few of the standard library that cannot.
func (d *decoder) custom(n ast.Node, v reflect.Value) bool {
	if !v.CanAddr() {
		return false
	}
	switch p := v.Addr().Interface().(type) {
	case interface{ UnmarshalYAML(func(any) error) error }:
		if err := p.UnmarshalYAML(d.attempt(n)); err != nil {
			d.failed(n, err)
		}
		return true
	case *time.Duration, *netip.Prefix:
		d.scalar(n, v)
		return true
	case encoding.TextUnmarshaler:
		if _, ok := n.(ast.MapNode); ok && v.Kind() == reflect.Struct && v.NumField() > 0 && v.Type().Field(0).IsExported() {
			return false // it takes a bare scalar as well as its fields
		}
		d.scalar(n, v)
		return true
	}
	return false
}

// attempt is what UnmarshalYAML decodes with: mistakes come back as an error, so that it may try another type.
func (d *decoder) attempt(n ast.Node) func(any) error {
	return func(target any) error {
		before := len(d.mistakes)
		d.decode(n, reflect.ValueOf(target).Elem())
		if len(d.mistakes) == before {
			return nil
		}
		found := append(Mistakes{}, d.mistakes[before:]...)
		d.mistakes = d.mistakes[:before]
		return found
	}
}

func (d *decoder) failed(n ast.Node, err error) {
	var found Mistakes
	if errors.As(err, &found) {
		d.mistakes = append(d.mistakes, found...)
		return
	}
	d.wrong(placeOf(n), err.Error(), "")
}

// list decodes a sequence; a single value is a list of one.
func (d *decoder) list(n ast.Node, v reflect.Value) {
	values := []ast.Node{n}
	if s, ok := n.(*ast.SequenceNode); ok {
		values = s.Values
	}
	out := reflect.MakeSlice(v.Type(), len(values), len(values))
	for i, value := range values {
		d.decode(value, out.Index(i))
	}
	v.Set(out)
}

// entries decodes a mapping with free keys.
func (d *decoder) entries(n ast.Node, v reflect.Value) {
	values, ok := d.mapping(n)
	if !ok {
		d.wrong(placeOf(n), "a mapping (key: value) is expected here, not "+what(n), "")
		return
	}
	out := reflect.MakeMapWithSize(v.Type(), len(values))
	for _, e := range values {
		value := reflect.New(v.Type().Elem()).Elem()
		d.decode(e.Value, value)
		out.SetMapIndex(reflect.ValueOf(keyText(e.Key)).Convert(v.Type().Key()), value)
	}
	v.Set(out)
}

// fields decodes a mapping with the keys of a struct; others are mistakes.
func (d *decoder) fields(n ast.Node, v reflect.Value) {
	values, ok := d.mapping(n)
	if !ok {
		d.wrong(placeOf(n), "a mapping (key: value) is expected here, not "+what(n), "")
		return
	}
	known := keysOf(v.Type())
	for _, e := range values {
		name := keyText(e.Key)
		i, ok := known.index[name]
		if !ok {
			d.wrong(placeOf(e.Key), fmt.Sprintf("unknown key %s", shown(name))+closest(name, known.names), "")
			continue
		}
		d.decode(e.Value, v.Field(i))
	}
}

// mapping lists the entries of a mapping, merged ones (<<) behind its own, and finds keys that stand there twice.
func (d *decoder) mapping(n ast.Node) ([]*ast.MappingValueNode, bool) {
	own, ok := pairs(n)
	if !ok {
		return nil, false
	}
	seen := map[string]place{}
	var all, merged []*ast.MappingValueNode
	for _, e := range own {
		if e.Key.IsMergeKey() {
			more, ok := pairs(d.follow(e.Value))
			if !ok {
				d.wrong(placeOf(e.Value), "<< takes the alias of a mapping", "")
			}
			merged = append(merged, more...)
			continue
		}
		name := keyText(e.Key)
		if first, double := seen[name]; double {
			d.wrong(placeOf(e.Key), fmt.Sprintf("%s stands here twice; the first is on line %d", shown(name), first.line), "")
			continue
		}
		seen[name] = placeOf(e.Key)
		all = append(all, e)
	}
	for _, e := range merged {
		if _, own := seen[keyText(e.Key)]; !own && !e.Key.IsMergeKey() {
			seen[keyText(e.Key)] = placeOf(e.Key)
			all = append(all, e)
		}
	}
	return all, true
}

// any decodes a value of no particular type.
func (d *decoder) any(n ast.Node, v reflect.Value) {
	var value any
	switch n := n.(type) {
	case *ast.SequenceNode:
		list := []any{}
		d.decode(n, reflect.ValueOf(&list).Elem())
		value = list
	case *ast.MappingNode, *ast.MappingValueNode:
		m := map[string]any{}
		d.decode(n, reflect.ValueOf(&m).Elem())
		value = m
	case *ast.IntegerNode:
		if value = n.Value; n.Token.Value != "" {
			if i, err := strconv.ParseInt(n.Token.Value, 0, 64); err == nil {
				value = i
			}
		}
	case *ast.FloatNode:
		value = n.Value
	case *ast.BoolNode:
		value = n.Value
	default:
		var text string
		d.decode(n, reflect.ValueOf(&text).Elem())
		value = text
	}
	v.Set(reflect.ValueOf(&value).Elem())
}

// scalar decodes a text, number, switch or anything that reads itself from text.
func (d *decoder) scalar(n ast.Node, v reflect.Value) {
	raw, ok := scalarText(n)
	if !ok {
		d.wrong(placeOf(n), "a single value is expected here, not "+what(n), "")
		return
	}
	text, expanded, wrong, hint := d.expander.expand(raw)
	if wrong != "" {
		d.wrong(placeOf(n), wrong, hint)
		return
	}
	if expanded {
		d.hidden[placeOf(n)] = text
	}
	_, private := v.Interface().(secret.Text)
	if err := set(v, text); err != nil {
		words := err.Error()
		if expanded || private {
			words = "what stands here does not fit (it is not shown)"
		}
		d.wrong(placeOf(n), words, "")
	}
}
