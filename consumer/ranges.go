package consumer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
)

// Place is one end of a range of messages: a time, the earliest or the latest
// message, or an offset for each partition.
type Place struct {
	text    string // as the user wrote it
	where   string // Earliest or Latest; empty: see the others
	at      time.Time
	offsets map[int]int64
}

// ParsePlace reads what users write: earliest, latest, a time as of RFC 3339, or
// offsets as partition=offset, separated by commas.
func ParsePlace(text string) (Place, error) {
	if text == Earliest || text == Latest {
		return Place{text: text, where: text}, nil
	}
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return Place{text: text, at: at}, nil
	}
	p := Place{text: text, offsets: map[int]int64{}}
	for part := range strings.SplitSeq(text, ",") {
		partition, offset, ok := strings.Cut(part, "=")
		n, err1 := strconv.Atoi(strings.TrimSpace(partition))
		o, err2 := strconv.ParseInt(strings.TrimSpace(offset), 10, 64)
		if _, twice := p.offsets[n]; !ok || err1 != nil || err2 != nil || n < 0 || o < 0 || twice {
			return Place{}, fmt.Errorf("%q is none of: earliest, latest, a time such as 2026-01-31T12:00:00Z, offsets such as 0=100,1=250", text)
		}
		p.offsets[n] = o
	}
	return p, nil
}

// String is the place as the user wrote it.
func (p Place) String() string { return p.text }

// At is the first message that was written then or later.
func At(t time.Time) Place { return Place{at: t} }

// names tells whether the place is one in the partition.
func (p Place) names(partition int) bool {
	_, named := p.offsets[partition]
	return p.offsets == nil || named
}

// Beginning is the earliest message that is still there.
func Beginning() Place { return Place{where: Earliest} }

// End is behind the latest message.
func End() Place { return Place{where: Latest} }

// Range is a bounded part of a partition: offsets From, included, to To, not.
type Range struct {
	Topic     string `json:"topic"`
	Partition int    `json:"partition"`
	From      int64  `json:"from"`
	To        int64  `json:"to"`
}

func (r *Range) topicPartition() topicPartition { return topicPartition{r.Topic, r.Partition} }

// History reads bounded parts of topics, in no group and with nothing committed.
type History struct {
	// Waiting hears why Read waits for the cluster, once for each time; nil: nobody.
	Waiting func(error)

	cfg       Config
	ids       map[string]topicID // as of the last call of Remade
	transport *kafka.Transport
	client    *kafka.Client
}

// NewHistory prepares a reader; Close gives its connections back.
func NewHistory(cfg Config, dial func(ctx context.Context, network, address string) (net.Conn, error)) (*History, error) {
	transport, err := cfg.Transport(dial)
	if err != nil {
		return nil, err
	}
	return &History{cfg: cfg, transport: transport, client: &kafka.Client{Addr: cfg.Addr(), Transport: transport}}, nil
}

// Remade tells whether one of the topics is another one than at the last call; it
// is for one goroutine at a time. One that is not there now is no other one yet.
func (h *History) Remade(ctx context.Context) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	now, err := topicIDs(ctx, h.transport, h.cfg.Addr(), h.cfg.TopicNames())
	if err != nil {
		return false, err
	}
	if h.ids == nil {
		h.ids = map[string]topicID{}
	}
	remade := false
	for topic, id := range now.ids {
		remade = remade || h.ids[topic].other(id)
		h.ids[topic] = id
	}
	return remade, nil
}

// Close gives the connections back.
func (h *History) Close() { h.transport.CloseIdleConnections() }

// Ranges finds the offsets between two places in every partition of the topics.
func (h *History) Ranges(ctx context.Context, from, to Place) ([]Range, error) {
	all, err := h.Partitions(ctx)
	if err != nil {
		return nil, err
	}
	var ranges []Range
	for _, r := range all {
		if r.From, err = h.offset(ctx, r.topicPartition(), from); err != nil {
			return nil, err
		}
		if r.To, err = h.offset(ctx, r.topicPartition(), to); err != nil {
			return nil, err
		}
		if r.To > r.From {
			ranges = append(ranges, r)
		}
	}
	return ranges, nil
}

// Partitions lists the partitions of the topics, as empty ranges.
func (h *History) Partitions(ctx context.Context) ([]Range, error) {
	topics, err := h.cfg.lookUp(ctx, h.client, h.cfg.Addr())
	if err != nil {
		return nil, err
	}
	tps := allPartitions(topics)
	slices.SortFunc(tps, compareTopicPartitions)
	ranges := make([]Range, 0, len(tps))
	for _, tp := range tps {
		ranges = append(ranges, Range{Topic: tp.topic, Partition: tp.partition})
	}
	return ranges, nil
}

// Within finds the offsets between two places in one partition, no further than
// its end as it is now. It is empty where places that are offsets do not name the
// partition. Offsets before its first message are an error that says so.
func (h *History) Within(ctx context.Context, topic string, partition int, from, to Place) (Range, error) {
	r := Range{Topic: topic, Partition: partition}
	if !from.names(partition) || !to.names(partition) {
		return r, nil
	}
	bounds := []Progress{{Topic: topic, Partition: partition}}
	err := h.Bounds(ctx, bounds)
	if err == nil {
		r.From, err = h.offset(ctx, r.topicPartition(), from)
	}
	if err == nil {
		r.To, err = h.offset(ctx, r.topicPartition(), to)
	}
	if err != nil {
		return r, err
	}
	r.To = min(r.To, bounds[0].End)
	if r.From < bounds[0].Start && r.To > r.From {
		return r, fmt.Errorf("%s/%d: offset %d %w: the first is %d", topic, partition, r.From, ErrNoMessage, bounds[0].Start)
	}
	return r, nil
}

// offset is a place in one partition; 0 where offsets do not name it.
func (h *History) offset(ctx context.Context, tp topicPartition, p Place) (int64, error) {
	if p.offsets != nil {
		return p.offsets[tp.partition], nil
	}
	request := kafka.FirstOffsetOf(tp.partition)
	switch p.where {
	case Latest:
		request = kafka.LastOffsetOf(tp.partition)
	case "":
		// Not by kafka.TimeOffsetOf, whose nanoseconds end in 2262; before 1970 there is nothing.
		request = kafka.OffsetRequest{Partition: tp.partition, Timestamp: max(0, p.at.UnixMilli())}
	}
	found, err := listOffset(ctx, h.client, h.cfg.Addr(), tp, request)
	if err == nil && found < 0 { // nothing is as new as that
		return listOffset(ctx, h.client, h.cfg.Addr(), tp, kafka.LastOffsetOf(tp.partition))
	}
	return found, err
}

// Committed is how far a group has settled each of the ranges.
func (h *History) Committed(ctx context.Context, group string, ranges []Range) (map[Range]int64, error) {
	found, err := h.positions(ctx, group, ranges)
	if err != nil {
		return nil, err
	}
	result := make(map[Range]int64, len(ranges))
	for _, r := range ranges {
		result[r] = -1
		if at, ok := found[r.topicPartition()]; ok {
			result[r] = at.committed
		}
	}
	return result, nil
}

// positions is what a group has committed of the partitions of the ranges.
func (h *History) positions(ctx context.Context, group string, ranges []Range) (map[topicPartition]position, error) {
	if len(ranges) == 0 {
		return nil, nil // to ask for none would be to ask for all
	}
	var tps []topicPartition
	for _, r := range ranges {
		tps = append(tps, r.topicPartition())
	}
	return committedOffsets(ctx, h.client, h.cfg.Addr(), group, tps)
}

// Settled tells which messages of the ranges' partitions a group has at rest: what
// is below its committed offset, and what its commits say has settled above.
func (h *History) Settled(ctx context.Context, group string, ranges []Range) (func(partition int, offset int64) bool, error) {
	found, err := h.positions(ctx, group, ranges)
	if err != nil {
		return nil, err
	}
	above := make(map[int][]span, len(found))
	next := make(map[int]int64, len(found))
	for tp, at := range found {
		next[tp.partition] = at.committed
		above[tp.partition] = decodeSettled(at.committed, at.metadata)
	}
	return func(partition int, offset int64) bool {
		return offset < next[partition] || slices.ContainsFunc(above[partition], func(s span) bool { return s.from <= offset && offset < s.to })
	}, nil
}

// Read hands the messages of a range to each, in order, as the group would get
// them, while the next ones are being fetched. It ends with the range, with ctx,
// or with the first error of each. A cluster that does not answer is waited for.
func (h *History) Read(ctx context.Context, r Range, each func(*Message) error) error {
	ctx, cancel := context.WithCancel(ctx)
	var fetching sync.WaitGroup
	defer fetching.Wait()
	defer cancel()
	batches := make(chan batch)
	var ended error
	fetching.Go(func() {
		ended = h.fetch(ctx, r, batches)
		close(batches)
	})
	for b := range batches {
		for i := range b.messages {
			if b.messages[i].Offset >= r.To {
				return nil
			}
			if err := each(&b.messages[i]); err != nil {
				return err
			}
		}
	}
	return ended
}

// fetch reads a range batch by batch.
func (h *History) fetch(ctx context.Context, r Range, batches chan<- batch) error {
	p := peek{h.transport, h.cfg.Addr(), r.topicPartition()}
	wait := newBackoff()
	told := false
	for at := r.From; at < r.To; {
		answer, b, err := p.fetch(ctx, at, readCommitted)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, kafka.OffsetOutOfRange):
			return fmt.Errorf("read %s/%d from offset %d: %w", r.Topic, r.Partition, at, err)
		case errors.Is(err, errCorrupt) && b.next > at: // what came before it is good
		case errors.Is(err, errCorrupt):
			return err
		case err != nil:
			if h.Waiting != nil && !told && !settlesSoon(err) {
				told = true
				h.Waiting(err)
			}
			pause(ctx, wait.NextBackOff())
			continue
		}
		wait.Reset()
		told = false
		select {
		case batches <- b:
		case <-ctx.Done():
			return ctx.Err()
		}
		if b.next == at && answer.lastStable >= 0 && at >= answer.lastStable {
			return nil // a transaction that is still open holds the rest back
		}
		at = b.next
	}
	return nil
}
