package consumer

import (
	"context"
	"slices"
	"time"
)

// standstill is how long there is no room at all before those who cannot use what they
// fetched make some for those who have nothing.
const standstill = 250 * time.Millisecond

// await returns the claims that have room for another batch, once there are any
// and the budget allows it.
func (f *fetcher) await(ctx context.Context, claims []*claim) []*claim {
	var full time.Time // since when there has been no room
	for ctx.Err() == nil {
		room, changed := f.budget.state()
		var ready []*claim
		now, soonest := time.Now(), time.Time{}
		for _, c := range claims {
			c.turnBack(now)
			switch {
			case room <= 0 || len(c.sets) == cap(c.sets) || c.stopped():
			case !c.notBefore.After(now):
				if c.account.mayFetch(max(partitionLeastBytes, c.asked)) {
					ready = append(ready, c)
				}
			case soonest.IsZero() || c.notBefore.Before(soonest):
				soonest = c.notBefore
			}
		}
		if len(ready) > 0 {
			return ready
		}
		switch {
		case room > 0:
			full = time.Time{}
		case full.IsZero():
			full, soonest = now, now.Add(standstill)
		case now.Sub(full) < standstill:
			soonest = full.Add(standstill)
		default:
			if slices.ContainsFunc(claims, (*claim).hasNothing) {
				f.budget.makeRoom()
			}
			full, soonest = now, now.Add(standstill)
		}
		f.sleep(ctx, soonest, changed)
	}
	return nil
}

// sleep waits for a change, or until a time; zero: for ever.
func (f *fetcher) sleep(ctx context.Context, until time.Time, changed <-chan struct{}) {
	var timeout <-chan time.Time
	if !until.IsZero() {
		timer := time.NewTimer(time.Until(until))
		defer timer.Stop()
		timeout = timer.C
	}
	select {
	case <-ctx.Done():
	case <-changed:
	case <-timeout:
	}
}

// hasNothing tells whether nothing of the partition is under way. Whether there is something is
// not known while nobody asks.
func (c *claim) hasNothing() bool { return c.account.hasNothing() && !c.stopped() }
