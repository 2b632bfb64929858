package schemas

import (
	"encoding/json"
	"fmt"
	"maps"

	"github.com/linkedin/goavro/v2"
)

// maxScale bounds a decimal's scale: more digits than that are no number that anyone wrote.
const maxScale = 1000

// logical reads the logical type. As Avro has it, one that does not fit its type is as if it were not there.
func logical(t *Type, node map[string]any, path string) error {
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
		if pick(name, Decimal) == LogicalNone {
			return nil
		}
		precision, err := integer(node, "precision", path)
		if err != nil {
			return err
		}
		scale := 0
		if node["scale"] != nil {
			if scale, err = integer(node, "scale", path); err != nil {
				return err
			}
		}
		if precision < 1 || scale < 0 || scale > precision || scale > maxScale {
			return fmt.Errorf("%s: decimal(%d, %d) is no decimal type", path, precision, scale)
		}
		t.Logical, t.Scale, t.precision = Decimal, scale, precision
	}
	return nil
}

func pick(name string, among ...Logical) Logical {
	for _, logical := range among {
		if logical.String() == name {
			return logical
		}
	}
	return LogicalNone
}

// measure finds the fewest bytes of every complex type. A type that is only reached through itself counts as zero
// there, which can only make the figure too small, and a figure too small only checks less early.
func (p *parser) measure() {
	for range 2 { // the second round sees what the first found behind a forward reference
		for _, t := range p.all {
			switch t.Kind {
			case Record:
				t.minSize = 0
				for _, field := range t.Fields {
					t.minSize = min(t.minSize+field.Type.minSize, maxFixedSize)
				}
			case Union:
				t.minSize = maxFixedSize
				for _, branch := range t.Union {
					t.minSize = min(t.minSize, 1+branch.minSize)
				}
			}
		}
	}
}

// verify has goavro judge the schema as well. It gets the schema as it was understood here, without defaults and
// properties: those do not change how bytes are read, and goavro refuses, or panics at, some that are valid (a second
// decimal without a scale, a default of a logical type).
func (s *Schema) verify() (err error) {
	_, err = s.codec()
	return err
}

// codec is goavro's view of the schema.
func (s *Schema) codec() (codec *goavro.Codec, err error) {
	defer func() {
		if p := recover(); p != nil {
			codec, err = nil, fmt.Errorf("goavro cannot read the schema: %v", p)
		}
	}()
	text, err := json.Marshal(s.Root.plain(map[string]bool{}))
	if err != nil {
		return nil, fmt.Errorf("write schema: %w", err)
	}
	return goavro.NewCodec(string(text))
}

// plain is the type in the form of a schema: names in full, only what decides how bytes are read and shown.
func (t *Type) plain(defined map[string]bool) any {
	node := map[string]any{"type": t.Kind.String()}
	if t.Name != "" {
		if defined[t.Name] {
			return t.Name
		}
		defined[t.Name] = true
		node["name"] = t.Name
	}
	if t.Logical != LogicalNone {
		node["logicalType"] = t.Logical.String()
	}
	if t.Logical == Decimal {
		maps.Copy(node, map[string]any{"precision": t.precision, "scale": t.Scale})
	}
	switch t.Kind {
	case Fixed:
		node["size"] = t.Size
	case Enum:
		node["symbols"] = t.Symbols
	case Array:
		node["items"] = t.Items.plain(defined)
	case Map:
		node["values"] = t.Items.plain(defined)
	case Record:
		fields := make([]any, len(t.Fields))
		for i, field := range t.Fields {
			fields[i] = map[string]any{"name": field.Name, "type": field.Type.plain(defined)}
		}
		node["fields"] = fields
	case Union:
		branches := make([]any, len(t.Union))
		for i, branch := range t.Union {
			branches[i] = branch.plain(defined)
		}
		return branches
	}
	return node
}
