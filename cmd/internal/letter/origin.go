package letter

import (
	"bytes"
	"slices"

	"kinesis-destination/consumer"
	"kinesis-destination/sink"
)

// Origin is a message as the sink has it.
func Origin(m *consumer.Message) sink.Origin {
	return sink.Origin{
		Topic: m.Topic, Partition: m.Partition, Offset: m.Offset, Time: m.Time,
		Key: m.Key, Value: m.Value, Headers: m.Headers, AtRest: DeadAlready(m), TopicID: m.TopicID(),
		Omitted: (*sink.Omitted)(m.Omitted),
	}
}

// KeptOrigin is the origin of a message that is kept after it was read: a copy,
// or all that was decoded with the message would be kept.
func KeptOrigin(m *consumer.Message) sink.Origin {
	o := Origin(m)
	o.Key, o.Value = bytes.Clone(o.Key), bytes.Clone(o.Value)
	o.Headers = slices.Clone(o.Headers)
	for i := range o.Headers {
		o.Headers[i].Value = bytes.Clone(o.Headers[i].Value)
	}
	return o
}
