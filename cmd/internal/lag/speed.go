package lag

import (
	"fmt"
	"math"
	"time"
)

// speed is how fast a partition moved between two samples, in events a second.
type speed struct {
	known   bool
	settled float64 // by which the group went on
	drained float64 // by which the lag fell
}

// keepingUpWithin is the work, at the rate of now, up to which what is behind is
// what is under way: it comes and goes between two samples, and tells no time.
const keepingUpWithin = 5 * time.Second

// waitedFor is how old the oldest event that is under way may look: what is known of a
// partition is up to some seconds old.
const waitedFor = 2 * keepingUpWithin

// keepsUp tells whether what is behind is no more than what is under way: some seconds'
// work, or, where few events come, none that has waited for longer. What is held, or has
// waited, does not keep up.
func (s speed) keepsUp(r *Row) bool {
	if r.Held != nil && *r.Held != "" || r.LagSeconds > waitedFor.Seconds() {
		return false
	}
	few := r.LagSeconds > 0 && r.LagSeconds < keepingUpWithin.Seconds()
	return s.known && r.Lag > 0 && s.settled > 0 && (few || float64(r.Lag) <= s.settled*keepingUpWithin.Seconds())
}

// never is the time that a lag takes which does not fall.
const never = time.Duration(math.MaxInt64)

// speedOf compares the newest sample with the oldest, in which the row has the
// same place unless the topic has grown.
func speedOf(samples []Sample, row int) speed {
	then, now := samples[0], samples[len(samples)-1]
	seconds := now.At.Sub(then.At).Seconds()
	if seconds <= 0 || len(then.Rows) != len(now.Rows) {
		return speed{}
	}
	a, b := then.Rows[row], now.Rows[row]
	if a.Lag < 0 || b.Lag < 0 {
		return speed{}
	}
	return speed{
		known:   true,
		settled: max(0, float64((b.End-b.Lag)-(a.End-a.Lag))/seconds),
		drained: float64(a.Lag-b.Lag) / seconds,
	}
}

func (s speed) plus(t speed) speed {
	return speed{s.known && t.known, s.settled + t.settled, s.drained + t.drained}
}

// eta is when the lag will be gone at this speed.
func (s speed) eta(lag int64) time.Duration {
	switch seconds := float64(lag) / s.drained; {
	case lag == 0:
		return 0
	case s.drained <= 0 || seconds > never.Seconds()/2:
		return never
	default:
		return time.Duration(seconds * float64(time.Second))
	}
}

// String is the rate as the table has it.
func (s speed) String() string {
	if !s.known {
		return "-"
	}
	return fmt.Sprintf("%.0f/s", s.settled)
}
