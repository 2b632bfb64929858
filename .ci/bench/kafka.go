package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/segmentio/kafka-go"
)

func (b *bench) connect() {
	b.kafka = &kafka.Client{Addr: kafka.TCP(b.brokers...), Timeout: 30 * time.Second, Transport: &kafka.Transport{MetadataTTL: time.Second}}
}

func (b *bench) createTopic(ctx context.Context, topic string, partitions int) error {
	res, err := b.kafka.CreateTopics(ctx, &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{{
		Topic: topic, NumPartitions: partitions, ReplicationFactor: -1, // the broker's default
	}}})
	if err == nil {
		err = res.Errors[topic]
	}
	if err != nil {
		return fmt.Errorf("create topic %s: %w", topic, err)
	}
	b.topics = append(b.topics, topic)
	// A broker says so before it knows it, and a partition before it has a leader.
	return until(ctx, time.Minute, "the topic has all its leaders", func() (bool, error) {
		meta, err := b.kafka.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{topic}})
		if err != nil || meta.Topics[0].Error != nil || len(meta.Topics[0].Partitions) < partitions {
			return false, nil
		}
		return !slices.ContainsFunc(meta.Topics[0].Partitions, func(p kafka.Partition) bool { return p.Error != nil || p.Leader.Host == "" }), nil
	})
}

// dropTopics deletes the benchmark's topics, and those that its programs made.
func (b *bench) dropTopics(ctx context.Context) error {
	if len(b.topics) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	var doomed []string
	meta, err := b.kafka.Metadata(ctx, &kafka.MetadataRequest{})
	if err != nil {
		return fmt.Errorf("list topics: %w", err)
	}
	for _, t := range meta.Topics {
		if len(t.Name) > len(b.prefix) && t.Name[:len(b.prefix)+1] == b.prefix+"-" {
			doomed = append(doomed, t.Name)
		}
	}
	b.topics = nil
	if len(doomed) == 0 {
		return nil
	}
	res, err := b.kafka.DeleteTopics(ctx, &kafka.DeleteTopicsRequest{Topics: doomed})
	if err != nil {
		return fmt.Errorf("delete topics: %w", err)
	}
	for topic, err := range res.Errors {
		if err != nil {
			return fmt.Errorf("delete topic %s: %w", topic, err)
		}
	}
	return nil
}

// committed is the sum of a group's offsets, which is that of the events it is
// done with: the topics begin at 0 and have no transactions.
func (b *bench) committed(ctx context.Context, group, topic string, partitions int) (int64, error) {
	all := make([]int, partitions)
	for i := range all {
		all[i] = i
	}
	res, err := b.kafka.OffsetFetch(ctx, &kafka.OffsetFetchRequest{GroupID: group, Topics: map[string][]int{topic: all}})
	if err == nil {
		err = res.Error
	}
	if temporary := kafka.Error(0); errors.As(err, &temporary) && temporary.Temporary() {
		return 0, nil // a coordinator is still to be found
	}
	if err != nil {
		return 0, fmt.Errorf("ask for the group's offsets: %w", err)
	}
	var sum int64
	for _, p := range res.Topics[topic] {
		sum += max(p.CommittedOffset, 0)
	}
	return sum, nil
}

// until asks again and again until the condition holds.
func until(ctx context.Context, within time.Duration, what string, holds func() (bool, error)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, within, fmt.Errorf("waited %v until %s", within, what))
	defer cancel()
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for {
		if ok, err := holds(); ok || err != nil {
			return err
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
