package schemas

import (
	"encoding/binary"
	"math"
)

// maxWeightless is how many items without any bytes a block may hold.
const maxWeightless = 64

// Cursor reads Avro values off a byte slice. The first read that does not fit makes it fail for good: reads after
// that return zero values, so a caller may check Failed once, after a loop that ends by itself.
type Cursor struct {
	b      []byte
	pos    int
	failed bool
}

// NewCursor reads from the start of b.
func NewCursor(b []byte) Cursor { return Cursor{b: b} }

// At is a cursor on the same bytes at another place.
func (c *Cursor) At(pos int) Cursor { return Cursor{b: c.b, pos: pos} }

// Pos is where the next value starts.
func (c *Cursor) Pos() int { return c.pos }

// Failed says that a value did not fit into the bytes, or its type.
func (c *Cursor) Failed() bool { return c.failed }

// Done says that every byte was read, and none was missing.
func (c *Cursor) Done() bool { return !c.failed && c.pos == len(c.b) }

// Fail makes the cursor fail, as if the bytes had been wrong.
func (c *Cursor) Fail() { c.failed, c.pos = true, len(c.b) }

// Long reads an int, a long, or a count.
func (c *Cursor) Long() int64 {
	if c.pos < len(c.b) {
		if v := c.b[c.pos]; v < 0x80 {
			c.pos++
			return int64(v>>1) ^ -int64(v&1)
		}
	}
	return c.longSlow()
}

func (c *Cursor) longSlow() int64 {
	v, pos := number(c.b, c.pos)
	if pos < 0 {
		c.Fail()
		return 0
	}
	c.pos = pos
	return int64(v>>1) ^ -int64(v&1)
}

// Int reads an int: a long that fits in 32 bits.
func (c *Cursor) Int() int64 {
	v := c.Long()
	if v < math.MinInt32 || v > math.MaxInt32 {
		c.Fail()
		return 0
	}
	return v
}

// Index reads the index of a union's branch or an enum's symbol, which must be below n; 0 when it is not.
func (c *Cursor) Index(n int) int {
	v := c.Long()
	if v < 0 || v >= int64(n) {
		c.Fail()
		return 0
	}
	return int(v)
}

// Boolean reads a boolean.
func (c *Cursor) Boolean() bool {
	b := c.Fixed(1)
	if len(b) == 1 && b[0] > 1 {
		c.Fail()
	}
	return len(b) == 1 && b[0] == 1
}

// Bytes reads bytes or a string, as a view.
func (c *Cursor) Bytes() []byte {
	if start := c.pos + 1; start <= len(c.b) {
		if n := c.b[c.pos]; n&0x81 == 0 { // fewer than 64, as most are
			if end := start + int(n>>1); end <= len(c.b) {
				c.pos = end
				return c.b[start:end:end]
			}
		}
	}
	return c.longBytes()
}

func (c *Cursor) longBytes() []byte {
	n := c.Long()
	if n < 0 || n > int64(len(c.b)-c.pos) {
		c.Fail()
		return nil
	}
	start := c.pos
	c.pos += int(n)
	return c.b[start:c.pos:c.pos]
}

// Fixed reads n bytes, as a view.
func (c *Cursor) Fixed(n int) []byte {
	if n > len(c.b)-c.pos {
		c.Fail()
		return nil
	}
	start := c.pos
	c.pos += n
	return c.b[start:c.pos:c.pos]
}

// Float reads a float.
func (c *Cursor) Float() float32 {
	if b := c.Fixed(4); b != nil {
		return math.Float32frombits(binary.LittleEndian.Uint32(b))
	}
	return 0
}

// Double reads a double.
func (c *Cursor) Double() float64 {
	if b := c.Fixed(8); b != nil {
		return math.Float64frombits(binary.LittleEndian.Uint64(b))
	}
	return 0
}

// Blocks is the state of a loop over an array or a map; its zero value is before the first item.
type Blocks struct{ left int64 }

// Next says whether the array or map t has another item, and reads the block header on the way. The byte size that a
// negative count brings is read and not relied on.
func (c *Cursor) Next(t *Type, b *Blocks) bool {
	if b.left == 0 && !c.header(t, b) {
		return false
	}
	b.left--
	return !c.failed
}

func (c *Cursor) header(t *Type, b *Blocks) bool {
	n, pos := blockHeader(c.b, c.pos, t)
	if pos < 0 {
		c.Fail()
		return false
	}
	b.left, c.pos = n, pos
	return n > 0
}

// blockHeader reads how many items a block of an array or map has, 0 at the end, and where they start: -1 when there
// is no count. A count that is too large ends with the bytes, at the first item that is not there; only items without
// any bytes would go on, and those no writer has a use for.
func blockHeader(b []byte, pos int, t *Type) (int64, int) {
	var n int64
	if pos < len(b) && b[pos] < 0x80 && b[pos]&1 == 0 {
		n, pos = int64(b[pos]>>1), pos+1
	} else {
		c := Cursor{b: b, pos: pos}
		if n = c.Long(); n < 0 {
			n = -n
			c.Long()
		}
		if c.failed || n < 0 { // the smallest long has no positive
			return 0, -1
		}
		pos = c.pos
	}
	if n > maxWeightless && t.weightless() {
		return 0, -1
	}
	return n, pos
}

// Branch reads which branch of a union follows; a type that is no union is itself.
func (c *Cursor) Branch(t *Type) *Type {
	if t.Kind == Union {
		return t.Union[c.Index(len(t.Union))]
	}
	return t
}

// Skip reads over one value, and checks all of it on the way.
func (c *Cursor) Skip(t *Type) {
	if pos := skip(c.b, c.pos, t.ops, 0, nil); pos >= 0 {
		c.pos = pos
	} else {
		c.Fail()
	}
}

// SkipHollow reads over a value that is a null in a record in a record and so on, or a record of nothing there, and
// says whether it was one. Otherwise it reads nothing.
func (c *Cursor) SkipHollow(t *Type) bool {
	if t.end == nil {
		return false
	}
	only := t.end.only()
	if only == nil || only.Kind != Union {
		return false
	}
	ahead := *c
	branch := ahead.Branch(only)
	if branch.Kind != Null && (branch.Kind != Record || !branch.void) {
		return false
	}
	*c = ahead
	return true
}
