package consumer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go"
)

// leaders groups the claims by the broker to fetch them from. Those whose
// partition has none now, or whose topic is not there, are held, each for its own
// cause, and the others are fetched.
func (f *fetcher) leaders(ctx context.Context, claims []*claim) (brokers map[int][]*claim, held []*claim, err error) {
	var tps []topicPartition
	for _, c := range claims {
		tps = append(tps, c.topicPartition)
	}
	names := topicNames(tps)
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	now, err := topicIDs(ctx, f.transport, f.addr, names)
	if err != nil {
		return nil, nil, err
	}
	found, err := f.partitions(ctx, names)
	if err != nil {
		return nil, nil, err
	}
	brokers = map[int][]*claim{}
	for _, c := range claims {
		p, ok := found[c.topicPartition]
		if err := now.of(c.topic); err != nil {
			p.Error = err
		} else if !ok {
			p.Error = kafka.LeaderNotAvailable
		}
		if p.Error != nil && !errors.Is(p.Error, kafka.ReplicaNotAvailable) {
			err := fmt.Errorf("find the leader of %s/%d: %w", c.topic, c.partition, lacking(p.Error, describeTopic, c.topic))
			c.seen(err)
			c.hold(holdReason(err), err)
			held = append(held, c)
			continue
		}
		c.identify(now.ids[c.topic])
		id := c.source(p, time.Now())
		brokers[id] = append(brokers[id], c)
	}
	return brokers, held, nil
}

// partitions are those of topics, with what is wrong with them.
func (f *fetcher) partitions(ctx context.Context, topics []string) (map[topicPartition]kafka.Partition, error) {
	res, err := f.client.Metadata(ctx, &kafka.MetadataRequest{Addr: f.addr, Topics: topics})
	if err != nil {
		return nil, fmt.Errorf("look up topics: %w", err)
	}
	found := map[topicPartition]kafka.Partition{}
	for _, t := range res.Topics {
		for _, p := range t.Partitions {
			if t.Error != nil {
				p.Error = t.Error
			}
			found[topicPartition{t.Name, p.ID}] = p
		}
	}
	return found, nil
}

// of is what is wrong with a topic.
func (a *metadataAnswer) of(topic string) error {
	if code, ok := a.codes[topic]; ok {
		return code
	}
	return nil
}

// awaitLeaders returns when one of the claims that are held can be fetched, or
// ctx ends: the fetches of all others go on meanwhile.
func (f *fetcher) awaitLeaders(ctx context.Context, held []*claim) {
	for ctx.Err() == nil {
		pause(ctx, f.elections.NextBackOff())
		if brokers, _, err := f.leaders(ctx, held); err == nil && len(brokers) > 0 {
			return
		}
	}
}
