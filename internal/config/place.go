package config

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// place is a position in a file.
type place struct{ line, column int }

// placeOf is where a node begins as a reader sees it: a mapping at its first key, a scalar at its quote.
func placeOf(n ast.Node) place {
	switch n := n.(type) {
	case nil:
		return place{1, 1}
	case *ast.MappingNode:
		if !n.IsFlowStyle && len(n.Values) > 0 {
			return placeOf(n.Values[0].Key)
		}
	case *ast.MappingValueNode:
		return placeOf(n.Key)
	case *ast.AnchorNode:
		return at(n.Start)
	case *ast.TagNode:
		return at(n.Start)
	}
	return at(n.GetToken())
}

func at(t *token.Token) place {
	if t == nil || t.Position == nil {
		return place{1, 1}
	}
	return place{max(t.Position.Line, 1), max(t.Position.Column, 1)}
}

// inside is the place of a byte of a scalar's text. It is exact for texts on one line without escapes and for literal
// blocks; for the rest it is where the scalar begins.
func inside(n ast.Node, text string, offset int) place {
	start := placeOf(n)
	if offset <= 0 || offset > len(text) {
		return start
	}
	before := text[:offset]
	switch n := plain(n).(type) {
	case *ast.LiteralNode:
		if n.Start.Type != token.LiteralType || n.Value == nil {
			return start
		}
		first, _, _ := strings.Cut(strings.TrimLeft(n.Value.GetToken().Origin, "\n"), "\n")
		indent := len(first) - len(strings.TrimLeft(first, " "))
		last := before[strings.LastIndexByte(before, '\n')+1:]
		return place{start.line + 1 + strings.Count(before, "\n"), indent + utf8.RuneCountInString(last) + 1}
	case *ast.StringNode:
		origin := n.Token.Origin
		quoted := n.Token.Type == token.DoubleQuoteType || n.Token.Type == token.SingleQuoteType
		if strings.Contains(strings.TrimSpace(origin), "\n") || quoted && !strings.Contains(origin, text) {
			return start
		}
		start = at(n.Token)
		if quoted {
			start.column++
		}
	}
	return place{start.line, start.column + utf8.RuneCountInString(before)}
}

// plain takes anchors and tags off.
func plain(n ast.Node) ast.Node {
	for {
		switch inner := n.(type) {
		case *ast.AnchorNode:
			n = inner.Value
		case *ast.TagNode:
			n = inner.Value
		default:
			return n
		}
	}
}

// pairs are the entries of a mapping; false when n is none.
func pairs(n ast.Node) ([]*ast.MappingValueNode, bool) {
	switch n := plain(n).(type) {
	case *ast.MappingNode:
		return n.Values, true
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{n}, true
	}
	return nil, false
}

// find walks a path like rules[0].do[1].contact.fields["Last order"] from n, through aliases, as far as it
// leads. It returns the last node and the key that it stands under, which is nil for list elements.
func (d *decoder) find(n ast.Node, path string) (node, key ast.Node) {
	node = n
	for path != "" {
		name, index, rest := cutPath(path)
		node = d.follow(node)
		var next, nextKey ast.Node
		if list, ok := plain(node).(*ast.SequenceNode); ok && index >= 0 && index < len(list.Values) {
			next = list.Values[index]
		} else if index == 0 && name == "" {
			next, nextKey = node, key // a single value where a list may stand
		}
		if entries, ok := pairs(node); ok && name != "" {
			for _, e := range entries {
				if keyText(e.Key) == name {
					next, nextKey = e.Value, e.Key
				}
			}
		}
		if next == nil {
			return node, key
		}
		node, key, path = next, nextKey, rest
	}
	return node, key
}

// cutPath splits the first step off: a name, or an index (otherwise -1).
func cutPath(path string) (name string, index int, rest string) {
	path = strings.TrimPrefix(path, ".")
	if strings.HasPrefix(path, `["`) {
		if quoted, err := strconv.QuotedPrefix(path[1:]); err == nil {
			name, _ = strconv.Unquote(quoted)
			return name, -1, strings.TrimPrefix(path[1+len(quoted):], "]")
		}
	}
	if strings.HasPrefix(path, "[") {
		digits, rest, _ := strings.Cut(path[1:], "]")
		index, err := strconv.Atoi(digits)
		if err != nil {
			index = -1
		}
		return "", index, rest
	}
	end := strings.IndexAny(path, ".[")
	if end < 0 {
		end = len(path)
	}
	return path[:end], -1, path[end:]
}

func keyText(n ast.Node) string {
	switch n := plain(n).(type) {
	case *ast.MappingKeyNode:
		return keyText(n.Value)
	case ast.ScalarNode:
		return reveal.Replace(n.GetToken().Value)
	}
	return reveal.Replace(n.String())
}
