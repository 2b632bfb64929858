package letter

import (
	"bytes"

	"github.com/segmentio/kafka-go"

	"kinesis-destination/consumer"
	"kinesis-destination/sink/deadletter"
)

// Origin is a message as the sink has it.
func Origin(m *consumer.Message) deadletter.Origin {
	return deadletter.Origin{
		Topic: m.Topic, Partition: m.Partition, Offset: m.Offset, Time: m.Time,
		Key: m.Key, Value: m.Value, Headers: Headers(m.Headers), AtRest: DeadAlready(m), TopicID: m.TopicID(),
		Omitted: (*deadletter.Omitted)(m.Omitted),
	}
}

// KeptOrigin is the origin of a message that is kept after it was read: a copy,
// or all that was decoded with the message would be kept.
func KeptOrigin(m *consumer.Message) deadletter.Origin {
	o := Origin(m)
	o.Key, o.Value = bytes.Clone(o.Key), bytes.Clone(o.Value)
	for i := range o.Headers {
		o.Headers[i].Value = bytes.Clone(o.Headers[i].Value)
	}
	return o
}

// Headers are a message's headers as kafka-go has them.
func Headers(from []consumer.Header) []kafka.Header {
	if len(from) == 0 {
		return nil
	}
	to := make([]kafka.Header, len(from))
	for i, h := range from {
		to[i] = kafka.Header{Key: h.Key, Value: h.Value}
	}
	return to
}
