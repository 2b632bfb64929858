package schemas

import (
	"fmt"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Plain JSON is how people write values, and most tools print them: decimals as numbers, days and times as text, and
// values of unions without the names of their branches.

const (
	plainDay    = "2006-01-02"
	plainHours  = "15:04:05.999999999"
	plainLocal  = plainDay + "T" + plainHours
	plainMoment = time.RFC3339Nano
)

// layoutOf is how a time is written, and what its type counts; 0 for what is no time.
func layoutOf(t *Type) (layout string, unit time.Duration) {
	switch t.Logical {
	case TimestampMillis:
		return plainMoment, time.Millisecond
	case TimestampMicros:
		return plainMoment, time.Microsecond
	case TimestampNanos:
		return plainMoment, time.Nanosecond
	case LocalTimestampMillis:
		return plainLocal, time.Millisecond
	case LocalTimestampMicros:
		return plainLocal, time.Microsecond
	case LocalTimestampNanos:
		return plainLocal, time.Nanosecond
	case TimeMillis:
		return plainHours, time.Millisecond
	case TimeMicros:
		return plainHours, time.Microsecond
	}
	return "", 0
}

// plainTime is a day or a time of a text, as its type counts; false where it is neither.
func plainTime(t *Type, text string) (int64, bool) {
	if t.Logical == Date {
		day, err := time.Parse(plainDay, text)
		return day.Unix() / int64((24 * time.Hour).Seconds()), err == nil
	}
	layout, unit := layoutOf(t)
	if unit == 0 {
		return 0, false
	}
	at, err := time.Parse(layout, text)
	if err != nil {
		return 0, false
	}
	if layout == plainHours { // of no day, which is the year 0
		return int64(at.Sub(at.Truncate(24*time.Hour)) / unit), true
	}
	switch unit {
	case time.Millisecond:
		return at.UnixMilli(), true
	case time.Microsecond:
		return at.UnixMicro(), true
	}
	return at.UnixNano(), at.Year() > 1677 && at.Year() < 2262 // what 64 bits hold
}

// maxPlainDigits bounds the digits of a decimal that is written as a number.
const maxPlainDigits = 1000

// plainDecimal is the bytes of a decimal that is written as a number; the error says what does not fit.
func plainDecimal(t *Type, text string) ([]byte, error) {
	whole, fraction, _ := strings.Cut(text, ".")
	if strings.ContainsAny(text, "eE") || len(text) > maxPlainDigits {
		return nil, fmt.Errorf("must be a decimal of at most %d digits, without an exponent", maxPlainDigits)
	}
	if fraction = strings.TrimRight(fraction, "0"); len(fraction) > t.Scale {
		return nil, fmt.Errorf("must be a decimal of at most %d digits behind the point", t.Scale)
	}
	n, ok := new(big.Int).SetString(whole+fraction+strings.Repeat("0", t.Scale-len(fraction)), 10)
	if !ok {
		return nil, fmt.Errorf("must be a decimal")
	}
	return twosComplement(n), nil
}

// twosComplement is the shortest that keeps the sign.
func twosComplement(n *big.Int) []byte {
	length := n.BitLen()/8 + 1
	if n.Sign() >= 0 {
		return n.FillBytes(make([]byte, length))
	}
	return new(big.Int).Add(n, new(big.Int).Lsh(big.NewInt(1), uint(8*length))).FillBytes(make([]byte, length))
}

// widened is a two's complement in the bytes of a fixed; false where it is too long.
func widened(raw []byte, size int) ([]byte, bool) {
	if len(raw) > size {
		return nil, false
	}
	filler := byte(0)
	if len(raw) > 0 && raw[0] > 0x7f {
		filler = 0xff
	}
	return append(slices.Repeat([]byte{filler}, size-len(raw)), raw...), true
}

// unusual says that a value may stand for a type only in plain JSON: another branch of a union comes first.
func unusual(t *Type, v *jsonValue) bool {
	switch t.Kind {
	case Int, Long:
		return v.kind == jsonString
	case Bytes, Fixed:
		return v.kind == jsonNumber
	}
	return false
}

// PlainJSON writes the Avro bytes of an event as plain JSON, if that can be read back as the same; else in Avro JSON.
func (s *Schema) PlainJSON(body []byte) ([]byte, error) {
	text, err := s.decodeJSON(body, true)
	if err != nil {
		return nil, err
	}
	if again, err := s.EncodeJSON(text); err == nil && slices.Equal(again, body) {
		return text, nil
	}
	return s.DecodeJSON(body)
}

// appendPlainLong writes a day or a time as text, and what is neither, or beyond the years that have four digits, as a
// number.
func appendPlainLong(dst []byte, t *Type, n int64) []byte {
	layout, unit := layoutOf(t)
	var at time.Time
	switch {
	case t.Logical == Date:
		at, layout = time.Unix(0, 0).AddDate(0, 0, int(n)), plainDay
	case unit == 0, layout == plainHours && (n < 0 || n >= int64(24*time.Hour/unit)): // no time of any day
		return strconv.AppendInt(dst, n, 10)
	case unit == time.Millisecond:
		at = time.UnixMilli(n)
	case unit == time.Microsecond:
		at = time.UnixMicro(n)
	default:
		at = time.Unix(0, n)
	}
	if at = at.UTC(); at.Year() < 1 || at.Year() > 9999 {
		return strconv.AppendInt(dst, n, 10)
	}
	return appendText(dst, at.Format(layout))
}

// maxPlainBytes bounds a decimal that is printed as a number: so many bytes have fewer digits than are read.
const maxPlainBytes = maxPlainDigits / 4

// looksLikeNumber is what people write for a number, where a comma is a point, too.
var looksLikeNumber = regexp.MustCompile(`^[+-]?([0-9]+[.,]?[0-9]*|[.,][0-9]+)([eE][+-]?[0-9]+)?$`)

// meansNumber tells that the text of a decimal is a number in quotes. As Avro JSON it would be bytes, which are another
// number; those few are written as numbers there, too.
func meansNumber(t *Type, text string) bool {
	return t.Logical == Decimal && len(text) <= maxPlainBytes && looksLikeNumber.MatchString(text)
}

// appendPlainBytes writes a decimal as a number.
func appendPlainBytes(dst []byte, t *Type, raw []byte) []byte {
	if t.Logical != Decimal || len(raw) > maxPlainBytes {
		return appendText(dst, latin1(raw))
	}
	n := new(big.Int).SetBytes(raw)
	if len(raw) > 0 && raw[0] > 0x7f {
		n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(raw))))
	}
	if n.Sign() < 0 {
		dst = append(dst, '-')
	}
	digits := n.Abs(n).String()
	if t.Scale == 0 {
		return append(dst, digits...)
	}
	digits = strings.Repeat("0", max(0, t.Scale+1-len(digits))) + digits
	point := len(digits) - t.Scale
	return append(append(append(dst, digits[:point]...), '.'), digits[point:]...)
}

// orText says how else a day or a time may be written.
func orText(t *Type) string {
	if t.Logical == Date {
		return ", or a day such as 2026-01-31"
	}
	switch layout, _ := layoutOf(t); layout {
	case plainMoment:
		return ", or a time such as 2026-01-31T12:00:00Z"
	case plainLocal:
		return ", or a local time such as 2026-01-31T12:00:00"
	case plainHours:
		return ", or a time of day such as 12:00:00"
	}
	return ""
}
