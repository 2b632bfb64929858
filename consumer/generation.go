package consumer

import (
	"context"
	"errors"
	"maps"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
)

// work is the life of one generation: begin the claims, read until the
// generation must end, bring everything to rest, commit. Heartbeats go on until
// the last of these is done. It returns an error when the process cannot go on.
func (c *Consumer) work(ctx context.Context, g *generation, handler Handler) error {
	// Nothing below may end with ctx before what is under way has come to rest.
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	var background sync.WaitGroup
	defer background.Wait()
	defer end()

	ended := make(chan error, 2)
	background.Go(func() { c.heartbeats(life, g, ended) })
	// A static leader that was restarted is not told that it leads: the coordinator
	// spares the group an assignment. A member that does not lead and looks joins
	// again without moving anything.
	if g.leader || c.cfg.GroupInstanceID != "" {
		background.Go(func() { c.watchPartitions(life, g, ended) })
	}
	begun, why := c.begin(ctx, g, ended)
	if !begun {
		c.forget(why)
		return fatal(why)
	}
	c.opts.Logger.Info("partitions assigned", "group", c.cfg.Group, "generation", g.id, "partitions", len(g.claims))

	var readers sync.WaitGroup
	reading, stopReading := context.WithCancel(life)
	defer stopReading()
	failed := make(chan error, len(g.claims))
	f := &fetcher{
		rack:      c.cfg.ClientRack,
		transport: c.fetch, client: c.client, addr: c.addr, claims: g.claims,
		budget: newBudget(c.opts.Budget), reset: c.resetOffset, tracer: c.opts.Tracer, group: c.cfg.Group,
	}
	for _, cl := range g.claims {
		cl.budget = f.budget
		readers.Go(func() {
			if err := cl.work(handler); err != nil {
				failed <- err
			}
		})
	}
	if len(g.claims) > 0 {
		readers.Go(func() { f.run(reading) })
	}
	stopCommitting := make(chan struct{})
	var commits sync.WaitGroup
	commits.Go(func() { c.commitLoop(life, g, stopCommitting) })

	var handlerErr error
	drain := false
	select {
	case <-ctx.Done():
		drain = true
	case why = <-ended:
	case handlerErr = <-failed:
	}
	stopReading()
	c.rest(life, g, &readers, drain)
	close(stopCommitting)
	commits.Wait()
	c.finish(life, g, why, drain)
	return errors.Join(handlerErr, fatal(why))
}

// fatal is the one end of a generation that the process does not survive.
func fatal(why error) error {
	if errors.Is(why, kafka.FencedInstanceID) {
		return ErrFenced
	}
	return nil
}

// begin finds out where each partition goes on and makes the claims. It gives up
// when the generation ends before that is known.
func (c *Consumer) begin(ctx context.Context, g *generation, ended <-chan error) (begun bool, why error) {
	wait := newBackoff()
	for {
		starts, err := c.positions(ctx, g.partitions)
		if err == nil {
			for _, tp := range g.partitions {
				cl := newClaim(context.WithoutCancel(ctx), tp, starts[tp])
				cl.report = c.opts.Hold
				g.claims = append(g.claims, cl)
			}
			c.holdGroup("", nil)
			c.mu.Lock()
			c.generation, c.active = g, true
			c.mu.Unlock()
			return true, nil
		}
		if ctx.Err() == nil {
			c.holdGroup(holdReason(err), err)
		}
		timer := time.NewTimer(wait.NextBackOff())
		select {
		case <-ctx.Done():
			timer.Stop()
			return false, nil
		case why := <-ended:
			timer.Stop()
			return false, why
		case <-timer.C:
		}
	}
}

// rest ends the claims and waits until nothing of theirs is under way. On a
// drain what was handed out is given time to be delivered; otherwise, and after
// that time, what is not sent yet is withdrawn. What is in flight is awaited in
// any case: the next owner must not start before it has settled.
func (c *Consumer) rest(ctx context.Context, g *generation, readers *sync.WaitGroup, drain bool) {
	for _, cl := range g.claims {
		close(cl.stop)
	}
	if drain {
		limited, cancel := context.WithTimeout(ctx, c.opts.DrainTimeout)
		stop := context.AfterFunc(limited, g.revoke) // frees a worker whose handler blocks
		readers.Wait()
		for _, cl := range g.claims {
			cl.rest(limited)
		}
		stop()
		cancel()
	}
	g.revoke()
	c.opts.OnRevoke()
	readers.Wait()
	for _, cl := range g.claims {
		cl.rest(ctx)
		cl.hold("", nil)
	}
}

func (g *generation) revoke() {
	for _, cl := range g.claims {
		cl.revoke()
	}
}

// finish commits what has settled, unless this process is no longer a member.
func (c *Consumer) finish(ctx context.Context, g *generation, why error, drained bool) {
	c.forget(why)
	if why == nil {
		limit := lastCommitTimeout
		if drained {
			limit = drainedCommitTimeout
		}
		if err := c.lastCommit(ctx, g, limit); err != nil {
			c.opts.Logger.Warn("last offsets of the assignment could not be committed; what they cover is read again", "error", err)
			c.forget(err)
		}
	}
	c.mu.Lock()
	c.active = false
	c.mu.Unlock()
	c.opts.Logger.Info("partitions given back", "group", c.cfg.Group, "generation", g.id, "error", why)
}

// lastCommit commits, trying again what settles soon: what is not committed is
// exported again by the next owner.
func (c *Consumer) lastCommit(ctx context.Context, g *generation, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	wait := newBackoff()
	for {
		err := c.commit(ctx, g)
		if err == nil || outOfGroup(err) {
			return err
		}
		pause(ctx, wait.NextBackOff())
		if ctx.Err() != nil {
			return err
		}
	}
}

// How long the commit at the end of a generation may take: the group waits for
// this member (within its rebalance timeout), or a process that was told to end does.
const (
	lastCommitTimeout    = 20 * time.Second
	drainedCommitTimeout = 2 * time.Second
)

// partitionCheck is how often the leader looks for partitions that were added
// or topics that were made anew.
const partitionCheck = 15 * time.Second

// watchPartitions ends the generation when there are other topics or partitions
// than were assigned: only the leader can assign them, after a join.
func (c *Consumer) watchPartitions(ctx context.Context, g *generation, ended chan<- error) {
	tick := time.NewTicker(partitionCheck)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		topics, _, err := c.cfg.present(ctx, c.client, c.addr)
		if err != nil {
			continue // the fetch loops report what is wrong
		}
		if counts := partitionCounts(topics); !maps.Equal(counts, g.counts) {
			c.opts.Logger.Info("topics or their partitions changed, assigning anew", "topics", len(counts), "partitions", sum(counts))
			ended <- nil
			return
		}
	}
}

func partitionCounts(topics []kafka.Topic) map[string]int {
	counts := make(map[string]int, len(topics))
	for _, t := range topics {
		counts[t.Name] = len(t.Partitions)
	}
	return counts
}

func sum(counts map[string]int) (n int) {
	for _, c := range counts {
		n += c
	}
	return n
}
