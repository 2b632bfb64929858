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

// whole writes an int or long by its logical type.
func (w *writer) whole(n int64, logical schemas.Logical) {
	switch logical {
	case schemas.Date:
		w.dst = append(w.dst, '"')
		w.date(n)
		w.dst = append(w.dst, '"')
	case schemas.TimeMillis:
		w.timeOfDay(n, 1000, nanosPerMilli)
	case schemas.TimeMicros:
		w.timeOfDay(n, 1_000_000, nanosPerMicro)
	case schemas.TimestampMillis:
		w.timestamp(n, 1000, nanosPerMilli, "Z\"")
	case schemas.TimestampMicros:
		w.timestamp(n, 1_000_000, nanosPerMicro, "Z\"")
	case schemas.TimestampNanos:
		w.timestamp(n, 1_000_000_000, 1, "Z\"")
	case schemas.LocalTimestampMillis:
		w.timestamp(n, 1000, nanosPerMilli, "\"")
	case schemas.LocalTimestampMicros:
		w.timestamp(n, 1_000_000, nanosPerMicro, "\"")
	case schemas.LocalTimestampNanos:
		w.timestamp(n, 1_000_000_000, 1, "\"")
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

// timestamp writes n units since 1970, of which a second has perSecond and one is nanos long.
func (w *writer) timestamp(n, perSecond, nanos int64, end string) {
	seconds, fraction := floorDiv(n, perSecond)
	days, second := floorDiv(seconds, secondsPerDay)
	w.dst = append(w.dst, '"')
	w.date(days)
	w.dst = append(w.dst, 'T')
	w.clock(second, fraction*nanos)
	w.dst = append(w.dst, end...)
}

func (w *writer) timeOfDay(n, perSecond, nanos int64) {
	second, fraction := floorDiv(n, perSecond)
	if second < 0 || second >= secondsPerDay {
		w.fail(ReasonTimeOutOfRange)
		return
	}
	w.dst = append(w.dst, '"')
	w.clock(second, fraction*nanos)
	w.dst = append(w.dst, '"')
}

// date writes YYYY-MM-DD for a day counted from 1970-01-01. The calendar is counted in eras of 400 years whose years
// begin in March, so that the leap day is a year's last (after Howard Hinnant's days_from_civil).
func (w *writer) date(day int64) {
	if day < firstDay || day > lastDay {
		w.fail(ReasonTimeOutOfRange)
		return
	}
	day -= firstDay + 60 // from 0000-03-01 on
	era, inEra := floorDiv(day, 146097)
	year := (inEra - inEra/1460 + inEra/36524 - inEra/146096) / 365
	inYear := inEra - (365*year + year/4 - year/100)
	month := (5*inYear + 2) / 153
	dayOfMonth := inYear - (153*month+2)/5 + 1
	year += era * 400
	if month < 10 {
		month += 3
	} else {
		month -= 9
		year++
	}
	w.dst = append(w.dst, digit(year/1000), digit(year/100), digit(year/10), digit(year), '-',
		digit(month/10), digit(month), '-', digit(dayOfMonth/10), digit(dayOfMonth))
}

// clock writes HH:MM:SS, and as many digits of a fraction as it takes, in threes.
func (w *writer) clock(second, nanos int64) {
	h, m, s := second/3600, second/60%60, second%60
	w.dst = append(w.dst, digit(h/10), digit(h), ':', digit(m/10), digit(m), ':', digit(s/10), digit(s))
	if nanos == 0 {
		return
	}
	w.dst = append(w.dst, '.')
	for unit := int64(nanosPerMilli); nanos != 0; unit /= 1000 {
		part := nanos / unit
		w.dst = append(w.dst, digit(part/100), digit(part/10), digit(part))
		nanos -= part * unit
	}
}

func digit(n int64) byte { return byte('0' + n%10) }

// floorDiv divides towards the past: the rest is never negative.
func floorDiv(n, by int64) (quotient, rest int64) {
	quotient, rest = n/by, n%by
	if rest < 0 {
		quotient, rest = quotient-1, rest+by
	}
	return quotient, rest
}
