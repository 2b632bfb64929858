package resend

import (
	"context"
	"errors"
	"maps"

	"kinesis-destination/cmd/internal/letter"
	"kinesis-destination/cmd/internal/rules"
	"kinesis-destination/consumer"
	"kinesis-destination/sink"
	"kinesis-destination/sink/deadletter"
	"kinesis-destination/transform"
)

// TopicPartition is one partition of a source topic.
type TopicPartition struct {
	Topic     string
	Partition int
}

// Identity is whose events are kept in order: a partition key, in one partition.
type Identity struct {
	TopicPartition
	Key KeyHash
}

// newerBytes bounds what a look keeps of newer events: what the topics got while the stream was
// held may be more than the process has room for.
const newerBytes = 4 << 20

// Tail reads source topics on to their ends.
type Tail struct {
	Read     func(ctx context.Context, r consumer.Range, each func(m *consumer.Message) error) error // history's
	Bounds   func(ctx context.Context, at []consumer.Progress) error                                 // history's
	Evaluate func(ctx context.Context, m *consumer.Message, source transform.Source) (rules.Evaluation, error)
	Next     map[TopicPartition]int64           // where to read on
	Skip     func(source transform.Source) bool // events that have not left; nil: none
	Leaves   func(id Identity, offset int64)    // hears of each event that leaves or has left
}

// Look reads on to the ends as they are now. It returns the newest events that leave of the
// identities in sent, where they are newer than what was sent. Not the whole: there was too much
// for one look, and the next one goes on from there.
func (t *Tail) Look(ctx context.Context, sent map[Identity]int64) (newer map[Identity]*NewerEvent, whole bool, err error) {
	var at []consumer.Progress
	for p := range t.Next {
		at = append(at, consumer.Progress{Topic: p.Topic, Partition: p.Partition})
	}
	if len(at) == 0 {
		return nil, true, nil
	}
	if err := t.Bounds(ctx, at); err != nil {
		return nil, false, err
	}
	before := maps.Clone(t.Next)
	look := look{Tail: t, sent: sent, newer: map[Identity]*NewerEvent{}}
	for _, p := range at {
		from := TopicPartition{p.Topic, p.Partition}
		r := consumer.Range{Topic: p.Topic, Partition: p.Partition, From: max(t.Next[from], p.Start), To: p.End}
		look.read = r.From
		switch err := t.Read(ctx, r, func(m *consumer.Message) error { return look.event(ctx, m) }); {
		case errors.Is(err, errLookFull):
			t.Next[from] = look.read
			return look.newer, false, nil
		case err != nil:
			t.Next = before // what was found is lost
			return nil, false, err
		}
		t.Next[from] = max(r.From, p.End)
	}
	return look.newer, true, nil
}

// look is one under way.
type look struct {
	*Tail
	sent  map[Identity]int64
	newer map[Identity]*NewerEvent
	bytes int
	read  int64 // of the partition at hand, the offset after what was
}

var errLookFull = errors.New("a look keeps no more")

func (l *look) event(ctx context.Context, m *consumer.Message) error {
	if l.bytes >= newerBytes {
		return errLookFull
	}
	l.read = m.Offset + 1
	source := rules.SourceIn(m)
	if l.Skip != nil && l.Skip(source) {
		return nil
	}
	j, err := l.Evaluate(ctx, m, source)
	if err != nil || j.Outcome != transform.Export {
		return err
	}
	id := Identity{TopicPartition{m.Topic, m.Partition}, HashKey(j.PartitionKey)}
	l.Leaves(id, m.Offset)
	if older, ok := l.sent[id]; ok && older < m.Offset {
		if before := l.newer[id]; before != nil {
			l.bytes -= before.size()
		}
		l.newer[id] = &NewerEvent{letter.KeptOrigin(m), j.PartitionKey, j.Data}
		l.bytes += l.newer[id].size()
	}
	return nil
}

// LookAgain has the next look begin at an offset, or before it.
func (t *Tail) LookAgain(p TopicPartition, offset int64) {
	if next, ok := t.Next[p]; ok {
		t.Next[p] = min(next, offset)
	}
}

// NewerEvent is an event of a source topic, as it leaves.
type NewerEvent struct {
	*deadletter.Origin
	key  string
	data []byte
}

// size is what it takes, about.
func (e *NewerEvent) size() int { return len(e.data) + len(e.key) + len(e.Key) + len(e.Value) + 256 }

func (e *NewerEvent) record(owner sink.Owner, revoked <-chan struct{}) *sink.Record {
	return &sink.Record{PartitionKey: e.key, Data: e.data, Source: e.Origin, Owner: owner, Revoked: revoked}
}
