package sources

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"kinesis-destination/cmd/internal/rules"
	"kinesis-destination/consumer"
	"kinesis-destination/schemas"
)

// The bounds of a sample: a person waits for it, and a topic may hold a million events.
// It is of the newest ones of so many partitions, spread over all, and it is taken again
// after a while.
const (
	sampleEvents     = 300
	samplePartitions = 25
	sampleBytes      = 8 << 20
	sampleWait       = 4 * time.Second
	sampleFor        = 30 * time.Second
	failedFor        = 10 * time.Second // one that could not be taken is not tried again by each who asks
	oldestSample     = 10 * time.Minute // then none is better
)

// Sample is what a source's newest events show.
type Sample struct {
	// Total is how many messages the topics hold, as far as offsets tell.
	Total      int64 `json:"total"`
	Partitions int   `json:"partitions"`
	// Looked is how many messages were looked at; Unreadable, how many of them could not
	// be decoded.
	Looked     int       `json:"looked"`
	Unreadable int       `json:"unreadable"`
	Oldest     time.Time `json:"oldest,omitzero"`
	Newest     time.Time `json:"newest,omitzero"`
	At         time.Time `json:"at"`
	// Incomplete says why less was looked at than could be.
	Incomplete string `json:"incomplete,omitempty"`

	Events   []Sampled              `json:"-"`
	Segments map[string]SeenSegment `json:"-"` // by id
	Fields   map[string]SeenField   `json:"-"` // by path below attributes
}

// Sampled is one event of a sample; it is not changed.
type Sampled struct {
	Message *consumer.Message
	Event   schemas.Event
}

// SeenSegment is how often a segment was seen.
type SeenSegment struct {
	Inside int `json:"inside"` // memberships that are realized or existing
	Exited int `json:"exited"`
}

// SeenField is how often a field had a value, and one of these, masked.
type SeenField struct {
	Present int
	Example string
}

// Sampler takes samples, at most one of a source at a time.
type Sampler struct {
	mu      sync.Mutex
	sources map[*Source]*sampled
}

type sampled struct {
	turn   chan struct{} // held by whoever takes the sample
	sample *Sample
	failed error // of the last try
	tried  time.Time
}

// Newest is a sample of a source's newest events. The error says why there is none:
// Kafka or the registry does not answer.
func (s *Sampler) Newest(ctx context.Context, source *Source) (*Sample, error) {
	s.mu.Lock()
	if s.sources == nil {
		s.sources = map[*Source]*sampled{}
	}
	one, ok := s.sources[source]
	if !ok {
		one = &sampled{turn: make(chan struct{}, 1)}
		s.sources[source] = one
	}
	s.mu.Unlock()
	select {
	case one.turn <- struct{}{}:
		defer func() { <-one.turn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if one.sample != nil && time.Since(one.sample.At) < sampleFor {
		return one.sample, nil
	}
	if one.failed == nil || time.Since(one.tried) >= failedFor {
		taking, cancel := context.WithTimeout(ctx, sampleWait)
		defer cancel()
		taken, err := take(taking, source)
		if ctx.Err() != nil { // who asked has gone: that says nothing of the source
			return nil, ctx.Err()
		}
		if one.failed, one.tried = err, time.Now(); err == nil {
			one.sample = taken
		}
	}
	if one.sample != nil && time.Since(one.sample.At) < oldestSample {
		return one.sample, nil
	}
	return nil, one.failed
}

// errEnough ends the look at a partition.
var errEnough = errors.New("enough was seen")

func take(ctx context.Context, source *Source) (*Sample, error) {
	kafka := source.Kafka
	kafka.Defaults()
	decoder, err := schemas.NewDecoder(source.Config, rules.RegistryClient(nil))
	if err != nil {
		return nil, err
	}
	history, err := consumer.NewHistory(kafka, nil)
	if err != nil {
		return nil, err
	}
	defer history.Close()
	ranges, err := history.AllWithin(ctx, consumer.Beginning(), consumer.End())
	if err != nil {
		return nil, err
	}
	s := &Sample{Partitions: len(ranges), At: time.Now(), Segments: map[string]SeenSegment{}, Fields: map[string]SeenField{}}
	for _, r := range ranges {
		s.Total += r.To - r.From
	}
	left := sampleBytes
	for _, r := range newest(ranges) {
		err := history.Read(ctx, r, func(m *consumer.Message) error {
			s.look(ctx, decoder, m)
			if left -= len(m.Value); left < 0 {
				return errEnough
			}
			return ctx.Err()
		})
		switch {
		case errors.Is(err, errEnough):
			s.Incomplete = "the events are large"
			return s, nil
		case err != nil && s.Looked > 0:
			s.Incomplete = "Kafka or the registry answers slowly"
			return s, nil
		case err != nil:
			return nil, err
		}
	}
	return s, nil
}

// newest are the ends of partitions that a sample looks at.
func newest(ranges []consumer.Range) []consumer.Range {
	ranges = slices.DeleteFunc(slices.Clone(ranges), func(r consumer.Range) bool { return r.To <= r.From })
	step := (len(ranges) + samplePartitions - 1) / samplePartitions
	var chosen []consumer.Range
	for i := 0; i < len(ranges); i += max(step, 1) {
		chosen = append(chosen, ranges[i])
	}
	for i := range chosen {
		chosen[i].From = max(chosen[i].From, chosen[i].To-int64(sampleEvents/len(chosen)))
	}
	return chosen
}

// look counts what a message shows, and keeps it.
func (s *Sample) look(ctx context.Context, decoder *schemas.Decoder, m *consumer.Message) {
	s.Looked++
	if s.Oldest.IsZero() || m.Time.Before(s.Oldest) {
		s.Oldest = m.Time
	}
	if m.Time.After(s.Newest) {
		s.Newest = m.Time
	}
	if m.Value == nil {
		s.Unreadable++
		return
	}
	kept := &consumer.Message{
		Topic: m.Topic, Partition: m.Partition, Offset: m.Offset, Key: slices.Clone(m.Key), Value: slices.Clone(m.Value), Time: m.Time,
	}
	for _, h := range m.Headers {
		kept.Headers = append(kept.Headers, consumer.Header{Key: h.Key, Value: slices.Clone(h.Value)})
	}
	event, err := rules.DecodeMessage(ctx, decoder, kept)
	if err != nil || !s.count(event) {
		s.Unreadable++
		return
	}
	s.Events = append(s.Events, Sampled{kept, event})
}
