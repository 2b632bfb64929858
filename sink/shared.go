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
	records, bytes int       // only where it is few
	patient        bool      // more of its lane's records wait behind those that it has
	due            time.Time // when it goes in any case
	// turn hears which requests go in the call that this request's lane makes; none:
	// another lane has made it and settled this request, and has found nothing to share
	// in its lane since.
	turn chan []*request
}

// sharedCalls lets lanes with few records send them in one call. A key has one record
// in flight, so of few keys each lane has few records a call however many wait behind
// them: a hundred keys in sixteen lanes would make calls of six records.
//
// A request behind which more records wait is sent no sooner for a call of its own: it
// waits while another shared call is under way, as TCP has small segments wait (RFC
// 896), and until the lanes that made calls have come again with their next records; unless
// enough for a call are there. Any other goes at once, with whatever waits, while only
// a few shared calls are under way, and a moment later in any case.
//
// The lane that makes a call goes on with the others' next records when it has ended,
// while their goroutines wait: of few keys they need not wake, sixteen for each call.
type sharedCalls struct {
	mu        sync.Mutex
	under     int        // calls under way; guarded by mu, as all below
	returning int        // lanes that made a call which has ended, and have not come again yet
	waiting   []*request // in the order in which they came; first that of a lane that has made a call
	records   int        // of those
	hasty     int        // of the requests that wait, those that are not patient
	timer     *time.Timer
	rings     time.Time // when the timer does; zero: it does not
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
	queued, _ := l.inbox.used()
	r.patient = queued >= 2*r.records
	return r.records < sharedFew && r.bytes <= l.sink.memory.batchBytes()/8
}

// share sends a request in a call with others, in this lane's or in another's.
func (l *lane) share(r *request) {
	s := &l.sink.shared
	s.join(r)
	if group := <-r.turn; len(group) > 0 {
		l.send(group)
		s.ended(group)
	}
}

// join adds a request. Exactly one turn comes of it.
func (s *sharedCalls) join(r *request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.came(r.lane) {
		s.add(0, r) // its goroutine is awake: it makes the next call
	} else {
		s.add(len(s.waiting), r)
	}
	s.depart()
}

func (s *sharedCalls) add(at int, r *request) {
	wait := hastyWait
	if r.patient {
		wait = patientWait
	} else {
		s.hasty++
	}
	r.due = r.lane.sent.Add(wait)
	s.waiting = slices.Insert(s.waiting, at, r)
	s.records += r.records
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

func (s *sharedCalls) came(l *lane) bool {
	was := l.returning
	if was {
		l.returning = false
		s.returning--
	}
	return was
}

// ended notes the end of a call, and takes what the lanes have next whose requests it
// carried. Those that have nothing to share go on by themselves; so does the lane that
// made the call.
func (s *sharedCalls) ended(group []*request) {
	now, carrier := time.Now(), group[0].lane
	next := slices.DeleteFunc(group[1:], func(r *request) bool {
		if r.lane.again(now) {
			return false
		}
		r.turn <- nil
		return true
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	s.under--
	s.returning++
	carrier.returning = true
	for _, r := range next {
		s.add(len(s.waiting), r)
	}
	s.depart()
}

// again takes what the lane has next, whose goroutine waits in share. It says whether
// that may be shared; if not, the goroutine sends it.
func (l *lane) again(now time.Time) bool {
	batch, _, _ := l.next(now)
	if len(batch) == 0 || !l.few(batch) {
		l.found = batch
		return false
	}
	l.request.batch = batch
	return true
}

// depart sends what waits, once there is no reason to wait any more.
func (s *sharedCalls) depart() {
	for len(s.waiting) > 0 && (s.records >= sharedEnough || s.under+s.returning == 0 || s.hasty > 0 && s.under < sharedUnder) {
		s.send()
	}
	if len(s.waiting) == 0 {
		return
	}
	due := slices.MinFunc(s.waiting, func(a, b *request) int { return a.due.Compare(b.due) }).due
	switch {
	case s.timer == nil:
		s.timer = time.AfterFunc(time.Until(due), s.hurry)
	case s.rings.IsZero() || due.Before(s.rings):
		s.timer.Reset(time.Until(due))
	default:
		return
	}
	s.rings = due
}

// hurry sends what has waited for long enough.
func (s *sharedCalls) hurry() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rings = time.Time{}
	now := time.Now()
	for slices.ContainsFunc(s.waiting, func(r *request) bool { return !r.due.After(now) }) {
		s.send()
	}
	s.depart()
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
