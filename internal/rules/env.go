package rules

import (
	"strings"
	"sync"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/ext"

	"bridge/internal/events"
)

const (
	// costLimit bounds one evaluation, in CEL's own units (about one for each operation and each 10 characters that
	// are looked at). An expression over 1,000 line items stays below it; it is spent in some 20 ms.
	costLimit = 200_000
	// sizeLimit bounds the text of one expression, in characters.
	sizeLimit = 4_000
)

// celOptions are common to all expressions.
func celOptions(p provider) []cel.EnvOption {
	return []cel.EnvOption{
		cel.CustomTypeProvider(p), cel.CustomTypeAdapter(p),
		cel.CrossTypeNumericComparisons(true), // event.order.total >= 10
		cel.OptionalTypes(),                   // event.?order.?number.orValue("")
		ext.Strings(ext.StringsVersion(4)),
		cel.ParserExpressionSizeLimit(sizeLimit),
		cel.ParserRecursionLimit(60),
		cel.ASTValidators(cel.ValidateDurationLiterals(), cel.ValidateTimestampLiterals(), cel.ValidateRegexLiterals()),
	}
}

func newEnv(variables ...cel.EnvOption) (*cel.Env, error) {
	registry, err := types.NewRegistry()
	if err != nil {
		return nil, err
	}
	return cel.NewEnv(append(celOptions(provider{registry}), variables...)...)
}

// ruleEnv is the one environment of all rules; building it costs more than compiling a rule.
var ruleEnv = sync.OnceValues(func() (*cel.Env, error) {
	return newEnv(
		cel.Variable("event", cel.ObjectType(prefix+"view")),
		cel.Variable("source", cel.ObjectType(prefix+"origin")),
		cel.Variable("now", cel.TimestampType),
		cel.Variable("item", cel.ObjectType(prefix+"item")),
		cel.Variable("with", cel.MapType(cel.StringType, cel.DynType)),
	)
})

// scope binds the variables for one event. It is not for concurrent use: item changes.
type scope struct {
	event  *view
	source *origin
	now    time.Time
	item   *events.Item
	with   map[string]any
}

// ResolveName implements cel.Activation.
func (s *scope) ResolveName(name string) (any, bool) {
	switch name {
	case "event":
		return s.event, true
	case "source":
		return s.source, true
	case "now":
		return s.now, true
	case "item":
		return s.item, s.item != nil
	case "with":
		return s.with, true
	}
	return nil, false
}

// Parent implements cel.Activation.
func (s *scope) Parent() cel.Activation { return nil }

func lower(s string) string { return strings.ToLower(s) }
