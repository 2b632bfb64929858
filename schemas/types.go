package schemas

import (
	"encoding/json"
	"slices"
)

// Kind is the shape of an Avro type.
type Kind uint8

// The kinds of Avro types.
const (
	Null Kind = iota
	Boolean
	Int
	Long
	Float
	Double
	Bytes
	String
	Fixed
	Enum
	Array
	Map
	Record
	Union
)

var kindNames = [...]string{
	"null", "boolean", "int", "long", "float", "double", "bytes", "string", "fixed", "enum", "array", "map", "record", "union",
}

// String is the kind's name in a schema.
func (k Kind) String() string { return kindNames[k] }

// Logical is a logical type that changes how a value is shown. Those that a reader need not know are LogicalNone.
type Logical uint8

// The logical types that are told apart.
const (
	LogicalNone Logical = iota
	Date
	TimeMillis
	TimeMicros
	TimestampMillis
	TimestampMicros
	TimestampNanos
	LocalTimestampMillis
	LocalTimestampMicros
	LocalTimestampNanos
	Decimal
	UUID
)

var logicalNames = [...]string{
	"", "date", "time-millis", "time-micros", "timestamp-millis", "timestamp-micros", "timestamp-nanos",
	"local-timestamp-millis", "local-timestamp-micros", "local-timestamp-nanos", "decimal", "uuid",
}

// String is the logical type's name in a schema.
func (l Logical) String() string { return logicalNames[l] }

// Type is a node of a schema's tree. A recursive type contains itself, so a walk over types needs an end of its own.
type Type struct {
	Kind    Kind
	Logical Logical
	Name    string // full name of a record, enum or fixed
	Labels  []string
	Symbols []string // of an enum
	Size    int      // bytes of a fixed
	Scale   int      // of a decimal
	Fields  []Field  // of a record
	Items   *Type    // of an array; the values of a map
	Union   []*Type  // branches of a union

	minSize   int    // fewest bytes that a value can have
	void      bool   // no value has any byte
	solid     []int  // the fields of a record that are not void
	end       *Type  // of a record around a record and nothing else, and so on: the last of them
	around    int    // how many records are around that one
	height    int    // how many types nest in it
	reach     int    // bytes of its longest path
	ops       []op   // how a value is skipped
	branches  [][]op // of a union: how each is skipped
	entry     []op   // of an array or map: how an item is skipped, its key included
	compiling bool   // ops are being made: the type contains itself
	marking   bool   // it was made of others, by Marked, Choice or Sequence: no schema has it
}

// Void says that a value has no bytes: a null, a fixed of none, a record of those. There is nothing to read, and in a
// hostile schema there are more of them than anyone can count: two in a record, two of that in the next.
func (t *Type) Void() bool { return t.void }

// Solid are the indexes of a record's fields that are not void.
func (t *Type) Solid() []int { return t.solid }

// Inmost is, of a record that holds a record and nothing else, and so on, the last of them, and how many are around
// it. Of any other type it is the type itself.
func (t *Type) Inmost() (inmost *Type, around int) {
	if t.end == nil {
		return t, 0
	}
	return t.end, t.around
}

// only is the type of a record's only field that is not void; nil when there are several, or none.
func (t *Type) only() *Type {
	if t.Kind != Record || len(t.solid) != 1 {
		return nil
	}
	return t.Fields[t.solid[0]].Type
}

// Field is a field of a record.
type Field struct {
	Name    string
	Aliases []string
	Labels  []string // data usage labels: the schema property "labels"
	Type    *Type

	preset json.RawMessage // the default, as text; nil when there is none
}

// Field finds a record's field by name, else by alias; nil when there is none.
func (t *Type) Field(name string) *Field {
	for i := range t.Fields {
		if t.Fields[i].Name == name {
			return &t.Fields[i]
		}
	}
	for i := range t.Fields {
		if slices.Contains(t.Fields[i].Aliases, name) {
			return &t.Fields[i]
		}
	}
	return nil
}

// Alternatives are what a value of the type can be: the branches of a union, null left out, or the type itself.
func (t *Type) Alternatives() []*Type {
	switch t.Kind {
	case Union:
		var all []*Type
		for _, branch := range t.Union {
			if branch.Kind != Null {
				all = append(all, branch)
			}
		}
		return all
	case Null:
		return nil
	default:
		return []*Type{t}
	}
}

// weightless says whether the items of an array take no bytes, or need not. Entries of a map have a key.
func (t *Type) weightless() bool { return t.Kind == Array && t.Items.minSize == 0 }
