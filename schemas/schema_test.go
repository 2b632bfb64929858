package schemas

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// TestSchemas tells how schemas are read, events encoded and decoded, and what is said of mistakes.
func TestSchemas(t *testing.T) {
	var schema *Schema
	datadriven.RunTest(t, "testdata/schemas.txt", func(t *testing.T, d *datadriven.TestData) string {
		out, err := "", error(nil)
		switch d.Cmd {
		case "schema":
			if schema, err = Parse([]byte(d.Input)); err == nil {
				out = describe(schema.Root, 0, map[*Type]bool{})
			} else if !errors.Is(err, ErrInvalidSchema) {
				t.Errorf("%v is no ErrInvalidSchema", err)
			}
		case "encode": // Avro JSON to bytes, and back
			var body []byte
			if body, err = schema.EncodeJSON([]byte(d.Input)); err == nil {
				var text []byte
				text, err = schema.DecodeJSON(body)
				out = fmt.Sprintf("% x\n%s", body, text)
			}
		case "decode":
			var body []byte
			if _, err = fmt.Sscanf(strings.ReplaceAll(d.Input, " ", ""), "%x", &body); err == nil {
				var text []byte
				text, err = schema.DecodeJSON(body)
				out = string(text)
			}
		}
		if err != nil {
			out = "error: " + err.Error()
		}
		return strings.TrimRight(out, "\n") + "\n"
	})
}

// describe prints a tree of types.
func describe(t *Type, depth int, seen map[*Type]bool) string {
	var b strings.Builder
	b.WriteString(t.Kind.String())
	if t.Name != "" {
		b.WriteString(" " + t.Name)
	}
	if t.Logical != LogicalNone {
		fmt.Fprintf(&b, " (%s)", t.Logical)
	}
	if t.Logical == Decimal {
		fmt.Fprintf(&b, " scale %d", t.Scale)
	}
	if t.Kind == Fixed {
		fmt.Fprintf(&b, " of %d", t.Size)
	}
	if len(t.Symbols) > 0 {
		fmt.Fprintf(&b, " %v", t.Symbols)
	}
	if len(t.Labels) > 0 {
		fmt.Fprintf(&b, " labels %v", t.Labels)
	}
	b.WriteString("\n")
	if seen[t] {
		return b.String()
	}
	seen[t] = t.Name != ""
	indent := strings.Repeat("  ", depth+1)
	for _, f := range t.Fields {
		fmt.Fprintf(&b, "%s%s", indent, f.Name)
		if len(f.Aliases) > 0 {
			fmt.Fprintf(&b, " aka %v", f.Aliases)
		}
		if len(f.Labels) > 0 {
			fmt.Fprintf(&b, " labels %v", f.Labels)
		}
		b.WriteString(": " + describe(f.Type, depth+1, seen))
	}
	if t.Items != nil {
		b.WriteString(indent + describe(t.Items, depth+1, seen))
	}
	for _, branch := range t.Union {
		b.WriteString(indent + describe(branch, depth+1, seen))
	}
	return b.String()
}

func TestContractSchemaIsRead(t *testing.T) {
	s, err := Parse(SegmentEvaluation)
	if err != nil {
		t.Fatal(err)
	}
	phone := s.Root.Field("attributes").Type.Field("mobilePhone").Type.Alternatives()[0].Field("number")
	if s.Root.Name != "profile.segmentation.v1.SegmentEvaluation" || fmt.Sprint(phone.Labels) != "[I1 C2]" {
		t.Errorf("%s, labels %v", s.Root.Name, phone.Labels)
	}
}

// TestSchemasThatGrowAreBounded: a schema may be hostile, too.
func TestSchemasThatGrowAreBounded(t *testing.T) {
	deep := strings.Repeat(`{"type":"array","items":`, 300) + `"int"` + strings.Repeat(`}`, 300)
	wide := `["null"` + strings.Repeat(`,{"type":"map","values":"int"}`, 2) + `]`
	var fields []string
	for i := range maxSchemaNodes {
		fields = append(fields, fmt.Sprintf(`{"name":"f%d","type":"int"}`, i))
	}
	many := `{"type":"record","name":"R","fields":[` + strings.Join(fields, ",") + `]}`
	for name, text := range map[string]string{"deep": deep, "wide": wide, "many": many} {
		if _, err := Parse([]byte(text)); !errors.Is(err, ErrInvalidSchema) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestDoublingRecordsStaySmall: forty records, each with two fields of the next, are 2^40 values of no byte.
func TestDoublingRecordsStaySmall(t *testing.T) {
	text := `"null"`
	for i := range 40 {
		text = fmt.Sprintf(`{"type":"record","name":"R%d","fields":[{"name":"a","type":%s},{"name":"b","type":%s}]}`,
			i, text, map[bool]string{true: `"null"`, false: fmt.Sprintf(`"R%d"`, i-1)}[i == 0])
	}
	s, err := Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	c := NewCursor(nil)
	if c.Skip(s.Root); !c.Done() {
		t.Error("an event of no byte is refused")
	}
}

func TestEndlessRecordIsRefused(t *testing.T) {
	s, err := Parse([]byte(`{"type":"record","name":"R","fields":[{"name":"a","type":"R"},{"name":"b","type":"R"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	c := NewCursor([]byte{0})
	if c.Skip(s.Root); !c.Failed() {
		t.Error("a record that contains itself without end is read to its end")
	}
}
