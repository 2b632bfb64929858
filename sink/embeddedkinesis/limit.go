package embeddedkinesis

import "time"

// Limits of one shard.
const (
	shardRecords = 1000.0
	shardBytes   = float64(1 << 20)
)

// Load is what may leave less of the shards' limits than usual, where they are
// enforced. The zero value is a service as it is documented, and nobody else on it.
type Load struct {
	// Reduced is by how much each shard's limits are lower: 0.9 leaves a tenth.
	Reduced float64
	// Foreign is what another producer takes of each shard's usual limits, before
	// anybody who calls: 0.5 is 500 records/s and 512 KiB/s.
	Foreign float64
}

// SetLoad replaces the load.
func (s *Server) SetLoad(load Load) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	for _, st := range s.streams {
		for _, sh := range st.shards {
			sh.limit.refill(now, s.load) // until now it was the other one
		}
	}
	s.load = load
}

// limiter is a bucket of one second's worth, for records and for bytes.
type limiter struct {
	at             time.Time
	records, bytes float64
}

func (l *limiter) refill(now time.Time, load Load) {
	limit := max(1-load.Reduced, 0)
	left := max(limit-load.Foreign, 0)
	if l.at.IsZero() {
		l.records, l.bytes = shardRecords*limit, shardBytes*limit
	} else {
		passed := now.Sub(l.at).Seconds()
		l.records = min(l.records+passed*shardRecords*left, shardRecords*limit)
		l.bytes = min(l.bytes+passed*shardBytes*left, shardBytes*limit)
	}
	l.at = now
}

func (l *limiter) allow(now time.Time, load Load, size int) bool {
	l.refill(now, load)
	// A record above one second's worth drains a full bucket below zero.
	if l.records < 1 || l.bytes < min(float64(size), shardBytes*max(1-load.Reduced, 0)) {
		return false
	}
	l.records--
	l.bytes -= float64(size)
	return true
}
