package schemas

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/linkedin/goavro/v2"
)

// zoo has a schema for every way that bytes can be read.
var zoo = []string{
	`"long"`,
	`"int"`,
	`["null", "string"]`,
	`["bytes", "null"]`,
	`{"type": "array", "items": ["null", "boolean", "long"]}`,
	`{"type": "map", "values": {"type": "map", "values": "string"}}`,
	`{"type": "array", "items": {"type": "record", "name": "R", "fields": [{"name": "a", "type": "int"}, {"name": "b", "type": "double"}, {"name": "c", "type": {"type": "fixed", "name": "F", "size": 3}}]}}`,
	`{"type": "record", "name": "Node", "fields": [{"name": "f", "type": "float"}, {"name": "next", "type": ["null", "Node"]}, {"name": "e", "type": {"type": "enum", "name": "E", "symbols": ["A", "B", "C"]}}]}`,
	`{"type": "record", "name": "Tree", "fields": [{"name": "children", "type": {"type": "array", "items": "Tree"}}, {"name": "none", "type": "null"}]}`,
	`{"type": "array", "items": {"type": "array", "items": "boolean"}}`,
	`{"type": "map", "values": "null"}`,
}

// cage is a schema of the zoo, parsed.
type cage struct {
	schema *Schema
	codec  *goavro.Codec
}

var parsedZoo = sync.OnceValues(func() (cages []cage, err error) {
	for _, text := range zoo {
		schema, err := Parse([]byte(text))
		if err != nil {
			return nil, err
		}
		codec, err := goavro.NewCodec(text)
		if err != nil {
			return nil, err
		}
		cages = append(cages, cage{schema, codec})
	}
	return cages, nil
})

func cages(t *testing.T) []cage {
	t.Helper()
	all, err := parsedZoo()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// agreeOnBytes reads any bytes by a schema of the zoo. What is taken here, goavro takes as well (but for a key that is
// there twice, which is no matter of bytes), and what it says in JSON reads back as the same bytes' meaning.
func agreeOnBytes(t *testing.T, animal uint8, body []byte) bool {
	t.Helper()
	text := zoo[int(animal)%len(zoo)]
	cage := cages(t)[int(animal)%len(zoo)]
	s, codec := cage.schema, cage.codec
	c := NewCursor(slices.Clip(body))
	if c.Skip(s.Root); !c.Done() {
		if out, err := s.DecodeJSON(body); err == nil {
			t.Fatalf("%x of %s does not end, and is %s", body, text, out)
		}
		return false
	}
	if _, rest, err := codec.NativeFromBinary(body); (err != nil && !strings.Contains(err.Error(), "duplicate key")) || len(rest) > 0 && err == nil {
		t.Fatalf("goavro refuses %x of %s: %v, %d bytes left", body, text, err, len(rest))
	}
	out, err := s.DecodeJSON(body)
	if err != nil || !json.Valid(out) {
		t.Fatalf("%x of %s: %s, %v", body, text, out, err)
	}
	again, err := s.EncodeJSON(out)
	if err != nil {
		t.Fatalf("%s: %v", out, err)
	}
	back, err := s.DecodeJSON(again)
	if err != nil || !bytes.Equal(unescaped(back), unescaped(out)) {
		t.Fatalf("%s became %s, %v", out, back, err)
	}
	return true
}

// unescaped writes U+FFFD as itself: it is escaped where it stands for bytes that are no UTF-8, and only the first time.
func unescaped(text []byte) []byte { return bytes.ReplaceAll(text, []byte(`\ufffd`), []byte("\ufffd")) }

// FuzzBytesAgreeWithGoavro reads any bytes as one of the zoo's schemas.
func FuzzBytesAgreeWithGoavro(f *testing.F) {
	for animal := range zoo {
		f.Add(uint8(animal), []byte{2, 0, 0, 0, 0, 0, 0, 0})
		f.Add(uint8(animal), []byte{3, 16, 2, 97, 2, 2, 98, 0, 0, 0})
	}
	f.Fuzz(func(t *testing.T, animal uint8, body []byte) { agreeOnBytes(t, animal, body) })
}

// FuzzParse gives the parser any text: it may refuse, and it may not fall.
func FuzzParse(f *testing.F) {
	for _, text := range zoo {
		f.Add([]byte(text), []byte{2, 0})
	}
	f.Add(SegmentEvaluation, []byte{0})
	f.Fuzz(func(t *testing.T, text, body []byte) {
		s, err := Parse(text)
		if err != nil {
			return
		}
		c := NewCursor(body)
		c.Skip(s.Root)
		if out, err := s.DecodeJSON(body); err == nil && (!c.Done() || !json.Valid(out)) {
			t.Errorf("%s of %x: %s", text, body, out)
		}
	})
}

// TestShortBytesAgreeWithGoavro tries one in seventeen of all bodies of one and two bytes, as they are and continued.
func TestShortBytesAgreeWithGoavro(t *testing.T) {
	taken := 0
	for animal := range zoo {
		for a := range 256 {
			for b := range 257 {
				body := []byte{byte(a)}
				if b < 256 {
					body = append(body, byte(b))
				}
				for _, tail := range []string{"", "00", "020000", "024100", "0200024100"} {
					more, err := hex.DecodeString(tail)
					if err != nil {
						t.Fatal(err)
					}
					if (a+b)%17 == 0 && agreeOnBytes(t, uint8(animal), append(bytes.Clone(body), more...)) {
						taken++
					}
				}
			}
		}
	}
	if taken < 500 {
		t.Errorf("%d bodies fit their schema only", taken)
	}
}

func TestFailedCursorReadsNothing(t *testing.T) {
	record, err := Parse([]byte(`{"type": "record", "name": "R", "fields": [{"name": "m", "type": {"type": "map", "values": "int"}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	items := record.Root.Field("m").Type
	for name, read := range map[string]func(c *Cursor) bool{
		"long":    func(c *Cursor) bool { return c.Long() == 0 },
		"int":     func(c *Cursor) bool { return c.Int() == 0 },
		"index":   func(c *Cursor) bool { return c.Index(3) == 0 },
		"boolean": func(c *Cursor) bool { return !c.Boolean() },
		"bytes":   func(c *Cursor) bool { return c.Bytes() == nil },
		"fixed":   func(c *Cursor) bool { return c.Fixed(1) == nil },
		"float":   func(c *Cursor) bool { return c.Float() == 0 },
		"double":  func(c *Cursor) bool { return c.Double() == 0 },
		"next":    func(c *Cursor) bool { return !c.Next(items, &Blocks{}) },
		"skip":    func(c *Cursor) bool { c.Skip(record.Root); return true },
	} {
		c := NewCursor(nil)
		if !read(&c) || !c.Failed() || c.Done() {
			t.Errorf("%s of nothing does not fail", name)
		}
		if !read(&c) || !c.Failed() {
			t.Errorf("%s of a failed cursor reads on", name)
		}
	}
}

func TestCursorReadsWhatIsThere(t *testing.T) {
	body, err := hex.DecodeString("01" + "feffffff0f" + "02" + "01" + "044142" + "0000c03f" + "000000000000f83f" + "ffffffffffffffffff01" + "80808080" + "10")
	if err != nil {
		t.Fatal(err)
	}
	c := NewCursor(body)
	if c.Long() != -1 || c.Int() != math.MaxInt32 || c.Index(2) != 1 || !c.Boolean() || string(c.Bytes()) != "AB" ||
		c.Float() != 1.5 || c.Double() != 1.5 || c.Long() != math.MinInt64 {
		t.Fatal("something else was read")
	}
	again := c.At(c.Pos())
	if c.Int(); !c.Failed() {
		t.Error("an int of 33 bits is taken")
	}
	if again.Long() != 1<<31 || !again.Done() {
		t.Error("the same is no long")
	}
	for _, c := range []struct {
		body []byte
		read func(*Cursor)
	}{
		{[]byte{2}, func(c *Cursor) { c.Boolean() }},
		{[]byte{6}, func(c *Cursor) { c.Index(3) }},
		{[]byte{1}, func(c *Cursor) { c.Index(3) }},
		{[]byte{1}, func(c *Cursor) { c.Bytes() }},
		{[]byte{8, 1}, func(c *Cursor) { c.Bytes() }},
	} {
		cursor := NewCursor(c.body)
		if c.read(&cursor); !cursor.Failed() {
			t.Errorf("%x is taken", c.body)
		}
	}
}

func TestFieldIsFoundByNameBeforeAlias(t *testing.T) {
	s, err := Parse([]byte(`{"type": "record", "name": "R", "fields": [{"name": "a", "aliases": ["b"], "type": "int"}, {"name": "b", "aliases": ["c"], "type": "long"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]Kind{"a": Int, "b": Long, "c": Long} {
		if got := s.Root.Field(name); got == nil || got.Type.Kind != want {
			t.Errorf("%s is %v", name, got)
		}
	}
	if s.Root.Field("d") != nil || len((&Type{Kind: Null}).Alternatives()) != 0 {
		t.Error("something is there that is not")
	}
}

// TestNumbersAreThoseOfEncodingBinary, however long they are and wherever the bytes end.
func TestNumbersAreThoseOfEncodingBinary(t *testing.T) {
	check := func(b []byte) {
		t.Helper()
		want, n := binary.Uvarint(b)
		end := n
		if n <= 0 {
			want, end = 0, -1
		}
		if got, at := number(b, 0); got != want || at != end {
			t.Errorf("%x is %d up to %d, want %d up to %d", b, got, at, want, end)
		}
		if at := skipVarint(b, 0); at != end {
			t.Errorf("%x ends at %d, want %d", b, at, end)
		}
	}
	random := rand.New(rand.NewPCG(1, 2))
	for bits := range 65 {
		for range 100 {
			b := binary.AppendUvarint(nil, random.Uint64()>>(64-bits)) // of no bits: zero
			for cut := range b {
				check(b[:cut])
			}
			for range 10 {
				check(b)
				b = append(b, byte(random.Uint32()))
			}
		}
	}
	for n := range 12 { // longer than it has to be, or than a number can be
		b := bytes.Repeat([]byte{0x80}, n)
		check(b)
		for _, last := range []byte{0, 1, 2, 0x7f} {
			check(append(b[:n:n], last))
			check(append(b[:n:n], last, 0xff, 0x80, 0, 1, 2, 3, 4, 5, 6))
		}
	}
}
