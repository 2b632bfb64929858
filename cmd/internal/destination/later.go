package destination

import (
	"context"
	"errors"
	"math"

	"github.com/segmentio/kafka-go"

	"kinesis-destination/consumer"
	"kinesis-destination/transform"
)

// later knows, of the identities that have letters, the newest event in the
// source topic that leaves. An older state must not follow it into the stream.
type later struct {
	tail    // at first it begins behind the oldest wanted letter
	book    *letterbook
	letters map[transform.Source]bool // origins of open letters: they have not left
	wanted  map[identity]*newest
	first   map[part]int64 // where the partition begins by now
	end     map[part]int64 // where it ended when it was looked at first
}

func identityOf(s transform.Source, key string) identity {
	return identity{part{s.Topic, s.Partition}, hashKey(key)}
}

// newest is how far an identity is in the stream.
type newest struct{ offset int64 } // of the newest event that leaves or has left; -1: none is known

// standing is what the topic says of a letter.
type standing int

const (
	latest standing = iota + 1
	superseded
	historyGone
)

func newLater(b *letterbook) (*later, error) {
	history, err := consumer.NewHistory(b.config.Source.Kafka, nil)
	if err != nil {
		return nil, err
	}
	l := &later{book: b, letters: map[transform.Source]bool{}, wanted: map[identity]*newest{}, first: map[part]int64{}, end: map[part]int64{}}
	l.tail = tail{
		history: history, bounds: history.Bounds, judge: b.judge, next: map[part]int64{}, leaves: l.sent,
		skip: func(source transform.Source) bool { return l.letters[source] },
	}
	return l, nil
}

func (l *later) close() { l.history.Close() }

// letter notes an open letter.
func (l *later) letter(d *Letter) { l.letters[d.Origin] = true }

// want notes that a letter is to leave.
func (l *later) want(d *Letter, key string) {
	id := identityOf(d.Origin, key)
	if l.wanted[id] == nil {
		l.wanted[id] = &newest{-1}
	}
	if from, ok := l.next[id.part]; !ok || d.Origin.Offset+1 < from {
		l.next[id.part] = d.Origin.Offset + 1
	}
}

// begin reads the source topics up to their ends as they are now. Of a topic
// that is no source any more, and of a partition that a topic has not, nothing is
// known.
func (l *later) begin(ctx context.Context) error {
	if len(l.next) == 0 {
		return nil
	}
	there, err := l.partitions(ctx)
	if err != nil {
		return err
	}
	var at []consumer.Progress
	for p := range l.next {
		if !l.book.config.Source.Kafka.Reads(p.topic) || there != nil && !there[p] {
			delete(l.next, p)
			l.first[p] = math.MaxInt64
			continue
		}
		at = append(at, consumer.Progress{Topic: p.topic, Partition: p.partition})
	}
	if len(at) == 0 {
		return nil
	}
	if err := l.history.Bounds(ctx, at); err != nil {
		return err
	}
	for _, p := range at {
		l.first[part{p.Topic, p.Partition}], l.end[part{p.Topic, p.Partition}] = p.Start, p.End
	}
	_, err = l.look(ctx, nil)
	return err
}

// partitions are those of the source topics; nil where one of these is missing.
func (l *later) partitions(ctx context.Context) (map[part]bool, error) {
	ranges, err := l.history.Partitions(ctx)
	if errors.Is(err, kafka.UnknownTopicOrPartition) {
		return nil, nil
	}
	there := map[part]bool{}
	for _, r := range ranges {
		there[part{r.Topic, r.Partition}] = true
	}
	return there, err
}

// judge tells how a letter of an identity stands.
func (l *later) standing(id identity, offset int64, pastRetention bool) standing {
	// A letter from beyond the end is of an earlier topic of that name.
	end, looked := l.end[id.part]
	switch n := l.wanted[id]; {
	case n != nil && n.offset >= offset:
		return superseded
	case (l.first[id.part] > offset+1 || looked && offset >= end) && !pastRetention:
		return historyGone
	}
	return latest
}

// sent notes that an event of an identity leaves now.
func (l *later) sent(id identity, offset int64) {
	if n := l.wanted[id]; n != nil {
		n.offset = max(n.offset, offset)
	}
}
