package schemas

import "encoding/binary"

// Most of an event is skipped, so skipping is compiled: a type is a list of ops, nested records lie flat in it.

const (
	// maxDepth bounds how deep values nest by unions, arrays, maps and recursive records. A recursive type nests as
	// deep as its writer likes, a byte or two a level.
	maxDepth = 1000

	// maxInlined bounds how many ops a nested record may bring; a larger one is called. Without it, records of two
	// fields each would double at every level.
	maxInlined = 64
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
	opArray
	opMap
	opCall
)

// op skips one value.
type op struct {
	code     opCode
	n        int    // bytes of a fixed, symbols of an enum
	branches [][]op // of a union
	t        *Type  // of an array, a map, or a call
}

// compile makes the type's ops, and those of the types within.
func (t *Type) compile() {
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
		ops = append(ops, op{code: opFixed, n: t.minSize})
	case Bytes, String:
		ops = append(ops, op{code: opBytes})
	case Enum:
		ops = append(ops, op{code: opEnum, n: len(t.Symbols)})
	case Array, Map:
		t.Items.compile()
		ops = append(ops, op{code: map[Kind]opCode{Array: opArray, Map: opMap}[t.Kind], t: t})
	case Union:
		union := op{code: opUnion}
		for _, branch := range t.Union {
			union.branches = append(union.branches, branch.inline())
		}
		ops = append(ops, union)
	case Record:
		for _, field := range t.Fields {
			ops = append(ops, field.Type.inline()...)
		}
	}
	t.ops, t.compiling = ops, false
}

// inline is the ops of a type inside another: its own, or a call where they are many or not known yet.
func (t *Type) inline() []op {
	t.compile()
	if t.compiling || len(t.ops) > maxInlined {
		return []op{{code: opCall, t: t}}
	}
	return t.ops
}

// skip reads over what the ops say, from pos on. It returns the place after that, or -1 when the bytes do not fit.
func skip(b []byte, pos int, ops []op, depth int) int {
	for i := range ops {
		o := &ops[i]
		switch o.code {
		case opFixed:
			if o.n > len(b)-pos {
				return -1
			}
			pos += o.n
			continue
		case opBoolean:
			if pos >= len(b) || b[pos] > 1 {
				return -1
			}
			pos++
			continue
		case opCall, opArray, opMap:
			if pos = skipNested(b, pos, o, depth); pos < 0 {
				return -1
			}
			continue
		}
		// Everything else begins with a number, and nearly always one of a single byte.
		if pos >= len(b) {
			return -1
		}
		v := uint64(b[pos])
		if v < 0x80 {
			pos++
		} else {
			n := 0
			if v, n = binary.Uvarint(b[pos:]); n <= 0 {
				return -1
			}
			pos += n
		}
		switch o.code {
		case opBytes:
			if v&1 != 0 || v>>1 > uint64(len(b)-pos) {
				return -1
			}
			pos += int(v >> 1)
		case opUnion:
			if v&1 != 0 || v>>1 >= uint64(len(o.branches)) || depth > maxDepth {
				return -1
			}
			if branch := o.branches[v>>1]; len(branch) > 0 {
				if pos = skip(b, pos, branch, depth+1); pos < 0 {
					return -1
				}
			}
		case opEnum:
			if v&1 != 0 || v>>1 >= uint64(o.n) {
				return -1
			}
		case opInt:
			if v > 1<<32-1 {
				return -1
			}
		}
	}
	return pos
}

func skipNested(b []byte, pos int, o *op, depth int) int {
	if depth++; depth > maxDepth {
		return -1
	}
	if o.code == opCall {
		return skip(b, pos, o.t.ops, depth)
	}
	c := Cursor{b: b, pos: pos}
	for blocks := (Blocks{}); c.Next(o.t, &blocks); {
		if o.code == opMap {
			c.Bytes()
		}
		if pos = skip(b, c.pos, o.t.Items.ops, depth); pos < 0 || c.failed {
			return -1
		}
		c.pos = pos
	}
	if c.failed {
		return -1
	}
	return c.pos
}
