package sink

import (
	"math/rand/v2"
	"testing"
	"time"
)

// simulated is a shard in virtual time and the buckets of processes that have
// always more to send. The shard saves up nothing, so it is less kind than any.
type simulated struct {
	random  *rand.Rand
	now     time.Time
	buckets []*bucket
	skews   []time.Duration // of the processes' clocks
	tokens  float64

	throttle float64 // at random
	limit    float64 // of 1,000 records/s, what others leave

	flying                    []simulatedCall
	stored, throttled, byRate int
}

type simulatedCall struct {
	process          int
	sent, arrives    time.Time // of the stream's clock
	records, refused int
}

func newSimulated(seed uint64, processes int) *simulated {
	s := &simulated{random: rand.New(rand.NewPCG(seed, 0)), now: epoch.Add(time.Hour), limit: 1}
	for range processes {
		s.buckets = append(s.buckets, newBucket())
		s.skews = append(s.skews, time.Duration(s.random.IntN(50))*time.Millisecond)
	}
	return s
}

// pass lets time go by, a millisecond a step; calls are answered after 20 ms.
func (s *simulated) pass(d time.Duration) {
	s.stored, s.throttled, s.byRate = 0, 0, 0
	for end := s.now.Add(d); s.now.Before(end); s.now = s.now.Add(time.Millisecond) {
		s.tokens = min(s.tokens+s.limit, 10)
		for len(s.flying) > 0 && !s.flying[0].arrives.After(s.now) {
			f := s.flying[0]
			s.flying = s.flying[1:]
			skew := s.skews[f.process]
			s.buckets[f.process].answered(s.now.Add(skew), f.sent.Add(skew), f.records, f.refused)
		}
		first := s.random.IntN(len(s.buckets))
		for i := range s.buckets {
			s.send((first + i) % len(s.buckets))
		}
	}
}

func (s *simulated) send(process int) {
	f := simulatedCall{process: process, sent: s.now, arrives: s.now.Add(20 * time.Millisecond)}
	now := s.now.Add(s.skews[process])
	for ok := true; ok; {
		if ok, _ = s.buckets[process].take(now, now, 1, 100); !ok {
			break
		}
		f.records++
		switch {
		case s.random.Float64() < s.throttle:
			f.refused++
			s.throttled++
		case s.tokens < 1:
			f.refused++
			s.byRate++
		default:
			s.tokens--
			s.stored++
		}
	}
	if f.records > 0 {
		s.flying = append(s.flying, f)
	}
}

// judge fails the test unless so much of what the shard takes was stored in so
// long, and no more was refused for the rate.
func (s *simulated) judge(t *testing.T, what string, d time.Duration, least, most float64) {
	t.Helper()
	takes := 1000 * s.limit * d.Seconds()
	share := float64(s.byRate) / float64(max(s.stored+s.throttled+s.byRate, 1))
	t.Logf("%s: %.0f %% of what the shard takes; %.1f %% refused for the rate", what, 100*float64(s.stored)/takes, 100*share)
	if float64(s.stored) < least*takes || share > most {
		t.Errorf("%s: stored %.0f %% of what the shard takes, %.1f %% refused for the rate", what, 100*float64(s.stored)/takes, 100*share)
	}
}

// Slowing down helps against refusals that come of the rate and against no others.
func TestRefusalsAtAnyRateDoNotSlowAShard(t *testing.T) {
	for _, seed := range seeds(5) {
		for _, throttle := range []float64{0, .02, .1, .3} {
			s := newSimulated(seed, 1)
			s.throttle = throttle
			s.pass(10 * time.Second)
			s.pass(time.Minute)
			s.judge(t, "refused at random", time.Minute, .82, .03)
			s.throttle = 0 // and nothing of it stays
			s.pass(15 * time.Second)
			s.pass(time.Minute)
			s.judge(t, "no longer", time.Minute, .95, .02)
			if noise := s.buckets[0].rate.noise; noise > paceTolerate {
				t.Errorf("%.3f are still believed to be refused whatever the rate", noise)
			}
		}
	}
}

func TestRefusalsThatComeOfTheRateVanish(t *testing.T) {
	for _, seed := range seeds(5) {
		for _, limit := range []float64{.75, .5, .25, .1} {
			s := newSimulated(seed, 1)
			s.pass(10 * time.Second)
			s.limit = limit
			s.pass(3 * time.Second) // to find it
			s.pass(time.Minute)
			most := .02
			if limit < .25 {
				most = .03 // of 100 records a second few tell
			}
			s.judge(t, "others take the rest", time.Minute, .9, most)
			s.limit = 1
			s.pass(12 * time.Second)
			s.pass(10 * time.Second)
			s.judge(t, "and leave", 10*time.Second, .95, .02)
		}
	}
}

func TestBothKindsOfRefusalsAreToldApart(t *testing.T) {
	for _, seed := range seeds(5) {
		s := newSimulated(seed, 1)
		s.throttle, s.limit = .1, .5
		s.pass(10 * time.Second)
		s.pass(time.Minute)
		s.judge(t, "half is left, a tenth refused at random", time.Minute, .85, .04)
	}
}

// Of many processes none sees in what is refused what it does alone, so they try
// lower rates at the same time, by clocks that do not quite agree.
func TestManyProcessesLeaveAShardUsedAndUnharried(t *testing.T) {
	for _, seed := range seeds(5) {
		for _, throttle := range []float64{0, .1} {
			s := newSimulated(seed, 10)
			s.throttle = throttle
			s.pass(15 * time.Second)
			s.pass(time.Minute)
			s.judge(t, "ten processes", time.Minute, .9, .18)
		}
	}
}

func TestAShardThatRefusesAllIsLeftAloneAndComesBack(t *testing.T) {
	s := newSimulated(1, 1)
	s.limit = 0
	s.pass(10 * time.Second)
	s.pass(10 * time.Second)
	if most := int(10 * shardRecords * paceLeast * 3); s.byRate > most {
		t.Errorf("%d records in 10 s on a shard that takes none, want at most %d", s.byRate, most)
	}
	s.limit = 1
	s.pass(15 * time.Second)
	s.pass(10 * time.Second)
	s.judge(t, "it takes records again", 10*time.Second, .95, .02)
}

// Lanes that ask an empty bucket are given turns in their order, each with enough
// for a call that is worth its cost.
func TestLanesTakeTurnsAtAShard(t *testing.T) {
	b, now := newBucket(), epoch.Add(time.Hour)
	const lanes = 8
	turns := make([]time.Time, lanes)
	for ok := true; ok; {
		ok, turns[0] = b.take(now, time.Time{}, 1, 100)
	}
	for i := 1; i < lanes; i++ {
		_, turns[i] = b.take(now, time.Time{}, 1, 100)
	}
	for call := range 10 * lanes {
		lane := call % lanes
		for other, at := range turns {
			if at.Before(turns[lane]) {
				t.Fatalf("call %d: lane %d is before lane %d, which asked first", call, other, lane)
			}
		}
		now = turns[lane]
		if ok, _ := b.take(now, time.Time{}, 1, 100); ok {
			t.Fatal("a lane that was given no turn takes from one that was")
		}
		n := 0
		for ok := true; ok; {
			var until time.Time
			if ok, until = b.take(now, turns[lane], 1, 100); !ok {
				turns[lane] = until
				break
			}
			n++
		}
		if call >= lanes && n < 20 {
			t.Errorf("call %d carries %d records", call, n)
		}
	}
}

func TestALargeRecordIsNotOvertakenForEver(t *testing.T) {
	b, now := newBucket(), epoch.Add(time.Hour)
	var large time.Time
	small := make([]time.Time, 8)
	for end := now.Add(5 * time.Second); now.Before(end); now = now.Add(time.Millisecond) {
		for i, turn := range small {
			for ok := !turn.After(now); ok; {
				ok, small[i] = b.take(now, turn, 1, 1500)
			}
		}
		if large.After(now) {
			continue
		}
		ok, until := b.take(now, large, 1, 900_000)
		if ok {
			return
		}
		large = until
	}
	t.Error("the small records of other lanes were always before it")
}
