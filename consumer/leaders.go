package consumer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
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
	found, err := clusterPartitions(ctx, f.client, f.addr, names)
	if err != nil {
		return nil, nil, err
	}
	brokers = map[int][]*claim{}
	for _, c := range claims {
		p, ok := found[c.topicPartition]
		err := now.of(c.topic)
		if err == nil {
			err = leaderless(p, ok)
		}
		if err != nil {
			err = fmt.Errorf("find the leader of %s/%d: %w", c.topic, c.partition, missingRight(err, describeTopic, c.topic))
			c.seen(err)
			c.hold(HoldReason(err), err)
			held = append(held, c)
			continue
		}
		c.identify(now.ids[c.topic])
		id := c.source(p, time.Now())
		brokers[id] = append(brokers[id], c)
	}
	return brokers, held, nil
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

// holdAll holds the claims of a broker, or of all, that did not answer.
func (f *fetcher) holdAll(claims []*claim, err error) {
	if errors.Is(err, errStale) {
		return
	}
	for _, c := range claims {
		c.hold(HoldReason(err), err)
		c.outage = true
	}
}

// answered ends that for those of which nothing was asked for, as they have as much as they
// may: the others hear of it with what is fetched.
func answered(claims, asked []*claim) {
	for _, c := range claims {
		if c.outage && c.readable() && !slices.Contains(asked, c) {
			c.hold("", nil)
		}
		c.outage = false
	}
}
