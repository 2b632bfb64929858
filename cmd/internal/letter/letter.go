package letter

import (
	"bytes"
	"slices"

	"kinesis-destination/cmd/internal/config"
	"kinesis-destination/cmd/internal/rules"
	"kinesis-destination/consumer"
	"kinesis-destination/sink/deadletter"
	"kinesis-destination/transform"
)

// Letter is one dead letter, and the message that it stands in.
type Letter struct {
	Partition int   `json:"partition"` // of the dead-letter topic, as offset
	Offset    int64 `json:"offset"`
	deadletter.Contents

	Source *consumer.Message `json:"-"` // as the source's, but for what is omitted
	Sought bool              `json:"-"` // what is omitted, at the source; Left tells what came of it
	Left   string            `json:"-"` // why it cannot be made whole; empty: it is
}

// From is where its event was read, as rules take it.
func (l *Letter) From() transform.Source {
	return transform.Source{Topic: l.Origin.Topic, Partition: l.Origin.Partition, Offset: l.Origin.Offset}
}

// reader knows the words of every version's letters.
var reader = deadletter.Reader{Destination: config.DestinationName, Stages: rules.LetterStages, Reasons: rules.LetterReasons}

// What stands on a dead-letter topic and is no letter of its destination is
// foreign: passed over by everything but a drop that names one of these as reasons.
const (
	ReasonForeign          = "foreign"           // no letter, or a damaged one
	ReasonOtherDestination = "other-destination" // a letter of another one
)

const ofAnotherDestination = "it is a letter of another destination"

// ReadOwn reads a message of the dead-letter topic. Anything but a letter of
// this destination is nil, and foreign says why. One of its group is its own, too: a
// destination may have another name by now, as a flow's file has.
func ReadOwn(m *consumer.Message, c *config.Config) (l *Letter, foreign string) {
	l, foreign = Read(m)
	if l != nil && string(l.Header(deadletter.HeaderDestination)) != c.Name && string(l.Header(deadletter.HeaderGroup)) != c.Source.Kafka.Group {
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

// Read reads a letter of any destination. Anything else is nil, and foreign says why.
func Read(m *consumer.Message) (_ *Letter, foreign string) {
	contents, foreign := reader.Read(m.Headers)
	if contents == nil {
		return nil, foreign
	}
	return &Letter{Partition: m.Partition, Offset: m.Offset, Contents: *contents, Source: m}, ""
}

// DeadAlready tells whether a message that cannot be delivered lies on a dead-letter
// topic already, and is not to be copied to another.
func DeadAlready(m *consumer.Message) bool { return reader.DeadAlready(m.Topic, m.Headers) }

// Origin is a message as the sink has it.
func Origin(m *consumer.Message) *deadletter.Origin {
	return &deadletter.Origin{
		Topic: m.Topic, Partition: m.Partition, Offset: m.Offset, Time: m.Time,
		Key: m.Key, Value: m.Value, Headers: m.Headers, AtRest: DeadAlready(m), TopicID: m.TopicID(),
		Omitted: (*deadletter.Omitted)(m.Omitted),
	}
}

// KeptOrigin is the origin of a message that is kept after it was read: a copy,
// or all that was decoded with the message would be kept.
func KeptOrigin(m *consumer.Message) *deadletter.Origin {
	o := Origin(m)
	o.Key, o.Value = bytes.Clone(o.Key), bytes.Clone(o.Value)
	o.Headers = slices.Clone(o.Headers)
	for i := range o.Headers {
		o.Headers[i].Value = bytes.Clone(o.Headers[i].Value)
	}
	return o
}
