package consumer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"kinesis-destination/consumer/connect"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/listoffsets"
	"golang.org/x/sync/errgroup"
)

// offsetsCall asks one broker for an offset of each of the partitions that it
// leads. kafka-go asks for each partition by itself, on a connection of its own
// where they are asked for at once.
type offsetsCall struct {
	node    int32
	version int16
	request listoffsets.Request
}

type offsetsAnswer struct{ response *listoffsets.Response }

// ApiKey implements protocol.Message.
func (*offsetsCall) ApiKey() protocol.ApiKey { return protocol.ListOffsets }

// ApiKey implements protocol.Message.
func (*offsetsAnswer) ApiKey() protocol.ApiKey { return protocol.ListOffsets }

// Broker tells kafka-go where to send the request.
func (c *offsetsCall) Broker(cluster protocol.Cluster) (protocol.Broker, error) {
	return brokerIn(cluster, c.node)
}

// Required tells kafka-go to leave the exchange to RawExchange.
func (c *offsetsCall) Required(versions map[protocol.ApiKey]int16) bool {
	c.version = versions[protocol.ListOffsets]
	return true
}

// RawExchange sends the request and reads the response.
func (c *offsetsCall) RawExchange(rw io.ReadWriter) (protocol.Message, error) {
	answer, err := protocol.RoundTrip(rw, c.version, correlation, connect.ClientID, &c.request)
	if err != nil {
		return nil, err
	}
	return &offsetsAnswer{answer.(*listoffsets.Response)}, nil
}

// What stands for a time in the request.
const (
	firstOffset = kafka.FirstOffset
	lastOffset  = kafka.LastOffset
)

// foundOffset is what a partition's leader answered: -1, where none is as new as
// the time that was asked for.
type foundOffset struct {
	offset int64
	err    error
}

// listOffsets asks for one offset of each partition, up to the last stable one:
// the first, the last, or that of a time. What is amiss with one partition is its
// own answer; an error is about all. One request goes to each broker.
func listOffsets(ctx context.Context, client *kafka.Client, addr net.Addr, asked map[topicPartition]int64) (map[topicPartition]foundOffset, error) {
	if len(asked) == 0 {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	found := make(map[topicPartition]foundOffset, len(asked))
	wait := newBackoff()
	for began := time.Now(); ; {
		if err := askOffsets(ctx, client, addr, asked, found); err != nil {
			return nil, err
		}
		again := map[topicPartition]int64{}
		for tp, f := range found {
			if errors.Is(f.err, kafka.NotLeaderForPartition) {
				again[tp] = asked[tp]
			}
		}
		if len(again) == 0 || time.Since(began) > staleMetadata {
			break
		}
		pause(ctx, wait.NextBackOff())
		if ctx.Err() != nil {
			break
		}
		asked = again
	}
	for tp, f := range found {
		if f.err != nil {
			f.err = fmt.Errorf("list offsets of %s/%d: %w", tp.topic, tp.partition, missingRight(f.err, describeTopic, tp.topic))
			found[tp] = f
		}
	}
	return found, nil
}

// staleMetadata is for how long a broker may say that it leads a partition no more,
// or not yet, before that is an answer: a client keeps what it knows of leaders for
// a MetadataTTL, and a topic that was just made is not led at once.
const staleMetadata = metadataTTL + time.Second

// askOffsets asks once, and notes each answer.
func askOffsets(ctx context.Context, client *kafka.Client, addr net.Addr, asked map[topicPartition]int64, found map[topicPartition]foundOffset) error {
	calls, err := offsetsCalls(ctx, client, addr, asked, found)
	if err != nil {
		return err
	}
	answers := make([]*offsetsAnswer, len(calls))
	failures := make([]error, len(calls))
	var requests errgroup.Group
	for i, call := range calls {
		requests.Go(func() error {
			answer, err := client.Transport.RoundTrip(ctx, addr, call)
			if err == nil {
				answers[i] = answer.(*offsetsAnswer)
			}
			failures[i] = err
			return nil
		})
	}
	_ = requests.Wait() // each has its own
	for i, call := range calls {
		call.into(found, answers[i], failures[i])
	}
	return nil
}

// offsetsCalls groups the partitions by their leaders. Those that have none are
// answered at once.
func offsetsCalls(ctx context.Context, client *kafka.Client, addr net.Addr, asked map[topicPartition]int64, found map[topicPartition]foundOffset) ([]*offsetsCall, error) {
	var tps []topicPartition
	for tp := range asked {
		tps = append(tps, tp)
	}
	leaders, err := clusterPartitions(ctx, client, addr, topicNames(tps))
	if err != nil {
		return nil, err
	}
	var calls []*offsetsCall
	byNode := map[int]*offsetsCall{}
	for tp, at := range asked {
		p, ok := leaders[tp]
		if err := leaderless(p, ok); err != nil {
			found[tp] = foundOffset{-1, err}
			continue
		}
		call := byNode[p.Leader.ID]
		if call == nil {
			call = &offsetsCall{node: int32(p.Leader.ID), request: listoffsets.Request{ReplicaID: -1, IsolationLevel: readCommitted}}
			byNode[p.Leader.ID] = call
			calls = append(calls, call)
		}
		call.add(tp, at)
	}
	return calls, nil
}

func (c *offsetsCall) add(tp topicPartition, at int64) {
	p := listoffsets.RequestPartition{Partition: int32(tp.partition), CurrentLeaderEpoch: -1, Timestamp: at}
	for i := range c.request.Topics {
		if t := &c.request.Topics[i]; t.Topic == tp.topic {
			t.Partitions = append(t.Partitions, p)
			return
		}
	}
	c.request.Topics = append(c.request.Topics, listoffsets.RequestTopic{Topic: tp.topic, Partitions: []listoffsets.RequestPartition{p}})
}

// into notes what came of a call.
func (c *offsetsCall) into(found map[topicPartition]foundOffset, answer *offsetsAnswer, err error) {
	if err == nil {
		err = errUnanswered
	}
	for _, t := range c.request.Topics {
		for _, p := range t.Partitions {
			found[topicPartition{t.Topic, int(p.Partition)}] = foundOffset{-1, err}
		}
	}
	if answer == nil {
		return
	}
	for _, t := range answer.response.Topics {
		for _, p := range t.Partitions {
			tp := topicPartition{t.Topic, int(p.Partition)}
			if _, asked := found[tp]; !asked {
				continue
			}
			f := foundOffset{offset: p.Offset}
			if p.ErrorCode != 0 {
				f = foundOffset{-1, kafka.Error(p.ErrorCode)}
			}
			found[tp] = f
		}
	}
}

// clusterPartitions are the partitions of topics, with what is wrong with them.
func clusterPartitions(ctx context.Context, client *kafka.Client, addr net.Addr, topics []string) (map[topicPartition]kafka.Partition, error) {
	res, err := client.Metadata(ctx, &kafka.MetadataRequest{Addr: addr, Topics: topics})
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

// leaderless is why a partition cannot be asked for anything now; a replica that
// is not available is not needed.
func leaderless(p kafka.Partition, known bool) error {
	switch {
	case p.Error != nil && !errors.Is(p.Error, kafka.ReplicaNotAvailable):
		return p.Error
	case !known, p.Leader.Host == "":
		return kafka.LeaderNotAvailable
	}
	return nil
}

// listOffset is listOffsets of one partition.
func listOffset(ctx context.Context, client *kafka.Client, addr net.Addr, tp topicPartition, at int64) (int64, error) {
	found, err := listOffsets(ctx, client, addr, map[topicPartition]int64{tp: at})
	if err == nil {
		err = found[tp].err
	}
	return found[tp].offset, err
}

// offsetAt asks for the first or the next offset of a partition.
func (c *Consumer) offsetAt(ctx context.Context, tp topicPartition, where string) (int64, error) {
	return listOffset(ctx, c.client, c.addr, tp, offsetOf(where))
}

// offsetOf is what is asked for at one end of a partition.
func offsetOf(where string) int64 {
	if where == Latest {
		return lastOffset
	}
	return firstOffset
}
