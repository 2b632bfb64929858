package sink

import "time"

// Stats is the state of a sink, for /status.
type Stats struct {
	Lanes       int       `json:"lanes"`
	Queued      int       `json:"queued"`            // records taken and not at rest
	QueuedBytes int       `json:"queuedBytes"`       // about their memory
	InFlight    int       `json:"inFlight"`          // of them, in a PutRecords call now
	DeadLetters int       `json:"deadLetters"`       // of them, waiting for the dead-letter topic
	Parked      int       `json:"parked"`            // identities whose events go to the dead-letter topic
	Parking     []Parked  `json:"parking,omitempty"` // the first of them
	Shards      int       `json:"shards"`            // open shards known; 0: records are not paced
	RecordLimit int       `json:"recordLimit"`       // bytes a record may have, key included
	Hold        string    `json:"hold,omitempty"`
	HeldSince   time.Time `json:"heldSince,omitzero"`
	LastError   string    `json:"lastError,omitempty"` // reason word of the last failure
	LastErrorAt time.Time `json:"lastErrorAt,omitzero"`
}

// Stats returns the state of the sink now.
func (s *Sink) Stats() Stats {
	st := Stats{Lanes: len(s.lanes), Shards: len(s.stream.shards.Load().ids), RecordLimit: int(s.stream.recordLimit.Load()), DeadLetters: s.letters.waiting()}
	for _, l := range s.lanes {
		records, bytes := l.room.used()
		st.Queued += records
		st.QueuedBytes += bytes
		st.InFlight += int(l.inFlight.Load())
	}
	records, bytes := s.letters.direct.used()
	st.Queued += records
	st.QueuedBytes += bytes
	if s.parking != nil {
		st.Parked, st.Parking = s.parking.Count(), s.parking.List(parkingShown)
	}
	st.Hold, st.HeldSince = s.holds.Current()
	if last := s.lastFailure.Load(); last != nil {
		st.LastError, st.LastErrorAt = last.reason, last.at
	}
	return st
}

// parkingShown is how many parked identities /status lists.
const parkingShown = 100

type lastFailure struct {
	reason string
	at     time.Time
}

func (s *Sink) noteFailure(reason string, at time.Time) {
	s.lastFailure.Store(&lastFailure{reason, at})
}
