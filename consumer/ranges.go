package consumer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"

	"github.com/segmentio/kafka-go"
)

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
	// Waiting hears why Read waits for the cluster, once for each time, and of no error when
	// it goes on; nil: nobody.
	Waiting func(error)

	cfg       Config
	ids       map[string]topicID // as of the last call of Remade
	known     knownIDs
	transport *kafka.Transport
	client    *kafka.Client
	peeks     chan struct{} // those under way, of all that share the budget
}

// NewHistory prepares a reader; Close gives its connections back.
func NewHistory(cfg Config, dial func(ctx context.Context, network, address string) (net.Conn, error)) (*History, error) {
	transport, err := cfg.Transport(dial)
	if err != nil {
		return nil, err
	}
	return &History{
		cfg: cfg, transport: transport, client: &kafka.Client{Addr: cfg.Addr(), Transport: transport}, peeks: cfg.Budget.peeksOrOwn(),
	}, nil
}

// Close gives the connections back.
func (h *History) Close() { h.transport.CloseIdleConnections() }

// Ranges finds the offsets between two places in every partition of the topics.
func (h *History) Ranges(ctx context.Context, from, to Place) ([]Range, error) {
	all, err := h.Partitions(ctx)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(from.check(all), to.check(all)); err != nil {
		return nil, err
	}
	if err := h.places(ctx, all, from, to); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(r Range) bool { return r.To <= r.From }), nil
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
	one := []Range{{Topic: topic, Partition: partition}}
	err := h.within(ctx, one, from, to)
	return one[0], err
}

// AllWithin is Within of every partition of the topics.
func (h *History) AllWithin(ctx context.Context, from, to Place) ([]Range, error) {
	all, err := h.Partitions(ctx)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(from.check(all), to.check(all)); err != nil {
		return nil, err
	}
	return all, h.within(ctx, all, from, to)
}

func (h *History) within(ctx context.Context, all []Range, from, to Place) error {
	var named []Range
	var bounds []Progress
	var at []int // of named in all
	for i, r := range all {
		if from.names(r.Partition) && to.names(r.Partition) {
			named, at = append(named, r), append(at, i)
			bounds = append(bounds, Progress{Topic: r.Topic, Partition: r.Partition})
		}
	}
	if len(named) == 0 {
		return nil
	}
	if err := h.Bounds(ctx, bounds); err != nil {
		return err
	}
	if err := h.places(ctx, named, from, to); err != nil {
		return err
	}
	for i, r := range named {
		r.To = min(r.To, bounds[i].End)
		all[at[i]] = r
		if r.From < bounds[i].Start && r.To > r.From {
			return fmt.Errorf("%s/%d: offset %d %w: the first is %d", r.Topic, r.Partition, r.From, ErrNoMessage, bounds[i].Start)
		}
	}
	return nil
}

// places finds where ranges begin and end.
func (h *History) places(ctx context.Context, ranges []Range, from, to Place) error {
	begin, err := h.offsets(ctx, ranges, from)
	if err != nil {
		return err
	}
	end, err := h.offsets(ctx, ranges, to)
	if err != nil {
		return err
	}
	for i := range ranges {
		r := &ranges[i]
		r.From, r.To = begin[r.topicPartition()], end[r.topicPartition()]
	}
	return nil
}

// offsets is a place in each partition; 0 where offsets do not name it.
func (h *History) offsets(ctx context.Context, ranges []Range, p Place) (map[topicPartition]int64, error) {
	result := map[topicPartition]int64{}
	asked := map[topicPartition]int64{}
	for _, r := range ranges {
		switch tp := r.topicPartition(); {
		case p.offsets != nil:
			result[tp] = p.offsets[r.Partition]
		case p.where != "":
			asked[tp] = offsetOf(p.where)
		default: // before 1970 there is nothing
			asked[tp] = max(0, p.at.UnixMilli())
		}
	}
	// Where nothing is as new as a time, it is at the end.
	for len(asked) > 0 {
		found, err := listOffsets(ctx, h.client, h.cfg.Addr(), asked)
		if err != nil {
			return nil, err
		}
		none := map[topicPartition]int64{}
		for tp, f := range found {
			switch {
			case f.err != nil:
				return nil, f.err
			case f.offset >= 0:
				result[tp] = f.offset
			case asked[tp] == lastOffset:
				return nil, fmt.Errorf("list offsets of %s/%d: the answer is %d", tp.topic, tp.partition, f.offset)
			default:
				none[tp] = lastOffset
			}
		}
		asked = none
	}
	return result, nil
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

// historyBudget bounds what one Read keeps besides what each keeps: a set at hand
// and the next one, as much as a fetch asks for of a partition, and what is made of them.
const historyBudget = 4 * partitionMaxBytes

// Read hands the messages of a range to each, in order, as the group would get
// them, while the next ones are being fetched. A message is counted until each
// returns; whoever keeps one longer copies of it what is needed. It ends with the
// range, with ctx, or with the first error of each. A cluster that does not answer
// is waited for.
func (h *History) Read(ctx context.Context, r Range, each func(*Message) error) error {
	ctx, cancel := context.WithCancel(ctx)
	var fetching sync.WaitGroup
	sets := make(chan *recordSet)
	var ended error
	own := h.cfg.Budget.part(historyBudget)
	fetching.Go(func() {
		defer close(sets)
		ahead := h.fetchRange(r, own, partitionMaxBytes)
		for {
			set, err := ahead.next(ctx)
			if set == nil {
				ended = err
				return
			}
			select {
			case sets <- set:
			case <-ctx.Done():
				set.close()
				ended = ctx.Err()
				return
			}
		}
	})
	defer fetching.Wait()
	defer cancel()
	a, id := &account{budget: own}, h.topicID(ctx, r.Topic)
	for s := range sets {
		s.topic = id
		past, err := h.read(ctx, r, s, a, each)
		s.close()
		if past || err != nil {
			return err
		}
	}
	return ended
}

// read reads a set, and tells whether that is past the range.
func (h *History) read(ctx context.Context, r Range, s *recordSet, a *account, each func(*Message) error) (past bool, err error) {
	d := newDecoder(r.topicPartition(), s, a)
	defer d.close()
	for {
		p, err := d.part(ctx)
		if p == nil || err != nil {
			return false, err
		}
		for i := range p.messages {
			if p.messages[i].Offset >= r.To {
				past = true
				break
			}
			if err = each(&p.messages[i]); err != nil {
				break
			}
		}
		p.leave(len(p.messages) + 1)
		if past || err != nil {
			return past, err
		}
	}
}
