package rules

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"sync"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"

	"bridge/internal/events"
)

// view is an event as expressions see it. Its fields, and those of everything below it, are found by their JSON names, so
// that expressions speak the names of the contract and a new canonical field is there without being listed here.
type view struct {
	ID           string               `json:"id"`
	Type         string               `json:"type"`
	Time         time.Time            `json:"time"`
	Received     time.Time            `json:"received"`
	Updated      time.Time            `json:"updated"`
	Account      string               `json:"account"`
	Source       string               `json:"source"`
	Kind         string               `json:"kind"`
	Subject      string               `json:"subject"`
	Contact      *events.Contact      `json:"contact"`
	Order        *events.Order        `json:"order"`
	Subscription *events.Subscription `json:"subscription"`
	Membership   *events.Membership   `json:"membership"`
	Refund       *events.Refund       `json:"refund"`
	Raw          *document            `json:"raw"`
}

// origin is the variable source.
type origin struct {
	Name string `json:"name"`
	Kind string `json:"kind"`
}

func newView(e *events.Event) *view {
	d := &e.Data
	v := &view{
		ID: e.ID, Type: e.Type, Time: e.Time, Received: e.Received, Updated: e.Updated, Account: e.Account,
		Source: e.Source, Kind: e.Kind, Subject: e.Subject,
		Contact: d.Contact, Order: d.Order, Subscription: d.Subscription, Membership: d.Membership, Refund: d.Refund,
	}
	if len(d.Raw) > 0 {
		v.Raw = &document{text: d.Raw}
	}
	return v
}

// document is JSON that is parsed when an expression first asks for it.
type document struct {
	text  []byte
	once  sync.Once
	value any
	err   error
}

func (d *document) parsed() (any, error) {
	d.once.Do(func() {
		dec := json.NewDecoder(bytes.NewReader(d.text))
		dec.UseNumber() // ids of 64 bits stay exact
		d.err = dec.Decode(&d.value)
	})
	return d.value, d.err
}

// exact is the suffix of the hidden companion of each amount: the same field as the sender's own text. No
// expression can spell it; the compiler puts it where an amount is printed (see bare).
const exact = "@exact"

// field is one name that expressions may ask of a struct.
type field struct {
	index int
	typ   *cel.Type
	money bool
	text  bool // the companion of an amount
}

// structs describes every Go struct that expressions can reach.
var structs = describe(view{}, origin{}, events.Contact{}, events.Address{}, events.Order{}, events.Item{},
	events.Subscription{}, events.Membership{}, events.Refund{})

type description struct {
	typ    *cel.Type
	fields map[string]field
	names  []string
}

var (
	moneyType = reflect.TypeFor[events.Money]()
	timeType  = reflect.TypeFor[time.Time]()
)

// prefix keeps the names of types apart from those of variables.
const prefix = "bridge."

func typeName(t reflect.Type) string { return prefix + lower(t.Name()) }

func describe(samples ...any) map[string]*description {
	all := map[string]*description{}
	for _, s := range samples {
		t := reflect.TypeOf(s)
		d := &description{typ: cel.ObjectType(typeName(t)), fields: map[string]field{}}
		for i := range t.NumField() {
			f := t.Field(i)
			name, _, _ := bytes.Cut([]byte(f.Tag.Get("json")), []byte(","))
			money := f.Type == moneyType
			d.fields[string(name)] = field{index: i, typ: celType(f.Type), money: money}
			d.names = append(d.names, string(name))
			if money {
				d.fields[string(name)+exact] = field{index: i, typ: cel.StringType, text: true}
			}
		}
		all[typeName(t)] = d
	}
	return all
}

// celType tells how the checker sees a Go field. Amounts are doubles: they compare and add up as people expect.
func celType(t reflect.Type) *cel.Type {
	switch {
	case t == moneyType:
		return cel.DoubleType
	case t == timeType || t == reflect.PointerTo(timeType):
		return cel.TimestampType
	case t == reflect.TypeFor[*document]():
		return cel.DynType
	}
	switch t.Kind() {
	case reflect.String:
		return cel.StringType
	case reflect.Bool:
		return cel.BoolType
	case reflect.Int64:
		return cel.IntType
	case reflect.Slice:
		return cel.ListType(celType(t.Elem()))
	case reflect.Map:
		return cel.MapType(cel.StringType, celType(t.Elem()))
	case reflect.Pointer:
		return celType(t.Elem())
	case reflect.Struct:
		return cel.ObjectType(typeName(t))
	default:
		panic("rules: no CEL type for " + t.String()) // a new kind of field in events; found by any test
	}
}

// structOf unwraps native to a struct; absent tells a nil pointer: the event has no such part.
func structOf(native any) (v reflect.Value, absent bool) {
	v = reflect.ValueOf(native)
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return v, true
		}
		v = v.Elem()
	}
	return v, false
}

func (f field) get(name string, native any) (any, error) {
	s, absent := structOf(native)
	if absent {
		return nil, missing(s.Type().Elem())
	}
	v := s.Field(f.index)
	switch value := v.Interface().(type) {
	case events.Money:
		if f.text {
			return string(value), nil
		}
		if value == "" {
			return nil, fmt.Errorf("%s is not given", name)
		}
		return value.Decimal().InexactFloat64(), nil
	case time.Time:
		if value.IsZero() {
			return nil, fmt.Errorf("%s is not given", name)
		}
		return value, nil
	case *time.Time:
		if value == nil {
			return nil, fmt.Errorf("%s is not given", name)
		}
		return *value, nil
	case *document:
		if value == nil {
			return nil, fmt.Errorf("the event has no raw body")
		}
		return value.parsed()
	default:
		return value, nil
	}
}

// isSet is has(): like a protocol buffer's field, one that is empty is not set.
func (f field) isSet(native any) bool {
	s, absent := structOf(native)
	return !absent && !s.Field(f.index).IsZero()
}

func missing(t reflect.Type) error {
	switch t {
	case reflect.TypeFor[events.Address]():
		return fmt.Errorf("the contact has no address")
	case reflect.TypeFor[document]():
		return fmt.Errorf("the event has no raw body")
	}
	return fmt.Errorf("the event has no %s", lower(t.Name()))
}

// provider tells the checker and the planner of CEL about structs; everything else is the standard registry's.
type provider struct{ *types.Registry }

func (p provider) FindStructType(name string) (*cel.Type, bool) {
	if d, ok := structs[name]; ok {
		return types.NewTypeTypeWithParam(d.typ), true
	}
	return p.Registry.FindStructType(name)
}

func (p provider) FindStructFieldNames(name string) ([]string, bool) {
	if d, ok := structs[name]; ok {
		return d.names, true
	}
	return p.Registry.FindStructFieldNames(name)
}

func (p provider) FindStructFieldType(structType, name string) (*types.FieldType, bool) {
	d, ok := structs[structType]
	if !ok {
		return p.Registry.FindStructFieldType(structType, name)
	}
	f, ok := d.fields[name]
	if !ok {
		return nil, false
	}
	return &types.FieldType{
		Type:    f.typ,
		IsSet:   f.isSet,
		GetFrom: func(native any) (any, error) { return f.get(name, native) },
	}, true
}

func (p provider) NewValue(structType string, fields map[string]ref.Val) ref.Val {
	if _, ok := structs[structType]; ok {
		return types.NewErr("%s cannot be made in an expression", structType)
	}
	return p.Registry.NewValue(structType, fields)
}

// NativeToValue makes a CEL value of what the fields above give.
func (p provider) NativeToValue(native any) ref.Val {
	switch v := native.(type) {
	case json.Number:
		return number(v)
	case map[string]any:
		return types.NewStringInterfaceMap(p, v)
	case map[string]string:
		return types.NewStringStringMap(p, v)
	case []any, []events.Item:
		return types.NewDynamicList(p, v)
	case []string:
		return types.NewStringList(p, v)
	}
	t := reflect.TypeOf(native)
	if t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t != nil && t.Kind() == reflect.Struct {
		if d, ok := structs[typeName(t)]; ok {
			if _, absent := structOf(native); absent {
				return types.WrapErr(missing(t))
			}
			return &object{native: native, about: d}
		}
	}
	return p.Registry.NativeToValue(native)
}

// number keeps integers exact: ids of 64 bits do not fit a double.
func number(n json.Number) ref.Val {
	if i, err := n.Int64(); err == nil {
		return types.Int(i)
	}
	f, err := n.Float64()
	if err != nil {
		return types.NewErr("%.40s is not a number", string(n))
	}
	return types.Double(f)
}

// object is a struct as a CEL value: an item of an order inside a macro, a whole order in a comparison.
type object struct {
	native any
	about  *description
}

func (o *object) ConvertToNative(t reflect.Type) (any, error) {
	if v := reflect.ValueOf(o.native); v.Type().AssignableTo(t) {
		return o.native, nil
	}
	return nil, fmt.Errorf("a %s is no %s", o.about.typ.TypeName(), t)
}

func (o *object) ConvertToType(t ref.Type) ref.Val {
	switch t {
	case o.about.typ:
		return o
	case types.TypeType:
		return o.about.typ
	}
	return types.NewErr("a %s cannot become a %s", o.about.typ.TypeName(), t.TypeName())
}

func (o *object) Equal(other ref.Val) ref.Val {
	b, ok := other.(*object)
	return types.Bool(ok && o.about == b.about && reflect.DeepEqual(o.native, b.native))
}

func (o *object) Type() ref.Type { return o.about.typ }
func (o *object) Value() any     { return o.native }
