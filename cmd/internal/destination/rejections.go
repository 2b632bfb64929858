package destination

import (
	"cmp"
	"log/slog"
	"slices"
	"sync"
	"time"

	"kinesis-destination/cmd/internal/rules"
	"kinesis-destination/consumer"
)

// Rejection is what /status and the log tell of the events of one reason that went to
// the dead-letter topic: how many they are, and which came last.
type Rejection struct {
	Reason    string    `json:"reason"`
	Count     int64     `json:"count"`
	Topic     string    `json:"topic"`
	Partition int       `json:"partition"`
	Offset    int64     `json:"offset"`
	At        time.Time `json:"at"`
}

// rejectionPause is how long the log is silent of a reason after it has told of it.
const rejectionPause = time.Minute

// rejections tell of dead letters: the topic alone would be looked into too late.
type rejections struct {
	log *slog.Logger // nil: nobody is told

	mu sync.Mutex
	by map[string]*rejected
}

type rejected struct {
	Rejection
	told   time.Time
	unsaid int64 // since then
}

// Add counts a message that is a dead letter now.
func (r *rejections) Add(reason string, m *consumer.Message) {
	now := time.Now()
	r.mu.Lock()
	one := r.by[reason]
	if one == nil {
		one = &rejected{}
		if r.by == nil {
			r.by = map[string]*rejected{}
		}
		r.by[reason] = one
	}
	one.Rejection = Rejection{reason, one.Count + 1, m.Topic, m.Partition, m.Offset, now}
	one.unsaid++
	n := one.unsaid
	tell := r.log != nil && (one.told.IsZero() || now.Sub(one.told) >= rejectionPause)
	if tell {
		one.told, one.unsaid = now, 0
	}
	r.mu.Unlock()
	if tell {
		r.log.Warn("events go to the dead-letter topic; explain tells why one does", "reason", reason, "events", n, "topic", m.Topic, "partition", m.Partition, "offset", m.Offset)
	}
}

// List is in the order of the reasons.
func (r *rejections) List() []Rejection {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := []Rejection{}
	for _, one := range r.by {
		list = append(list, one.Rejection)
	}
	slices.SortFunc(list, func(a, b Rejection) int { return cmp.Compare(a.Reason, b.Reason) })
	return list
}

// withKnown adds an entry of 0 for every reason of a dead letter that has none: a burst
// that is over before a reason's first scrape would be no increase.
func withKnown(entries []entry) []entry {
	for _, reason := range rules.LetterReasons {
		key := settlement{rules.DeadLettered, reason}
		if !slices.ContainsFunc(entries, func(e entry) bool { return e.settlement == key }) {
			entries = append(entries, entry{settlement: key})
		}
	}
	return entries
}
