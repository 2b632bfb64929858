package status

import (
	"maps"
	"math/rand/v2"
	"testing"
	"time"
)

func at(hour, minute int) time.Time { return time.Date(2026, 11, 28, hour, minute, 0, 0, time.UTC) }

func TestAnOutcomeIsCountedInTheHourInWhichTheIdentityCame(t *testing.T) {
	var l ledger
	l.count(at(9, 59), Counts{UnderWay: 3})
	l.count(at(10, 1), Counts{Activated: 3, UnderWay: 2, Failed: map[string]int64{"too_large": 1}})
	if len(l.hours) != 2 {
		t.Fatalf("%d hours", len(l.hours))
	}
	if h := l.hours[0]; h.received() != 3 || h.activated != 3 || h.underWay != 0 {
		t.Errorf("the first hour: %+v", h)
	}
	if h := l.hours[1]; h.received() != 3 || h.failed["too_large"] != 1 || h.underWay != 2 {
		t.Errorf("the second hour: %+v", h)
	}
}

func TestWhatARebalanceTookAwayWasNotReceived(t *testing.T) {
	var l ledger
	l.count(at(9, 1), Counts{UnderWay: 5})
	l.count(at(9, 2), Counts{UnderWay: 2, Activated: 1})
	if h := l.hours[0]; h.received() != 3 || h.activated != 1 {
		t.Errorf("%+v", h)
	}
}

func TestAFlowThatWasMadeAnewGoesOnCounting(t *testing.T) {
	var l ledger
	l.count(at(9, 1), Counts{Activated: 10, UnderWay: 4})
	l.count(at(9, 2), Counts{Activated: 2, UnderWay: 1})
	if h := l.hours[0]; h.activated != 12 || h.received() != 13 {
		t.Errorf("%+v", h)
	}
}

func TestReasonsAndSegmentsOfAnHourAreBounded(t *testing.T) {
	var l ledger
	c := Counts{Excluded: map[string]int64{}, Segments: map[string]int64{}}
	for i := range 1000 {
		c.Excluded[string(rune('a'+i))] = 1
		c.Segments[string(rune('a'+i))] = 2
	}
	l.count(at(9, 1), c)
	h := l.hours[0]
	if len(h.excluded) > maxReasons+1 || len(h.segments) > maxSegments+1 || sum(h.excluded) != 1000 || sum(h.segments) != 2000 {
		t.Errorf("%d reasons, %d segments, sums %d and %d", len(h.excluded), len(h.segments), sum(h.excluded), sum(h.segments))
	}
}

// However identities come and go, each hour adds up, none has less than nothing, and all
// hours together have what was counted.
func TestHoursAddUpWhateverIsCounted(t *testing.T) {
	for seed := range uint64(500) {
		chance := rand.New(rand.NewPCG(seed, 1))
		var l ledger
		c := Counts{Excluded: map[string]int64{}, Failed: map[string]int64{}}
		all := map[time.Time]*hour{}
		now := at(0, 0)
		for range 200 {
			now = now.Add(time.Duration(chance.IntN(int(40 * time.Minute))))
			c.UnderWay += chance.Int64N(100)
			part := func() (n int64) {
				n = chance.Int64N(c.UnderWay/2 + 1)
				c.UnderWay -= n
				return n
			}
			c.Activated += part()
			c.Excluded["consent"] += part()
			c.Failed["malformed"] += part()
			if chance.IntN(10) == 0 {
				part() // a rebalance
			}
			told := c
			told.Excluded, told.Failed = maps.Clone(c.Excluded), maps.Clone(c.Failed)
			l.count(now, told)
			var underWay int64
			for _, h := range l.hours {
				all[h.at] = h
				underWay += h.underWay
				h.dirty = false
				if h.activated < 0 || h.underWay < 0 || h.first.After(h.last) {
					t.Fatalf("seed %d: %+v", seed, h)
				}
			}
			if underWay != c.UnderWay {
				t.Fatalf("seed %d: %d under way, %d in the hours", seed, c.UnderWay, underWay)
			}
			l.written(now, DefaultRetention)
		}
		var activated, excluded, failed int64
		for _, h := range all {
			activated, excluded, failed = activated+h.activated, excluded+h.excluded["consent"], failed+h.failed["malformed"]
		}
		if activated != c.Activated || excluded != c.Excluded["consent"] || failed != c.Failed["malformed"] {
			t.Fatalf("seed %d: %d %d %d in the hours of %+v", seed, activated, excluded, failed, c)
		}
	}
}
