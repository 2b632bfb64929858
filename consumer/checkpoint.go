package consumer

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/segmentio/kafka-go"
)

// Checkpoint is how far something has come in one partition.
type Checkpoint struct {
	Topic     string
	Partition int
	Next      int64  // everything below it is done
	Note      string // what is to be kept beside it, at most maxMetadata bytes
}

// Checkpoints are kept by Kafka as the committed offsets of a group that no
// member joins. They are not safe for concurrent use.
type Checkpoints struct {
	history *History
	group   string
	at      map[topicPartition]position
}

// ErrMoved says that another process keeps checkpoints in the same group.
var ErrMoved = errors.New("another process has changed the group's offsets meanwhile; run one at a time")

// Checkpoints reads what a group has for the topics' partitions.
func (h *History) Checkpoints(ctx context.Context, group string) (*Checkpoints, error) {
	topics, err := h.cfg.lookUp(ctx, h.client, h.cfg.Addr())
	if err != nil {
		return nil, err
	}
	found, err := committedOffsets(ctx, h.client, h.cfg.Addr(), group, allPartitions(topics))
	if err != nil {
		return nil, err
	}
	for tp, at := range found {
		if at.committed < 0 {
			delete(found, tp)
		}
	}
	return &Checkpoints{history: h, group: group, at: found}, nil
}

// All are the checkpoints, ordered by topic and partition.
func (c *Checkpoints) All() []Checkpoint {
	var all []Checkpoint
	for tp, at := range c.at {
		all = append(all, Checkpoint{tp.topic, tp.partition, at.committed, at.metadata})
	}
	slices.SortFunc(all, func(a, b Checkpoint) int {
		return compareTopicPartitions(topicPartition{a.Topic, a.Partition}, topicPartition{b.Topic, b.Partition})
	})
	return all
}

// Commit has Kafka keep new checkpoints in place of those of their partitions.
// It fails with ErrMoved where these are no longer what they were.
func (c *Checkpoints) Commit(ctx context.Context, changed ...Checkpoint) error {
	var tps []topicPartition
	topics := map[string][]kafka.OffsetCommit{}
	for _, p := range changed {
		if len(p.Note) > maxMetadata {
			return fmt.Errorf("keep a note of %d bytes beside an offset: at most %d fit", len(p.Note), maxMetadata)
		}
		tps = append(tps, topicPartition{p.Topic, p.Partition})
		topics[p.Topic] = append(topics[p.Topic], kafka.OffsetCommit{Partition: p.Partition, Offset: p.Next, Metadata: p.Note})
	}
	if len(tps) == 0 {
		return nil
	}
	found, err := committedOffsets(ctx, c.history.client, c.history.cfg.Addr(), c.group, tps)
	if err != nil {
		return err
	}
	for _, tp := range tps {
		now, was := found[tp], c.at[tp]
		if now.committed >= 0 && (now.committed != was.committed || now.metadata != was.metadata) {
			return ErrMoved
		}
	}
	if err := c.history.commit(ctx, c.group, topics); err != nil {
		return err
	}
	for _, p := range changed {
		c.at[topicPartition{p.Topic, p.Partition}] = position{p.Next, p.Next, p.Note}
	}
	return nil
}

// commit sets offsets of a group that no member joins.
func (h *History) commit(ctx context.Context, group string, topics map[string][]kafka.OffsetCommit) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	res, err := h.client.OffsetCommit(ctx, &kafka.OffsetCommitRequest{Addr: h.cfg.Addr(), GroupID: group, GenerationID: -1, Topics: topics})
	if err != nil {
		return fmt.Errorf("commit offsets: %w", err)
	}
	for topic, partitions := range res.Topics {
		for _, p := range partitions {
			if p.Error != nil {
				return fmt.Errorf("commit offset of %s/%d: %w", topic, p.Partition, lacking(p.Error, readGroup, group))
			}
		}
	}
	return nil
}
