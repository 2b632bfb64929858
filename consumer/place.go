package consumer

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Place is one end of a range of messages: a time, the earliest or the latest
// message, or an offset for each partition.
type Place struct {
	text    string // as the user wrote it, or the time that was meant
	asked   string // as the user wrote it, where that means another time later; else empty
	where   string // Earliest or Latest; empty: see the others
	at      time.Time
	offsets map[int]int64
}

// ParsePlace reads what users write: earliest, latest, a time as ParseTime takes
// it, or offsets as partition=offset, separated by commas. A time that is counted
// from now is kept as the time that it is.
func ParsePlace(text string, now time.Time) (Place, error) {
	if text == Earliest || text == Latest {
		return Place{text: text, where: text}, nil
	}
	if at, err := ParseTime(text, now); err == nil {
		p := Place{text: text, at: at}
		if later, err := ParseTime(text, now.Add(25*time.Hour)); err != nil || !later.Equal(at) {
			p.asked = text
		}
		if _, err := time.Parse(time.RFC3339, text); err != nil {
			p.text = at.Format(time.RFC3339)
		}
		return p, nil
	}
	p := Place{text: text, offsets: map[int]int64{}}
	for part := range strings.SplitSeq(text, ",") {
		partition, offset, ok := strings.Cut(part, "=")
		n, err1 := strconv.Atoi(strings.TrimSpace(partition))
		o, err2 := strconv.ParseInt(strings.TrimSpace(offset), 10, 64)
		if _, twice := p.offsets[n]; !ok || err1 != nil || err2 != nil || n < 0 || o < 0 || twice {
			return Place{}, fmt.Errorf("%q is none of: earliest, latest, %s, offsets such as 0=100,1=250", text, timeForms)
		}
		p.offsets[n] = o
	}
	return p, nil
}

const timeForms = "a time such as 2026-01-31T12:00:00Z, a day such as 2026-01-31, today or yesterday (in UTC), a time ago such as 30m, 1h or 7d"

// maxDaysAgo keeps a number of days within what a duration holds.
const maxDaysAgo = 100_000

// ParseTime reads a time as of RFC 3339, the beginning of a day in UTC
// (2026-01-31, today, yesterday), now, or how long ago it was: 90s, 30m, 1h, 7d,
// also with a minus.
func ParseTime(text string, now time.Time) (time.Time, error) {
	day := now.UTC().Truncate(24 * time.Hour)
	switch text {
	case "now":
		return now, nil
	case "today":
		return day, nil
	case "yesterday":
		return day.AddDate(0, 0, -1), nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if at, err := time.Parse(layout, text); err == nil {
			return at, nil
		}
	}
	ago := strings.TrimPrefix(text, "-")
	if days, ok := strings.CutSuffix(ago, "d"); ok {
		if n, err := strconv.ParseUint(days, 10, 32); err == nil && n <= maxDaysAgo {
			return now.UTC().Add(-time.Duration(n) * 24 * time.Hour), nil
		}
	}
	if d, err := time.ParseDuration(ago); err == nil && d >= 0 {
		return now.UTC().Add(-d), nil
	}
	return time.Time{}, fmt.Errorf("%q is none of: %s", text, timeForms)
}

// Before tells whether the place comes before the other in some partition, as far
// as the two alone say so: of a time and an offset Kafka alone knows.
func (p Place) Before(other Place) bool {
	switch {
	case p.offsets != nil && other.offsets != nil:
		for partition, offset := range p.offsets {
			if theirs, both := other.offsets[partition]; both && offset < theirs {
				return true
			}
		}
		return false
	case !p.at.IsZero() && !other.at.IsZero():
		return p.at.Before(other.at)
	}
	return p.where == Earliest && other.where != Earliest || other.where == Latest && p.where != Latest
}

// String is the place as the user wrote it, or the time that was meant.
func (p Place) String() string { return p.text }

// Asked is what the user wrote where that means another time later (1h, yesterday), else
// as String: by it the same words are known again.
func (p Place) Asked() string {
	if p.asked != "" {
		return p.asked
	}
	return p.text
}

// At is the first message that was written then or later.
func At(t time.Time) Place { return Place{at: t} }

// names tells whether the place is one in the partition.
func (p Place) names(partition int) bool {
	_, named := p.offsets[partition]
	return p.offsets == nil || named
}

// ErrNoPartition is wrapped by what says that a place names a partition that no topic has.
var ErrNoPartition = errors.New("there is no such partition")

// check looks whether the partitions that the place names are there.
func (p Place) check(there []Range) error {
	highest := -1
	for _, r := range there {
		highest = max(highest, r.Partition)
	}
	for partition := range p.offsets {
		if partition > highest {
			return fmt.Errorf("%s: %w: they are 0 to %d", p, ErrNoPartition, highest)
		}
	}
	return nil
}

// Beginning is the earliest message that is still there.
func Beginning() Place { return Place{where: Earliest} }

// End is behind the latest message.
func End() Place { return Place{where: Latest} }
