package transform

import (
	"encoding/binary"
	"slices"
	"unicode/utf8"
)

const hexDigits = "0123456789abcdef"

// plain marks the bytes that stand for themselves in a JSON string.
var plain = func() (table [utf8.RuneSelf]bool) {
	for b := byte(' '); b < utf8.RuneSelf; b++ {
		table[b] = b != '"' && b != '\\'
	}
	return table
}()

// appendString writes a JSON string, as encoding/json does without HTML escaping: bytes that are no UTF-8 become
// U+FFFD, and U+2028 and U+2029 are escaped, as some readers take them for line ends. It looks at eight bytes at a time
// and copies them, the last eight of them some of which it has copied before.
func appendString(dst []byte, s string) []byte {
	at, n := len(dst), len(s)
	dst = slices.Grow(dst, n+len(`""`))
	out := dst[at : at+n+len(`""`)]
	out[0], out[n+1] = '"', '"'
	switch out = out[1 : n+1]; {
	case n >= 8:
		for i := 0; i < n-8; i += 8 {
			x := eight(s[i:])
			if special(x) {
				return appendEscaped(dst, s)
			}
			binary.LittleEndian.PutUint64(out[i:], x)
		}
		x := eight(s[n-8:])
		if special(x) {
			return appendEscaped(dst, s)
		}
		binary.LittleEndian.PutUint64(out[n-8:], x)
	case n >= 4:
		x := four(s) | four(s[n-4:])<<32
		if special(x) {
			return appendEscaped(dst, s)
		}
		binary.LittleEndian.PutUint32(out, uint32(x))
		binary.LittleEndian.PutUint32(out[n-4:], uint32(x>>32))
	default:
		for i := range n {
			if s[i] >= utf8.RuneSelf || !plain[s[i]] {
				return appendEscaped(dst, s)
			}
			out[i] = s[i]
		}
	}
	return dst[:at+n+len(`""`)]
}

func appendEscaped(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for start, i := 0, 0; ; start = i {
		for i < len(s) && s[i] < utf8.RuneSelf && plain[s[i]] {
			i++
		}
		dst = append(dst, s[start:i]...)
		if i == len(s) {
			return append(dst, '"')
		}
		if b := s[i]; b < utf8.RuneSelf {
			dst = appendEscape(dst, b)
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			dst = append(dst, `\ufffd`...)
		case r == '\u2028' || r == '\u2029':
			dst = append(append(dst, `\u202`...), hexDigits[r&0xf])
		default:
			dst = append(dst, s[i:i+size]...)
		}
		i += size
	}
}

// eight is the first eight bytes of a string, four the first four.
func eight(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

func four(s string) uint64 {
	_ = s[3]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24
}

// special says that any of eight bytes is a control character, a quote, a backslash or not ASCII. The arithmetic is
// that of "Bit Twiddling Hacks", haszero and hasless; where it errs it sees something special that is not, never the
// other way round.
func special(x uint64) bool {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	quote, backslash := x^ones*'"', x^ones*'\\'
	return (x|(x-ones*' ')&^x|(quote-ones)&^quote|(backslash-ones)&^backslash)&highs != 0
}

func appendEscape(dst []byte, b byte) []byte {
	switch b {
	case '"', '\\':
		return append(dst, '\\', b)
	case '\b':
		return append(dst, `\b`...)
	case '\f':
		return append(dst, `\f`...)
	case '\n':
		return append(dst, `\n`...)
	case '\r':
		return append(dst, `\r`...)
	case '\t':
		return append(dst, `\t`...)
	}
	return append(dst, `\u00`+string(hexDigits[b>>4])+string(hexDigits[b&0xf])...)
}
