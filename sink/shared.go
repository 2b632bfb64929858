package sink

import (
	"slices"
	"sync"
	"time"
)

// What a lane's request counts as, by its records.
const (
	// sharedFew is below which a request is few: a call costs as much as 30 records do.
	sharedFew = 50
	// sharedEnough is how many records are worth a call in any case.
	sharedEnough = 100
	// sharedUnder is how many shared calls are under way before a request waits behind
	// which no records wait, and hastyWait is how long it does at most.
	sharedUnder = 8
	hastyWait   = time.Millisecond
	// patientWait is how long any other waits at most: a call that takes longer is a
	// slow one, which is no reason to wait.
	patientWait = 100 * time.Millisecond
)

// request is what a lane wants to send in one call: the heads of its own keys.
type request struct {
	lane           *lane
	batch          []inFlight
	records, bytes int  // only where it is few
	patient        bool // more of its lane's records wait behind those that it has
	// turn hears which requests go in the call that this request's lane makes; none:
	// another lane has made it, and settled this request.
	turn chan []*request
}

// sharedCalls lets lanes with few records send them in one call. A key has one record
// in flight, so of few keys each lane has few records a call however many wait behind
// them: a hundred keys in sixteen lanes would make calls of six records.
//
// A request behind which more records wait is sent no sooner for a call of its own: it
// waits while another shared call is under way, as TCP has small segments wait (RFC
// 896), and until that call's lanes have come again with their next records; unless
// enough for a call are there. Any other goes at once, with whatever waits, while only
// a few shared calls are under way, and a moment later in any case.
type sharedCalls struct {
	mu        sync.Mutex
	under     int        // calls under way; guarded by mu, as all below
	returning int        // lanes whose call has ended, and that have not come again yet
	waiting   []*request // in the order in which they came
	records   int        // of those
	hasty     int        // of the requests that wait, those that are not patient
}

// few says whether the lane shares the call of a batch, and finds its size.
func (l *lane) few(batch []inFlight) bool {
	r := &l.request
	r.records, r.bytes = 0, 0
	if l.probe != 0 || len(batch) >= sharedFew {
		return false
	}
	for _, f := range batch {
		for _, e := range f.head {
			if e.share > 0 { // it is being found out whether it is at fault
				return false
			}
			r.records++
			r.bytes += e.rec.size()
		}
	}
	queued, _ := l.room.used()
	r.patient = queued >= 2*r.records
	return r.records < sharedFew && r.bytes <= l.sink.memory.batchBytes()/8
}

// share sends a request in a call with others, in this lane's or in another's.
func (l *lane) share(r *request) {
	s := &l.sink.shared
	wait := hastyWait
	if r.patient {
		wait = patientWait
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	s.join(r)
	for {
		select {
		case group := <-r.turn:
			if len(group) > 0 {
				l.send(group)
				s.ended(group)
			}
			return
		case <-timer.C:
			s.hurry(r)
		}
	}
}

// join adds a request. Exactly one turn comes of it.
func (s *sharedCalls) join(r *request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.came(r.lane)
	s.waiting = append(s.waiting, r)
	s.records += r.records
	if !r.patient {
		s.hasty++
	}
	s.depart()
}

// left notes that a lane has nothing to share after its last shared call.
func (s *sharedCalls) left(l *lane) {
	if !l.returning {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.came(l)
	s.depart()
}

func (s *sharedCalls) came(l *lane) {
	if l.returning {
		l.returning = false
		s.returning--
	}
}

// ended notes the end of a call, and lets the lanes go on whose requests it carried.
func (s *sharedCalls) ended(group []*request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.under--
	s.returning += len(group)
	for i, r := range group {
		r.lane.returning = true
		if i > 0 {
			r.turn <- nil
		}
	}
	s.depart()
}

// hurry sends what waits, if the request is among it still.
func (s *sharedCalls) hurry(r *request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for slices.Contains(s.waiting, r) {
		s.send()
	}
}

// depart sends what waits, once there is no reason to wait any more.
func (s *sharedCalls) depart() {
	for len(s.waiting) > 0 && (s.records >= sharedEnough || s.under+s.returning == 0 || s.hasty > 0 && s.under < sharedUnder) {
		s.send()
	}
}

// send has the lane of the first request make a call with it and those that follow,
// as far as one call takes them.
func (s *sharedCalls) send() {
	limit := s.waiting[0].lane.sink.memory.batchBytes()
	n, records, bytes := 0, 0, 0
	for n < len(s.waiting) {
		r := s.waiting[n]
		if n > 0 && (records+r.records > maxBatchRecords || bytes+r.bytes > limit) {
			break
		}
		records += r.records
		bytes += r.bytes
		if !r.patient {
			s.hasty--
		}
		n++
	}
	group := slices.Clone(s.waiting[:n])
	s.waiting = slices.Delete(s.waiting, 0, n)
	s.records -= records
	s.under++
	group[0].turn <- group
}
