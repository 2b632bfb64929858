package sink

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"

	"kinesis-destination/sink/deadletter"
)

// Stats is the state of a sink, for /status.
type Stats struct {
	Queued      int                 `json:"queued"`            // records taken and not at rest
	QueuedBytes int                 `json:"queuedBytes"`       // about their memory
	InFlight    int                 `json:"inFlight"`          // of them, in a PutRecords call now
	DeadLetters int                 `json:"deadLetters"`       // of them, waiting for the dead-letter topic
	Parked      int                 `json:"parked"`            // identities whose events go to the dead-letter topic
	Parking     []deadletter.Parked `json:"parking,omitempty"` // those parked for longest
	Shards      int                 `json:"shards"`            // open shards known; 0: records are not paced
	RecordLimit int                 `json:"recordLimit"`       // bytes a record may have, key included
	Hold        string              `json:"hold,omitempty"`
	HeldSince   time.Time           `json:"heldSince,omitzero"`
	Retries     map[string]int64    `json:"retries"`    // records sent again so far, by reason
	LastErrors  []LastError         `json:"lastErrors"` // the last failure of each reason, the newest first
	Lanes       []LaneStats         `json:"lanes"`
}

// LaneStats is the state of one lane: one with far more queued than the others has a hot key.
type LaneStats struct {
	Queued      int `json:"queued"`
	QueuedBytes int `json:"queuedBytes"`
	InFlight    int `json:"inFlight"`
}

// LastError is the last failure of a reason.
type LastError struct {
	Reason string    `json:"reason"`
	At     time.Time `json:"at"`
}

// Answered tells whether the stream has been found usable once. It is asked without
// a record to send.
func (s *Sink) Answered() bool { return s.stream.answered.Load() }

// Stats returns the state of the sink now.
func (s *Sink) Stats() Stats {
	st := Stats{Shards: len(s.stream.shards.Load().ids), RecordLimit: int(s.stream.recordLimit.Load()), DeadLetters: s.letters.Waiting()}
	for _, l := range s.lanes {
		records, bytes := l.inbox.used()
		lane := LaneStats{Queued: records, QueuedBytes: bytes, InFlight: int(l.inFlight.Load())}
		st.InFlight += lane.InFlight
		st.Lanes = append(st.Lanes, lane)
	}
	st.Queued, st.QueuedBytes = s.queued()
	if s.parking != nil {
		st.Parked, st.Parking = s.parking.Count(), s.parking.List(parkingShown)
	}
	st.Hold, st.HeldSince = s.holds.Current()
	st.Retries, st.LastErrors = s.errorStats.list()
	return st
}

// queued is how many records the sink has that are not at rest, and about their memory.
func (s *Sink) queued() (records, bytes int) {
	return s.rooms.used()
}

// parkingShown is how many parked identities /status lists.
const parkingShown = 100

// errorStats is what went wrong so far, by reason words, of which there are few.
type errorStats struct {
	mu      sync.Mutex
	retries map[string]int64
	last    map[string]time.Time
}

func newErrorStats() *errorStats {
	return &errorStats{retries: map[string]int64{}, last: map[string]time.Time{}}
}

func (t *errorStats) failed(reason string, at time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last[reason] = at
}

func (t *errorStats) list() (retries map[string]int64, last []LastError) {
	t.mu.Lock()
	defer t.mu.Unlock()
	last = make([]LastError, 0, len(t.last))
	for reason, at := range t.last {
		last = append(last, LastError{reason, at})
	}
	slices.SortFunc(last, func(a, b LastError) int { return cmp.Or(b.At.Compare(a.At), cmp.Compare(a.Reason, b.Reason)) })
	return maps.Clone(t.retries), last
}

// again counts a record that is sent again.
func (s *Sink) again(reason string) {
	s.metrics.retries.WithLabelValues(reason).Inc()
	s.errorStats.mu.Lock()
	defer s.errorStats.mu.Unlock()
	s.errorStats.retries[reason]++
}
