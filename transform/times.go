package transform

import "kinesis-destination/schemas"

const (
	secondsPerDay = 24 * 60 * 60
	nanosPerMilli = 1_000_000
	nanosPerMicro = 1_000

	// RFC 3339 has years of four digits: days from 0000-01-01 to 9999-12-31, counted from 1970-01-01.
	firstDay = -719528
	lastDay  = 2932896
)

// whole writes an int or long by its logical type. The divisors are constants at each call: a division by a variable
// takes longer than all the rest.
func (w *writer) whole(n int64, logical schemas.Logical) {
	switch logical {
	case schemas.Date:
		w.date(n)
	case schemas.TimeMillis:
		seconds, rest := floorDiv(n, 1000)
		w.timeOfDay(seconds, rest*nanosPerMilli)
	case schemas.TimeMicros:
		seconds, rest := floorDiv(n, 1_000_000)
		w.timeOfDay(seconds, rest*nanosPerMicro)
	case schemas.TimestampMillis, schemas.LocalTimestampMillis:
		seconds, rest := floorDiv(n, 1000)
		w.timestamp(seconds, rest*nanosPerMilli, logical == schemas.TimestampMillis)
	case schemas.TimestampMicros, schemas.LocalTimestampMicros:
		seconds, rest := floorDiv(n, 1_000_000)
		w.timestamp(seconds, rest*nanosPerMicro, logical == schemas.TimestampMicros)
	case schemas.TimestampNanos, schemas.LocalTimestampNanos:
		seconds, rest := floorDiv(n, 1_000_000_000)
		w.timestamp(seconds, rest, logical == schemas.TimestampNanos)
	default:
		w.integer(n)
	}
}

// time writes a value that the contract knows to be a time: a number without a logical type is milliseconds.
func (w *writer) time(c *schemas.Cursor, t *schemas.Type) bool {
	t = c.Branch(t)
	if (t.Kind == schemas.Long || t.Kind == schemas.Int) && t.Logical == schemas.LogicalNone {
		w.whole(c.Long(), schemas.TimestampMillis)
		return true
	}
	return w.value(c, t)
}

func (w *writer) timestamp(seconds, nanos int64, utc bool) {
	days, second := floorDiv(seconds, secondsPerDay)
	if days < firstDay || days > lastDay {
		w.fail(ReasonTimeOutOfRange)
		return
	}
	dst := append(w.dst, `"0000-00-00T00:00:00`...)
	text := dst[len(w.dst):]
	putDate(text[1:], days)
	putClock(text[12:], uint32(second))
	dst = appendFraction(dst, uint32(nanos))
	if utc {
		dst = append(dst, 'Z')
	}
	w.dst = append(dst, '"')
}

func (w *writer) timeOfDay(second, nanos int64) {
	if second < 0 || second >= secondsPerDay {
		w.fail(ReasonTimeOutOfRange)
		return
	}
	dst := append(w.dst, `"00:00:00`...)
	putClock(dst[len(w.dst)+1:], uint32(second))
	w.dst = append(appendFraction(dst, uint32(nanos)), '"')
}

func (w *writer) date(day int64) {
	if day < firstDay || day > lastDay {
		w.fail(ReasonTimeOutOfRange)
		return
	}
	dst := append(w.dst, `"0000-00-00"`...)
	putDate(dst[len(w.dst)+1:], day)
	w.dst = dst
}

// putDate writes the digits of YYYY-MM-DD for a day counted from 1970-01-01. The calendar is counted in eras of 400
// years whose years begin in March, so that the leap day is a year's last (C. Neri, L. Schneider, "Euclidean affine
// functions and their application to calendar algorithms", 2022, which says why each step is exact).
func putDate(text []byte, day int64) {
	// From 0000-03-01 on, and one era more so that January and February of the year 0 count from zero as well.
	inCenturies := 4*uint32(day-firstDay-60+146097) + 3
	century, inCentury := inCenturies/146097, inCenturies%146097/4
	product := 2939745 * uint64(4*inCentury+3)
	year, inYear := 100*century+uint32(product>>32)-400, uint32(product)/2939745/4
	inMonths := 2141*inYear + 197913
	month, dayOfMonth := inMonths>>16, inMonths&0xffff/2141+1
	if inYear >= 306 {
		month -= 12
		year++
	}
	_ = text[9]
	putPair(text, year/100)
	putPair(text[2:], year%100)
	putPair(text[5:], month)
	putPair(text[8:], dayOfMonth)
}

// putClock writes the digits of HH:MM:SS.
func putClock(text []byte, second uint32) {
	_ = text[7]
	putPair(text, second/3600)
	putPair(text[3:], second/60%60)
	putPair(text[6:], second%60)
}

// appendFraction writes as many digits of a fraction of a second as it takes, in threes.
func appendFraction(dst []byte, nanos uint32) []byte {
	if nanos == 0 {
		return dst
	}
	dst = append(dst, '.')
	for unit := uint32(nanosPerMilli); nanos != 0; unit /= 1000 {
		part := nanos / unit
		dst = append(dst, byte('0'+part/100), '0', '0')
		putPair(dst[len(dst)-2:], part%100)
		nanos -= part * unit
	}
	return dst
}

// pairs is the numbers 00 to 99.
var pairs = func() (table [100][2]byte) {
	for n := range byte(100) {
		table[n] = [2]byte{'0' + n/10, '0' + n%10}
	}
	return table
}()

// putPair writes a number below 100 with two digits.
func putPair(text []byte, n uint32) { *(*[2]byte)(text) = pairs[n] }

// floorDiv divides towards the past: the rest is never negative.
func floorDiv(n, by int64) (quotient, rest int64) {
	quotient, rest = n/by, n%by
	if rest < 0 {
		quotient, rest = quotient-1, rest+by
	}
	return quotient, rest
}
