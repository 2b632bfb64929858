package consumer

import (
	"slices"
	"time"
)

// polling finds how long a broker may wait with an answer until there is something to
// bring: for as long as usual where one that has more is asked for, as it then answers at
// once. Where the worker of a partition is not ready for more, it soon may be, and what there
// is then is not asked for until the answer is there: the broker waits for a moment, and
// twice as long each time that the worker still is not.
type polling struct{ wait time.Duration }

// fetchLeastWait is the first such moment.
const fetchLeastWait = 5 * time.Millisecond

// next is how long a fetch for the claims that are ready waits, of all those of a broker.
func (p *polling) next(claims, ready []*claim) time.Duration {
	if slices.ContainsFunc(ready, (*claim).mayBring) || !anyBusy(claims, ready) {
		p.wait = 0
		return fetchMaxWait
	}
	p.wait = min(fetchMaxWait, max(fetchLeastWait, 2*p.wait))
	return p.wait
}

// anyBusy tells whether one that is not ready soon may be. Those that are ready stand in the
// order of all.
func anyBusy(claims, ready []*claim) bool {
	for _, c := range claims {
		if len(ready) > 0 && ready[0] == c {
			ready = ready[1:]
		} else if c.busy() {
			return true
		}
	}
	return false
}

// busy tells whether the worker has something in hand that was fetched.
func (c *claim) busy() bool { return !c.stopped() && c.account.fetchedSome() }
