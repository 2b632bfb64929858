package consumer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go"
)

// commitLoop commits on a tick until ctx ends: a commit is a round trip, never
// one per record. A commit under way is awaited and never abandoned: the broker
// may still act on it, and after the last commit of a claim it would set the
// offset back.
func (m *membership) commitLoop(ctx context.Context) {
	tick := time.NewTicker(m.opts.CommitInterval)
	defer tick.Stop()
	failing := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		err := m.commit(context.WithoutCancel(ctx), m.held())
		if errors.Is(err, kafka.RebalanceInProgress) || errors.Is(err, kafka.IllegalGeneration) {
			continue // the next generation takes it, or the heartbeat tells why not
		}
		if err != nil && !failing {
			m.opts.Logger.Warn("offsets could not be committed, trying again", "error", err)
		}
		failing = err != nil
	}
}

// commit tells the group how far claims are at rest. Only what changed is sent,
// and one commit at a time: one that is overtaken would set the offsets back.
func (m *membership) commit(ctx context.Context, claims []*claim) error {
	select {
	case m.commitLock <- struct{}{}:
		defer func() { <-m.commitLock }()
	case <-ctx.Done():
		return ctx.Err()
	}
	topics := map[string][]kafka.OffsetCommit{}
	sent := map[*claim]kafka.OffsetCommit{}
	for _, cl := range claims {
		if next, metadata, changed := cl.progress(); changed {
			sent[cl] = kafka.OffsetCommit{Partition: cl.partition, Offset: next, Metadata: metadata}
			topics[cl.topic] = append(topics[cl.topic], sent[cl])
		}
	}
	if len(sent) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	g, _ := m.current()
	res, err := m.group.OffsetCommit(ctx, &kafka.OffsetCommitRequest{
		Addr: m.addr, GroupID: m.cfg.Group, GenerationID: g.id, MemberID: g.memberID,
		InstanceID: m.cfg.GroupInstanceID, Topics: topics,
	})
	if err != nil {
		dropSilent(m.groupTransport, err)
		return fmt.Errorf("commit offsets: %w", err)
	}
	failed := commitErrors(res, sentOf(sent))
	for cl, s := range sent {
		if e := cl.committedTo(s.Offset, s.Metadata, failed[cl.topicPartition]); e != nil {
			err = errors.Join(err, fmt.Errorf("commit offset of %s/%d: %w", cl.topic, cl.partition, m.missingRightToCommit(e, cl.topic)))
		}
	}
	return err
}

func sentOf(sent map[*claim]kafka.OffsetCommit) []topicPartition {
	var tps []topicPartition
	for cl := range sent {
		tps = append(tps, cl.topicPartition)
	}
	return tps
}

// commitErrors are those of the partitions that were not committed: what the
// answer does not speak of was not either, as far as anybody knows.
func commitErrors(res *kafka.OffsetCommitResponse, sent []topicPartition) map[topicPartition]error {
	failed := map[topicPartition]error{}
	for _, tp := range sent {
		failed[tp] = errUnanswered
	}
	for topic, partitions := range res.Topics {
		for _, p := range partitions {
			tp := topicPartition{topic, p.Partition}
			if p.Error == nil {
				delete(failed, tp)
			} else {
				failed[tp] = p.Error
			}
		}
	}
	return failed
}

// progress is what to commit: the watermark, and what has settled above it,
// by this owner or, where it has not come that far, by an earlier one.
func (c *claim) progress() (next int64, metadata string, changed bool) {
	c.mu.Lock()
	next = c.mark.Next()
	if c.lost > 0 {
		c.mu.Unlock()
		return next, "", false // it is of a topic that is gone
	}
	id, plain, committed, before := c.id, c.plain, c.committed, c.metadata
	above := append(c.mark.Above(), c.settled...)
	c.mu.Unlock()
	if !plain { // which may take a while
		metadata = stamp(id, encodeSettled(next, above))
	}
	return next, metadata, next != committed || metadata != before
}

// committedTo notes the answer to a commit. A broker that allows less metadata
// than is usual gets offsets alone from then on.
func (c *claim) committedTo(next int64, metadata string, err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if errors.Is(err, kafka.OffsetMetadataTooLarge) {
		c.plain = true
	}
	if err == nil {
		c.committed, c.metadata = next, metadata
	}
	return err
}
