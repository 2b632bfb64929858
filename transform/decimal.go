package transform

import (
	"math/big"
	"strconv"
)

// A decimal has at most about 1,200 digits, before or after its point. Turning a megabyte into digits takes longer than
// anyone waits, and a scale of a thousand makes a thousand digits of each byte.
const (
	maxDecimalBytes = 512
	maxScale        = 1200
)

// decimal writes a two's complement number with scale digits after the point, all of them (rule 18: digits kept).
func (w *writer) decimal(raw []byte, scale int) {
	raw = shortest(raw)
	if len(raw) > maxDecimalBytes || scale > maxScale {
		w.fail(ReasonNotANumber)
		return
	}
	var digits []byte
	negative := len(raw) > 0 && raw[0]&0x80 != 0
	var room [24]byte
	if len(raw) <= 8 {
		n := int64(0)
		if negative {
			n = -1
		}
		for _, b := range raw {
			n = n<<8 | int64(b)
		}
		digits = strconv.AppendInt(room[:0], n, 10)
		if negative {
			digits = digits[1:]
		}
	} else {
		n := new(big.Int).SetBytes(raw)
		if negative {
			n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(len(raw))*8))
		}
		digits = n.Abs(n).Append(nil, 10)
	}
	if negative {
		w.dst = append(w.dst, '-')
	}
	whole := len(digits) - scale
	if whole <= 0 {
		w.dst = append(w.dst, '0')
	} else {
		w.dst = append(w.dst, digits[:whole]...)
		digits = digits[whole:]
		whole = 0
	}
	if scale == 0 {
		return
	}
	w.dst = append(w.dst, '.')
	for ; whole < 0; whole++ {
		w.dst = append(w.dst, '0')
	}
	w.dst = append(w.dst, digits...)
}

// shortest drops leading bytes that only repeat the sign.
func shortest(raw []byte) []byte {
	for len(raw) > 1 && (raw[0] == 0 && raw[1] < 0x80 || raw[0] == 0xff && raw[1] >= 0x80) {
		raw = raw[1:]
	}
	return raw
}
