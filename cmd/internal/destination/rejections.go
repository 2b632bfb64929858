package destination

import (
	"cmp"
	"log/slog"
	"maps"
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

// rejectionPause is how long the log is silent of a reason after it has told of it; what
// came meanwhile is told of when the pause is over.
const rejectionPause = time.Minute

// rejections tell of dead letters: the topic alone would be looked into too late.
type rejections struct {
	log *slog.Logger // nil: nobody is told

	telling sync.WaitGroup // lines that timers write
	mu      sync.Mutex
	closed  bool
	by      map[string]*rejected
}

type rejected struct {
	Rejection
	pause  *time.Timer // until the log may tell of it again; nil: it may
	unsaid int64       // since the last line
}

// Add counts a message that is a dead letter now.
func (r *rejections) Add(reason string, m *consumer.Message) {
	r.mu.Lock()
	one := r.by[reason]
	if one == nil {
		one = &rejected{}
		if r.by == nil {
			r.by = map[string]*rejected{}
		}
		r.by[reason] = one
	}
	one.Rejection = Rejection{reason, one.Count + 1, m.Topic, m.Partition, m.Offset, time.Now()}
	one.unsaid++
	if r.log == nil || r.closed || one.pause != nil {
		r.mu.Unlock()
		return
	}
	line := r.line(one)
	r.mu.Unlock()
	line()
}

// line takes what is unsaid of a reason, and begins its pause; what it returns writes the
// line, without the lock. It is called with mu held.
func (r *rejections) line(one *rejected) func() {
	last, n := one.Rejection, one.unsaid
	one.unsaid = 0
	if !r.closed {
		one.pause = time.AfterFunc(rejectionPause, func() { r.again(one) })
	}
	return func() {
		r.log.Warn("events go to the dead-letter topic; explain tells why one does",
			"reason", last.Reason, "events", n, "topic", last.Topic, "partition", last.Partition, "offset", last.Offset)
	}
}

// again ends a reason's pause: without it the end of a burst would be told of with the
// next letter of that reason, which may never come.
func (r *rejections) again(one *rejected) {
	r.mu.Lock()
	one.pause = nil
	if r.closed || one.unsaid == 0 {
		r.mu.Unlock()
		return
	}
	r.telling.Add(1)
	defer r.telling.Done()
	line := r.line(one)
	r.mu.Unlock()
	line()
}

// Close tells of what is unsaid, and ends the pauses.
func (r *rejections) Close() {
	r.mu.Lock()
	r.closed = true
	var lines []func()
	for _, reason := range slices.Sorted(maps.Keys(r.by)) {
		one := r.by[reason]
		if one.pause != nil {
			one.pause.Stop()
		}
		if r.log != nil && one.unsaid > 0 {
			lines = append(lines, r.line(one))
		}
	}
	r.mu.Unlock()
	r.telling.Wait()
	for _, line := range lines {
		line()
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
