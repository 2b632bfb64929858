package deadletter

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"
)

// Contents is what the headers of a letter say.
type Contents struct {
	Stage    string    `json:"stage"`
	Reason   string    `json:"reason"`
	FailedAt time.Time `json:"failedAt"`
	Attempts int       `json:"attempts"`
	Redrives int       `json:"redrives"`
	Message  string    `json:"message"`
	Origin   Source    `json:"origin"`
	// Written is the source message's time; zero where that is none of a calendar.
	Written time.Time `json:"written,omitzero"`
	// ValueOmitted tells of a value that is not in the letter.
	ValueOmitted string `json:"valueOmitted,omitempty"`

	SourceTime    time.Time      `json:"-"` // as it was
	Parked        []byte         `json:"-"` // the identity whose later events follow it to the topic; nil: none
	SourceHeaders []kafka.Header `json:"-"`
	Own           []kafka.Header `json:"-"` // that say what happened
	TopicID       [16]byte       `json:"-"` // of the source topic; zero: it is not known
	Omitted       Omissions      `json:"-"`
}

// Source is where the message stood that a letter is about.
type Source struct {
	Topic     string
	Partition int
	Offset    int64
}

// Omissions is what a letter lacks of the message that it is about.
type Omissions struct {
	Value, Key *Omitted // nil: they are there
	Headers    int      // -1: they are there
}

// Any says whether anything is left out.
func (o *Omissions) Any() bool { return o.Value != nil || o.Key != nil || o.Headers >= 0 }

// Reader knows the words that a letter may hold. All are required.
type Reader struct {
	Destination     *regexp.Regexp
	Stages, Reasons []string
}

// Read reads a letter of any destination. A topic holds what anybody wrote to
// it, so all that is used later is checked here; where a check fails, foreign names
// the header and nothing that stands in it.
func (r *Reader) Read(headers []kafka.Header) (_ *Contents, foreign string) {
	begin := -1 // the letter's own headers follow those of the source
	for i := range headers {
		if headers[i].Key == HeaderTopic {
			begin = i
		}
	}
	if begin < 0 {
		return nil, "header " + HeaderTopic + " is missing"
	}
	l := &Contents{Own: headers[begin:], Omitted: Omissions{Headers: -1}}
	for _, field := range fields {
		switch values := l.values(field.header); {
		case len(values) == 0 && field.optional:
		case len(values) == 0:
			return nil, "header " + field.header + " is missing"
		case len(values) > 1:
			return nil, "header " + field.header + " is given twice"
		case !field.read(r, l, values[0]):
			return nil, "header " + field.header + " is not what a letter has"
		}
	}
	for _, h := range headers[:begin] {
		name, _ := SourceName(h.Key) // one that a letter of an earlier version did not mark stays as it is
		h.Key = cmp.Or(name, h.Key)
		l.SourceHeaders = append(l.SourceHeaders, h)
	}
	return l, ""
}

// values are those of one of the letter's own headers.
func (l *Contents) values(name string) (values [][]byte) {
	for _, h := range l.Own {
		if h.Key == name {
			values = append(values, h.Value)
		}
	}
	return values
}

// Header is one of the letter's own; nil: it has not got it.
func (l *Contents) Header(name string) []byte {
	if values := l.values(name); len(values) > 0 {
		return values[0]
	}
	return nil
}

// field is a header, and what must stand in it.
type field struct {
	header   string
	optional bool
	read     func(_ *Reader, l *Contents, value []byte) bool
}

// Times beyond these cannot be shown; nothing failed then.
var firstTime, lastTime = time.Unix(0, 0), time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)

var fields = []field{
	{HeaderTopic, false, func(_ *Reader, l *Contents, v []byte) bool { l.Origin.Topic = string(v); return topicName.Match(v) }},
	{HeaderPartition, false, func(_ *Reader, l *Contents, v []byte) bool {
		if len(v) != 4 {
			return false
		}
		l.Origin.Partition = int(int32(binary.BigEndian.Uint32(v)))
		return l.Origin.Partition >= 0
	}},
	{HeaderOffset, false, func(_ *Reader, l *Contents, v []byte) bool {
		if len(v) != 8 {
			return false
		}
		l.Origin.Offset = int64(binary.BigEndian.Uint64(v))
		return l.Origin.Offset >= 0 && l.Origin.Offset < math.MaxInt64
	}},
	{HeaderTimestamp, false, func(_ *Reader, l *Contents, v []byte) bool {
		if len(v) != 8 {
			return false
		}
		l.SourceTime = time.UnixMilli(int64(binary.BigEndian.Uint64(v))) // a producer may have written any
		if !l.SourceTime.Before(firstTime) && l.SourceTime.Before(lastTime) {
			l.Written = l.SourceTime
		}
		return true
	}},
	{HeaderDestination, false, func(r *Reader, _ *Contents, v []byte) bool { return r.Destination.Match(v) }},
	{HeaderStage, false, func(r *Reader, l *Contents, v []byte) bool {
		l.Stage = string(v)
		return slices.Contains(r.Stages, l.Stage)
	}},
	{HeaderReason, false, func(r *Reader, l *Contents, v []byte) bool {
		l.Reason = string(v)
		return slices.Contains(r.Reasons, l.Reason)
	}},
	{HeaderFailedAt, false, func(_ *Reader, l *Contents, v []byte) bool {
		at, err := time.Parse(time.RFC3339, string(v))
		l.FailedAt = at.UTC()
		return err == nil && !at.Before(firstTime) && at.Before(lastTime)
	}},
	{HeaderGroup, true, func(*Reader, *Contents, []byte) bool { return true }},
	{HeaderMessage, true, func(_ *Reader, l *Contents, v []byte) bool { l.Message = Brief(string(v)); return true }},
	{HeaderAttempts, true, func(_ *Reader, l *Contents, v []byte) bool { return readCount(&l.Attempts, v) }},
	{HeaderTopicID, true, func(_ *Reader, l *Contents, v []byte) bool {
		return len(v) == copy(l.TopicID[:], v) && len(v) == len(l.TopicID)
	}},
	{HeaderRedrives, true, func(_ *Reader, l *Contents, v []byte) bool { return readCount(&l.Redrives, v) }},
	{HeaderParkedKey, true, func(_ *Reader, l *Contents, v []byte) bool { l.Parked = v; return len(v) == len(identity{}) }},
	{HeaderValueOmitted, true, func(_ *Reader, l *Contents, v []byte) bool {
		l.ValueOmitted = string(v)
		return readOmitted(&l.Omitted.Value, v)
	}},
	{HeaderKeyOmitted, true, func(_ *Reader, l *Contents, v []byte) bool { return readOmitted(&l.Omitted.Key, v) }},
	{HeaderHeadersOmitted, true, func(_ *Reader, l *Contents, v []byte) bool { return readCount(&l.Omitted.Headers, v) }},
}

// readCount reads a number of at most nine digits.
func readCount(to *int, value []byte) bool {
	n, err := strconv.ParseUint(string(value), 10, 32)
	*to = int(n)
	return err == nil && len(value) <= 9
}

func readOmitted(to **Omitted, value []byte) bool {
	o, ok := ParseOmitted(string(value))
	*to = &o
	return ok
}

// deadLetterSuffix is how the names of dead-letter topics end by default.
const deadLetterSuffix = ".dlt"

// Generations is how often a message may have been a dead letter, of whatever
// destinations, before it is no more written to a further topic of any name.
const Generations = 3

// DeadAlready tells whether a message that cannot be delivered lies on a dead-letter
// topic already, and is not to be copied to another: destinations that read each
// other's would write for ever. Its headers alone are no reason, as a producer may
// send any: either the topic is one of dead letters by its name, or the message says
// that it has been through some.
func (r *Reader) DeadAlready(topic string, headers []kafka.Header) bool {
	levels := 0
	for i := range headers {
		if name := headers[i].Key; strings.HasSuffix(name, HeaderTopic) && Bare(name) == HeaderTopic {
			levels++
		}
	}
	if levels == 0 || levels < Generations && !strings.HasSuffix(topic, deadLetterSuffix) {
		return false
	}
	l, _ := r.Read(headers)
	return l != nil
}

// Story is what the headers of a letter say of it, for people.
func (l *Contents) Story() []kafka.Header {
	headers := []kafka.Header{{Key: "from", Value: fmt.Appendf(nil, "topic %s, partition %d, offset %d", l.Origin.Topic, l.Origin.Partition, l.Origin.Offset)}}
	for _, key := range []string{HeaderDestination, HeaderStage, HeaderReason, HeaderAttempts, HeaderFailedAt, HeaderValueOmitted} {
		if value := l.Header(key); value != nil {
			headers = append(headers, kafka.Header{Key: key, Value: value})
		}
	}
	return headers
}
