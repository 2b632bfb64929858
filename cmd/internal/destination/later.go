package destination

import (
	"context"
	"math"

	"kinesis-destination/consumer"
	"kinesis-destination/transform"
)

// later knows, of the identities that have letters, the newest event in the
// source topic that leaves. An older state must not follow it into the stream.
type later struct {
	book    *letterbook
	history *consumer.History
	letters map[transform.Source]bool // origins of open letters: they have not left
	wanted  map[identity]*newest
	from    map[part]int64 // where to read on; at first, behind the oldest wanted letter
	first   map[part]int64 // where the partition begins by now
}

// identity is whose events are kept in order: a partition key, in one partition.
type identity struct {
	part
	key string
}

type part struct {
	topic     string
	partition int
}

func identityOf(s transform.Source, key string) identity {
	return identity{part{s.Topic, s.Partition}, key}
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
	return &later{
		book: b, history: history, letters: map[transform.Source]bool{}, wanted: map[identity]*newest{},
		from: map[part]int64{}, first: map[part]int64{},
	}, nil
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
	if from, ok := l.from[id.part]; !ok || d.Origin.Offset+1 < from {
		l.from[id.part] = d.Origin.Offset + 1
	}
}

// begin reads the source topics up to their ends as they are now. Of a topic
// that is no source any more, nothing is known.
func (l *later) begin(ctx context.Context) error {
	var at []consumer.Progress
	for p := range l.from {
		if !l.book.config.Source.Kafka.Reads(p.topic) {
			delete(l.from, p)
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
		l.first[part{p.Topic, p.Partition}] = p.Start
	}
	_, err := l.look(ctx, nil)
	return err
}

// lookAgain has the next look begin at an offset.
func (l *later) lookAgain(p part, offset int64) {
	if from, ok := l.from[p]; ok {
		l.from[p] = min(from, offset)
	}
}

// look reads on to the end as it is now. It returns the newest events of the
// identities in sent that are newer than what was sent.
func (l *later) look(ctx context.Context, sent map[identity]int64) (map[identity]*newerEvent, error) {
	var at []consumer.Progress
	for p, from := range l.from {
		at = append(at, consumer.Progress{Topic: p.topic, Partition: p.partition, Next: max(from, l.first[p])})
	}
	if len(at) == 0 {
		return nil, nil
	}
	if err := l.history.Bounds(ctx, at); err != nil {
		return nil, err
	}
	newer := map[identity]*newerEvent{}
	for _, p := range at {
		r := consumer.Range{Topic: p.Topic, Partition: p.Partition, From: p.Next, To: p.End}
		if err := l.history.Read(ctx, r, func(m *consumer.Message) error { return l.event(ctx, m, sent, newer) }); err != nil {
			return nil, err
		}
		l.from[part{p.Topic, p.Partition}] = max(p.Next, p.End)
	}
	return newer, nil
}

func (l *later) event(ctx context.Context, m *consumer.Message, sent map[identity]int64, newer map[identity]*newerEvent) error {
	source := sourceIn(m)
	if l.letters[source] {
		return nil
	}
	j, err := l.book.judge(ctx, m, source)
	if err != nil || j.Outcome != transform.Export {
		return err
	}
	id := identityOf(source, j.PartitionKey)
	n := l.wanted[id]
	if n == nil {
		return nil
	}
	n.offset = max(n.offset, m.Offset)
	if older, ok := sent[id]; ok && older < m.Offset {
		newer[id] = &newerEvent{keptOrigin(m), j.PartitionKey, j.Data}
	}
	return nil
}

// judge tells how a letter of an identity stands.
func (l *later) judge(id identity, offset int64, pastRetention bool) standing {
	switch n := l.wanted[id]; {
	case n != nil && n.offset >= offset:
		return superseded
	case l.first[id.part] > offset+1 && !pastRetention:
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
