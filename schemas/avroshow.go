package schemas

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"unicode/utf8"
)

// latin1 writes bytes the way Avro JSON has them in a string.
func latin1(raw []byte) string {
	text := make([]byte, 0, len(raw)+len(raw)/2)
	for _, b := range raw {
		text = utf8.AppendRune(text, rune(b))
	}
	return string(text)
}

const (
	// shownPerByte and shownAtLeast bound what an event becomes as JSON: names of fields stand beside each value, and
	// values of no byte can be more than anyone can count.
	shownPerByte = 64
	shownAtLeast = 1 << 20
)

// DecodeJSON writes the Avro bytes of an event as Avro JSON, in the order of the bytes.
func (s *Schema) DecodeJSON(body []byte) ([]byte, error) { return s.decodeJSON(body, false) }

func (s *Schema) decodeJSON(body []byte, plain bool) ([]byte, error) {
	c := NewCursor(body)
	if c.Skip(s.Root); !c.Done() {
		return nil, fmt.Errorf("%w: the bytes do not fit the schema", ErrMalformed)
	}
	c = NewCursor(body)
	limit := shownAtLeast + shownPerByte*len(body)
	text := shower{limit, plain}.append(nil, &c, s.Root)
	if len(text) > limit {
		return nil, fmt.Errorf("%d bytes of Avro are more than %d bytes of JSON", len(body), limit)
	}
	return text, nil
}

// shower writes values as JSON; it stops soon after the limit.
type shower struct {
	limit int
	plain bool // as people write it, see [Schema.PlainJSON]
}

func (w shower) append(dst []byte, c *Cursor, t *Type) []byte {
	switch t.Kind {
	case Null:
		return append(dst, "null"...)
	case Boolean:
		return strconv.AppendBool(dst, c.Boolean())
	case Int, Long:
		if w.plain {
			return appendPlainLong(dst, t, c.Long())
		}
		return strconv.AppendInt(dst, c.Long(), 10)
	case Float:
		return appendFloat(dst, float64(c.Float()), 32)
	case Double:
		return appendFloat(dst, c.Double(), 64)
	case String:
		return appendText(dst, string(c.Bytes()))
	case Bytes:
		return w.bytes(dst, t, c.Bytes())
	case Fixed:
		return w.bytes(dst, t, c.Fixed(t.Size))
	case Enum:
		return appendText(dst, t.Symbols[c.Index(len(t.Symbols))])
	case Union:
		branch := c.Branch(t)
		if branch.Kind == Null {
			return append(dst, "null"...)
		}
		if w.plain {
			return w.append(dst, c, branch)
		}
		dst = append(appendText(append(dst, '{'), branch.branchName()), ':')
		return append(w.append(dst, c, branch), '}')
	}
	return w.nested(dst, c, t)
}

func (w shower) bytes(dst []byte, t *Type, raw []byte) []byte {
	if w.plain || len(raw) <= maxPlainBytes && meansNumber(t, string(raw)) {
		return appendPlainBytes(dst, t, raw)
	}
	return appendText(dst, latin1(raw))
}

func (w shower) nested(dst []byte, c *Cursor, t *Type) []byte {
	opening, closing := byte('{'), byte('}')
	if t.Kind == Array {
		opening, closing = '[', ']'
	}
	dst = append(dst, opening)
	for i := 0; i < len(t.Fields) && len(dst) <= w.limit; i++ {
		dst = append(appendText(separate(dst, i), t.Fields[i].Name), ':')
		dst = w.append(dst, c, t.Fields[i].Type)
	}
	if t.Kind != Record {
		for i, b := 0, (Blocks{}); len(dst) <= w.limit && c.Next(t, &b); i++ {
			if dst = separate(dst, i); t.Kind == Map {
				dst = append(appendText(dst, string(c.Bytes())), ':')
			}
			dst = w.append(dst, c, t.Items)
		}
	}
	return append(dst, closing)
}

func separate(dst []byte, i int) []byte {
	if i > 0 {
		return append(dst, ',')
	}
	return dst
}

// appendFloat writes what is no number as a string, as Avro's own JSON encoder does.
func appendFloat(dst []byte, f float64, bits int) []byte {
	switch {
	case math.IsNaN(f):
		return append(dst, `"NaN"`...)
	case math.IsInf(f, 1):
		return append(dst, `"Infinity"`...)
	case math.IsInf(f, -1):
		return append(dst, `"-Infinity"`...)
	}
	return strconv.AppendFloat(dst, f, 'g', -1, bits)
}

func appendText(dst []byte, text string) []byte {
	quoted, err := json.Marshal(text)
	if err != nil { // a string always has a JSON form
		return append(dst, `""`...)
	}
	return append(dst, quoted...)
}
