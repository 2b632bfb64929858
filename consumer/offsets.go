package consumer

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"

	"github.com/segmentio/kafka-go"
)

// metadata looks topics up; a topic that is not there is an error.
func metadata(ctx context.Context, client *kafka.Client, addr net.Addr, topics []string) ([]kafka.Topic, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	res, err := client.Metadata(ctx, &kafka.MetadataRequest{Addr: addr, Topics: topics})
	if err != nil {
		return nil, fmt.Errorf("look up topics: %w", err)
	}
	for _, t := range res.Topics {
		if errors.Is(t.Error, kafka.UnknownTopicOrPartition) {
			return nil, absent(t.Name)
		}
		if t.Error != nil {
			return nil, fmt.Errorf("look up topic %s: %w", t.Name, missingRight(t.Error, describeTopic, t.Name))
		}
	}
	return res.Topics, nil
}

// position is where a claim begins, and what the group has: committed is -1
// where that is nothing.
type position struct {
	next, committed int64
	metadata        string
	topic           topicID // the topic as it is now; zero: the broker does not say
	stamped         bool    // the topic's id stands in the group too
	remade          bool    // what the group had is of an earlier topic of that name
	where           string  // next is not known yet: it is at this end of the partition
}

// positions reads the group's committed offsets, and decides where to begin
// where there are none.
func (c *Consumer) positions(ctx context.Context, tps []topicPartition) (map[topicPartition]position, error) {
	committed, err := committedOffsets(ctx, c.client, c.addr, c.cfg.Group, tps)
	if err != nil {
		return nil, err
	}
	result := make(map[topicPartition]position, len(tps))
	var fresh []topicPartition
	known := c.haveRead()
	for tp, at := range committed {
		if at.committed >= 0 || at.remade {
			known[tp.topic] = true
		}
	}
	for _, tp := range tps {
		if at := committed[tp]; at.committed >= 0 || at.remade {
			result[tp] = at
		} else {
			fresh = append(fresh, tp)
		}
	}
	begun := false
	if len(fresh) > 0 {
		if begun, err = c.begun(ctx); err != nil {
			return nil, err
		}
	}
	asked := map[topicPartition]int64{}
	for _, tp := range fresh {
		// A partition without an offset in a topic that the group has been reading
		// was added later, and so was a topic of several of which the group has been
		// reading others: what it holds is new, so it is read from its beginning.
		start := c.cfg.Start
		if known[tp.topic] || begun {
			start = Earliest
		}
		result[tp] = position{committed: -1, topic: committed[tp].topic, where: start}
		asked[tp] = offsetOf(start)
	}
	found, err := listOffsets(ctx, c.client, c.addr, asked)
	if err != nil {
		return nil, err
	}
	for tp, f := range found {
		if f.err == nil {
			result[tp] = position{next: f.offset, committed: -1, topic: committed[tp].topic}
		}
	}
	return result, nil
}

// begun tells whether the group has an offset of any of several topics. Only
// start: latest makes a difference of it.
func (c *Consumer) begun(ctx context.Context) (bool, error) {
	if c.cfg.Topic != "" || c.cfg.Start != Latest {
		return false, nil
	}
	topics, _, err := c.cfg.present(ctx, c.client, c.addr)
	if err != nil {
		return false, err
	}
	var tps []topicPartition
	for _, t := range topics {
		tps = append(tps, topicPartition{topic: t.Name})
	}
	committed, err := committedOffsets(ctx, c.client, c.addr, c.cfg.Group, tps)
	for _, at := range committed {
		if at.committed >= 0 || at.remade {
			return true, err
		}
	}
	return false, err
}

// haveRead are the topics that this process has had partitions of: where the group
// has no offset of them any more, they were made anew.
func (c *Consumer) haveRead() map[string]bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.read)
}

// committedNow is what the group has of one partition.
func (c *Consumer) committedNow(ctx context.Context, tp topicPartition) (position, error) {
	all, err := committedOffsets(ctx, c.client, c.addr, c.cfg.Group, []topicPartition{tp})
	return all[tp], err
}

// committedOffsets reads a group's offset of every partition of the topics at hand.
// What it has of an earlier topic of the same name is nothing of this one.
func committedOffsets(ctx context.Context, client *kafka.Client, addr net.Addr, group string, tps []topicPartition) (map[topicPartition]position, error) {
	if len(tps) == 0 {
		return nil, nil // no topics would mean all
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	all, err := metadata(ctx, client, addr, topicNames(tps))
	if err != nil {
		return nil, err
	}
	topics := map[string][]int{}
	for _, t := range all {
		for _, p := range t.Partitions {
			topics[t.Name] = append(topics[t.Name], p.ID)
		}
	}
	var res *kafka.OffsetFetchResponse
	err = untilSettled(ctx, func(ctx context.Context) (err error) {
		if res, err = client.OffsetFetch(ctx, &kafka.OffsetFetchRequest{Addr: addr, GroupID: group, Topics: topics}); err == nil {
			err = res.Error
		}
		return err
	})
	if errors.Is(err, kafka.GroupIdNotFound) { // some brokers say so of a group that never committed
		res, err = &kafka.OffsetFetchResponse{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the group's offsets: %w", missingRight(err, describeGroup, group))
	}
	now, err := topicIDs(ctx, client.Transport, addr, topicNames(tps))
	if err != nil {
		return nil, err
	}
	result := map[topicPartition]position{}
	for topic, partitions := range topics {
		for _, p := range partitions {
			result[topicPartition{topic, p}] = position{next: -1, committed: -1, topic: now.ids[topic]}
		}
	}
	for topic, partitions := range res.Topics {
		for _, p := range partitions {
			if p.Error != nil {
				return nil, fmt.Errorf("read the group's offset of %s/%d: %w", topic, p.Partition, missingRight(p.Error, describeTopic, topic))
			}
			result[topicPartition{topic, p.Partition}] = positionOf(p.CommittedOffset, p.Metadata, now.ids[topic])
		}
	}
	return result, nil
}

// positionOf reads what stands in a group: anything may.
func positionOf(committed int64, text string, now topicID) position {
	of, metadata := unstamp(text)
	at := position{next: committed, committed: committed, metadata: metadata, topic: now, stamped: of != topicID{}}
	if committed < 0 || of.other(now) {
		at.committed, at.metadata, at.remade = -1, "", committed >= 0
	}
	return at
}

// allPartitions lists the partitions of topics.
func allPartitions(topics []kafka.Topic) []topicPartition {
	var tps []topicPartition
	for _, t := range topics {
		for _, p := range t.Partitions {
			tps = append(tps, topicPartition{t.Name, p.ID})
		}
	}
	return tps
}

func topicNames(tps []topicPartition) []string {
	var names []string
	for _, tp := range tps {
		if !slices.Contains(names, tp.topic) {
			names = append(names, tp.topic)
		}
	}
	return names
}

// ErrOutOfRange is why a partition holds whose committed offset is no longer in the topic.
var ErrOutOfRange = errors.New("the committed offset is no longer in the topic: set source.kafka.onOffsetOutOfRange to earliest or latest, or reset the group's offset")

func (c *Consumer) resetOffset(ctx context.Context, tp topicPartition) (int64, error) {
	if c.cfg.OnOffsetOutOfRange == Hold {
		return 0, fmt.Errorf("fetch %s/%d: %w (%w)", tp.topic, tp.partition, ErrOutOfRange, kafka.OffsetOutOfRange)
	}
	next, err := c.offsetAt(ctx, tp, c.cfg.OnOffsetOutOfRange)
	if err == nil {
		c.opts.Logger.Warn("offset out of range, going on as configured", "topic", tp.topic, "partition", tp.partition,
			"onOffsetOutOfRange", c.cfg.OnOffsetOutOfRange, "offset", next)
	}
	return next, err
}

// errUnanswered is that a commit's answer leaves a partition out.
var errUnanswered = errors.New("the answer says nothing of it")
