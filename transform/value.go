package transform

import (
	"encoding/base64"
	"math"
	"strconv"
	"unicode/utf8"

	"kinesis-destination/schemas"
)

// writer appends JSON. The first value that has no JSON form leaves its reason, and ends the writing soon.
type writer struct {
	dst         []byte
	reason      Reason
	collections bool       // arrays and maps may be written
	limit       int        // of dst
	watch       watch      // ends the writing
	leads       *leadStack // nil: there were none yet
}

// maxRecord is what the largest record holds that any stream of Kinesis takes: MaxRecordSizeInKiB is at most 10,240.
// What an event becomes is written no further than that and one value more: a byte of it can become a thousand.
const maxRecord = 10 << 20

// ended says that the record is not going to be: its values need not be looked at any more.
func (w *writer) ended() bool {
	if len(w.dst) > w.limit {
		w.fail(ReasonRecordTooLarge)
	}
	return w.watch.ended(1) || w.reason != ""
}

func (w *writer) fail(reason Reason) {
	if w.reason == "" {
		w.reason = reason
	}
}

// open starts a member or item: a comma where one is due, then the key. It returns where to cut to undo that.
func (w *writer) open(key []byte) int {
	mark := len(w.dst)
	if last := w.dst[mark-1]; last != '{' && last != '[' {
		w.dst = append(w.dst, ',')
	}
	w.dst = append(w.dst, key...)
	return mark
}

// member is open for a key in ready-made text.
func (w *writer) member(text string) {
	if last := w.dst[len(w.dst)-1]; last != '{' {
		w.dst = append(w.dst, ',')
	}
	w.dst = append(w.dst, text...)
}

// key starts a member with a key out of the event.
func (w *writer) key(name string) {
	w.open(nil)
	w.dst = append(appendString(w.dst, name), ':')
}

// unique fails when a map's key was there before, as it is written: two that are not UTF-8
// may be written alike.
func (w *writer) unique(keys *keySet, key []byte) {
	name := view(key)
	if !utf8.ValidString(name) {
		name = string([]rune(name)) // as appendEscaped has it
	}
	if !keys.add(name) {
		w.fail(ReasonDuplicateKey)
	}
}

func (w *writer) integer(n int64) { w.dst = strconv.AppendInt(w.dst, n, 10) }

// value writes a value by its type (rule 18), and says whether there was anything to write: null and a record of
// nothing leave no trace.
func (w *writer) value(c *schemas.Cursor, t *schemas.Type) bool {
	switch t.Kind {
	case schemas.Null:
		return false
	case schemas.Boolean:
		w.dst = strconv.AppendBool(w.dst, c.Boolean())
	case schemas.Int, schemas.Long:
		w.whole(c.Long(), t.Logical)
	case schemas.Float:
		w.float(float64(c.Float()), 32)
	case schemas.Double:
		w.float(c.Double(), 64)
	case schemas.String:
		w.dst = appendString(w.dst, view(c.Bytes()))
	case schemas.Bytes:
		w.bytes(c.Bytes(), t)
	case schemas.Fixed:
		w.bytes(c.Fixed(t.Size), t)
	case schemas.Enum:
		w.dst = appendString(w.dst, t.Symbols[c.Index(len(t.Symbols))])
	case schemas.Union:
		return w.value(c, c.Branch(t))
	case schemas.Record:
		return w.record(c, t)
	case schemas.Array, schemas.Map:
		return w.collection(c, t)
	}
	return true
}

// record writes what is in a record. Its brace and its key, and those of the records around it, are written with the
// first value that there is: a null in a hundred records, which is a byte, would cost a hundred keys.
func (w *writer) record(c *schemas.Cursor, t *schemas.Type) bool {
	if c.SkipHollow(t) {
		return false
	}
	outer, opened := w.depth(), false
	inmost, closings := t.Inmost()
	if inmost != t {
		w.lead(lead{outer: t})
		t = inmost
	}
	here := w.depth()
	for _, i := range t.Solid() {
		if w.ended() {
			return true
		}
		field := c.Branch(t.Fields[i].Type)
		switch field.Kind {
		case schemas.Null:
		case schemas.Record, schemas.Array, schemas.Map:
			w.lead(lead{name: t.Fields[i].Name, opened: opened})
			if w.value(c, field) {
				opened, here = true, 0
			} else {
				w.retreat(here)
			}
		default:
			w.flush()
			if !opened {
				opened, here = true, 0
				w.dst = append(w.dst, '{')
			}
			w.key(t.Fields[i].Name)
			w.value(c, field)
		}
	}
	if !opened {
		w.retreat(outer)
		return false
	}
	for range closings + 1 {
		w.dst = append(w.dst, '}')
	}
	return true
}

// collection writes an array or map. Without allowCollections one that is mapped itself fails, and one inside a mapped
// record is left out: rule 19 exports a record's leaves.
func (w *writer) collection(c *schemas.Cursor, t *schemas.Type) bool {
	if !w.collections {
		c.Skip(t)
		return false
	}
	w.flush()
	if t.Kind == schemas.Map {
		return w.entries(c, t)
	}
	w.dst = append(w.dst, '[')
	for b := (schemas.Blocks{}); !w.ended() && c.Next(t, &b); {
		w.open(nil)
		item := c.Branch(t.Items)
		switch {
		case w.value(c, item): // an item without a value still keeps its place
		case item.Kind == schemas.Record:
			w.dst = append(w.dst, "{}"...)
		default:
			w.dst = append(w.dst, "null"...)
		}
	}
	w.dst = append(w.dst, ']')
	return true
}

func (w *writer) entries(c *schemas.Cursor, t *schemas.Type) bool {
	var keys keySet
	defer keys.free()
	w.dst = append(w.dst, '{')
	for b := (schemas.Blocks{}); !w.ended() && c.Next(t, &b); {
		at, key := len(w.dst), c.Bytes()
		w.unique(&keys, key)
		w.key(view(key))
		if !w.value(c, t.Items) {
			w.dst = w.dst[:at]
		}
	}
	w.dst = append(w.dst, '}')
	return true
}

// float writes a number the way encoding/json does: the shortest that reads back as the same.
func (w *writer) float(f float64, bits int) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		w.fail(ReasonNotANumber)
		return
	}
	format := byte('f')
	if abs := math.Abs(f); abs != 0 && (bits == 64 && (abs < 1e-6 || abs >= 1e21) ||
		bits == 32 && (float32(abs) < 1e-6 || float32(abs) >= 1e21)) {
		format = 'e'
	}
	w.dst = strconv.AppendFloat(w.dst, f, format, -1, bits)
	if n := len(w.dst); format == 'e' && w.dst[n-4] == 'e' && w.dst[n-3] == '-' && w.dst[n-2] == '0' {
		w.dst[n-2] = w.dst[n-1] // e-09 is e-9
		w.dst = w.dst[:n-1]
	}
}

func (w *writer) bytes(raw []byte, t *schemas.Type) {
	if t.Logical == schemas.Decimal {
		w.decimal(raw, t.Scale)
		return
	}
	if t.Logical == schemas.UUID {
		w.dst = appendUUID(w.dst, raw)
		return
	}
	w.dst = append(w.dst, '"')
	w.dst = base64.StdEncoding.AppendEncode(w.dst, raw)
	w.dst = append(w.dst, '"')
}

// appendUUID writes 16 bytes as RFC 9562 has them.
func appendUUID(dst, raw []byte) []byte {
	dst = append(dst, '"')
	for i, b := range raw {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			dst = append(dst, '-')
		}
		dst = append(dst, hexDigits[b>>4], hexDigits[b&0xf])
	}
	return append(dst, '"')
}
