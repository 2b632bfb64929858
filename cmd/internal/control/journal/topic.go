package journal

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"

	"kinesis-destination/cmd/internal/control/topic"
)

const (
	topicTimeout = 15 * time.Second

	cleanupPolicy   = "cleanup.policy"
	retentionTime   = "retention.ms"
	retentionBytes  = "retention.bytes"
	minInSync       = "min.insync.replicas"
	maxMessageBytes = "max.message.bytes"

	// messageBytes is a broker's default, with room for the largest record.
	messageBytes = 1048588
)

// Check implements appendLog.
func (k *kafkaLog) Check(ctx context.Context, create bool) error {
	ctx, cancel := context.WithTimeout(ctx, topicTimeout)
	defer cancel()
	brokers, found, err := k.LookUp(ctx)
	if errors.Is(err, kafka.UnknownTopicOrPartition) {
		if !create {
			return &unfit{fmt.Sprintf("topic %s is gone: if it was deleted, stop all processes of the control plane, and import an export into a new one", k.Topic), true}
		}
		if err := k.create(ctx, brokers); err != nil {
			return fmt.Errorf("create topic %s: %w", k.Topic, err)
		}
		brokers, found, err = k.LookUp(ctx)
	}
	if err != nil {
		return fmt.Errorf("look up topic %s: %w", k.Topic, k.MissingRight(err, "DESCRIBE"))
	}
	settings, err := k.settings(ctx)
	if err != nil {
		return err
	}
	return k.checkTopic(brokers, found, settings)
}

func (k *kafkaLog) create(ctx context.Context, brokers int) error {
	settings := []kafka.ConfigEntry{
		{ConfigName: cleanupPolicy, ConfigValue: "delete"},
		{ConfigName: retentionTime, ConfigValue: "-1"},
		{ConfigName: retentionBytes, ConfigValue: "-1"},
		{ConfigName: maxMessageBytes, ConfigValue: strconv.Itoa(messageBytes)},
	}
	if brokers >= topic.Replicas {
		settings = append(settings, kafka.ConfigEntry{ConfigName: minInSync, ConfigValue: strconv.Itoa(topic.InSync)})
	}
	return k.Create(ctx, brokers, settings)
}

// settings are the topic's; without the right to ask for them, the topic is unfit.
func (k *kafkaLog) settings(ctx context.Context) (map[string]string, error) {
	settings, err := k.Settings(ctx, cleanupPolicy, retentionTime, retentionBytes, minInSync, maxMessageBytes)
	if errors.Is(err, kafka.TopicAuthorizationFailed) {
		return nil, &unfit{why: err.Error() + ": nothing else tells that it keeps what is written to it"}
	}
	return settings, err
}

// checkTopic says everything that is wrong with the topic at once.
func (k *kafkaLog) checkTopic(brokers int, found kafka.Topic, settings map[string]string) error {
	var wrong []string
	if n := len(found.Partitions); n != 1 {
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
	if brokers >= topic.Replicas {
		for _, p := range found.Partitions {
			if n := len(p.Replicas); n < topic.Replicas {
				wrong = append(wrong, fmt.Sprintf("it has %d replicas, and must have %d where there are as many brokers", n, topic.Replicas))
			}
		}
		if n, err := strconv.Atoi(settings[minInSync]); err != nil || n < topic.InSync {
			wrong = append(wrong, fmt.Sprintf("%s is %s, and must be %d at least", minInSync, settings[minInSync], topic.InSync))
		}
	}
	if len(wrong) == 0 {
		return nil
	}
	return &unfit{why: fmt.Sprintf("topic %s would not keep what is written to it: %s", k.Topic, strings.Join(wrong, "; "))}
}
