package rules

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

// expression is one compiled CEL expression.
type expression struct {
	program cel.Program
	result  *cel.Type
	holder  cel.Program     // of body.total: body, where a number's own text can be looked up; nil for others
	key     any             // … and total
	uses    map[string]bool // variables that it reads
	with    map[string]bool // parameters that it reads: true where it cannot do without
}

// eval runs the expression; the error's text is fit for people.
func (x *expression) eval(vars any) (ref.Val, error) {
	value, _, err := x.program.Eval(vars)
	if err != nil {
		return nil, fmt.Errorf("%s", runtimeText(err))
	}
	return value, nil
}

// print gives the value as text. A number of a JSON document keeps its own: 59.90 is not printed as 59.9.
func (x *expression) print(vars any) (string, error) {
	value, err := x.eval(vars)
	if err != nil {
		return "", err
	}
	if _, float := value.(types.Double); float && x.holder != nil {
		if n, ok := x.number(vars); ok {
			return n.String(), nil
		}
	}
	return written(value)
}

func (x *expression) number(vars any) (json.Number, bool) {
	holder, err := (&expression{program: x.holder}).eval(vars)
	if err != nil {
		return "", false
	}
	var value any
	switch native := holder.Value().(type) {
	case map[string]any:
		name, _ := x.key.(string)
		value = native[name]
	case []any:
		if i, ok := x.key.(int64); ok && i >= 0 && i < int64(len(native)) {
			value = native[i]
		}
	}
	n, ok := value.(json.Number)
	return n, ok && !strings.ContainsAny(n.String(), "eE")
}

// compileExpression checks source. at is where it begins in the text that it stands in; printed means that its
// value becomes text, so that amounts keep theirs to the letter.
func compileExpression(env *cel.Env, source string, at int, printed bool) (*expression, []Mistake) {
	if strings.TrimSpace(source) == "" {
		return nil, []Mistake{{Offset: at, Text: "the expression is empty"}}
	}
	checked, issues := env.Compile(source)
	if issues.Err() != nil {
		var mistakes []Mistake
		for _, e := range issues.Errors() {
			offset := offsetIn(source, e.Location)
			if undefinedField.MatchString(e.Message) { // CEL points at the dot before the name
				offset += len(source[offset:]) - len(strings.TrimLeft(source[offset:], ".?"))
			}
			mistakes = append(mistakes, Mistake{Offset: at + offset, Text: compileText(e.Message)})
		}
		return nil, mistakes
	}
	tree := checked.NativeRep()
	x := &expression{result: checked.OutputType(), uses: map[string]bool{}, with: map[string]bool{}}
	x.note(tree.Expr())
	keepText(tree, printed)
	program, err := env.Program(checked, cel.CostLimit(costLimit), cel.EvalOptions(cel.OptOptimize))
	if err != nil {
		return nil, []Mistake{{Offset: at, Text: compileText(err.Error())}}
	}
	x.program = program
	if printed {
		x.findHolder(env, tree)
	}
	return x, nil
}

// findHolder prepares print for a path that ends inside a JSON document.
func (x *expression) findHolder(env *cel.Env, tree *ast.AST) {
	var operand ast.Expr
	switch root := tree.Expr(); root.Kind() {
	case ast.SelectKind:
		operand, x.key = root.AsSelect().Operand(), root.AsSelect().FieldName()
	case ast.CallKind:
		args := root.AsCall().Args()
		if root.AsCall().FunctionName() != operators.Index || args[1].Kind() != ast.LiteralKind {
			return
		}
		operand, x.key = args[0], args[1].AsLiteral().Value()
	default:
		return
	}
	if t := tree.GetType(operand.ID()); t == nil || t.Kind() != types.DynKind {
		return
	}
	part := ast.NewCheckedAST(ast.NewAST(operand, tree.SourceInfo()), tree.TypeMap(), tree.ReferenceMap())
	if program, err := env.PlanProgram(part, cel.CostLimit(costLimit)); err == nil {
		x.holder = program
	}
}

// offsetIn turns a line and column (in characters) into bytes.
func offsetIn(source string, l common.Location) int {
	if l.Line() < 1 || l.Column() < 0 {
		return 0
	}
	offset := 0
	for range l.Line() - 1 {
		next := strings.IndexByte(source[offset:], '\n')
		if next < 0 {
			return offset
		}
		offset += next + 1
	}
	column := l.Column()
	for i := range source[offset:] {
		if column == 0 {
			return offset + i
		}
		column--
	}
	return len(source)
}

// note records which variables and parameters the expression reads. bound are the variables of the macros around e
// (items.exists(item, …) does not read the variable item).
func (x *expression) note(e ast.Expr, bound ...string) {
	switch e.Kind() {
	case ast.IdentKind:
		if !slices.Contains(bound, e.AsIdent()) {
			x.uses[e.AsIdent()] = true
		}
	case ast.SelectKind:
		s := e.AsSelect()
		if s.Operand().Kind() == ast.IdentKind && s.Operand().AsIdent() == "with" {
			x.parameter(s.FieldName(), !s.IsTestOnly())
		}
		x.note(s.Operand(), bound...)
	case ast.CallKind:
		c := e.AsCall()
		if c.IsMemberFunction() {
			x.note(c.Target(), bound...)
		}
		for _, arg := range c.Args() {
			x.note(arg, bound...)
		}
	case ast.ListKind:
		for _, element := range e.AsList().Elements() {
			x.note(element, bound...)
		}
	case ast.MapKind:
		for _, entry := range e.AsMap().Entries() {
			x.note(entry.AsMapEntry().Key(), bound...)
			x.note(entry.AsMapEntry().Value(), bound...)
		}
	case ast.ComprehensionKind:
		c := e.AsComprehension()
		x.note(c.IterRange(), bound...)
		x.note(c.AccuInit(), bound...)
		inner := append(slices.Clone(bound), c.IterVar(), c.IterVar2(), c.AccuVar())
		for _, part := range []ast.Expr{c.LoopCondition(), c.LoopStep(), c.Result()} {
			x.note(part, inner...)
		}
	}
}

// parameter notes a use of with.name: one that is asked for with has() anywhere in the expression may be left out.
func (x *expression) parameter(name string, needed bool) {
	before, seen := x.with[name]
	x.with[name] = needed && (!seen || before)
}

// keepText replaces amounts by their exact companions where they are printed: as the whole of a {{ }} (printed), and as
// the argument of string(). Everywhere else they stay doubles.
func keepText(tree *ast.AST, printed bool) {
	factory := ast.NewExprFactory()
	if printed {
		swapAmount(tree, factory, tree.Expr())
	}
	ast.PostOrderVisit(tree.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() != ast.CallKind || e.AsCall().FunctionName() != "string" || len(e.AsCall().Args()) != 1 {
			return
		}
		if arg := e.AsCall().Args()[0]; isAmount(tree, arg) {
			s := arg.AsSelect()
			e.SetKindCase(factory.NewSelect(e.ID(), s.Operand(), s.FieldName()+exact))
			delete(tree.ReferenceMap(), e.ID()) // it is no call of string any more
		}
	}))
}

func swapAmount(tree *ast.AST, factory ast.ExprFactory, e ast.Expr) {
	switch {
	case isAmount(tree, e):
		s := e.AsSelect()
		e.SetKindCase(factory.NewSelect(e.ID(), s.Operand(), s.FieldName()+exact))
	case e.Kind() == ast.CallKind && e.AsCall().FunctionName() == operators.Conditional:
		args := e.AsCall().Args()
		swapAmount(tree, factory, args[1])
		swapAmount(tree, factory, args[2])
	}
}

func isAmount(tree *ast.AST, e ast.Expr) bool {
	if e.Kind() != ast.SelectKind || e.AsSelect().IsTestOnly() {
		return false
	}
	operand := tree.GetType(e.AsSelect().Operand().ID())
	if operand == nil || operand.Kind() != types.StructKind {
		return false
	}
	d, ok := structs[operand.TypeName()]
	return ok && d.fields[e.AsSelect().FieldName()].money
}
