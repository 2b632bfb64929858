package consumer

import (
	"context"
	"errors"
	"fmt"
	"maps"
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
	remade  []string // topics of which there are checkpoints of an earlier one
}

// ErrMoved says that another process keeps checkpoints in the same group.
var ErrMoved = errors.New("another process has changed the group's offsets meanwhile; run one at a time")

// Checkpoints reads what a group has for the topics' partitions. That one of them is not there
// is an error.
func (h *History) Checkpoints(ctx context.Context, group string) (*Checkpoints, error) {
	topics, err := h.cfg.lookUp(ctx, h.client, h.cfg.Addr())
	if err != nil {
		return nil, err
	}
	return h.checkpoints(ctx, group, topics)
}

// CheckpointsOfPresent is Checkpoints of those of the topics that are there. That none is, is an
// error.
func (h *History) CheckpointsOfPresent(ctx context.Context, group string) (*Checkpoints, error) {
	topics, _, err := h.cfg.present(ctx, h.client, h.cfg.Addr())
	if err != nil {
		return nil, err
	}
	return h.checkpoints(ctx, group, topics)
}

func (h *History) checkpoints(ctx context.Context, group string, topics []kafka.Topic) (*Checkpoints, error) {
	found, err := committedOffsets(ctx, h.client, h.cfg.Addr(), group, allPartitions(topics))
	if err != nil {
		return nil, err
	}
	c := &Checkpoints{history: h, group: group, at: found}
	for tp, at := range found {
		if at.remade && !slices.Contains(c.remade, tp.topic) {
			c.remade = append(c.remade, tp.topic)
		}
	}
	slices.Sort(c.remade)
	return c, nil
}

// Remade names the topics that were deleted and made anew after checkpoints of
// them were kept. Those say nothing of the topics as they are, and are left out.
func (c *Checkpoints) Remade() []string { return c.remade }

// All are the checkpoints, ordered by topic and partition.
func (c *Checkpoints) All() []Checkpoint {
	var all []Checkpoint
	for tp, at := range c.at {
		if at.committed < 0 {
			continue
		}
		all = append(all, Checkpoint{tp.topic, tp.partition, at.committed, at.metadata})
	}
	slices.SortFunc(all, func(a, b Checkpoint) int {
		return compareTopicPartitions(topicPartition{a.Topic, a.Partition}, topicPartition{b.Topic, b.Partition})
	})
	return all
}

// Commit has Kafka keep new checkpoints in place of those of their partitions.
// It fails with ErrMoved where these are no longer what they were, and with
// ErrRemade where a topic is not.
func (c *Checkpoints) Commit(ctx context.Context, changed ...Checkpoint) error {
	var tps []topicPartition
	for _, p := range changed {
		tps = append(tps, topicPartition{p.Topic, p.Partition})
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
		if was.topic.other(now.topic) {
			return fmt.Errorf("topic %s: %w", tp.topic, ErrRemade)
		}
		if now.committed >= 0 && (now.committed != was.committed || now.metadata != was.metadata) {
			return ErrMoved
		}
	}
	next := map[topicPartition]position{}
	for _, p := range changed {
		tp := topicPartition{p.Topic, p.Partition}
		at := position{next: p.Next, committed: p.Next, metadata: p.Note, topic: found[tp].topic, stamped: true}
		if n := len(at.metadata); n > maxMetadata {
			return fmt.Errorf("keep a note of %d bytes beside an offset: at most %d fit", n, maxMetadata)
		}
		next[tp] = at
	}
	if err := c.history.commit(ctx, c.group, next); err != nil {
		return err
	}
	maps.Copy(c.at, next)
	return nil
}

// commit sets offsets of a group that no member joins.
func (h *History) commit(ctx context.Context, group string, next map[topicPartition]position) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	topics := map[string][]kafka.OffsetCommit{}
	for tp, at := range next {
		topics[tp.topic] = append(topics[tp.topic], kafka.OffsetCommit{Partition: tp.partition, Offset: at.committed, Metadata: at.text()})
	}
	res, err := h.client.OffsetCommit(ctx, &kafka.OffsetCommitRequest{Addr: h.cfg.Addr(), GroupID: group, GenerationID: -1, Topics: topics})
	if err != nil {
		return fmt.Errorf("commit offsets: %w", err)
	}
	failed := commitErrors(res, slices.Collect(maps.Keys(next)))
	for _, tp := range slices.SortedFunc(maps.Keys(failed), compareTopicPartitions) {
		err = errors.Join(err, fmt.Errorf("commit offset of %s/%d: %w", tp.topic, tp.partition, missingRight(failed[tp], readGroup, group)))
	}
	return err
}
