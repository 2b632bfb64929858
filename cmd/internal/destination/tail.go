package destination

import (
	"context"

	"kinesis-destination/consumer"
	"kinesis-destination/sink"
	"kinesis-destination/transform"
)

// part is one partition of a source topic.
type part struct {
	topic     string
	partition int
}

// identity is whose events are kept in order: a partition key, in one partition.
type identity struct {
	part
	key keyHash
}

// tail reads source topics on to their ends.
type tail struct {
	history *consumer.History
	bounds  func(ctx context.Context, at []consumer.Progress) error // history's
	judge   func(ctx context.Context, m *consumer.Message, source transform.Source) (judgment, error)
	next    map[part]int64                     // where to read on
	skip    func(source transform.Source) bool // events that have not left; nil: none
	leaves  func(id identity, offset int64)    // hears of each event that leaves or has left
}

// look reads on to the ends as they are now. It returns the newest events that
// leave of the identities in sent, where they are newer than what was sent.
func (t *tail) look(ctx context.Context, sent map[identity]int64) (map[identity]*newerEvent, error) {
	var at []consumer.Progress
	for p := range t.next {
		at = append(at, consumer.Progress{Topic: p.topic, Partition: p.partition})
	}
	if len(at) == 0 {
		return nil, nil
	}
	if err := t.bounds(ctx, at); err != nil {
		return nil, err
	}
	newer := map[identity]*newerEvent{}
	for _, p := range at {
		from := part{p.Topic, p.Partition}
		r := consumer.Range{Topic: p.Topic, Partition: p.Partition, From: max(t.next[from], p.Start), To: p.End}
		if err := t.history.Read(ctx, r, func(m *consumer.Message) error { return t.event(ctx, m, sent, newer) }); err != nil {
			return nil, err
		}
		t.next[from] = max(r.From, p.End)
	}
	return newer, nil
}

func (t *tail) event(ctx context.Context, m *consumer.Message, sent map[identity]int64, newer map[identity]*newerEvent) error {
	source := sourceIn(m)
	if t.skip != nil && t.skip(source) {
		return nil
	}
	j, err := t.judge(ctx, m, source)
	if err != nil || j.Outcome != transform.Export {
		return err
	}
	id := identity{part{m.Topic, m.Partition}, hashKey(j.PartitionKey)}
	t.leaves(id, m.Offset)
	if older, ok := sent[id]; ok && older < m.Offset {
		newer[id] = &newerEvent{keptOrigin(m), j.PartitionKey, j.Data}
	}
	return nil
}

// lookAgain has the next look begin at an offset, or before it.
func (t *tail) lookAgain(p part, offset int64) {
	if next, ok := t.next[p]; ok {
		t.next[p] = min(next, offset)
	}
}

// newerEvent is an event of a source topic, as it leaves.
type newerEvent struct {
	sink.Origin
	key  string
	data []byte
}

func (e *newerEvent) record(owner sink.Owner, revoked <-chan struct{}) *sink.Record {
	return &sink.Record{PartitionKey: e.key, Data: e.data, Origin: e.Origin, Owner: owner, Revoked: revoked}
}
