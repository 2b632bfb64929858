package config

import (
	"context"
	"net"

	"github.com/segmentio/kafka-go"

	"kinesis-destination/consumer"
)

// DeadLetterSource is what reads the dead-letter topic, as the source is read.
func (c *Config) DeadLetterSource() consumer.Config {
	topic := c.Source.Kafka
	topic.Topic, topic.Topics, topic.TopicPattern = c.DeadLetter.Topic, nil, ""
	return topic
}

// DeadLetterTransport is what dead letters are written over: beside their own topic,
// it is asked about those that they come from.
func (c *Config) DeadLetterTransport(dial func(ctx context.Context, network, address string) (net.Conn, error)) (*kafka.Transport, error) {
	transport, err := c.Source.Kafka.Transport(dial)
	if err == nil {
		transport.MetadataTopics = c.Source.Kafka.MetadataTopics(c.DeadLetter.Topic)
	}
	return transport, err
}

// SettledGroup is the group that says which dead letters have been dealt with.
func SettledGroup(config *Config, id string) string {
	group := config.Source.Kafka.Group + ".dead-letters"
	if id != "" {
		group += "." + id
	}
	return group
}

// ReplayGroup is the group in which a replay keeps how far it has come.
func ReplayGroup(config *Config, id string) string {
	return config.Source.Kafka.Group + ".replay." + id
}
