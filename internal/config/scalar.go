package config

import (
	"encoding"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// scalarText is the text of a scalar as it was written: 007 stays 007.
func scalarText(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return reveal.Replace(n.Value), true
	case *ast.LiteralNode:
		return reveal.Replace(n.Value.Value), true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return n.GetToken().Value, true
	}
	return "", false
}

// set reads text into v.
func set(v reflect.Value, text string) error {
	switch p := v.Addr().Interface().(type) {
	case *time.Duration:
		duration, err := parseDuration(text)
		*p = duration
		return err
	case *netip.Prefix:
		prefix, err := parsePrefix(text)
		*p = prefix
		return err
	case encoding.TextUnmarshaler:
		return p.UnmarshalText([]byte(text))
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Bool:
		if text != "true" && text != "false" {
			return fmt.Errorf("true or false is expected here, not %.40q", text)
		}
		v.SetBool(text == "true")
	case reflect.Int, reflect.Int64:
		n, err := strconv.ParseInt(text, 10, v.Type().Bits())
		if err != nil {
			return fmt.Errorf("a whole number is expected here, not %.40q", text)
		}
		v.SetInt(n)
	case reflect.Float64:
		f, err := strconv.ParseFloat(text, 64)
		if err != nil || f != f || f-f != 0 {
			return fmt.Errorf("a number is expected here, not %.40q", text)
		}
		v.SetFloat(f)
	default:
		return fmt.Errorf("this value cannot be configured (%s)", v.Type())
	}
	return nil
}

// parseDuration takes what time.ParseDuration takes, and days: 90d.
func parseDuration(text string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.ParseUint(days, 10, 16); err == nil {
			return time.Duration(n) * 24 * time.Hour, nil
		}
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, fmt.Errorf("a duration such as 30s, 5m, 24h or 90d is expected here, not %.40q", text)
	}
	return d, nil
}

// parsePrefix takes networks and single addresses.
func parsePrefix(text string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(text); err == nil && addr.Zone() == "" {
		return netip.PrefixFrom(addr.Unmap(), addr.Unmap().BitLen()), nil
	}
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("an address or a network such as 203.0.113.0/24 is expected here, not %.60q", text)
	}
	return prefix.Masked(), nil
}

// keys are the YAML names of a struct's fields.
type keys struct {
	index map[string]int
	names []string
}

var keyCache sync.Map // reflect.Type → keys

func keysOf(t reflect.Type) keys {
	if k, ok := keyCache.Load(t); ok {
		return k.(keys)
	}
	k := keys{index: map[string]int{}}
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("yaml"), ",")
		if !t.Field(i).IsExported() || name == "-" || name == "" {
			continue
		}
		k.index[name] = i
		k.names = append(k.names, name)
	}
	keyCache.Store(t, k)
	return k
}

// what names a node in a message.
func what(n ast.Node) string {
	switch n := n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		return "a mapping"
	case *ast.SequenceNode:
		return "a list"
	case *ast.NullNode:
		return "nothing"
	case *ast.StringNode, *ast.LiteralNode:
		return "a text"
	default:
		return strings.ToLower(n.Type().String())
	}
}

// shown is a key in a message; long ones are cut, because somebody may have pasted a secret there.
func shown(key string) string {
	if len(key) > 40 {
		key = key[:20] + "…"
	}
	return strconv.Quote(key)
}

// closest suggests the known word that begins or sounds like the one written.
func closest(word string, known []string) string {
	if i := slices.IndexFunc(known, func(k string) bool { return near(word, k) }); i >= 0 {
		return "; did you mean " + known[i] + "?"
	}
	if len(known) <= 8 {
		return "; known are " + strings.Join(known, ", ")
	}
	return ""
}

// near tells whether two words differ by one letter more, less, other or swapped, or by - instead of _.
func near(a, b string) bool {
	a, b = strings.ReplaceAll(strings.ToLower(a), "-", "_"), strings.ToLower(b)
	if len(a) > len(b) {
		a, b = b, a
	}
	if len(b)-len(a) > 1 || len(b) < 3 {
		return a == b
	}
	i := 0
	for i < len(a) && a[i] == b[i] {
		i++
	}
	j := 0
	for j < len(a)-i && a[len(a)-1-j] == b[len(b)-1-j] {
		j++
	}
	rest := len(b) - i - j
	return rest <= 1 || rest == 2 && len(a) == len(b) && a[i] == b[i+1] && a[i+1] == b[i]
}
