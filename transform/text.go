package transform

import (
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
// U+FFFD, and U+2028 and U+2029 are escaped, as some readers take them for line ends.
func appendString(dst []byte, s string) []byte {
	if !isPlain(s) {
		return appendEscaped(dst, s)
	}
	at := len(dst)
	dst = slices.Grow(dst, len(s)+2)[:at+len(s)+2]
	dst[at], dst[len(dst)-1] = '"', '"'
	copy(dst[at+1:], s)
	return dst
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

// isPlain says that all bytes of a string stand for themselves. It looks at eight at a time, the last eight of them
// some of which it has seen before.
func isPlain(s string) bool {
	if len(s) < 8 {
		for i := range len(s) {
			if s[i] >= utf8.RuneSelf || !plain[s[i]] {
				return false
			}
		}
		return true
	}
	for i := 0; i < len(s)-8; i += 8 {
		if special(s[i : i+8]) {
			return false
		}
	}
	return !special(s[len(s)-8:])
}

// special says that any of eight bytes is a control character, a quote, a backslash or not ASCII. The arithmetic is
// that of "Bit Twiddling Hacks", haszero and hasless; where it errs it sees something special that is not, never the
// other way round.
func special(s string) bool {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	_ = s[7]
	x := uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
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
