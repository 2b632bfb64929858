package schemas

import (
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Plain JSON is how people write values, and most tools print them: decimals as numbers, days and times as text, and
// values of unions without the names of their branches.

const plainDay = "2006-01-02"

// unitOf is what a timestamp counts; 0 for what is none.
func unitOf(t *Type) time.Duration {
	switch t.Logical {
	case TimestampMillis:
		return time.Millisecond
	case TimestampMicros:
		return time.Microsecond
	case TimestampNanos:
		return time.Nanosecond
	}
	return 0
}

// plainTime is a day or a time of a text, as its type counts; false where it is neither.
func plainTime(t *Type, text string) (int64, bool) {
	if t.Logical == Date {
		day, err := time.Parse(plainDay, text)
		return day.Unix() / int64((24 * time.Hour).Seconds()), err == nil
	}
	unit := unitOf(t)
	if unit == 0 {
		return 0, false
	}
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return 0, false
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
	var at time.Time
	layout := time.RFC3339Nano
	switch t.Logical {
	case Date:
		at, layout = time.Unix(0, 0).AddDate(0, 0, int(n)), plainDay
	case TimestampMillis:
		at = time.UnixMilli(n)
	case TimestampMicros:
		at = time.UnixMicro(n)
	case TimestampNanos:
		at = time.Unix(0, n)
	default:
		return strconv.AppendInt(dst, n, 10)
	}
	if at = at.UTC(); at.Year() < 1 || at.Year() > 9999 {
		return strconv.AppendInt(dst, n, 10)
	}
	return appendText(dst, at.Format(layout))
}

// appendPlainBytes writes a decimal as a number.
func appendPlainBytes(dst []byte, t *Type, raw []byte) []byte {
	if t.Logical != Decimal || len(raw) > maxPlainDigits/4 {
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
	switch {
	case t.Logical == Date:
		return ", or a day such as 2026-01-31"
	case unitOf(t) != 0:
		return ", or a time such as 2026-01-31T12:00:00Z"
	}
	return ""
}
