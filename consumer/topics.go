package consumer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strings"

	"github.com/segmentio/kafka-go"
)

// TopicNames are the topics to read by name; none where a pattern names them.
func (c *Config) TopicNames() []string {
	if c.Topic != "" {
		return []string{c.Topic}
	}
	return c.Topics
}

// MetadataTopics are the topics that a connection's metadata must tell of: those
// to read, and more; nil, which is all, where a pattern names them.
func (c *Config) MetadataTopics(more ...string) []string {
	if c.TopicPattern != "" {
		return nil
	}
	return slices.Concat(c.TopicNames(), more)
}

// Resolve are the names of the topics to read: those that are given, or that the pattern
// matches now. dial opens the connections that it takes; nil: TCP.
func (c *Config) Resolve(ctx context.Context, dial func(ctx context.Context, network, address string) (net.Conn, error)) ([]string, error) {
	if c.TopicPattern == "" {
		return c.TopicNames(), nil
	}
	transport, err := c.Transport(dial)
	if err != nil {
		return nil, err
	}
	defer transport.CloseIdleConnections()
	matching, err := c.matching(ctx, &kafka.Client{Addr: c.Addr(), Transport: transport}, c.Addr())
	if err != nil {
		return nil, err
	}
	names := make([]string, len(matching))
	for i := range matching {
		names[i] = matching[i].Name
	}
	slices.Sort(names)
	return names, nil
}

// lookUp finds the topics to read. None yet is an error like a topic that is not
// there yet: it is waited for.
func (c *Config) lookUp(ctx context.Context, client *kafka.Client, addr net.Addr) ([]kafka.Topic, error) {
	topics, missing, err := c.present(ctx, client, addr)
	if err == nil && len(missing) > 0 {
		err = absent(missing...)
	}
	return topics, err
}

// present finds those of the topics to read that are there, and names those that
// are not. That none is there is an error.
func (c *Config) present(ctx context.Context, client *kafka.Client, addr net.Addr) (topics []kafka.Topic, missing []string, err error) {
	if c.TopicPattern != "" {
		topics, err = c.matching(ctx, client, addr)
		return topics, nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	res, err := client.Metadata(ctx, &kafka.MetadataRequest{Addr: addr, Topics: c.TopicNames()})
	if err != nil {
		return nil, nil, fmt.Errorf("look up topics: %w", err)
	}
	for _, t := range res.Topics {
		switch {
		case errors.Is(t.Error, kafka.UnknownTopicOrPartition):
			missing = append(missing, t.Name)
		case t.Error != nil:
			return nil, nil, fmt.Errorf("look up topic %s: %w", t.Name, missingRight(t.Error, describeTopic, t.Name))
		default:
			topics = append(topics, t)
		}
	}
	if len(topics) == 0 {
		return nil, nil, absent(missing...)
	}
	return topics, missing, nil
}

// absent is that topics are not there.
func absent(topics ...string) error {
	return fmt.Errorf("there is no topic %s: %w", strings.Join(topics, ", "), kafka.UnknownTopicOrPartition)
}

// matching finds the topics that the pattern means; none is an error.
func (c *Config) matching(ctx context.Context, client *kafka.Client, addr net.Addr) ([]kafka.Topic, error) {
	pattern, err := compilePattern(c.TopicPattern)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	res, err := client.Metadata(ctx, &kafka.MetadataRequest{Addr: addr})
	if err != nil {
		return nil, fmt.Errorf("look up topics: %w", err)
	}
	matching := slices.DeleteFunc(slices.Clone(res.Topics), func(t kafka.Topic) bool {
		return t.Internal || !c.matches(pattern, t.Name)
	})
	for _, t := range matching {
		if t.Error != nil {
			return nil, fmt.Errorf("look up topic %s: %w", t.Name, t.Error)
		}
	}
	if len(matching) == 0 {
		return nil, fmt.Errorf("no topic that may be read matches source.kafka.topicPattern %q yet: %w", c.TopicPattern, kafka.UnknownTopicOrPartition)
	}
	return matching, nil
}

// Reads tells whether a topic is one of those to read.
func (c *Config) Reads(topic string) bool {
	if c.TopicPattern == "" {
		return slices.Contains(c.TopicNames(), topic)
	}
	pattern, err := compilePattern(c.TopicPattern)
	return err == nil && c.matches(pattern, topic)
}

// DeadLetterSuffix ends the names of dead-letter topics, unless their destinations
// name others.
const DeadLetterSuffix = ".dlt"

// matches tells whether a pattern means a topic. Names with the prefix are
// Kafka's own, also those that a broker does not mark. Dead letters are no events: one
// that is read as such would be exported after newer states of its identity. So a
// pattern means their topics only where it says so.
func (c *Config) matches(pattern *regexp.Regexp, topic string) bool {
	return pattern.MatchString(topic) && !strings.HasPrefix(topic, "__") && topic != c.DeadLetterTopic &&
		(!strings.HasSuffix(topic, DeadLetterSuffix) || strings.Contains(c.TopicPattern, DeadLetterSuffix))
}

// compilePattern makes a pattern match whole names, as Kafka's own clients do.
func compilePattern(pattern string) (*regexp.Regexp, error) {
	if _, err := regexp.Compile(pattern); err != nil { // of what the user wrote
		return nil, err
	}
	return regexp.Compile("^(?:" + pattern + ")$")
}
