package deadletter

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/segmentio/kafka-go"
)

const (
	// letterRoom is what the headers of a dead letter may add to a message.
	letterRoom = 64 << 10
	// brokerMessageBytes is a broker's default of message.max.bytes.
	brokerMessageBytes = 1048588
	// unknownMessageBytes is used when the source topic's limit may not be read.
	unknownMessageBytes = 16 << 20
	topicTimeout        = 15 * time.Second

	maxMessageBytes = "max.message.bytes"
)

// topic knows the dead-letter topic, and creates it if it is missing.
type topic struct {
	client     *kafka.Client
	opts       Options
	partitions int            // 0: not looked at
	takes      int            // its max.message.bytes; 0: not known
	sources    map[string]int // partition counts of source topics
}

// forget makes the next write look again: the topic may have been deleted, or
// a leader may have moved.
func (t *topic) forget() { t.partitions = 0 }

// ensure makes sure that the topic is there. The origin is the source topic
// that shapes it, unless the options name some.
func (t *topic) ensure(ctx context.Context, origin string) error {
	if t.partitions > 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, topicTimeout)
	defer cancel()
	t.sources = make(map[string]int)
	n, err := t.count(ctx, t.opts.Topic)
	if errors.Is(err, kafka.UnknownTopicOrPartition) {
		sources := t.opts.SourceTopics
		if len(sources) == 0 {
			sources = []string{origin}
		}
		n, err = t.create(ctx, sources, false)
	}
	if err != nil {
		return fmt.Errorf("look up the dead-letter topic: %w", err)
	}
	t.takes, _ = t.largest(ctx, []string{t.opts.Topic}) // without the right to ask, sizes are tried
	t.partitions = n
	return nil
}

// source returns the partition count of a source topic, 0 if it is not known.
func (t *topic) source(ctx context.Context, topic string) int {
	if n, ok := t.sources[topic]; ok {
		return n
	}
	ctx, cancel := context.WithTimeout(ctx, topicTimeout)
	defer cancel()
	n, err := t.count(ctx, topic)
	if err != nil {
		return 0 // placed by key; asked again for the next letter
	}
	t.sources[topic] = n
	return n
}

func (t *topic) count(ctx context.Context, topic string) (int, error) {
	res, err := t.client.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{topic}})
	if err != nil {
		return 0, err
	}
	for _, found := range res.Topics {
		if found.Name != topic {
			continue
		}
		if found.Error != nil {
			return 0, missingRight(found.Error, "DESCRIBE", topic)
		}
		if len(found.Partitions) > 0 {
			return len(found.Partitions), nil
		}
	}
	return 0, kafka.UnknownTopicOrPartition
}

// create makes the topic, or only asks whether that would work. It is shaped by
// those of the source topics that are there.
func (t *topic) create(ctx context.Context, sources []string, dry bool) (partitions int, err error) {
	var there []string
	var missing error
	for _, s := range sources {
		n, err := t.count(ctx, s)
		if err != nil {
			err = fmt.Errorf("count the partitions of topic %s: %w", s, err)
		}
		switch {
		case errors.Is(err, kafka.UnknownTopicOrPartition):
			missing = err
		case err != nil:
			return 0, err
		default:
			there = append(there, s)
			t.sources[s] = n
			partitions = max(partitions, n)
		}
	}
	if len(there) == 0 {
		return 0, missing
	}
	// Hosted clusters limit what a topic may ask for, some to what it is by
	// default. Then a letter that is too large is sent compressed, or cut.
	for _, limit := range t.limits(ctx, there) {
		if err = t.createWith(ctx, partitions, limit, dry); !errors.Is(err, errConfigRefused) {
			break
		}
	}
	if err != nil {
		return 0, fmt.Errorf("create topic %s: %w", t.opts.Topic, err)
	}
	return partitions, nil
}

// limits are the values of max.message.bytes to create the topic with, the best
// one first: room for the largest message of the source topics and a letter's own
// headers, as much as they, and 0, the broker's default.
func (t *topic) limits(ctx context.Context, sources []string) []int {
	largest, known := t.largest(ctx, sources)
	if !known {
		return []int{unknownMessageBytes + letterRoom, 0}
	}
	return []int{max(largest, brokerMessageBytes) + letterRoom, largest, 0}
}

// errConfigRefused is that a cluster does not let the topic have its limit.
var errConfigRefused = errors.New("the cluster refuses its max.message.bytes")

func (t *topic) createWith(ctx context.Context, partitions, limit int, dry bool) error {
	config := kafka.TopicConfig{
		Topic:             t.opts.Topic,
		NumPartitions:     partitions,
		ReplicationFactor: -1, // the broker's default
	}
	if limit > 0 {
		config.ConfigEntries = []kafka.ConfigEntry{{ConfigName: maxMessageBytes, ConfigValue: strconv.Itoa(limit)}}
	}
	res, err := t.client.CreateTopics(ctx, &kafka.CreateTopicsRequest{ValidateOnly: dry, Topics: []kafka.TopicConfig{config}})
	if err != nil {
		return err
	}
	err = res.Errors[t.opts.Topic]
	switch {
	case errors.Is(err, kafka.TopicAlreadyExists):
		return nil
	case limit > 0 && (errors.Is(err, kafka.PolicyViolation) || errors.Is(err, kafka.InvalidConfiguration) || errors.Is(err, kafka.InvalidRequest)):
		return fmt.Errorf("%w (%d): %w", errConfigRefused, limit, err)
	}
	return missingRight(err, "CREATE", t.opts.Topic)
}

// missingRight names the right that an answer is about, where it says that the user
// lacks one: the broker only says which kind of thing is forbidden.
func missingRight(err error, right, topic string) error {
	if !Denied(err) {
		return err
	}
	return fmt.Errorf("the user lacks the right %s on topic %s: %w", right, topic, err)
}

// Denied says that the cluster refused for want of a right.
func Denied(err error) bool {
	return errors.Is(err, kafka.TopicAuthorizationFailed) || errors.Is(err, kafka.ClusterAuthorizationFailed)
}

// largest returns the largest message that some topics take; false where the
// user may not ask.
func (t *topic) largest(ctx context.Context, topics []string) (largest int, known bool) {
	req := kafka.DescribeConfigsRequest{}
	for _, topic := range topics {
		req.Resources = append(req.Resources, kafka.DescribeConfigRequestResource{
			ResourceType: kafka.ResourceTypeTopic, ResourceName: topic, ConfigNames: []string{maxMessageBytes},
		})
	}
	res, err := t.client.DescribeConfigs(ctx, &req)
	if err != nil {
		return 0, false
	}
	for _, r := range res.Resources {
		if r.Error != nil || len(r.ConfigEntries) == 0 {
			return 0, false
		}
		for _, c := range r.ConfigEntries {
			if n, err := strconv.Atoi(c.ConfigValue); err == nil && c.ConfigName == maxMessageBytes {
				largest = max(largest, n)
			}
		}
	}
	return largest, largest > 0
}

// Check asks whether the topic is there or may be created, and creates nothing.
func Check(ctx context.Context, opts Options) error {
	ctx, cancel := context.WithTimeout(ctx, 2*topicTimeout)
	defer cancel()
	t := topic{client: opts.client(), opts: opts, sources: make(map[string]int)}
	_, err := t.count(ctx, opts.Topic)
	switch {
	case err == nil:
		return nil
	case !errors.Is(err, kafka.UnknownTopicOrPartition):
		return fmt.Errorf("look up the dead-letter topic: %w", err)
	case len(opts.SourceTopics) == 0:
		return nil // it is created with the first letter, after that letter's topic
	}
	if _, err = t.create(ctx, opts.SourceTopics, true); err != nil {
		return fmt.Errorf("create the dead-letter topic: %w", err)
	}
	return nil
}

// Limits are the max.message.bytes of the topic, and the largest
// of the source topics; 0: it is not there, or the user may not ask.
func Limits(ctx context.Context, opts Options) (letters, source int) {
	ctx, cancel := context.WithTimeout(ctx, topicTimeout)
	defer cancel()
	t := topic{client: opts.client(), opts: opts, sources: make(map[string]int)}
	if _, err := t.count(ctx, opts.Topic); err != nil || len(opts.SourceTopics) == 0 {
		return 0, 0
	}
	letters, _ = t.largest(ctx, []string{opts.Topic})
	source, _ = t.largest(ctx, opts.SourceTopics)
	return letters, source
}
