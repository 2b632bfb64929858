package consumer

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Place is one end of a range of messages: a time, the earliest or the latest
// message, or an offset for each partition.
type Place struct {
	text    string // as the user wrote it
	where   string // Earliest or Latest; empty: see the others
	at      time.Time
	offsets map[int]int64
}

// ParsePlace reads what users write: earliest, latest, a time as of RFC 3339, or
// offsets as partition=offset, separated by commas.
func ParsePlace(text string) (Place, error) {
	if text == Earliest || text == Latest {
		return Place{text: text, where: text}, nil
	}
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return Place{text: text, at: at}, nil
	}
	p := Place{text: text, offsets: map[int]int64{}}
	for part := range strings.SplitSeq(text, ",") {
		partition, offset, ok := strings.Cut(part, "=")
		n, err1 := strconv.Atoi(strings.TrimSpace(partition))
		o, err2 := strconv.ParseInt(strings.TrimSpace(offset), 10, 64)
		if _, twice := p.offsets[n]; !ok || err1 != nil || err2 != nil || n < 0 || o < 0 || twice {
			return Place{}, fmt.Errorf("%q is none of: earliest, latest, a time such as 2026-01-31T12:00:00Z, offsets such as 0=100,1=250", text)
		}
		p.offsets[n] = o
	}
	return p, nil
}

// String is the place as the user wrote it.
func (p Place) String() string { return p.text }

// At is the first message that was written then or later.
func At(t time.Time) Place { return Place{at: t} }

// names tells whether the place is one in the partition.
func (p Place) names(partition int) bool {
	_, named := p.offsets[partition]
	return p.offsets == nil || named
}

// Beginning is the earliest message that is still there.
func Beginning() Place { return Place{where: Earliest} }

// End is behind the latest message.
func End() Place { return Place{where: Latest} }
