package schemas

import (
	"encoding/binary"
	"math/bits"
)

// Most of an event is skipped, so skipping is compiled: a type is a list of ops, nested records lie flat in it.

const (
	// maxDepth bounds how deep values nest by unions, arrays, maps and recursive records. A recursive type nests as
	// deep as its writer likes, a byte or two a level.
	maxDepth = 1000

	// maxInlined bounds how many ops a nested record may bring; a larger one is called. Without it, records of two
	// fields each would double at every level.
	maxInlined = 64

	// maxInlinedOps bounds how many ops nested records bring in all, in a schema or a sequence; the others are called.
	// Without it, 40,000 fields of the same record of 60 take fifty times the memory of the schema.
	maxInlinedOps = 64 << 10
)

type opCode uint8

const (
	opVarint opCode = iota
	opInt
	opBytes
	opFixed
	opBoolean
	opEnum
	opUnion
	opNullable // null or something: the next ops say what
	opText     // null or bytes, which most fields of an event are
	opBlocks
	opCall
	opMark // the value of the next ops is marked
)

// op skips one value.
type op struct {
	code  opCode
	after uint8 // how many ops a nullable's null jumps over; of a text, the index of its null
	n     int32 // bytes of a fixed, symbols of an enum, index of a null, slot of a mark; of a text, of its mark
	t     *Type // of a union, an array or map, a call, or a mark; of a text, nil where it is not marked
}

// compile makes the type's ops, and those of the types within. room is for how many ops there is still room.
func (t *Type) compile(room *int) {
	if t.ops != nil || t.compiling {
		return
	}
	t.compiling = true
	ops := []op{}
	switch t.Kind {
	case Null:
	case Boolean:
		ops = append(ops, op{code: opBoolean})
	case Int:
		ops = append(ops, op{code: opInt})
	case Long:
		ops = append(ops, op{code: opVarint})
	case Float, Double, Fixed:
		if t.void {
			break
		}
		ops = append(ops, op{code: opFixed, n: int32(t.minSize)})
	case Bytes, String:
		ops = append(ops, op{code: opBytes})
	case Enum:
		ops = append(ops, op{code: opEnum, n: int32(len(t.Symbols))})
	case Array, Map:
		if t.Kind == Map {
			t.entry = []op{{code: opBytes}}
		}
		t.entry = append(t.entry, t.Items.inline(room)...)
		ops = append(ops, op{code: opBlocks, t: t})
	case Union:
		t.branches = nil
		for _, branch := range t.Union {
			t.branches = append(t.branches, branch.inline(room))
		}
		ops = append(ops, t.union()...)
	case Record:
		for _, i := range t.solid {
			ops = append(ops, t.Fields[i].Type.inline(room)...)
		}
	}
	t.ops, t.compiling = ops, false
}

// Sequence is a type for values that follow each other, so that they are skipped together: a record without a name.
func Sequence(types []*Type) *Type {
	t := &Type{Kind: Record, marking: true}
	for _, inner := range types {
		t.Fields = append(t.Fields, Field{Type: inner})
	}
	t.weigh()
	room := maxInlinedOps
	t.compile(&room)
	return t
}

// union is the ops of a union whose branches are compiled.
func (t *Type) union() []op {
	for null, branch := range t.Union {
		if len(t.Union) != 2 || branch.Kind != Null {
			continue
		}
		ops := t.branches[1-null] // at most maxInlined
		if n := len(ops); n > 0 && ops[n-1].code == opBytes && (n == 1 || n == 2 && ops[0].code == opMark) {
			text := op{code: opText, after: uint8(null)}
			if n == 2 {
				text.n, text.t = ops[0].n, ops[0].t
			}
			return []op{text}
		}
		return append([]op{{code: opNullable, n: int32(null), after: uint8(len(ops))}}, ops...)
	}
	return []op{{code: opUnion, t: t}}
}

// inline is the ops of a type inside another: its own, or a call where they are many or not known yet.
func (t *Type) inline(room *int) []op {
	t.compile(room)
	if t.compiling || len(t.ops) > maxInlined || len(t.ops) > 1 && len(t.ops) > *room {
		return []op{{code: opCall, t: t}}
	}
	*room -= len(t.ops)
	return t.ops
}

// skip reads over what the ops say, from pos on, and notes what they mark. It returns the place after that, or -1 when
// the bytes do not fit.
func skip(b []byte, pos int, ops []op, depth int, marks *[]Mark) int {
	for i := 0; i < len(ops); i++ {
		o := &ops[i]
		switch o.code {
		case opFixed:
			if pos += int(o.n); pos > len(b) {
				return -1
			}
			continue
		case opVarint:
			if pos = skipVarint(b, pos); pos < 0 {
				return -1
			}
			continue
		case opMark:
			(*marks)[o.n] = Mark{pos, o.t}
			continue
		case opUnion, opCall, opBlocks:
			if pos = skipNested(b, pos, o, depth, marks); pos < 0 {
				return -1
			}
			continue
		}
		// Everything else begins with a number, and nearly always one of a single byte.
		if uint(pos) >= uint(len(b)) {
			return -1
		}
		first, v := b[pos], uint64(b[pos])
		if pos++; first >= 0x80 {
			if v, pos = number(b, pos-1); pos < 0 {
				return -1
			}
		}
		switch o.code {
		case opText:
			if v == uint64(o.after)<<1 {
				continue
			}
			if v != uint64(1-o.after)<<1 || uint(pos) >= uint(len(b)) {
				return -1
			}
			if o.t != nil {
				(*marks)[o.n] = Mark{pos, o.t}
			}
			v = uint64(b[pos])
			if pos++; v >= 0x80 {
				if v, pos = number(b, pos-1); pos < 0 {
					return -1
				}
			}
			fallthrough
		case opBytes:
			if v&1 != 0 || v>>1 > uint64(len(b)-pos) {
				return -1
			}
			pos += int(v >> 1)
		case opNullable:
			if v == uint64(o.n)<<1 {
				i += int(o.after)
			} else if v != uint64(1-o.n)<<1 {
				return -1
			}
		case opBoolean, opEnum, opInt:
			if o.refuses(first, v) {
				return -1
			}
		}
	}
	return pos
}

// refuses says that a number is none that the op's value can be; first is its first byte.
func (o *op) refuses(first byte, v uint64) bool {
	switch o.code {
	case opBoolean:
		return first > 1
	case opEnum:
		return v&1 != 0 || v>>1 >= uint64(o.n)
	default:
		return v > 1<<32-1
	}
}

// number reads an unsigned number, and where what follows starts: -1 when it does not end.
func number(b []byte, pos int) (uint64, int) {
	if len(b)-pos >= 8 {
		x := binary.LittleEndian.Uint64(b[pos:])
		if end := ^x & continued; end != 0 { // the bit of its last byte is the lowest
			x &= end ^ (end - 1)
			x = x&0x007f007f007f007f | x&0x7f007f007f007f00>>1
			x = x&0x00003fff00003fff | x&0x3fff00003fff0000>>2
			x = x&0x000000000fffffff | x&0x0fffffff00000000>>4
			return x, pos + bits.TrailingZeros64(end)/8 + 1
		}
	}
	v, n := binary.Uvarint(b[pos:])
	if n <= 0 {
		return 0, -1
	}
	return v, pos + n
}

// continued is the bit of each of eight bytes by which a number says that it goes on.
const continued = 0x8080808080808080

// skipVarint reads over a number whose value does not matter: at most ten bytes, the tenth of them 0 or 1.
func skipVarint(b []byte, pos int) int {
	if len(b)-pos >= 8 {
		if end := ^binary.LittleEndian.Uint64(b[pos:]) & continued; end != 0 {
			return pos + bits.TrailingZeros64(end)/8 + 1
		}
	}
	_, pos = number(b, pos)
	return pos
}

// skipNested is skip for the ops that come up less, or take long anyhow.
func skipNested(b []byte, pos int, o *op, depth int, marks *[]Mark) int {
	switch {
	case o.code == opUnion:
		v, pos := number(b, pos)
		if pos < 0 || v&1 != 0 || v>>1 >= uint64(len(o.t.branches)) || depth > maxDepth {
			return -1
		}
		return skip(b, pos, o.t.branches[v>>1], depth+1, marks)
	case o.code == opCall && o.t.marking: // what it was made of may have been no call
		return skip(b, pos, o.t.ops, depth, marks)
	}
	if depth++; depth > maxDepth {
		return -1
	}
	if o.code == opCall {
		return skip(b, pos, o.t.ops, depth, marks)
	}
	for {
		n, items := blockHeader(b, pos, o.t)
		if n == 0 {
			return items // the end, or -1
		}
		for pos = items; n > 0; n-- {
			if pos = skip(b, pos, o.t.entry, depth, marks); pos < 0 {
				return -1
			}
		}
	}
}
