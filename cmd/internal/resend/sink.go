package resend

import (
	"context"
	"log/slog"
	"time"

	"kinesis-destination/cmd/internal/config"
	"kinesis-destination/sink"
)

// CloseTimeout bounds the wait for the last answers of a stream when the
// process ends. By then the consumer has brought everything to rest.
const CloseTimeout = 2 * time.Second

// OpenSink starts a sink of a command's own, beside those of running processes.
// held hears what holds it, and of an empty reason when nothing does any more.
func OpenSink(ctx context.Context, config *config.Config, log *slog.Logger, held func(reason string, err error)) (s *sink.Sink, end func(), err error) {
	transport, err := config.DeadLetterTransport(nil)
	if err != nil {
		return nil, nil, err
	}
	s, err = sink.New(config.Target.Kinesis.Config, sink.Options{
		Destination: config.Name, Group: config.Source.Kafka.Group,
		DeadLetter: config.DeadLetter, Brokers: config.Source.Kafka.Brokers, KafkaTransport: transport,
		SourceTopics: config.Source.Kafka.TopicNames(), Logger: log, Hold: held,
	})
	if err != nil {
		transport.CloseIdleConnections()
		return nil, nil, err
	}
	return s, func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), CloseTimeout)
		defer cancel()
		_ = s.Close(closing) // everything is at rest by now, or given up
		transport.CloseIdleConnections()
	}, nil
}
