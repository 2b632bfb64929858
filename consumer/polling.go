package consumer

import (
	"slices"
	"time"
)

// polling finds how long a broker may wait with an answer until there is something to
// bring: for as long as usual where all that has something is asked for, as it then answers
// at once. Where the worker of a partition that has more is not ready for it, it soon may be,
// and what it could get is not asked for until the answer is there: it waits for
// a moment then, and twice as long each time that the worker still is not.
type polling struct{ wait time.Duration }

// fetchLeastWait is the first such moment.
const fetchLeastWait = 5 * time.Millisecond

// next is how long a fetch for the claims that are ready waits, of all those of a broker.
func (p *polling) next(claims, ready []*claim) time.Duration {
	switch {
	case slices.ContainsFunc(ready, (*claim).mayBring):
		p.wait = 0
		return fetchMaxWait
	case len(ready) == len(claims) || !slices.ContainsFunc(claims, (*claim).busy):
		return fetchMaxWait
	}
	p.wait = min(fetchMaxWait, max(fetchLeastWait, 2*p.wait))
	return p.wait
}

// busy tells whether the partition has more than its worker is ready for.
func (c *claim) busy() bool { return c.mayBring() && !c.stopped() && c.account.fetchedSome() }
