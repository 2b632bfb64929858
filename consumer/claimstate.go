package consumer

import (
	"context"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v4"
)

// life is a claim's beginning and end, and what its owners share. It is set when the
// claim is made.
type life struct {
	ctx     context.Context // ends with the claim
	revoke  context.CancelFunc
	atWork  context.Context    // ends with the claim, or before: the worker takes no further message
	stop    context.CancelFunc // ends atWork
	worked  chan struct{}      // closed when the worker has ended
	sets    chan *recordSet    // from the fetch loop to the worker
	budget  *Budget
	account account // of the budget
	codecs  *decompressor
	report  func(topic string, partition int, reason string, err error)
}

// fetching is the fetch loop's own.
type fetching struct {
	position  int64                       // next offset to fetch
	notBefore time.Time                   // when to try again after an error of this partition
	wait      *backoff.ExponentialBackOff // how long that takes

	gone   bool   // its topic is another one: it has to begin anew
	where  string // at which end it then begins; empty: as for an offset out of range
	absent bool   // its topic was seen to be missing

	follower    int       // the replica that is fetched from; -1: the leader
	followUntil time.Time // when the leader is asked again
	leaderUntil time.Time // only the leader serves until then
}

// working is the worker's own.
type working struct {
	expected int64 // where the next set begins
	tracing  tracing
}

// settling is what fetch loop, worker, sink and commits have in common: how far
// the partition is.
type settling struct {
	holding sync.Mutex // held while report is called; mu is not

	mu        sync.Mutex // guards all below
	id        topicID    // the topic; zero: the broker does not say. The fetch loops alone change it
	lost      int        // how often the topic was another one, and the worker has not begun anew
	mark      watermark
	window    int64         // of the budget, by mark
	pending   int           // handed out, neither settled nor withdrawn
	unread    bool          // the records at expected could not be read
	back      int64         // where they are to be fetched from again; -1: nowhere
	ended     bool          // nothing is fetched for it any more
	committed int64         // what the group has; -1: nothing yet
	metadata  string        // what the group has beside it
	plain     bool          // commit offsets alone
	settled   []span        // settled by an earlier owner, above where this claim began
	end       int64         // offset after the last readable message; -1: not known yet
	held      string        // why nothing arrives, or ""
	changed   chan struct{} // a signal for the one who waits for mark or pending
}
