package topic

import (
	"context"
	"errors"
	"fmt"

	"github.com/segmentio/kafka-go"
)

// What a cluster of as many brokers gives a topic: one of three may be away, and nothing
// that was answered is lost with it.
const (
	Replicas = 3
	InSync   = 2
)

// LookUp finds the topic, and how many brokers there are. The error is
// kafka.UnknownTopicOrPartition where there is none.
func (c *Client) LookUp(ctx context.Context) (brokers int, found kafka.Topic, err error) {
	res, err := c.client.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{c.Topic}})
	if err != nil {
		return 0, found, err
	}
	for _, one := range res.Topics {
		if one.Name == c.Topic {
			return len(res.Brokers), one, one.Error
		}
	}
	return len(res.Brokers), found, kafka.UnknownTopicOrPartition
}

// Create makes the topic with settings, in a cluster of so many brokers. That another
// process has made it meanwhile is no error.
func (c *Client) Create(ctx context.Context, brokers int, settings []kafka.ConfigEntry) error {
	res, err := c.client.CreateTopics(ctx, &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{{
		Topic: c.Topic, NumPartitions: 1, ReplicationFactor: min(brokers, Replicas), ConfigEntries: settings,
	}}})
	if err != nil {
		return c.MissingRight(err, "CREATE")
	}
	if err := res.Errors[c.Topic]; err != nil && !errors.Is(err, kafka.TopicAlreadyExists) {
		return c.MissingRight(err, "CREATE")
	}
	return nil
}

// Settings are the topic's.
func (c *Client) Settings(ctx context.Context, names ...string) (map[string]string, error) {
	res, err := c.client.DescribeConfigs(ctx, &kafka.DescribeConfigsRequest{Resources: []kafka.DescribeConfigRequestResource{{
		ResourceType: kafka.ResourceTypeTopic, ResourceName: c.Topic, ConfigNames: names,
	}}})
	if err != nil {
		return nil, fmt.Errorf("look up the settings of topic %s: %w", c.Topic, c.MissingRight(err, "DESCRIBE_CONFIGS"))
	}
	settings := map[string]string{}
	for _, r := range res.Resources {
		if r.Error != nil {
			return nil, fmt.Errorf("look up the settings of topic %s: %w", c.Topic, c.MissingRight(r.Error, "DESCRIBE_CONFIGS"))
		}
		for _, e := range r.ConfigEntries {
			settings[e.ConfigName] = e.ConfigValue
		}
	}
	return settings, nil
}
