package consumer

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/segmentio/kafka-go"
)

// ErrNoMessage is wrapped by what says why an offset holds no message to read.
var ErrNoMessage = errors.New("no message")

const readUncommitted = 0

// Peek reads the one message at an offset as the group would, in no group and
// with nothing committed. The message has no claim: it cannot be settled. Where
// the offset holds none, the error is ErrNoMessage and says why.
func Peek(ctx context.Context, cfg Config, dial func(ctx context.Context, network, address string) (net.Conn, error),
	topic string, partition int, offset int64,
) (*Message, error) {
	transport, err := cfg.Transport(dial)
	if err != nil {
		return nil, err
	}
	defer transport.CloseIdleConnections()
	transport.MetadataTopics = []string{topic}
	p := peek{transport, cfg.Addr(), newBudget(defaultBudget), topicPartition{topic, partition}}
	if err := p.lookUp(ctx); err != nil {
		return nil, err
	}
	at, m, err := p.message(ctx, offset, readCommitted)
	switch {
	case errors.Is(err, kafka.OffsetOutOfRange):
		return nil, fmt.Errorf("offset %d: %w: the partition has %s", offset, ErrNoMessage, p.span(ctx))
	case m != nil:
		return m, nil
	case err != nil:
		return nil, err
	case at.lastStable >= 0 && offset >= at.lastStable && offset < at.highWatermark:
		return nil, fmt.Errorf("offset %d: %w: a transaction that is still open holds it back", offset, ErrNoMessage)
	case offset >= at.highWatermark:
		return nil, fmt.Errorf("offset %d: %w yet: the partition has %s", offset, ErrNoMessage, p.span(ctx))
	}
	if _, m, err = p.message(ctx, offset, readUncommitted); err == nil && m != nil {
		return nil, fmt.Errorf("offset %d: %w: its transaction was aborted", offset, ErrNoMessage)
	}
	return nil, fmt.Errorf("offset %d: %w: it is a transaction's marker, or was compacted away", offset, ErrNoMessage)
}

// message is the one at an offset; nil: there is none.
func (p *peek) message(ctx context.Context, offset int64, isolation int8) (*fetchedPartition, *Message, error) {
	at, set, err := p.fetch(ctx, offset, oneBatch, isolation)
	if set == nil {
		return at, nil, err
	}
	defer set.close()
	d := newDecoder(p.topicPartition, set, &account{budget: p.budget})
	defer d.close()
	found, broken := d.part(ctx)
	if broken != nil {
		err = broken
	}
	if found != nil && found.messages[0].Offset == offset {
		return at, &found.messages[0], nil
	}
	return at, nil, err
}

// peek looks at one partition.
type peek struct {
	transport *kafka.Transport
	addr      net.Addr
	budget    *Budget
	topicPartition
}

func (p *peek) client() *kafka.Client { return &kafka.Client{Addr: p.addr, Transport: p.transport} }

// lookUp makes sure that the partition is there: a fetch would only say that its
// leader is unknown.
func (p *peek) lookUp(ctx context.Context) error {
	topics, err := metadata(ctx, p.client(), p.addr, []string{p.topic})
	if err != nil {
		return err
	}
	if n := len(topics[0].Partitions); p.partition >= n {
		return fmt.Errorf("%w: topic %s has no partition %d: they are 0 to %d", ErrNoMessage, p.topic, p.partition, n-1)
	}
	return nil
}

// fetch asks for what is from an offset on, of at most so many bytes, or one batch. With
// an error, what comes before what is at fault is good; without a set, there is nothing.
func (p *peek) fetch(ctx context.Context, offset int64, most int32, isolation int8) (*fetchedPartition, *recordSet, error) {
	leader, err := p.leader(ctx)
	if err != nil {
		return nil, nil, err
	}
	call := newFetchCall(leader, []*claim{{topicPartition: p.topicPartition, fetching: fetching{position: offset}}}, 1, p.budget)
	call.IsolationLevel = isolation
	call.Topics[0].Partitions[0].PartitionMaxBytes = most
	res, err := roundTrip(ctx, p.transport, p.addr, call)
	if err != nil {
		return nil, nil, err
	}
	defer res.close()
	if len(res.partitions) != 1 {
		return nil, nil, fmt.Errorf("fetch %s/%d: the answer is not about it", p.topic, p.partition)
	}
	at := &res.partitions[0]
	if at.code != 0 {
		return at, nil, fmt.Errorf("fetch %s/%d: %w", p.topic, p.partition, kafka.Error(at.code))
	}
	if at.tooLarge != nil {
		return at, nil, fmt.Errorf("fetch %s/%d from offset %d: %w", p.topic, p.partition, offset, at.tooLarge)
	}
	set, err := newRecordSet(p.topicPartition, offset, at)
	return at, set, err
}

func (p *peek) leader(ctx context.Context) (int, error) {
	topics, err := metadata(ctx, p.client(), p.addr, []string{p.topic})
	if err != nil {
		return 0, err
	}
	for _, found := range topics[0].Partitions {
		if found.ID == p.partition {
			return found.Leader.ID, found.Error
		}
	}
	return 0, fmt.Errorf("find the leader of %s/%d: %w", p.topic, p.partition, kafka.LeaderNotAvailable)
}

// span says which offsets the partition has.
func (p *peek) span(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	res, err := p.client().ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{
		p.topic: {kafka.FirstOffsetOf(p.partition), kafka.LastOffsetOf(p.partition)},
	}})
	switch {
	case err != nil || len(res.Topics[p.topic]) != 1 || res.Topics[p.topic][0].Error != nil:
		return "other ones"
	case res.Topics[p.topic][0].FirstOffset == res.Topics[p.topic][0].LastOffset:
		return fmt.Sprintf("none; the next one is %d", res.Topics[p.topic][0].LastOffset)
	}
	return fmt.Sprintf("%d to %d", res.Topics[p.topic][0].FirstOffset, res.Topics[p.topic][0].LastOffset-1)
}
