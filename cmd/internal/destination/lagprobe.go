package destination

import (
	"context"
	"sync"
	"time"

	"kinesis-destination/cmd/internal/config"
	"kinesis-destination/cmd/internal/hold"
	"kinesis-destination/cmd/internal/resend"
	"kinesis-destination/consumer"
)

// probeInterval is how old the answer about what was not fetched may be.
const probeInterval = 5 * time.Second

// lagProbe looks at what the consumer has not fetched: while the sink stands
// still, nothing may be fetched of a partition whose events wait all the same.
type lagProbe struct {
	history *consumer.History

	mu    sync.Mutex
	found map[resend.TopicPartition]consumer.Progress
}

func newLagProbe(config *config.Config, o Options) (*lagProbe, error) {
	history, err := consumer.NewHistory(config.Source.Kafka, o.Dial)
	if err != nil {
		return nil, err
	}
	return &lagProbe{history: history, found: map[resend.TopicPartition]consumer.Progress{}}, nil
}

// run looks again and again until ctx ends. While Kafka does not answer, what
// was found last stands; the consumer reports the outage.
func (l *lagProbe) run(ctx context.Context, stats func() consumer.Stats) {
	defer l.history.Close()
	hold.Every(ctx, probeInterval, func() {
		var all []consumer.Progress
		for _, p := range stats().Partitions {
			all = append(all, consumer.Progress{Topic: p.Topic, Partition: p.Partition, Next: p.Settled, Oldest: p.Oldest})
		}
		if len(all) == 0 || l.history.Outlook(ctx, all, l.unfound) != nil {
			return
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		for _, p := range all {
			if p.Unknown != nil {
				continue // what was found last stands
			}
			l.found[resend.TopicPartition{Topic: p.Topic, Partition: p.Partition}] = p
		}
	})
}

// unfound says whether the oldest event of a partition is to be looked for: a batch to
// fetch for one time. Of a partition that moves it would be wrong by the time that it is
// shown; of one that stands where it was found before, it is filled in.
func (l *lagProbe) unfound(p *consumer.Progress) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	before, known := l.found[resend.TopicPartition{Topic: p.Topic, Partition: p.Partition}]
	if !known || before.Next != p.Next {
		return false
	}
	// What is older may have expired, and the topic may be another one.
	if max(before.Next, before.Start) == max(p.Next, p.Start) && p.End >= before.End {
		p.Oldest = before.Oldest
	}
	return p.Oldest.IsZero()
}

// complete adds what was found to what the consumer knows.
func (l *lagProbe) complete(s consumer.Stats) consumer.Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range s.Partitions {
		p := &s.Partitions[i]
		found, ok := l.found[resend.TopicPartition{Topic: p.Topic, Partition: p.Partition}]
		if !ok {
			continue
		}
		same := found.Next == p.Settled
		if p.Held == consumer.ReasonOutOfRange { // all that is there waits
			p.Committed, p.Settled, p.End = -1, found.Start, found.End
		}
		p.End = max(p.End, found.End)
		if p.Oldest.IsZero() && same {
			p.Oldest = found.Oldest
		}
	}
	return s
}
