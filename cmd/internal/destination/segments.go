package destination

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"kinesis-destination/cmd/internal/hold"
	"kinesis-destination/cmd/internal/rules"
	"kinesis-destination/transform"
)

const (
	// maxTallies bounds the segments that are counted: forty times what the platform
	// supports. Beyond it those that are activated no more are let go of.
	maxTallies = 10_000
	// unlistedAfter and unlistedEvents are when it is said which activated segments no
	// event has listed: an event lists all segments of its profile, so by then a segment
	// with members has come up.
	unlistedAfter  = 15 * time.Minute
	unlistedEvents = 1000
	// unlistedEvery is how often it is looked.
	unlistedEvery = time.Minute
	// shownSegments is how many segments /status lists, namedSegments how many the log names.
	shownSegments, namedSegments = 1000, 10
)

// segments counts the activated segments of a destination, and finds those that no event
// has listed.
type segments struct {
	log *slog.Logger // nil: nobody is told

	mu       sync.Mutex
	tallies  map[string]*transform.Tally // by id: those that are activated, or were
	inForce  []transform.Segment
	since    time.Time // when those in force were looked at first
	consumed int64     // by then
	told     bool
	unlisted []string
}

// tallied are the tallies of a version of the rules, in the order of its segments.
func (s *segments) tallied(next *rules.Ruleset) []*transform.Tally {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tallies == nil || len(s.tallies)+len(next.Activation.Segments) > maxTallies {
		before := s.tallies
		s.tallies = map[string]*transform.Tally{}
		for _, segment := range slices.Concat(s.inForce, next.Activation.Segments) { // next may yet be refused
			if t := before[segment.ID]; t != nil {
				s.tallies[segment.ID] = t
			}
		}
	}
	all := make([]*transform.Tally, 0, len(next.Activation.Segments))
	for _, segment := range next.Activation.Segments {
		t := s.tallies[segment.ID]
		if t == nil {
			t = new(transform.Tally)
			s.tallies[segment.ID] = t
		}
		all = append(all, t)
	}
	return all
}

// begin says which rules are in force from now on.
func (s *segments) begin(inForce *rules.Ruleset, consumed int64, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inForce, s.since, s.consumed, s.told, s.unlisted = inForce.Activation.Segments, now, consumed, false, nil
}

// look finds, once there were enough events for it, which activated segments none of
// them has listed, and tells of them once for each version of the rules.
func (s *segments) look(consumed int64, now time.Time) {
	s.mu.Lock()
	if now.Sub(s.since) < unlistedAfter || consumed-s.consumed < unlistedEvents {
		s.mu.Unlock()
		return
	}
	s.unlisted = nil
	for _, segment := range s.inForce {
		if !s.tallies[segment.ID].Listed() {
			s.unlisted = append(s.unlisted, segment.ID)
		}
	}
	unlisted, events := s.unlisted, consumed-s.consumed
	tell := len(unlisted) > 0 && !s.told && s.log != nil
	s.told = s.told || tell
	s.mu.Unlock()
	if tell {
		s.log.Warn("activated segments that no event has listed: nothing leaves for them; compare their ids with segmentMembership of an event",
			"segments", unlisted[:min(len(unlisted), namedSegments)], "count", len(unlisted), "events", events)
	}
}

func (s *segments) watch(ctx context.Context, consumed func() int64) {
	hold.Every(ctx, unlistedEvery, func() { s.look(consumed(), time.Now()) })
}

// exported is how many records left with each segment, by id.
func (s *segments) exported() map[string]int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	by := map[string]int64{}
	for id, t := range s.tallies {
		for _, n := range t.Exported() {
			by[id] += n
		}
		if by[id] == 0 {
			delete(by, id)
		}
	}
	return by
}

// SegmentStatus is an activated segment as /status shows it.
type SegmentStatus struct {
	ID string `json:"id"`
	// Listed: an event had it in its segmentMembership, since the process began.
	Listed bool `json:"listed"`
	// Exported is how many records left with it, by its status in them.
	Exported map[string]int64 `json:"exported"`
}

// list is the activated segments, of very many the first; those that no event has listed
// come first.
func (s *segments) list() []SegmentStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := []SegmentStatus{}
	for _, segment := range s.inForce {
		t := s.tallies[segment.ID]
		one := SegmentStatus{ID: segment.ID, Listed: t.Listed(), Exported: map[string]int64{}}
		for i, n := range t.Exported() {
			if n > 0 {
				one.Exported[transform.TalliedStatuses[i]] = n
			}
		}
		list = append(list, one)
	}
	slices.SortStableFunc(list, func(a, b SegmentStatus) int { return cmp.Compare(rank(a.Listed), rank(b.Listed)) })
	return list[:min(len(list), shownSegments)]
}

func rank(listed bool) int {
	if listed {
		return 1
	}
	return 0
}

// segmentCollector shows them as metrics.
type segmentCollector struct {
	segments          *segments
	exports, unlisted *prometheus.Desc
}

func newSegmentCollector(destination string, s *segments) segmentCollector {
	labels := prometheus.Labels{"destination": destination}
	return segmentCollector{
		s,
		prometheus.NewDesc("kinesis_destination_segment_exports_total",
			"Delivered records that an activated segment is in, by its status there.", []string{"segment", "status"}, labels),
		prometheus.NewDesc("kinesis_destination_unlisted_segments",
			"Activated segments that no event has listed; 0 until 1,000 events and 15 minutes have gone by under the rules in force.", nil, labels),
	}
}

// Describe implements prometheus.Collector.
func (c segmentCollector) Describe(ch chan<- *prometheus.Desc) {
	ch <- c.exports
	ch <- c.unlisted
}

// Collect implements prometheus.Collector. A segment that is activated has a series from
// the start, the others once something is counted.
func (c segmentCollector) Collect(ch chan<- prometheus.Metric) {
	s := c.segments
	s.mu.Lock()
	inForce := make(map[string]bool, len(s.inForce))
	for _, segment := range s.inForce {
		inForce[segment.ID] = true
	}
	all, unlisted := maps.Clone(s.tallies), len(s.unlisted)
	s.mu.Unlock()
	for id, t := range all {
		for i, n := range t.Exported() {
			if n > 0 || i == 0 && inForce[id] {
				ch <- prometheus.MustNewConstMetric(c.exports, prometheus.CounterValue, float64(n), id, transform.TalliedStatuses[i])
			}
		}
	}
	ch <- prometheus.MustNewConstMetric(c.unlisted, prometheus.GaugeValue, float64(unlisted))
}
