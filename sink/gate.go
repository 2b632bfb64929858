package sink

import (
	"sync"
	"time"

	"kinesis-destination/schemas/backoff"
)

// suspectAfter is how long calls may fail without an answer before the stream
// counts as held. Shorter would make readiness flap with each broken connection.
const suspectAfter = 5 * time.Second

// gate stands between the lanes and the stream. While the stream is held it
// lets one lane probe, with backoff, and keeps the others from hammering.
type gate struct {
	retry func(now time.Time) *backoff.Backoff
	// tell hears why the gate is closed; an empty reason: it is open. It is called
	// under mu, so that what it heard last is how the gate stands.
	tell func(reason string, err error)

	mu      sync.Mutex
	backoff *backoff.Backoff // nil: open
	until   time.Time        // no probe before
	probing probe            // the one under way
	last    probe
	failing time.Time // since when no call was answered; zero: the last one was
}

// probe is one call through the closed gate. The zero value is a call that was
// let in while the gate stood open: what becomes of it says nothing of a probe.
type probe uint64

// Enter asks to make a call. Otherwise it says when to ask again; zero: when
// the gate is opened or the probe returns.
func (g *gate) Enter(now time.Time) (ok bool, as probe, at time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.backoff == nil:
		return true, 0, time.Time{}
	case g.probing != 0:
		return false, 0, time.Time{}
	case now.Before(g.until):
		return false, 0, g.until
	}
	g.last++
	g.probing = g.last
	return true, g.probing, time.Time{}
}

// CancelProbe takes back an Enter that led to no call. It reports whether lanes
// may be waiting for the probe that was not made.
func (g *gate) CancelProbe(as probe) (changed bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if as == 0 || as != g.probing {
		return false
	}
	g.probing = 0
	return true
}

// Answered notes a call after which others are welcome. It reports whether the
// stream was held until now. Of a closed gate only the probe tells: any other call
// was sent before it closed.
func (g *gate) Answered(as probe) (opened bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.backoff == nil:
		g.failing = time.Time{}
		return false
	case as == 0 || as != g.probing:
		return false
	}
	g.backoff, g.probing, g.failing = nil, 0, time.Time{}
	g.tell("", nil)
	return true
}

// Held notes a call that was refused for a stream-wide cause.
func (g *gate) Held(now time.Time, as probe, reason string, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut(now, as)
	g.tell(reason, err)
}

// Failed notes a call without an answer. It reports whether that has been so
// for long enough to count as a hold.
func (g *gate) Failed(now time.Time, as probe, err error) (held bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.failing.IsZero() {
		g.failing = now
	}
	if g.backoff == nil && now.Sub(g.failing) < suspectAfter {
		return false
	}
	g.shut(now, as)
	g.tell(HoldUnavailable, err)
	return true
}

// shut closes the gate or, after the probe, keeps it closed for longer. Calls
// that were under way when it closed change nothing.
func (g *gate) shut(now time.Time, as probe) {
	switch {
	case g.backoff == nil:
		g.backoff = g.retry(now)
	case as == 0 || as != g.probing:
		return
	}
	g.probing = 0
	delay, _ := g.backoff.Next(now)
	g.until = now.Add(delay)
}

// Forget opens the gate: nothing is left by which one would hear that the stream works.
func (g *gate) Forget() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.probing != 0 {
		return // its answer says
	}
	held := g.backoff != nil
	g.backoff, g.failing = nil, time.Time{}
	if held {
		g.tell("", nil)
	}
}
