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
	err := p.follow(ctx)
	if err == nil {
		var found *letters
		if found, err = p.find(ctx); err == nil {
			err = p.readOn(ctx, found)
		}
	}
	if err != nil {
		return fmt.Errorf("look for parked identities: %w", err)
	}
	return nil
}

// follow notices that the topic is another one: the letters that parked identities are gone
// with the old one.
func (p *Parking) follow(ctx context.Context) error {
	remade, err := p.Letters.Remade(ctx)
	if remade {
		p.spots.Release(func(deadletter.Place) bool { return true })
		clear(p.read)
	}
	return err
}

// readOn notes the letters that were not read and are not dealt with.
func (p *Parking) readOn(ctx context.Context, found *letters) error {
	for _, r := range found.ranges {
		r.From = max(r.From, p.read[r.Partition])
		if r.From >= r.To {
			continue
		}
		err := p.Letters.Read(ctx, r, func(m *consumer.Message) error {
			if !found.dealtWith(deadletter.Place{Partition: m.Partition, Offset: m.Offset}) {
				p.note(m)
			}
			return nil
		})
		if err != nil {
			return err
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

// letters are what the topic holds, and what of it has been dealt with by then: whoever writes a
// letter in place of another one does that before the other is settled.
type letters struct {
	ranges  []consumer.Range
	first   map[int]int64 // by partition, the first offset that is there
	settled func(partition int, offset int64) bool
}

// dealtWith tells whether a letter is settled, or gone by retention.
func (l *letters) dealtWith(at deadletter.Place) bool {
	return l.settled(at.Partition, at.Offset) || at.Offset < l.first[at.Partition]
}

// find is look; without a topic there are none.
func (p *Parking) find(ctx context.Context) (*letters, error) {
	asked, delay := time.Now(), absentDelay
	if len(p.read) > 0 || p.spots.Count() > 0 {
		delay = goneDelay
	}
	for {
		found, err := p.look(ctx)
		if !errors.Is(err, kafka.UnknownTopicOrPartition) {
			return found, err
		}
		// What was sure a moment ago is: partitions that begin together wait once.
		if time.Since(asked) >= delay || asked.Sub(p.absent) < absentDelay {
			p.absent = time.Now()
			clear(p.read)
			return &letters{}, nil
		}
		if err := backoff.Sleep(ctx, absentLook); err != nil {
			return nil, err
		}
	}
}

// look asks what has been dealt with, and then what the topic holds.
func (p *Parking) look(ctx context.Context) (*letters, error) {
	partitions, err := p.Letters.Partitions(ctx)
	if err != nil {
		return nil, err
	}
	found := &letters{first: map[int]int64{}}
	if found.settled, err = p.Letters.Settled(ctx, p.group, partitions); err != nil {
		return nil, err
	}
	bounds := make([]consumer.Progress, len(partitions))
	for i, r := range partitions {
		bounds[i] = consumer.Progress{Topic: r.Topic, Partition: r.Partition}
	}
	if err := p.Letters.Bounds(ctx, bounds); err != nil {
		return nil, err
	}
	for _, b := range bounds {
		found.ranges = append(found.ranges, consumer.Range{Topic: b.Topic, Partition: b.Partition, From: b.Start, To: b.End})
		found.first[b.Partition] = b.Start
	}
	return found, nil
}

func (p *Parking) note(m *consumer.Message) {
	if l, _ := letter.ReadOwn(m, p.config); l != nil {
		p.spots.Note(l.Origin.Topic, l.Origin.Partition, l.Parked, deadletter.Place{Partition: m.Partition, Offset: m.Offset}, m.Time)
	}
}

// Run releases identities whose letters have been dealt with, until ctx ends. Whoever needs the
// topic now says what is wrong with it.
func (p *Parking) Run(ctx context.Context) {
	hold.Every(ctx, releaseInterval, func() {
		if p.spots.Count() > 0 && p.acquire(ctx) == nil {
			defer p.release()
			_ = p.releaseDealtWith(ctx)
		}
	})
}

// releaseDealtWith looks for identities of which no letter that is known is open, and then for
// letters of theirs that are not known: a redrive that failed again writes new ones.
func (p *Parking) releaseDealtWith(ctx context.Context) error {
	if err := p.follow(ctx); err != nil {
		return err
	}
	found, err := p.look(ctx)
	if err != nil || !p.spots.Some(found.dealtWith) {
		return err
	}
	if err := p.readOn(ctx, found); err != nil {
		return err
	}
	p.spots.Release(found.dealtWith)
	return nil
}
