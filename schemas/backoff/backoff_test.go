package backoff

import (
	"math/rand/v2"
	"testing"
	"time"
)

// Intervals grow to the largest and stay there; a delay lies where its jitter says.
func TestDelaysLieWithinTheirJitterOfGrowingIntervals(t *testing.T) {
	const initial, largest = 100 * time.Millisecond, time.Second
	for name, c := range map[string]struct {
		jitter      Jitter
		growth      float64
		least, most float64 // of the interval
	}{
		"around": {Around, 1.5, .5, 1.5},
		"full":   {Full, 2, 0, 1},
	} {
		b := New(Config{Initial: initial, Max: largest, Jitter: c.jitter, Random: rand.New(rand.NewPCG(1, 2))}, time.Time{})
		for i, interval := 0, float64(initial); i < 1000; i, interval = i+1, min(interval*c.growth, float64(largest)) {
			delay, exhausted := b.Next(time.Time{}.Add(time.Duration(i) * time.Hour))
			if exhausted || delay <= 0 || float64(delay) < c.least*interval-1 || float64(delay) > c.most*interval+1 {
				t.Fatalf("%s, attempt %d: %s of %s, exhausted %v", name, i, delay, time.Duration(interval), exhausted)
			}
		}
	}
}

// The same source of chance gives the same delays; without one they differ, as those who fail together must.
func TestChanceIsTheCallersWhereGiven(t *testing.T) {
	delays := func(random *rand.Rand) (all [8]time.Duration) {
		b := New(Config{Initial: time.Second, Max: time.Minute, Random: random}, time.Time{})
		for i := range all {
			all[i] = b.NextBackOff()
		}
		return all
	}
	source := func() *rand.Rand { return rand.New(rand.NewPCG(3, 4)) }
	if first, second := delays(source()), delays(source()); first != second {
		t.Error("two of one seed differ")
	}
	if first, second := delays(nil), delays(nil); first == second {
		t.Error("two without a source agree")
	}
}

// What may be tried for a minute is tried at its end for the last time.
func TestTheLastAttemptIsAtTheEnd(t *testing.T) {
	began := time.Unix(0, 0)
	for seed := range uint64(1000) {
		b := New(Config{Initial: time.Second, Max: 8 * time.Second, Elapsed: time.Minute, Random: rand.New(rand.NewPCG(seed, 1))}, began)
		for now := began; ; {
			delay, exhausted := b.Next(now)
			if exhausted {
				if now.Sub(began) != time.Minute {
					t.Fatalf("seed %d: exhausted after %s", seed, now.Sub(began))
				}
				break
			}
			now = now.Add(delay)
		}
	}
}

func TestWhatHasSucceededBeginsAnew(t *testing.T) {
	b := New(Config{Initial: time.Millisecond, Max: time.Hour}, time.Now())
	for range 20 {
		b.NextBackOff()
	}
	b.Reset()
	if delay := b.NextBackOff(); delay > 3*time.Millisecond/2 {
		t.Errorf("%s after a success", delay)
	}
}
