package deadletters

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"

	"kinesis-destination/cmd/internal/config"
	"kinesis-destination/cmd/internal/hold"
	"kinesis-destination/cmd/internal/letter"
	"kinesis-destination/cmd/internal/resend"
	"kinesis-destination/consumer"
	"kinesis-destination/schemas/backoff"
	"kinesis-destination/sink"
	"kinesis-destination/sink/deadletter"
)

// releaseInterval is how often a running process looks whether parked
// identities were released.
const releaseInterval = 5 * time.Second

// Parking keeps what the sink knows of parked identities in step with the
// dead-letter topic, which is where that is kept: an identity is parked as long as
// a letter of it, with the header x-parked-key, has not been settled by the group
// that redrives and drops letters. So it survives restarts and rebalances.
type Parking struct {
	spots   *deadletter.Parking
	Letters *consumer.History
	config  *config.Config
	group   string // that settles letters
	holds   *hold.Holds

	claims sync.Map      // part → the end of the claim for which the topic was read
	lock   chan struct{} // of capacity 1: who has put something in owns what is below
	read   map[int]int64 // partition of the topic → where to read on
	absent time.Time     // when it was last sure that there is no topic; owned like read
}

// NewParking reads the dead-letter topic of a configuration; close its Letters.
func NewParking(cfg *config.Config, spots *deadletter.Parking, holds *hold.Holds, dial func(context.Context, string, string) (net.Conn, error)) (*Parking, error) {
	history, err := consumer.NewHistory(cfg.DeadLetterSource(), dial)
	if err != nil {
		return nil, err
	}
	return &Parking{
		spots: spots, Letters: history, config: cfg, group: config.SettledGroup(cfg, ""), holds: holds,
		lock: make(chan struct{}, 1), read: map[int]int64{},
	}, nil
}

// Await returns once the letters of all earlier owners of the message's partition
// are known. Only a claim's first message waits.
func (p *Parking) Await(ctx context.Context, m *consumer.Message) error {
	of := resend.TopicPartition{Topic: m.Topic, Partition: m.Partition}
	if known, ok := p.claims.Load(of); ok && known == m.Revoked() {
		return nil
	}
	if err := p.acquire(ctx); err != nil {
		return err
	}
	defer p.release()
	key := hold.Key{Source: "parking", Topic: m.Topic, Partition: m.Partition}
	defer p.holds.Set(key, "", nil)
	wait := hold.NewBackoff()
	for {
		err := p.catchUp(ctx)
		if err == nil {
			p.claims.Store(of, m.Revoked())
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		p.holds.Set(key, sink.HoldDeadLetterTopic, err)
		if err := backoff.Sleep(ctx, wait.NextBackOff()); err != nil {
			return err
		}
	}
}

func (p *Parking) acquire(ctx context.Context) error {
	select {
	case p.lock <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p *Parking) release() { <-p.lock }

// Refresh reads what the dead-letter topic got since the last time.
func (p *Parking) Refresh(ctx context.Context) error {
	if err := p.acquire(ctx); err != nil {
		return err
	}
	defer p.release()
	return p.catchUp(ctx)
}

// catchUp is Refresh in one's turn.
func (p *Parking) catchUp(ctx context.Context) error {
	remade, err := p.Letters.Remade(ctx)
	if err != nil {
		return fmt.Errorf("look for parked identities: %w", err)
	}
	if remade { // the letters that parked identities are gone with the old topic
		p.spots.Release(func(deadletter.Place) bool { return true })
		clear(p.read)
	}
	ranges, settled, err := p.find(ctx)
	if err != nil {
		return fmt.Errorf("look for parked identities: %w", err)
	}
	for _, r := range ranges {
		r.From = max(r.From, p.read[r.Partition])
		err := p.Letters.Read(ctx, r, func(m *consumer.Message) error {
			if !settled(m.Partition, m.Offset) {
				p.note(m)
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("look for parked identities: %w", err)
		}
		p.read[r.Partition] = r.To
	}
	return nil
}

// absentDelay is for how long brokers must not know the topic before no letter was
// ever written: one that was just started, or has not heard of a new topic yet,
// knows none. It is twice what a client keeps of an answer. goneDelay is that for a topic that was there: it was deleted then.
// absentLook is how often they are asked meanwhile.
const (
	absentDelay = 10 * time.Second
	goneDelay   = 30 * time.Second
	absentLook  = 500 * time.Millisecond
)

// find is look; without a topic there are no ranges.
func (p *Parking) find(ctx context.Context) ([]consumer.Range, func(partition int, offset int64) bool, error) {
	asked, delay := time.Now(), absentDelay
	if len(p.read) > 0 || p.spots.Count() > 0 {
		delay = goneDelay
	}
	for {
		ranges, settled, err := p.ranges(ctx)
		if !errors.Is(err, kafka.UnknownTopicOrPartition) {
			return ranges, settled, err
		}
		// What was sure a moment ago is: partitions that begin together wait once.
		if time.Since(asked) >= delay || asked.Sub(p.absent) < absentDelay {
			p.absent = time.Now()
			clear(p.read)
			return nil, nil, nil
		}
		if err := backoff.Sleep(ctx, absentLook); err != nil {
			return nil, nil, err
		}
	}
}

// ranges asks what the topic holds, and what of it has been dealt with.
func (p *Parking) ranges(ctx context.Context) ([]consumer.Range, func(partition int, offset int64) bool, error) {
	ranges, err := p.Letters.Ranges(ctx, consumer.Beginning(), consumer.End())
	if err != nil {
		return nil, nil, err
	}
	settled, err := p.Letters.Settled(ctx, p.group, ranges)
	return ranges, settled, err
}

func (p *Parking) note(m *consumer.Message) {
	if l, _ := letter.ReadOwn(m, p.config); l != nil {
		p.spots.Note(l.Origin.Topic, l.Origin.Partition, l.Parked, deadletter.Place{Partition: m.Partition, Offset: m.Offset}, m.Time)
	}
}

// Run releases identities whose letters have been dealt with, until ctx ends.
func (p *Parking) Run(ctx context.Context) {
	hold.Every(ctx, releaseInterval, func() {
		if p.spots.Count() == 0 {
			return
		}
		// Whoever needs the topic now says what is wrong with it.
		if _, settled, err := p.ranges(ctx); err == nil {
			p.spots.Release(func(at deadletter.Place) bool { return settled(at.Partition, at.Offset) })
		}
	})
}
