package destination

import (
	"github.com/segmentio/kafka-go"

	"kinesis-destination/consumer"
	"kinesis-destination/sink"
)

// originOf is a message as the sink has it.
func originOf(m *consumer.Message) sink.Origin {
	return sink.Origin{
		Topic: m.Topic, Partition: m.Partition, Offset: m.Offset, Time: m.Time,
		Key: m.Key, Value: m.Value, Headers: headers(m.Headers), AtRest: deadAlready(m),
		Omitted: omitted(m),
	}
}

func omitted(m *consumer.Message) *sink.Omitted {
	if m.Omitted == nil {
		return nil
	}
	return &sink.Omitted{Length: m.Omitted.Length, SHA256: m.Omitted.SHA256}
}

func headers(from []consumer.Header) []kafka.Header {
	if len(from) == 0 {
		return nil
	}
	to := make([]kafka.Header, len(from))
	for i, h := range from {
		to[i] = kafka.Header{Key: h.Key, Value: h.Value}
	}
	return to
}
