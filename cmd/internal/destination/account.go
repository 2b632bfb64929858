package destination

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"kinesis-destination/cmd/internal/rules"

	"github.com/prometheus/client_golang/prometheus"
)

// account counts what became of every event: what was consumed is delivered,
// filtered, dead-lettered, given back, or still under way.
type account struct {
	consumed  atomic.Int64
	withdrawn atomic.Int64
	settled   sync.Map                   // settlement → *counter
	latest    [2]atomic.Pointer[counter] // of what left and of what did not: the next is mostly the same
	violating atomic.Int64
	endToEnd  prometheus.Histogram
	events    *prometheus.Desc
	total     *prometheus.Desc
	schemas   *prometheus.Desc
}

type settlement struct{ outcome, reason string }

// counter counts the events of one settlement.
type counter struct {
	settlement
	n atomic.Int64
}

func newAccount(destination string) *account {
	labels := prometheus.Labels{"destination": destination}
	return &account{
		endToEnd: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:        "kinesis_destination_end_to_end_seconds",
			Help:        "Time from the message's Kafka timestamp to its acknowledgement by the stream.",
			ConstLabels: labels,
			Buckets:     []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 1800},
		}),
		events: prometheus.NewDesc("kinesis_destination_events_total",
			"Events at rest, by outcome and reason.", []string{"outcome", "reason"}, labels),
		total: prometheus.NewDesc("kinesis_destination_events_consumed_total",
			"Events read from Kafka.", nil, labels),
		schemas: prometheus.NewDesc("kinesis_destination_violating_schemas_total",
			"Writer schemas met at run time that a data governance policy objects to; governance.onViolation says what becomes of their events.", nil, labels),
	}
}

// Consumed counts an event that was read.
func (a *account) Consumed() { a.consumed.Add(1) }

// Violating counts a writer schema that a policy objects to.
func (a *account) Violating() { a.violating.Add(1) }

// Withdrawn counts an event that is given back and will be read again.
func (a *account) Withdrawn() { a.withdrawn.Add(1) }

// Delivered notes how long an event took.
func (a *account) Delivered(written time.Time) {
	a.endToEnd.Observe(max(0, time.Since(written).Seconds()))
}

// Settled counts an event at rest.
func (a *account) Settled(outcome, reason string) {
	latest := &a.latest[0]
	if outcome != rules.Delivered {
		latest = &a.latest[1]
	}
	c := latest.Load()
	if c == nil || c.reason != reason || c.outcome != outcome {
		key := settlement{outcome, reason}
		found, ok := a.settled.Load(key)
		if !ok {
			found, _ = a.settled.LoadOrStore(key, &counter{settlement: key})
		}
		c = found.(*counter)
		latest.Store(c)
	}
	c.n.Add(1)
}

// Account is what became of the events so far.
type Account struct {
	Consumed     int64            `json:"consumed"`
	Withdrawn    int64            `json:"withdrawn"`
	Delivered    int64            `json:"delivered"`
	Filtered     map[string]int64 `json:"filtered"`
	DeadLettered map[string]int64 `json:"deadLettered"`
	Segments     map[string]int64 `json:"segments,omitempty"` // delivered, by activated segment: a record may have several
}

// Snapshot reads the account. While events are under way it need not add up.
func (a *account) Snapshot() Account {
	s := Account{
		Consumed: a.consumed.Load(), Withdrawn: a.withdrawn.Load(),
		Filtered: map[string]int64{}, DeadLettered: map[string]int64{},
	}
	for _, e := range a.entries() {
		switch e.outcome {
		case rules.Delivered:
			s.Delivered += e.count
		case rules.Filtered:
			s.Filtered[e.reason] = e.count
		case rules.DeadLettered:
			s.DeadLettered[e.reason] = e.count
		}
	}
	return s
}

// String is the account in one line.
func (s Account) String() string {
	filtered, deadLettered := total(s.Filtered), total(s.DeadLettered)
	text := fmt.Sprintf("%d delivered, %d filtered, %d dead-lettered", s.Delivered, filtered, deadLettered)
	if back := s.Consumed - s.Delivered - filtered - deadLettered; back > 0 {
		text += fmt.Sprintf(", %d given back", back)
	}
	return text
}

func total(counts map[string]int64) (n int64) {
	for _, count := range counts {
		n += count
	}
	return n
}

// newPast is an account of nothing.
func newPast() Account {
	return Account{Filtered: map[string]int64{}, DeadLettered: map[string]int64{}, Segments: map[string]int64{}}
}

// add counts what another account has.
func (s *Account) add(o Account) {
	s.Consumed, s.Withdrawn, s.Delivered = s.Consumed+o.Consumed, s.Withdrawn+o.Withdrawn, s.Delivered+o.Delivered
	for reason, n := range o.Filtered {
		s.Filtered[reason] += n
	}
	for reason, n := range o.DeadLettered {
		s.DeadLettered[reason] += n
	}
	for id, n := range o.Segments {
		s.Segments[id] += n
	}
}

// Unaccounted is how many events are neither at rest nor given back.
func (s Account) Unaccounted() int64 {
	return s.Consumed - s.Withdrawn - s.Delivered - total(s.Filtered) - total(s.DeadLettered)
}

type entry struct {
	settlement
	count int64
}

func (a *account) entries() []entry {
	var entries []entry
	a.settled.Range(func(key, n any) bool {
		entries = append(entries, entry{key.(settlement), n.(*counter).n.Load()})
		return true
	})
	slices.SortFunc(entries, func(x, y entry) int {
		return cmp.Or(cmp.Compare(x.outcome, y.outcome), cmp.Compare(x.reason, y.reason))
	})
	return entries
}

// Describe implements prometheus.Collector.
func (a *account) Describe(ch chan<- *prometheus.Desc) {
	ch <- a.events
	ch <- a.total
	ch <- a.schemas
	a.endToEnd.Describe(ch)
}

// Collect implements prometheus.Collector.
func (a *account) Collect(ch chan<- prometheus.Metric) {
	for _, e := range withKnown(a.entries()) {
		ch <- prometheus.MustNewConstMetric(a.events, prometheus.CounterValue, float64(e.count), e.outcome, e.reason)
	}
	ch <- prometheus.MustNewConstMetric(a.total, prometheus.CounterValue, float64(a.consumed.Load()))
	ch <- prometheus.MustNewConstMetric(a.schemas, prometheus.CounterValue, float64(a.violating.Load()))
	a.endToEnd.Collect(ch)
}
