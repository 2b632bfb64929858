package journal

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"
)

const (
	topicTimeout = 15 * time.Second

	cleanupPolicy   = "cleanup.policy"
	retentionTime   = "retention.ms"
	retentionBytes  = "retention.bytes"
	minInSync       = "min.insync.replicas"
	maxMessageBytes = "max.message.bytes"

	// replicas and inSync are what a cluster of as many brokers gives the topic:
	// one of three may be away, and nothing that was answered is lost with it.
	replicas, inSync = 3, 2
	// messageBytes is a broker's default, with room for the largest record.
	messageBytes = 1048588
)

// Check implements appendLog.
func (k *kafkaLog) Check(ctx context.Context, create bool) error {
	ctx, cancel := context.WithTimeout(ctx, topicTimeout)
	defer cancel()
	brokers, topic, err := k.lookUp(ctx)
	if errors.Is(err, kafka.UnknownTopicOrPartition) {
		if !create {
			return &unfit{fmt.Sprintf("topic %s is gone: if it was deleted, stop all processes of the control plane, and import an export into a new one", k.topic), true}
		}
		if err := k.create(ctx, brokers); err != nil {
			return fmt.Errorf("create topic %s: %w", k.topic, err)
		}
		brokers, topic, err = k.lookUp(ctx)
	}
	if err != nil {
		return fmt.Errorf("look up topic %s: %w", k.topic, k.missingRight(err, "DESCRIBE"))
	}
	settings, err := k.settings(ctx)
	if err != nil {
		return err
	}
	return k.checkTopic(brokers, topic, settings)
}

func (k *kafkaLog) lookUp(ctx context.Context) (brokers int, topic kafka.Topic, err error) {
	res, err := k.client.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{k.topic}})
	if err != nil {
		return 0, topic, err
	}
	for _, found := range res.Topics {
		if found.Name == k.topic {
			return len(res.Brokers), found, found.Error
		}
	}
	return len(res.Brokers), topic, kafka.UnknownTopicOrPartition
}

func (k *kafkaLog) create(ctx context.Context, brokers int) error {
	config := kafka.TopicConfig{Topic: k.topic, NumPartitions: 1, ReplicationFactor: min(brokers, replicas), ConfigEntries: []kafka.ConfigEntry{
		{ConfigName: cleanupPolicy, ConfigValue: "delete"},
		{ConfigName: retentionTime, ConfigValue: "-1"},
		{ConfigName: retentionBytes, ConfigValue: "-1"},
		{ConfigName: maxMessageBytes, ConfigValue: strconv.Itoa(messageBytes)},
	}}
	if brokers >= replicas {
		config.ConfigEntries = append(config.ConfigEntries, kafka.ConfigEntry{ConfigName: minInSync, ConfigValue: strconv.Itoa(inSync)})
	}
	res, err := k.client.CreateTopics(ctx, &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{config}})
	if err != nil {
		return k.missingRight(err, "CREATE")
	}
	if err := res.Errors[k.topic]; err != nil && !errors.Is(err, kafka.TopicAlreadyExists) { // another process has made it
		return k.missingRight(err, "CREATE")
	}
	return nil
}

// settings are the topic's; without the right to ask for them, the topic is unfit.
func (k *kafkaLog) settings(ctx context.Context) (map[string]string, error) {
	res, err := k.client.DescribeConfigs(ctx, &kafka.DescribeConfigsRequest{Resources: []kafka.DescribeConfigRequestResource{{
		ResourceType: kafka.ResourceTypeTopic, ResourceName: k.topic,
		ConfigNames: []string{cleanupPolicy, retentionTime, retentionBytes, minInSync, maxMessageBytes},
	}}})
	if err != nil {
		return nil, fmt.Errorf("look up the settings of topic %s: %w", k.topic, k.missingRight(err, "DESCRIBE_CONFIGS"))
	}
	settings := map[string]string{}
	for _, r := range res.Resources {
		if r.Error != nil {
			err := fmt.Errorf("look up the settings of topic %s: %w", k.topic, k.missingRight(r.Error, "DESCRIBE_CONFIGS"))
			if errors.Is(err, kafka.TopicAuthorizationFailed) {
				return nil, &unfit{why: err.Error() + ": nothing else tells that it keeps what is written to it"}
			}
			return nil, err
		}
		for _, c := range r.ConfigEntries {
			settings[c.ConfigName] = c.ConfigValue
		}
	}
	return settings, nil
}

// checkTopic says everything that is wrong with the topic at once.
func (k *kafkaLog) checkTopic(brokers int, topic kafka.Topic, settings map[string]string) error {
	var wrong []string
	if n := len(topic.Partitions); n != 1 {
		wrong = append(wrong, fmt.Sprintf("it has %d partitions, and must have 1", n))
	}
	for name, want := range map[string]string{cleanupPolicy: "delete", retentionTime: "-1", retentionBytes: "-1"} {
		if settings[name] != want {
			wrong = append(wrong, fmt.Sprintf("%s is %s, and must be %s", name, settings[name], want))
		}
	}
	if n, err := strconv.Atoi(settings[maxMessageBytes]); err != nil || n < messageBytes {
		wrong = append(wrong, fmt.Sprintf("%s is %s, and must be %d at least", maxMessageBytes, settings[maxMessageBytes], messageBytes))
	}
	if brokers >= replicas {
		for _, p := range topic.Partitions {
			if n := len(p.Replicas); n < replicas {
				wrong = append(wrong, fmt.Sprintf("it has %d replicas, and must have %d where there are as many brokers", n, replicas))
			}
		}
		if n, err := strconv.Atoi(settings[minInSync]); err != nil || n < inSync {
			wrong = append(wrong, fmt.Sprintf("%s is %s, and must be %d at least", minInSync, settings[minInSync], inSync))
		}
	}
	if len(wrong) == 0 {
		return nil
	}
	return &unfit{why: fmt.Sprintf("topic %s would not keep what is written to it: %s", k.topic, strings.Join(wrong, "; "))}
}
