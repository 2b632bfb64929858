package resend

import (
	"context"

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

// Tail reads source topics on to their ends.
type Tail struct {
	History  *consumer.History
	Bounds   func(ctx context.Context, at []consumer.Progress) error // history's
	Evaluate func(ctx context.Context, m *consumer.Message, source transform.Source) (rules.Evaluation, error)
	Next     map[TopicPartition]int64           // where to read on
	Skip     func(source transform.Source) bool // events that have not left; nil: none
	Leaves   func(id Identity, offset int64)    // hears of each event that leaves or has left
}

// Look reads on to the ends as they are now. It returns the newest events that
// leave of the identities in sent, where they are newer than what was sent.
func (t *Tail) Look(ctx context.Context, sent map[Identity]int64) (map[Identity]*NewerEvent, error) {
	var at []consumer.Progress
	for p := range t.Next {
		at = append(at, consumer.Progress{Topic: p.Topic, Partition: p.Partition})
	}
	if len(at) == 0 {
		return nil, nil
	}
	if err := t.Bounds(ctx, at); err != nil {
		return nil, err
	}
	newer := map[Identity]*NewerEvent{}
	for _, p := range at {
		from := TopicPartition{p.Topic, p.Partition}
		r := consumer.Range{Topic: p.Topic, Partition: p.Partition, From: max(t.Next[from], p.Start), To: p.End}
		if err := t.History.Read(ctx, r, func(m *consumer.Message) error { return t.event(ctx, m, sent, newer) }); err != nil {
			return nil, err
		}
		t.Next[from] = max(r.From, p.End)
	}
	return newer, nil
}

func (t *Tail) event(ctx context.Context, m *consumer.Message, sent map[Identity]int64, newer map[Identity]*NewerEvent) error {
	source := rules.SourceIn(m)
	if t.Skip != nil && t.Skip(source) {
		return nil
	}
	j, err := t.Evaluate(ctx, m, source)
	if err != nil || j.Outcome != transform.Export {
		return err
	}
	id := Identity{TopicPartition{m.Topic, m.Partition}, HashKey(j.PartitionKey)}
	t.Leaves(id, m.Offset)
	if older, ok := sent[id]; ok && older < m.Offset {
		newer[id] = &NewerEvent{letter.KeptOrigin(m), j.PartitionKey, j.Data}
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

func (e *NewerEvent) record(owner sink.Owner, revoked <-chan struct{}) *sink.Record {
	return &sink.Record{PartitionKey: e.key, Data: e.data, Source: e.Origin, Owner: owner, Revoked: revoked}
}
