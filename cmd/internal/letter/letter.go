package letter

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

	"kinesis-destination/cmd/internal/config"
	"kinesis-destination/cmd/internal/rules"
	"kinesis-destination/consumer"
	"kinesis-destination/sink/deadletter"
	"kinesis-destination/transform"
)

// Letter is one dead letter.
type Letter struct {
	Partition int              `json:"partition"` // of the dead-letter topic, as offset
	Offset    int64            `json:"offset"`
	Stage     string           `json:"stage"`
	Reason    string           `json:"reason"`
	FailedAt  time.Time        `json:"failedAt"`
	Attempts  int              `json:"attempts"`
	Redrives  int              `json:"redrives"`
	Message   string           `json:"message"`
	Origin    transform.Source `json:"origin"`
	// Written is the source message's time; zero where that is none of a calendar.
	Written time.Time `json:"written,omitzero"`
	// ValueOmitted tells of a value that is not in the letter.
	ValueOmitted string `json:"valueOmitted,omitempty"`

	SourceTime    time.Time         `json:"-"` // as it was
	Parked        []byte            `json:"-"` // the identity whose later events follow it to the topic; nil: none
	SourceHeaders []consumer.Header `json:"-"`
	Own           []consumer.Header `json:"-"` // that say what happened
	Source        *consumer.Message `json:"-"` // as the source's, but for what is omitted
	TopicID       [16]byte          `json:"-"` // of the source topic; zero: it is not known
	Omitted       omissions         `json:"-"`
}

// omissions is what a letter lacks of the message that it is about.
type omissions struct {
	Value, Key *deadletter.Omitted // nil: they are there
	Headers    int                 // -1: they are there
	Sought     bool                // at the source; left tells what came of it
	Left       string              // why it cannot be made whole; empty: it is
}

func (o *omissions) Any() bool { return o.Value != nil || o.Key != nil || o.Headers >= 0 }

// What stands on a dead-letter topic and is no letter of its destination is
// foreign: passed over by everything but a drop that names one of these as reasons.
const (
	ReasonForeign          = "foreign"           // no letter, or a damaged one
	ReasonOtherDestination = "other-destination" // a letter of another one
)

const ofAnotherDestination = "it is a letter of another destination"

// ReadOwn reads a message of the dead-letter topic. Anything but a letter of
// this destination is nil, and foreign says why.
func ReadOwn(m *consumer.Message, destination string) (l *Letter, foreign string) {
	l, foreign = Read(m)
	if l != nil && string(l.header(deadletter.HeaderDestination)) != destination {
		return nil, ofAnotherDestination
	}
	return l, foreign
}

// ForeignReason is the word for why a message is foreign.
func ForeignReason(why string) string {
	if why == ofAnotherDestination {
		return ReasonOtherDestination
	}
	return ReasonForeign
}

// Read reads a letter of any destination. A topic holds what anybody wrote to
// it, so all that is used later is checked here; where a check fails, foreign names
// the header and nothing that stands in it.
func Read(m *consumer.Message) (_ *Letter, foreign string) {
	begin := -1 // the letter's own headers follow those of the source
	for i := range m.Headers {
		if m.Headers[i].Key == deadletter.HeaderTopic {
			begin = i
		}
	}
	if begin < 0 {
		return nil, "header " + deadletter.HeaderTopic + " is missing"
	}
	l := &Letter{Partition: m.Partition, Offset: m.Offset, Own: m.Headers[begin:], Source: m, Omitted: omissions{Headers: -1}}
	for _, field := range letterFields {
		switch values := l.values(field.header); {
		case len(values) == 0 && field.optional:
		case len(values) == 0:
			return nil, "header " + field.header + " is missing"
		case len(values) > 1:
			return nil, "header " + field.header + " is given twice"
		case !field.read(l, values[0]):
			return nil, "header " + field.header + " is not what a letter has"
		}
	}
	for _, h := range m.Headers[:begin] {
		h.Key = cmp.Or(sourceName(h.Key), h.Key)
		l.SourceHeaders = append(l.SourceHeaders, h)
	}
	return l, ""
}

func sourceName(name string) string {
	name, _ = deadletter.SourceName(name) // one that a letter of an earlier version did not mark stays as it is
	return name
}

// values are those of one of the letter's own headers.
func (l *Letter) values(name string) (values [][]byte) {
	for _, h := range l.Own {
		if h.Key == name {
			values = append(values, h.Value)
		}
	}
	return values
}

// header is one of the letter's own; nil: it has not got it.
func (l *Letter) header(name string) []byte {
	if values := l.values(name); len(values) > 0 {
		return values[0]
	}
	return nil
}

// letterField is a header, and what must stand in it.
type letterField struct {
	header   string
	optional bool
	read     func(l *Letter, value []byte) bool
}

// topicName is Kafka's own rule.
var topicName = regexp.MustCompile(`^[a-zA-Z0-9._-]{1,249}$`)

// Times beyond these cannot be shown; nothing failed then.
var firstTime, lastTime = time.Unix(0, 0), time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)

var letterFields = []letterField{
	{deadletter.HeaderTopic, false, func(l *Letter, v []byte) bool { l.Origin.Topic = string(v); return topicName.Match(v) }},
	{deadletter.HeaderPartition, false, func(l *Letter, v []byte) bool {
		if len(v) != 4 {
			return false
		}
		l.Origin.Partition = int(int32(binary.BigEndian.Uint32(v)))
		return l.Origin.Partition >= 0
	}},
	{deadletter.HeaderOffset, false, func(l *Letter, v []byte) bool {
		if len(v) != 8 {
			return false
		}
		l.Origin.Offset = int64(binary.BigEndian.Uint64(v))
		return l.Origin.Offset >= 0 && l.Origin.Offset < math.MaxInt64
	}},
	{deadletter.HeaderTimestamp, false, func(l *Letter, v []byte) bool {
		if len(v) != 8 {
			return false
		}
		l.SourceTime = time.UnixMilli(int64(binary.BigEndian.Uint64(v))) // a producer may have written any
		if !l.SourceTime.Before(firstTime) && l.SourceTime.Before(lastTime) {
			l.Written = l.SourceTime
		}
		return true
	}},
	{deadletter.HeaderDestination, false, func(_ *Letter, v []byte) bool { return config.DestinationName.Match(v) }},
	{deadletter.HeaderStage, false, func(l *Letter, v []byte) bool {
		l.Stage = string(v)
		return slices.Contains(rules.LetterStages, l.Stage)
	}},
	{deadletter.HeaderReason, false, func(l *Letter, v []byte) bool {
		l.Reason = string(v)
		return slices.Contains(rules.LetterReasons, l.Reason)
	}},
	{deadletter.HeaderFailedAt, false, func(l *Letter, v []byte) bool {
		at, err := time.Parse(time.RFC3339, string(v))
		l.FailedAt = at.UTC()
		return err == nil && !at.Before(firstTime) && at.Before(lastTime)
	}},
	{deadletter.HeaderGroup, true, func(*Letter, []byte) bool { return true }},
	{deadletter.HeaderMessage, true, func(l *Letter, v []byte) bool { l.Message = deadletter.Brief(string(v)); return true }},
	{deadletter.HeaderAttempts, true, func(l *Letter, v []byte) bool { return readCount(&l.Attempts, v) }},
	{deadletter.HeaderTopicID, true, func(l *Letter, v []byte) bool { return len(v) == copy(l.TopicID[:], v) && len(v) == len(l.TopicID) }},
	{deadletter.HeaderRedrives, true, func(l *Letter, v []byte) bool { return readCount(&l.Redrives, v) }},
	{deadletter.HeaderParkedKey, true, func(l *Letter, v []byte) bool { l.Parked = v; return len(v) == deadletter.ParkedKeyBytes }},
	{deadletter.HeaderValueOmitted, true, func(l *Letter, v []byte) bool {
		l.ValueOmitted = string(v)
		return readOmitted(&l.Omitted.Value, v)
	}},
	{deadletter.HeaderKeyOmitted, true, func(l *Letter, v []byte) bool { return readOmitted(&l.Omitted.Key, v) }},
	{deadletter.HeaderHeadersOmitted, true, func(l *Letter, v []byte) bool { return readCount(&l.Omitted.Headers, v) }},
}

// readCount reads a number of at most nine digits.
func readCount(to *int, value []byte) bool {
	n, err := strconv.ParseUint(string(value), 10, 32)
	*to = int(n)
	return err == nil && len(value) <= 9
}

func readOmitted(to **deadletter.Omitted, value []byte) bool {
	o, ok := deadletter.ParseOmitted(string(value))
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
func DeadAlready(m *consumer.Message) bool {
	levels := 0
	for i := range m.Headers {
		if name := m.Headers[i].Key; strings.HasSuffix(name, deadletter.HeaderTopic) && deadletter.Bare(name) == deadletter.HeaderTopic {
			levels++
		}
	}
	if levels == 0 || levels < Generations && !strings.HasSuffix(m.Topic, deadLetterSuffix) {
		return false
	}
	l, _ := Read(m)
	return l != nil
}

// Story is what the headers of a letter say of it; none where there is no letter.
func (l *Letter) Story() []consumer.Header {
	if l == nil {
		return nil
	}
	headers := []consumer.Header{{Key: "from", Value: fmt.Appendf(nil, "topic %s, partition %d, offset %d", l.Origin.Topic, l.Origin.Partition, l.Origin.Offset)}}
	for _, key := range []string{deadletter.HeaderDestination, deadletter.HeaderStage, deadletter.HeaderReason, deadletter.HeaderAttempts, deadletter.HeaderFailedAt, deadletter.HeaderValueOmitted} {
		if value := l.header(key); value != nil {
			headers = append(headers, consumer.Header{Key: key, Value: value})
		}
	}
	return headers
}
