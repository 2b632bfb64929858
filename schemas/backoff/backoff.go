// Package backoff paces what is tried again: exponentially, with jitter, so that those who failed together do not come
// back together. How fast it grows and ends is github.com/cenkalti/backoff's; its jitter is its own, as that library
// spreads a delay around its interval only, and takes no source of chance.
package backoff

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/cenkalti/backoff/v4"
)

// Jitter is how delays are spread.
type Jitter int

const (
	// Around spreads a delay from half of its interval to one and a half of it; intervals grow by a half.
	Around Jitter = iota
	// Full spreads a delay from nothing up to its interval, which keeps many who fail together apart best; intervals double.
	Full
)

// Config says how something is tried again.
type Config struct {
	Initial, Max time.Duration // the first interval, and the largest
	Elapsed      time.Duration // is exhausted after it; 0: never
	Jitter       Jitter
	Random       *rand.Rand // the caller's own; nil: the process's source
}

// Backoff paces the repetition of one failure. One goroutine uses it.
type Backoff struct {
	intervals backoff.ExponentialBackOff
	jitter    Jitter
	random    *rand.Rand
	elapsed   time.Duration
	now       time.Time
}

// New begins to pace a failure.
func New(c Config, now time.Time) *Backoff {
	b := &Backoff{jitter: c.Jitter, random: c.Random, elapsed: c.Elapsed, now: now}
	b.intervals = backoff.ExponentialBackOff{
		InitialInterval: c.Initial,
		Multiplier:      backoff.DefaultMultiplier,
		MaxInterval:     c.Max,
		MaxElapsedTime:  c.Elapsed,
		Stop:            backoff.Stop,
		Clock:           b,
	}
	if c.Jitter == Full {
		b.intervals.Multiplier = 2
	}
	b.intervals.Reset()
	return b
}

// Now implements the library's clock with the time that was given last.
func (b *Backoff) Now() time.Time { return b.now }

// Next returns how long to wait before the next attempt. The last one within Elapsed is made at its very end. After
// that it reports exhausted, once; asked further, it goes on at the largest interval.
func (b *Backoff) Next(now time.Time) (delay time.Duration, exhausted bool) {
	b.now = now
	interval := b.intervals.NextBackOff()
	left := b.intervals.MaxElapsedTime - b.intervals.GetElapsedTime()
	switch {
	case interval != backoff.Stop && b.intervals.MaxElapsedTime > 0:
		return min(left, b.spread(interval)), false // what is spread is up to half as much again
	case interval != backoff.Stop:
		return b.spread(interval), false
	case left > 0:
		return left, false
	}
	b.intervals.MaxElapsedTime = 0
	return b.spread(b.intervals.MaxInterval), true
}

// NextBackOff is Next by the clock, of what is never exhausted.
func (b *Backoff) NextBackOff() time.Duration {
	delay, _ := b.Next(time.Now())
	return delay
}

// Reset begins anew, by the clock: what failed has succeeded.
func (b *Backoff) Reset() {
	b.now, b.intervals.MaxElapsedTime = time.Now(), b.elapsed
	b.intervals.Reset()
}

func (b *Backoff) spread(interval time.Duration) time.Duration {
	random := rand.Int64N
	if b.random != nil {
		random = b.random.Int64N
	}
	if b.jitter == Around {
		return interval/2 + time.Duration(random(int64(interval)+1))
	}
	return 1 + time.Duration(random(int64(interval)))
}

// Sleep waits; an error says that ctx ended.
func Sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
