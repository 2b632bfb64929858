package consumer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"

	"kinesis-destination/schemas/backoff"
)

// fetcher brings messages to the claims of one membership: one loop and one
// request under way per broker, several partitions in a request.
type fetcher struct {
	rack      string
	transport *kafka.Transport
	client    *kafka.Client
	addr      net.Addr
	budget    *Budget
	elections *backoff.Backoff                                            // how often is looked for a leader
	waits     map[int]*backoff.Backoff                                    // by broker, from round to round; run's own
	reset     func(ctx context.Context, tp topicPartition) (int64, error) // where to go on when out of range
	end       func(ctx context.Context, tp topicPartition, where string) (int64, error)
	committed func(ctx context.Context, tp topicPartition) (position, error) // what the group has now

	mu      sync.Mutex
	claims  []*claim
	changed chan struct{} // closed and replaced when there are more claims
}

func newFetcher(c *Consumer) *fetcher {
	return &fetcher{
		rack: c.cfg.ClientRack, transport: c.fetch, client: c.client, addr: c.addr,
		budget: c.budget, reset: c.resetOffset, end: c.offsetAt, committed: c.committedNow,
		waits: map[int]*backoff.Backoff{}, elections: newBackoff(), changed: make(chan struct{}),
	}
}

// set names the claims when there are new ones. What a fetch under way brings is
// lost and asked for again: the new claims need not wait for it.
func (f *fetcher) set(claims []*claim) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.claims = claims
	close(f.changed)
	f.changed = make(chan struct{})
}

// drop takes claims away that have come to rest. The loops pass them by already.
func (f *fetcher) drop(claims []*claim) {
	f.mu.Lock()
	f.claims = slices.DeleteFunc(slices.Clone(f.claims), func(c *claim) bool { return slices.Contains(claims, c) })
	f.mu.Unlock()
	for _, c := range claims {
		c.close()
	}
}

// now are the claims, and what is closed when there are more.
func (f *fetcher) now() (claims []*claim, changed <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.claims, f.changed
}

const readCommitted = 1

var (
	// errStale: a partition has moved to another broker.
	errStale = errors.New("leader changed")
	// errOffsetGone: a claim's offset is not in the partition.
	errOffsetGone = errors.New("offset out of range")
)

// run fetches until ctx ends.
func (f *fetcher) run(ctx context.Context) {
	wait := newBackoff()
	for ctx.Err() == nil {
		claims, changed := f.now()
		if len(claims) == 0 {
			select {
			case <-ctx.Done():
			case <-changed:
			}
			continue
		}
		brokers, held, err := f.leaders(ctx, claims)
		if err != nil {
			dropSilent(f.transport, err)
			f.holdAll(claims, err)
			pause(ctx, wait.NextBackOff())
			continue
		}
		wait.Reset()
		f.round(ctx, brokers, held, changed)
	}
}

// round runs a loop per broker until one finds that a leader changed, one of the
// claims that are held has a leader, or there are more claims.
func (f *fetcher) round(ctx context.Context, brokers map[int][]*claim, held []*claim, changed <-chan struct{}) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var loops sync.WaitGroup
	if len(held) == 0 {
		f.elections.Reset()
	} else {
		loops.Go(func() {
			defer cancel()
			f.awaitLeaders(ctx, held)
		})
	}
	loops.Go(func() {
		defer cancel()
		select {
		case <-ctx.Done():
		case <-changed:
		}
	})
	for id, claims := range brokers {
		wait := f.waits[id]
		if wait == nil {
			wait = newBackoff()
			f.waits[id] = wait
		}
		loops.Go(func() {
			defer cancel()
			f.loop(ctx, id, claims, wait)
		})
	}
	loops.Wait()
}

// loop fetches for the claims of one broker until ctx ends or a leader changed.
func (f *fetcher) loop(ctx context.Context, node int, claims []*claim, wait *backoff.Backoff) {
	poll := polling{}
	for turn := 0; ctx.Err() == nil; turn++ {
		ready := f.await(ctx, claims)
		if len(ready) == 0 || followedLongEnough(claims, time.Now()) {
			return
		}
		// Only the first partition that has something may exceed a request's
		// limits: each must be the first now and then.
		first := turn % len(ready)
		err := f.fetch(ctx, node, slices.Concat(ready[first:], ready[:first]), poll.next(claims, ready))
		switch {
		case err == nil:
			wait.Reset()
			answered(claims, ready)
		case ctx.Err() != nil:
			return
		default:
			if f.leaveFollowers(node, claims) {
				return
			}
			f.holdAll(claims, err)
			pause(ctx, wait.NextBackOff())
			return // look the leaders up again: the broker may be gone for good
		}
	}
}

// fetch asks one broker once and passes on what came.
func (f *fetcher) fetch(ctx context.Context, node int, claims []*claim, wait time.Duration) error {
	if claims = f.reseat(ctx, claims); len(claims) == 0 {
		return nil
	}
	began, done, call := time.Now(), f.budget.asks(), f.request(node, claims)
	call.MaxWaitTime = int32(wait.Milliseconds())
	res, err := roundTrip(ctx, f.transport, f.addr, call)
	done()
	if err != nil {
		return err
	}
	defer res.close()
	if !res.byID {
		if err := f.compare(ctx, claims); err != nil {
			return err
		}
	}
	moved, stale := f.accept(ctx, claims, res, began)
	moved = res.outgrown(claims, int64(call.MaxBytes)) || moved
	if stale == nil && !moved && time.Since(began) < min(emptyRest, wait) {
		pause(ctx, emptyRest)
	}
	return stale
}

// accept hands an answer to the claims that it is about. It tells whether any goes on
// elsewhere than before, and whether one has moved to another broker.
func (f *fetcher) accept(ctx context.Context, claims []*claim, res *fetchResponse, began time.Time) (moved bool, stale error) {
	asked, span := askedClaims{claims: claims}, fetchSpan{began, time.Now()}
	var misplaced []*claim
	for i := range res.partitions {
		p := &res.partitions[i]
		c := asked.of(p.topicPartition)
		if c == nil {
			continue
		}
		before := c.position
		err := f.take(c, p, span)
		moved = moved || c.position != before
		switch {
		case errors.Is(err, errStale):
			stale = err
		case errors.Is(err, errOffsetGone):
			misplaced = append(misplaced, c)
		case err != nil: // this partition's own error: the others go on
			c.seen(err)
			c.tried(err)
		case c.readable():
			c.tried(nil)
		}
	}
	for _, c := range misplaced { // a question each, which the others do not wait for
		c.tried(f.outOfRange(ctx, c))
	}
	return moved, stale
}

// emptyRest is the pause after an answer that came at once and brought nothing:
// a follower gives such answers until it has heard what is committed by now.
const emptyRest = 50 * time.Millisecond

func (f *fetcher) request(node int, claims []*claim) *fetchCall {
	rack, now := f.rack, time.Now()
	for _, c := range claims {
		if now.Before(c.leaderUntil) {
			rack = "" // a leader that knows the rack may send its reader away
		}
	}
	call := newFetchCall(node, claims, f.busy(), f.budget)
	call.RackID = rack
	call.byID(claims)
	return call
}

// take hands one partition's part of a response to its claim, whose queue has room.
func (f *fetcher) take(c *claim, p *fetchedPartition, span fetchSpan) error {
	switch code := kafka.Error(p.code); {
	case p.code != 0 && c.follower >= 0:
		// Behind the leader, or no replica any more: only the leader's word counts.
		c.unfollow()
		return errStale
	case code == kafka.OffsetOutOfRange:
		return errOffsetGone
	case unidentified(code), code == kafka.NotLeaderForPartition, code == kafka.FencedLeaderEpoch, code == kafka.UnknownLeaderEpoch:
		return errStale
	case p.code != 0:
		return fmt.Errorf("fetch %s/%d: %w", c.topic, c.partition, missingRight(code, readTopic, c.topic))
	case p.replica >= 0 && f.rack != "" && c.follow(int(p.replica), time.Now()):
		return errStale
	case p.tooLarge != nil:
		return fmt.Errorf("fetch %s/%d from offset %d: %w", c.topic, c.partition, c.position, p.tooLarge)
	}
	c.mu.Lock()
	c.end = p.highWatermark
	if p.lastStable >= 0 {
		c.end = p.lastStable
	}
	c.mu.Unlock()
	var broken error
	if len(p.records) > 0 { // of a thousand partitions most have none
		broken = f.pass(c, p, span)
	}
	if broken == nil && c.readable() {
		c.hold("", nil)
	}
	return broken
}

// pass hands what came of a partition to its claim.
func (f *fetcher) pass(c *claim, p *fetchedPartition, span fetchSpan) error {
	set, broken := newRecordSet(c.topicPartition, c.position, p)
	set.span, set.topic = span, c.id
	if set.next > c.position {
		c.move(set.next)
		c.batch = set.largest
		c.push(set)
	} else {
		set.close()
	}
	return broken
}

// outOfRange goes where the configuration says. By default that is nowhere: the
// partition holds, because a jump loses or repeats events without a word.
func (f *fetcher) outOfRange(ctx context.Context, c *claim) error {
	next, err := f.place(ctx, c)
	if err != nil {
		return err
	}
	c.mu.Lock()
	c.position = next
	c.back = -1 // what could not be read is of the offsets that are gone
	c.mu.Unlock()
	c.push(&recordSet{next: next, restart: true})
	return nil
}
