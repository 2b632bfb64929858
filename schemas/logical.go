package schemas

import "math"

// logical reads the logical type. As Avro has it, one that is not valid, or does not fit its type, is as if it were not
// there: the value is shown as its type is.
func logical(t *Type, node map[string]any) {
	name, _ := node["logicalType"].(string)
	switch t.Kind {
	case Int:
		t.Logical = pick(name, Date, TimeMillis)
	case Long:
		t.Logical = pick(name, TimeMicros, TimestampMillis, TimestampMicros, TimestampNanos,
			LocalTimestampMillis, LocalTimestampMicros, LocalTimestampNanos)
	case String:
		t.Logical = pick(name, UUID)
	case Bytes, Fixed:
		if t.Logical = pick(name, Decimal, UUID); t.Logical == UUID && (t.Kind == Bytes || t.Size != uuidSize) {
			t.Logical = LogicalNone
		}
		if t.Logical == Decimal && !t.decimal(node) {
			t.Logical = LogicalNone
		}
	}
}

// uuidSize is the bytes of a UUID in a fixed.
const uuidSize = 16

// decimal reads precision and scale, and says whether they make a decimal type.
func (t *Type) decimal(node map[string]any) bool {
	precision, err := integer(node, "precision")
	scale := 0
	if err == nil && node["scale"] != nil {
		scale, err = integer(node, "scale")
	}
	if err != nil || precision < 1 || scale < 0 || scale > precision {
		return false
	}
	// A fixed holds so many digits: those of 2 to the power of its bits, one for the sign left out.
	if t.Kind == Fixed && float64(precision) > math.Floor(math.Log10(2)*float64(8*t.Size-1)) {
		return false
	}
	t.Scale = scale
	return true
}

func pick(name string, among ...Logical) Logical {
	for _, logical := range among {
		if logical.String() == name {
			return logical
		}
	}
	return LogicalNone
}
