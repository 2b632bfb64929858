package schemas

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"
)

// cost is what a call takes: its time, what it allocates, and what it leaves.
func cost(f func()) (took time.Duration, allocated, kept int64) {
	var before, after, left runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	began := time.Now()
	f()
	took = time.Since(began)
	runtime.ReadMemStats(&after)
	runtime.GC()
	runtime.ReadMemStats(&left)
	return took, int64(after.TotalAlloc - before.TotalAlloc), int64(left.HeapAlloc) - int64(before.HeapAlloc)
}

// fieldsOf are n fields of a type, with a name each.
func fieldsOf(n int, of string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `,{"name":"f%d","type":%s}`, i, of)
	}
	return b.String()[1:]
}

// doubling is a record of two fields of a record of two fields of … n levels deep, of no byte at the end.
func doubling(n int, leaf string) string {
	inner := `{"type":"record","name":"R0","fields":[{"name":"a","type":` + leaf + `}]}`
	for i := 1; i <= n; i++ {
		inner = fmt.Sprintf(`{"type":"record","name":"R%d","fields":[{"name":"a","type":%s},{"name":"b","type":"R%d"}]}`, i, inner, i-1)
	}
	return inner
}

// bombs are schemas that were made to cost more than they weigh. Those within the bounds are read.
func bombs() map[string]string {
	long := strings.Repeat("x", 256<<10)
	var union, symbols, chain strings.Builder
	chain.WriteString(`{"name":"f0","type":{"type":"record","name":"C0","fields":[{"name":"a","type":"boolean"}]}}`)
	for i := range 10_000 {
		fmt.Fprintf(&union, `,{"type":"record","name":"R%d","fields":[{"name":"a","type":"int"}]}`, i)
		fmt.Fprintf(&chain, `,{"name":"f%d","type":{"type":"record","name":"C%d","fields":[{"name":"a","type":"C%d"}]}}`, i+1, i+1, i)
	}
	for i := range 200_000 {
		fmt.Fprintf(&symbols, `,"s%d"`, i)
	}
	return map[string]string{
		"a long name around 5,000 fields": `{"type":"record","name":"A","fields":[{"name":"` + long + `","type":{"type":"record","name":"B","fields":[` + fieldsOf(5000, `"int"`) + `]}}]}`,
		"a long namespace of 5,000 types": `{"type":"record","name":"A","namespace":"` + long + `","fields":[` + fieldsOf(5000, `"int"`) + `]}`,
		"49,000 fields":                   `{"type":"record","name":"A","fields":[` + fieldsOf(49_000, `"int"`) + `]}`,
		"40,000 records of 60 fields":     `{"type":"record","name":"A","fields":[{"name":"z","type":{"type":"record","name":"R","fields":[` + fieldsOf(60, `"string"`) + `]}},` + fieldsOf(40_000, `"R"`) + `]}`,
		"a union of 10,000 records":       "[" + union.String()[1:] + "]",
		"10,000 records in each other":    `{"type":"record","name":"A","fields":[` + chain.String() + `]}`,
		"200,000 symbols":                 `{"type":"enum","name":"A","symbols":[` + symbols.String()[1:] + `]}`,
		"brackets in the documentation":   `{"type":"int","doc":[` + strings.Repeat("[],", maxSchemaText/3-20) + `[]]}`,
		"text beyond the bound":           `{"type":"int","doc":[` + strings.Repeat("[],", 5<<20) + `[]]}`,
		"127 arrays":                      strings.Repeat(`{"type":"array","items":`, 126) + `"int"` + strings.Repeat("}", 126),
		"doubling records":                doubling(60, `"null"`),
		"an unknown type's long name":     `"` + strings.Repeat("q", 3<<19) + `"`,
		"a long field with wrong labels":  `{"type":"record","name":"A","fields":[{"name":"` + strings.Repeat("q", 3<<19) + `","type":{"type":"string","labels":5}}]}`,
		"a type of a long name twice":     `[{"type":"fixed","name":"` + strings.Repeat("q", 1000) + `","size":1},{"type":"fixed","name":"` + strings.Repeat("q", 1000) + `","size":2}]`,
		"JSON that ends in a long string": `{"type":"` + long,
	}
}

func TestASchemaCostsABoundedTimeAndMemory(t *testing.T) {
	for name, text := range bombs() {
		var s *Schema
		var err error
		took, allocated, kept := cost(func() { s, err = Parse([]byte(text)) })
		t.Logf("%s, %d bytes: %v, allocated %d MiB, kept %d MiB, %v", name, len(text), took, allocated>>20, kept>>20, err)
		if took > 20*time.Second || allocated > 300<<20 {
			t.Errorf("%s, %d bytes: %v, allocated %d MiB", name, len(text), took, allocated>>20)
		}
		if err != nil && (!errors.Is(err, ErrInvalidSchema) || len(err.Error()) > 2*maxTextShown) {
			t.Errorf("%s: an error of %d bytes: %.100v", name, len(err.Error()), err)
		}
		if err == nil && kept > 4096 && (int64(s.Size()) < kept/2 || int64(s.Size()) > 8*kept) {
			t.Errorf("%s: %d bytes are kept, and said to be %d", name, kept, s.Size())
		}
		runtime.KeepAlive(s)
	}
}

// TestWhatASchemaMayNotBeIsSaid: each bound has its reason.
func TestWhatASchemaMayNotBeIsSaid(t *testing.T) {
	all := bombs()
	for name, want := range map[string]string{
		"a long name around 5,000 fields": "the path of a field is longer than 2048 bytes",
		"a long namespace of 5,000 types": "with its namespace longer than 1024 bytes",
		"10,000 records in each other":    "types nest deeper than 128, at record C128",
		"text beyond the bound":           "its text is larger than 4194304 bytes",
	} {
		if _, err := Parse([]byte(all[name])); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Parse([]byte(`{"type":"string","labels":["` + strings.Repeat("C", maxLabel+1) + `"]}`)); err == nil || !strings.Contains(err.Error(), "is longer than 256 bytes") {
		t.Errorf("a long label: %v", err)
	}
}

// passed are values that are passed over at the highest cost a byte that was found. The default --memory takes events
// of up to 16 MiB: a quarter of a second.
func passed() map[string]struct{ items, item string } {
	return map[string]struct{ items, item string }{
		"bytes":                   {`"boolean"`, "\x01"},
		"numbers":                 {`"long"`, "\x01"},
		"empty texts":             {`"string"`, "\x00"},
		"enums":                   {`{"type":"enum","name":"E","symbols":["a"]}`, "\x00"},
		"nulls":                   {`["null","string"]`, "\x00"},
		"branches":                {`["null","int","string"]`, "\x00"},
		"arrays of nothing":       {`{"type":"array","items":"int"}`, "\x00"},
		"maps of nothing":         {`{"type":"map","values":"int"}`, "\x00"},
		"records of two fields":   {`{"type":"record","name":"R","fields":[{"name":"a","type":"boolean"},{"name":"b","type":["null","int"]}]}`, "\x00\x00"},
		"records that are called": {`{"type":"record","name":"L","fields":[{"name":"next","type":["null","L"]}]}`, "\x00"},
	}
}

// TestPassingOverAnEventCostsABoundedTime: nothing looks for the end of the claim meanwhile.
func TestPassingOverAnEventCostsABoundedTime(t *testing.T) {
	const size = 4 << 20 // a quarter of the largest
	for name, c := range passed() {
		s, err := Parse([]byte(`{"type":"array","items":` + c.items + `}`))
		if err != nil {
			t.Fatal(err)
		}
		n := size / len(c.item)
		body := append(binary.AppendVarint(nil, int64(n)), strings.Repeat(c.item, n)...)
		body = append(body, 0)
		cursor := NewCursor(body)
		took, allocated, _ := cost(func() { cursor.Skip(s.Root) })
		t.Logf("%s: %v, %.0f ns a byte", name, took, float64(took.Nanoseconds())/size)
		if !cursor.Done() || allocated > 1<<20 || took > 5*time.Second {
			t.Errorf("%s: %v, %d bytes allocated, read: %v", name, took, allocated, cursor.Done())
		}
	}
}

// TestValuesOfNoByteCostNothing: sixty levels are 2^60 values of no byte, which nobody can count.
func TestValuesOfNoByteCostNothing(t *testing.T) {
	for _, leaf := range []string{`"null"`, `{"type":"fixed","name":"Z","size":0}`, `{"type":"record","name":"Nothing","fields":[]}`} {
		s, err := Parse([]byte(doubling(60, leaf)))
		if err != nil {
			t.Fatal(err)
		}
		c := NewCursor(nil)
		if c.Skip(s.Root); !c.Done() || !s.Root.Void() {
			t.Error("an event of no byte is refused")
		}
		if text, err := s.DecodeJSON(nil); err == nil {
			t.Errorf("2^60 values are shown in %d bytes", len(text))
		}
	}
	s, err := Parse([]byte(`{"type":"array","items":{"type":"record","name":"R","fields":[{"name":"none","type":"null"},{"name":"a","type":"boolean"}]}}`))
	if err != nil {
		t.Fatal(err)
	}
	if text, err := s.DecodeJSON([]byte{4, 1, 0, 0}); err != nil || string(text) != `[{"none":null,"a":true},{"none":null,"a":false}]` {
		t.Errorf("%s %v", text, err)
	}
}

func TestAByteOrderMarkIsNoPartOfASchemaOrAnEvent(t *testing.T) {
	s, err := Parse(append(bytes.Clone(byteOrderMark), `"string"`...))
	if err != nil {
		t.Fatal(err)
	}
	if body, err := s.EncodeJSON(append(bytes.Clone(byteOrderMark), `"a"`...)); err != nil || string(body) != "\x02a" {
		t.Errorf("%q %v", body, err)
	}
}
