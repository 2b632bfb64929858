package consumer

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// Ledger remembers which messages of a topic are settled, in any order, as the
// committed offsets of a group that no member joins: the offset below which all
// are, and beside it what is above. It is not safe for concurrent use.
type Ledger struct {
	history *History
	group   string
	ranges  []Range
	parts   map[topicPartition]*ledgerPart
}

type ledgerPart struct {
	at      position // what the group has
	settled []span   // above it, as of then
	open    []int64  // messages that are not settled, in order
	done    map[int64]bool
	end     int64 // after the last message that was noted
}

// ErrLedgerFull says that what is settled is too scattered to be remembered.
var ErrLedgerFull = errors.New("too many messages lie unsettled between those that are settled for Kafka to keep beside the group's offset: settle the older ones first")

// Ledger reads what a group has settled of the topics.
func (h *History) Ledger(ctx context.Context, group string, ranges []Range) (*Ledger, error) {
	l := &Ledger{history: h, group: group, ranges: ranges, parts: map[topicPartition]*ledgerPart{}}
	for _, r := range ranges {
		l.parts[r.topicPartition()] = &ledgerPart{at: position{committed: -1}, done: map[int64]bool{}, end: r.From}
	}
	found, err := h.positions(ctx, group, ranges)
	if err != nil {
		return nil, err
	}
	for tp, p := range l.parts {
		if at, ok := found[tp]; ok {
			p.at, p.settled = at, decodeSettled(at.committed, at.metadata)
		}
	}
	return l, nil
}

// Note tells the ledger of the next message of a partition, in order, and
// whether it is for nobody to settle. It answers whether the message is open.
func (l *Ledger) Note(m *Message, foreign bool) (open bool) {
	p := l.parts[topicPartition{m.Topic, m.Partition}]
	if p == nil {
		return false // written after the ledger was opened
	}
	p.end = m.Offset + 1
	for len(p.settled) > 0 && p.settled[0].to <= m.Offset {
		p.settled = p.settled[1:]
	}
	before := m.Offset < p.at.committed || len(p.settled) > 0 && p.settled[0].from <= m.Offset
	if before || foreign {
		return false
	}
	p.open = append(p.open, m.Offset)
	return true
}

// Settle settles an open message.
func (l *Ledger) Settle(topic string, partition int, offset int64) {
	if p := l.parts[topicPartition{topic, partition}]; p != nil {
		p.done[offset] = true
	}
}

// Fits tells whether it can be remembered that the messages which choose names
// are settled beside those that are.
func (l *Ledger) Fits(choose func(topic string, partition int, offset int64) bool) error {
	for tp, p := range l.parts {
		rest := slices.DeleteFunc(slices.Clone(p.open), func(o int64) bool { return p.done[o] || choose(tp.topic, tp.partition, o) })
		if _, err := p.encode(rest); err != nil {
			return fmt.Errorf("partition %d: %w", tp.partition, err)
		}
	}
	return nil
}

// Next is the offset below which everything in a partition is settled.
func (l *Ledger) Next(topic string, partition int) int64 {
	p := l.parts[topicPartition{topic, partition}]
	if p == nil {
		return 0 // retention had emptied it when the ledger was opened
	}
	p.forget()
	return p.next(p.open)
}

// forget leaves out what has been settled.
func (p *ledgerPart) forget() {
	p.open = slices.DeleteFunc(p.open, func(o int64) bool { return p.done[o] })
	clear(p.done)
}

func (p *ledgerPart) next(open []int64) int64 {
	if len(open) > 0 {
		return open[0]
	}
	return max(p.end, p.at.committed)
}

// encode is what to commit while some messages are open. All else up to the end
// is settled, so that offsets without a message cost nothing.
func (p *ledgerPart) encode(open []int64) (position, error) {
	at := p.next(open)
	var spans []span
	for i, o := range open {
		upper := p.end
		if i+1 < len(open) {
			upper = open[i+1]
		}
		if o+1 < upper {
			spans = append(spans, span{o + 1, upper})
		}
	}
	metadata := encodeSettled(at, spans)
	if !slices.Equal(decodeSettled(at, metadata), spans) {
		return position{}, ErrLedgerFull
	}
	return position{next: at, committed: at, metadata: metadata, topic: p.at.topic, stamped: true}, nil
}

// Commit has Kafka remember what is settled by now.
func (l *Ledger) Commit(ctx context.Context) error {
	found, err := l.history.positions(ctx, l.group, l.ranges)
	if err != nil {
		return err
	}
	changed := map[topicPartition]position{}
	for tp, p := range l.parts {
		if p.at.topic.other(found[tp].topic) {
			return fmt.Errorf("topic %s: %w", tp.topic, ErrRemade)
		}
		if at, ok := found[tp]; ok && (at.committed != p.at.committed || at.metadata != p.at.metadata) {
			return ErrMoved
		}
		p.forget()
		at, err := p.encode(p.open)
		if err != nil {
			return err
		}
		if at.committed != p.at.committed || at.metadata != p.at.metadata {
			changed[tp] = at
		}
	}
	if len(changed) == 0 {
		return nil
	}
	if err := l.history.commit(ctx, l.group, changed); err != nil {
		return err
	}
	for tp, at := range changed {
		l.parts[tp].at = at
	}
	return nil
}
