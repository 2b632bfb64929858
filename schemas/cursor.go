package schemas

import (
	"encoding/binary"
	"math"
)

// maxDepth is how deep values may nest. A recursive type nests as deep as its writer likes, one byte a level; the
// contract's own schema nests to six.
const maxDepth = 256

// Cursor reads Avro values off a byte slice. The first read that does not fit makes it fail for good: reads after
// that return zero values, so a caller may check Failed once, after a loop that ends by itself.
type Cursor struct {
	b      []byte
	pos    int
	depth  int
	free   int64 // items of no size that may still be read, see Next
	failed bool
}

// NewCursor reads from the start of b.
func NewCursor(b []byte) Cursor { return Cursor{b: b, free: int64(len(b))} }

// At is a cursor on the same bytes at another place.
func (c *Cursor) At(pos int) Cursor { return Cursor{b: c.b, pos: pos, free: int64(len(c.b))} }

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
	v, n := binary.Uvarint(c.b[c.pos:])
	if n <= 0 {
		c.Fail()
		return 0
	}
	c.pos += n
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
// negative count brings is read and not relied on. A count that the remaining bytes cannot hold is an error; items
// that take no bytes at all (nulls) may be as many as the message has bytes.
func (c *Cursor) Next(t *Type, b *Blocks) bool {
	if b.left == 0 && !c.header(t, b) {
		return false
	}
	b.left--
	return !c.failed
}

func (c *Cursor) header(t *Type, b *Blocks) bool {
	n := c.Long()
	if n < 0 {
		n = -n
		c.Long()
	}
	least := int64(t.Items.minSize)
	if t.Kind == Map {
		least++
	}
	switch {
	case c.failed || n == 0:
		return false
	case n < 0: // the smallest long has no positive
		c.Fail()
		return false
	case least > 0:
		if n > int64(len(c.b)-c.pos)/least {
			c.Fail()
			return false
		}
	default:
		if c.free -= n; n > int64(len(c.b)) || c.free < 0 {
			c.Fail()
			return false
		}
	}
	b.left = n
	return true
}

// Enter counts one level of nesting, to be left with Leave; false and a failed cursor when it is one too many.
func (c *Cursor) Enter() bool {
	if c.depth++; c.depth > maxDepth {
		c.Fail()
		return false
	}
	return true
}

// Leave ends a level that Enter began.
func (c *Cursor) Leave() { c.depth-- }

// Branch reads which branch of a union follows; a type that is no union is itself.
func (c *Cursor) Branch(t *Type) *Type {
	if t.Kind == Union {
		return t.Union[c.Index(len(t.Union))]
	}
	return t
}

// Skip reads over one value, and checks all of it on the way.
func (c *Cursor) Skip(t *Type) {
	switch t.Kind {
	case Boolean:
		c.Boolean()
	case Int:
		c.Int()
	case Long:
		c.Long()
	case Float:
		c.Fixed(4)
	case Double:
		c.Fixed(8)
	case Bytes, String:
		c.Bytes()
	case Fixed:
		c.Fixed(t.Size)
	case Enum:
		c.Index(len(t.Symbols))
	case Union:
		c.Skip(t.Union[c.Index(len(t.Union))])
	case Null:
	default:
		c.skipNested(t)
	}
}

func (c *Cursor) skipNested(t *Type) {
	if t.weightless || !c.Enter() {
		return
	}
	switch t.Kind {
	case Record:
		for i := range t.Fields {
			if c.failed {
				return
			}
			c.Skip(t.Fields[i].Type)
		}
	case Array:
		for b := (Blocks{}); c.Next(t, &b); {
			c.Skip(t.Items)
		}
	case Map:
		for b := (Blocks{}); c.Next(t, &b); {
			c.Bytes()
			c.Skip(t.Items)
		}
	}
	c.Leave()
}
