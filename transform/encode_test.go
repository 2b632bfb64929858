package transform

import (
	"encoding/binary"
	"fmt"
	"math"
)

// encoder makes Avro bytes of a schema.
type encoder struct {
	dice  *dice
	names map[string]any
	depth int
}

func (e *encoder) long(dst []byte, n int64) []byte { return binary.AppendVarint(dst, n) }

func (e *encoder) text(dst []byte, s string) []byte { return append(e.long(dst, int64(len(s))), s...) }

func (e *encoder) word() string {
	return e.dice.pick("a", "S0", "S1", "S2", "S5", "realized", "existing", "exited", "y", "n", "M1", "M2", "", "\xff\"\\", "ü\u2028\x01",
		"a.b", "b", "c.a.x", "share", "a.next", "\ud7ff😀<&>")
}

func (e *encoder) key(i int) string {
	return e.dice.pick("S", "S", "n", "x\xfe") + fmt.Sprint(i)
}

func (e *encoder) value(dst []byte, schema any, field string) []byte {
	if branches, ok := schema.([]any); ok {
		i := e.dice.roll(len(branches))
		if e.depth > 12 { // a list that does not end by itself ends here
			i = 0
		}
		return e.value(e.long(dst, int64(i)), branches[i], field)
	}
	if name, ok := schema.(string); ok {
		if named := e.names[name]; named != nil {
			schema = named
		} else {
			return e.primitive(dst, name)
		}
	}
	o := schema.(object)
	switch o["type"] {
	case "record":
		e.names[o["name"].(string)] = schema
		e.depth++
		defer func() { e.depth-- }()
		for _, f := range o["fields"].([]any) {
			f := f.(object)
			dst = e.value(dst, f["type"], f["name"].(string))
		}
		return dst
	case "array":
		return e.items(dst, func(dst []byte, _ int) []byte { return e.value(dst, o["items"], field) })
	case "map":
		if field == partMembership && e.dice.once(2) {
			dst = e.long(dst, 1) // one more block, so that few are empty
			dst = e.value(e.text(dst, "S9"), o["values"], field)
		}
		return e.items(dst, func(dst []byte, i int) []byte {
			key := e.key(i)
			if field == "consents" {
				key = []string{"share", "marketing.email", "marketing.any", "other", "x", "y"}[i]
			}
			return e.value(e.text(dst, key), o["values"], field)
		})
	case "enum":
		return e.long(dst, int64(e.dice.roll(len(o["symbols"].([]string)))))
	case "fixed":
		for range o["size"].(int) {
			dst = append(dst, byte(e.dice.roll(256)))
		}
		return dst
	}
	return e.primitive(dst, o["type"].(string))
}

// items writes blocks, some of them with a byte size.
func (e *encoder) items(dst []byte, item func([]byte, int) []byte) []byte {
	for i, n := 0, e.dice.roll(6); i < n; {
		count := 1 + e.dice.roll(n-i)
		var block []byte
		for range count {
			block = item(block, i)
			i++
		}
		if e.dice.once(2) {
			dst = e.long(e.long(dst, -int64(count)), int64(len(block)))
		} else {
			dst = e.long(dst, int64(count))
		}
		dst = append(dst, block...)
	}
	return e.long(dst, 0)
}

func (e *encoder) primitive(dst []byte, kind string) []byte {
	switch kind {
	case "null":
		return dst
	case "boolean":
		return append(dst, byte(e.dice.roll(2)))
	case "int":
		return e.long(dst, int64(int32(e.dice.number())))
	case "long":
		return e.long(dst, e.dice.number())
	case "float":
		return binary.LittleEndian.AppendUint32(dst, math.Float32bits(float32(e.float())))
	case "double":
		return binary.LittleEndian.AppendUint64(dst, math.Float64bits(e.float()))
	default:
		return e.text(dst, e.word())
	}
}

func (e *encoder) float() float64 {
	if e.dice.once(12) {
		return []float64{math.NaN(), math.Inf(1), math.Inf(-1)}[e.dice.roll(3)]
	}
	return []float64{0, 1.5, -1e21, 1e-7, 123456789.125, math.Copysign(0, -1)}[e.dice.roll(6)]
}
