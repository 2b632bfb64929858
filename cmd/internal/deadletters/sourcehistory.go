package deadletters

import (
	"context"
	"errors"
	"math"

	"github.com/segmentio/kafka-go"

	"kinesis-destination/cmd/internal/letter"
	"kinesis-destination/cmd/internal/resend"
	"kinesis-destination/consumer"
	"kinesis-destination/transform"
)

// sourceHistory knows, of the identities that have letters, the newest event in the
// source topic that leaves. An older state must not follow it into the stream.
type sourceHistory struct {
	resend.Tail // at first it begins behind the oldest wanted letter
	history     *consumer.History
	book        *Store
	letters     map[transform.Source]bool // origins of open letters: they have not left
	wanted      map[resend.Identity]*newest
	first       map[resend.TopicPartition]int64 // where the partition begins by now
	ids         map[string][16]byte             // of the source topics, as they are now
	end         map[resend.TopicPartition]int64 // where it ended when it was looked at first
}

func identityOf(s transform.Source, key string) resend.Identity {
	return resend.Identity{TopicPartition: resend.TopicPartition{Topic: s.Topic, Partition: s.Partition}, Key: resend.HashKey(key)}
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

func newSourceHistory(b *Store) (*sourceHistory, error) {
	history, err := consumer.NewHistory(b.Config.Source.Kafka, nil)
	if err != nil {
		return nil, err
	}
	l := &sourceHistory{history: history, book: b, letters: map[transform.Source]bool{}, wanted: map[resend.Identity]*newest{}, first: map[resend.TopicPartition]int64{}, end: map[resend.TopicPartition]int64{}}
	l.Tail = resend.Tail{
		Read: history.Read, Bounds: history.Bounds, Evaluate: b.Evaluate, Next: map[resend.TopicPartition]int64{}, Leaves: l.sent,
		Skip: func(source transform.Source) bool { return l.letters[source] },
	}
	return l, nil
}

func (l *sourceHistory) close() { l.history.Close() }

// offset is where a letter's message stood in the source topic; -1 where that is
// another topic by now, in which everything is newer.
func (l *sourceHistory) offset(d *letter.Letter) int64 {
	if now, known := l.ids[d.Origin.Topic]; known && d.TopicID != ([16]byte{}) && d.TopicID != now {
		return -1
	}
	return d.Origin.Offset
}

// letter notes an open letter.
func (l *sourceHistory) letter(d *letter.Letter) {
	if l.offset(d) >= 0 {
		l.letters[d.From()] = true
	}
}

// want notes that a letter is to leave.
func (l *sourceHistory) want(d *letter.Letter, key string) {
	id := identityOf(d.From(), key)
	if l.wanted[id] == nil {
		l.wanted[id] = &newest{-1}
	}
	if from, ok := l.Next[id.TopicPartition]; !ok || l.offset(d)+1 < from {
		l.Next[id.TopicPartition] = l.offset(d) + 1
	}
}

// readToEnd reads the source topics up to their ends as they are now. Of a topic
// that is no source any more, and of a partition that a topic has not, nothing is
// known.
func (l *sourceHistory) readToEnd(ctx context.Context) error {
	if len(l.Next) == 0 {
		return nil
	}
	there, err := l.partitions(ctx)
	if err != nil {
		return err
	}
	var at []consumer.Progress
	for p := range l.Next {
		if !l.book.Config.Source.Kafka.Reads(p.Topic) || there != nil && !there[p] {
			delete(l.Next, p)
			l.first[p] = math.MaxInt64
			continue
		}
		at = append(at, consumer.Progress{Topic: p.Topic, Partition: p.Partition})
	}
	if len(at) == 0 {
		return nil
	}
	if err := l.history.Bounds(ctx, at); err != nil {
		return err
	}
	for _, p := range at {
		l.first[resend.TopicPartition{Topic: p.Topic, Partition: p.Partition}], l.end[resend.TopicPartition{Topic: p.Topic, Partition: p.Partition}] = p.Start, p.End
	}
	_, _, err = l.Look(ctx, nil)
	return err
}

// partitions are those of the source topics; nil where one of these is missing.
func (l *sourceHistory) partitions(ctx context.Context) (map[resend.TopicPartition]bool, error) {
	ranges, err := l.history.Partitions(ctx)
	if errors.Is(err, kafka.UnknownTopicOrPartition) {
		return nil, nil
	}
	there := map[resend.TopicPartition]bool{}
	for _, r := range ranges {
		there[resend.TopicPartition{Topic: r.Topic, Partition: r.Partition}] = true
	}
	return there, err
}

// standing tells how a letter of an identity stands that was at an offset; see offset.
func (l *sourceHistory) standing(id resend.Identity, offset int64, pastRetention bool) standing {
	// A letter from beyond the end is of an earlier topic of that name.
	end, looked := l.end[id.TopicPartition]
	switch n := l.wanted[id]; {
	case n != nil && n.offset >= max(0, offset):
		return superseded
	case (offset < 0 || l.first[id.TopicPartition] > offset+1 || looked && offset >= end) && !pastRetention:
		return historyGone
	}
	return latest
}

// sent notes that an event of an identity leaves now.
func (l *sourceHistory) sent(id resend.Identity, offset int64) {
	if n := l.wanted[id]; n != nil {
		n.offset = max(n.offset, offset)
	}
}
