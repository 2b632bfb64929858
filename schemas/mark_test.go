package schemas

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
)

// TestMarksAreWhereTheValuesAre: of a field, of a union's branch, of nothing, behind what is skipped on the way, also
// where that is more than is laid out in one piece.
func TestMarksAreWhereTheValuesAre(t *testing.T) {
	var wide strings.Builder
	for i := range 300 {
		fmt.Fprintf(&wide, `{"name":"f%d","type":["null","long"]},`, i)
	}
	s, err := Parse([]byte(`{"type":"record","name":"E","fields":[
{"name":"before","type":"string"},
{"name":"wide","type":["null",{"type":"record","name":"W","fields":[` + wide.String() + `{"name":"last","type":"int"}]}]},
{"name":"either","type":["null","string","long",{"type":"record","name":"R","fields":[{"name":"a","type":"string"}]}]},
{"name":"after","type":"boolean"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	e := s.Root
	w := e.Fields[1].Type.Union[1]
	inner := make([]*Type, len(w.Fields))
	for i := range w.Fields {
		inner[i] = w.Fields[i].Type
	}
	inner[299], inner[300] = Marked(inner[299], 0), Marked(inner[300], 1)
	marked := Sequence([]*Type{e.Fields[0].Type, Choice([]*Type{e.Fields[1].Type.Union[0], Sequence(inner)}), Marked(e.Fields[2].Type, 2), Marked(e.Fields[3].Type, 3)})

	values := func(some bool) []byte { // of the wide record
		b := []byte{2}
		for range 299 {
			b = append(b, 0)
		}
		if some {
			return append(b, 2, 14, 10)
		}
		return append(b, 0, 10)
	}
	for name, c := range map[string]struct {
		wide, either []byte
		want         [4]Kind // Null: not there
	}{
		"all":              {values(true), []byte{2, 2, 'x'}, [4]Kind{Long, Int, String, Boolean}},
		"a null":           {values(false), []byte{4, 6}, [4]Kind{Null, Int, Long, Boolean}},
		"a null of many":   {values(true), []byte{0}, [4]Kind{Long, Int, Null, Boolean}},
		"nothing around":   {[]byte{0}, []byte{6, 2, 'x'}, [4]Kind{Null, Null, Record, Boolean}},
		"a branch of none": {[]byte{0}, []byte{8}, [4]Kind{}},
	} {
		body := append(append(append([]byte("\x04ab"), c.wide...), c.either...), 1)
		cursor, marks := NewCursor(body), make([]Mark, 4)
		cursor.SkipMarking(marked, marks)
		plain := NewCursor(body)
		plain.Skip(e)
		if cursor.Done() != plain.Done() || cursor.Pos() != plain.Pos() {
			t.Errorf("%s: ends at %d, skipped it ends at %d", name, cursor.Pos(), plain.Pos())
		}
		if !plain.Done() {
			continue
		}
		for slot, want := range c.want {
			switch got := marks[slot]; {
			case want == Null && got.Type != nil, want != Null && (got.Type == nil || got.Type.Kind != want):
				t.Errorf("%s: mark %d is %+v, want a %s", name, slot, got, want)
			case want == Long:
				if v, _ := binary.Varint(body[got.Pos:]); v != 7 && v != 3 {
					t.Errorf("%s: mark %d is at %d, where %d is", name, slot, got.Pos, v)
				}
			case want == String && string(body[got.Pos:got.Pos+2]) != "\x02x":
				t.Errorf("%s: mark %d is at %d", name, slot, got.Pos)
			}
		}
	}
}
