// Package dedupe is for readers of the stream: it tells records that they have
// seen from new ones, by the _source that records carry with
// target.kinesis.metadata: true.
//
// A record may stand in the stream more than once: after a crash, or after an
// answer that never came. Per partition key and source partition the records of
// a stream are in the order of their offsets, repetitions aside, so whatever is
// not above the highest offset seen is a repetition. A replay, a redrive and a
// backfill send earlier offsets once more on purpose: their records carry
// _source.resend, and each is a sequence of its own.
//
// A reader keeps one Filter per stream, gives it each record in the order in
// which it reads a shard (parents before children after a reshard), and keeps it
// as long as it keeps its checkpoints: a reader that goes back to a checkpoint
// begins with a new Filter, or restores what it knew then.
//
//	filter := dedupe.New(1_000_000)
//	for _, r := range page.Records {
//		fresh, err := filter.Fresh(*r.PartitionKey, r.Data)
//		if err != nil {
//			return err // the record carries no _source
//		}
//		if fresh {
//			handle(r)
//		}
//	}
package dedupe

import (
	"container/list"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Source is where a record comes from: its member _source.
type Source struct {
	Topic       string    `json:"topic"`
	Partition   int       `json:"partition"`
	Offset      int64     `json:"offset"`
	EventID     string    `json:"eventId"`
	EvaluatedAt time.Time `json:"evaluatedAt"`
	// Resend names the replay, redrive or backfill that sent the event once more on
	// purpose; empty: it is the live one.
	Resend string `json:"resend"`
}

// ErrNoSource says that a record carries no _source: the destination's
// target.kinesis.metadata is not set.
var ErrNoSource = errors.New("the record has no _source; set target.kinesis.metadata: true")

// SourceOf reads the _source of a record's document.
func SourceOf(document []byte) (Source, error) {
	var d struct {
		Source *Source `json:"_source"`
	}
	if err := json.Unmarshal(document, &d); err != nil {
		// The decoder's own message could quote the document.
		return Source{}, errors.New("read _source: the record is no JSON document of the destination")
	}
	if d.Source == nil {
		return Source{}, ErrNoSource
	}
	return *d.Source, nil
}

// Filter remembers the highest offset seen per partition key, source partition
// and resend, for as many of them as it may hold; of those that were not seen for
// longest it forgets, and would let a repetition of theirs pass. It is safe for
// concurrent use.
type Filter struct {
	limit int

	mu     sync.Mutex
	seen   map[place]*list.Element
	recent *list.List // of *mark, the latest first
}

type place struct {
	key, topic, resend string
	partition          int
}

type mark struct {
	place
	offset int64
}

// New returns a filter that remembers up to limit keys, about 200 bytes each.
func New(limit int) *Filter {
	return &Filter{limit: max(limit, 1), seen: map[place]*list.Element{}, recent: list.New()}
}

// Fresh tells whether a record has not been seen before, and remembers it.
func (f *Filter) Fresh(partitionKey string, document []byte) (bool, error) {
	s, err := SourceOf(document)
	if err != nil {
		return false, fmt.Errorf("tell a repetition: %w", err)
	}
	return f.FreshSource(partitionKey, s), nil
}

// FreshSource is Fresh for a record whose _source has been read.
func (f *Filter) FreshSource(partitionKey string, s Source) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	at := place{partitionKey, s.Topic, s.Resend, s.Partition}
	if e, ok := f.seen[at]; ok {
		f.recent.MoveToFront(e)
		m := e.Value.(*mark)
		if s.Offset <= m.offset {
			return false
		}
		m.offset = s.Offset
		return true
	}
	f.seen[at] = f.recent.PushFront(&mark{at, s.Offset})
	if f.recent.Len() > f.limit {
		oldest := f.recent.Remove(f.recent.Back()).(*mark)
		delete(f.seen, oldest.place)
	}
	return true
}
