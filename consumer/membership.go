package consumer

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
)

// membership is the time from a join until nothing is held any more. It outlasts
// generations, until the process ends, is no longer in the group, or finds an
// eager member in it.
type membership struct {
	*Consumer
	handler    Handler
	fetcher    *fetcher
	running    context.Context         // ends, with its cause, when everything is to be given up
	end        context.CancelCauseFunc // for a cause
	due        chan int                // the id of a generation that another must follow; of capacity 1
	commitLock chan struct{}           // of capacity 1: who has put something in commits

	background sync.WaitGroup
}

// errEvicted wraps why this process is no longer in the group: nothing can be
// committed, and others may have its partitions.
var errEvicted = errors.New("no longer in the group")

func (c *Consumer) newMembership(ctx context.Context, handler Handler) *membership {
	m := &membership{Consumer: c, handler: handler, due: make(chan int, 1), commitLock: make(chan struct{}, 1)}
	m.running, m.end = context.WithCancelCause(ctx)
	m.fetcher = newFetcher(c)
	return m
}

// find reads where partitions go on, trying again until the generation must end.
func (m *membership) find(g *generation, fresh []topicPartition) (starts map[topicPartition]position, found bool) {
	if len(fresh) == 0 {
		return nil, true
	}
	wait := newBackoff()
	for {
		starts, err := m.positions(m.running, fresh)
		if err == nil {
			m.holdGroup("", nil)
			return starts, true
		}
		if m.running.Err() != nil {
			return nil, false
		}
		m.holdGroup(HoldReason(err), err)
		timer := time.NewTimer(wait.NextBackOff())
		select {
		case <-timer.C:
			continue
		case <-m.running.Done():
		case id := <-m.due:
			if id != g.id {
				timer.Stop()
				continue
			}
			m.signal(id) // for the one who follows
		}
		timer.Stop()
		return nil, false
	}
}

// awaitNext waits until g must be followed by another generation, joins that, and
// gives back what is no longer assigned. It returns nil when everything held is
// to be given up instead. That g was an eager one does not matter: the next is not,
// or this member is refused.
func (m *membership) awaitNext(ctx context.Context, g *generation) *generation {
	for due := -1; due != g.id; {
		select {
		case <-m.running.Done():
			return nil
		case due = <-m.due: // may be of an earlier one
		}
	}
	next, err := m.rejoin(ctx)
	switch {
	case outOfGroup(err):
		m.evict(err)
	case err != nil:
		m.opts.Logger.Info("partitions cannot be kept over this rebalance", "group", m.cfg.Group, "error", err)
	}
	if next == nil || m.running.Err() != nil {
		return nil
	}
	m.revoke(next)
	return next
}

// rejoin joins the next generation while the claims go on. When everything is to
// be given up it returns at once and leaves the join to itself: it may be answered
// with the generation that the last offsets must be committed in.
func (m *membership) rejoin(ctx context.Context) (*generation, error) {
	if !m.leased() {
		return nil, errLeaseOver
	}
	var next *generation
	var err error
	joined := make(chan struct{})
	m.setJoining(true)
	m.background.Go(func() {
		defer close(joined)
		defer m.setJoining(false)
		next, err = m.enter(ctx, true)
	})
	select {
	case <-joined:
		return next, err
	case <-m.running.Done():
		return nil, nil
	}
}

func (c *Consumer) setJoining(joining bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.joining = joining
}

// overtaken tells of an error that only says that the coordinator is further than
// g, as this member is or will be.
func (c *Consumer) overtaken(g *generation, err error) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return errors.Is(err, kafka.IllegalGeneration) && (c.joining || c.generation != g)
}

// current is the generation that the coordinator named last, and whether it was
// assigned.
func (c *Consumer) current() (g *generation, settled bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.generation, c.generation.settled
}

// held are the claims at this moment.
func (c *Consumer) held() []*claim {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.claims)
}

// signal tells that a generation must be followed by another. It never waits; of
// several the newest stands.
func (m *membership) signal(id int) {
	for {
		select {
		case m.due <- id:
			return
		default:
		}
		select {
		case standing := <-m.due:
			id = max(id, standing)
		default:
		}
	}
}

func (m *membership) evict(err error) { m.end(errors.Join(errEvicted, err)) }

// partitionCheck is how often the leader looks for partitions that were added
// or topics that were made anew.
const partitionCheck = 15 * time.Second

// watchPartitions tells when there are other topics or partitions than were
// assigned: only the leader can assign them, after a join. A static leader that
// was restarted is not told that it leads: the coordinator spares the group an
// assignment. A member that does not lead and looks joins again without moving
// anything.
func (m *membership) watchPartitions(ctx context.Context) {
	tick := time.NewTicker(partitionCheck)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		g, settled := m.current()
		if !settled || !g.leader && m.cfg.GroupInstanceID == "" {
			continue
		}
		topics, _, err := m.cfg.present(ctx, m.client, m.addr)
		if err != nil {
			continue // the fetch loops report what is wrong
		}
		if counts := partitionCounts(topics); !maps.Equal(counts, g.counts) {
			m.opts.Logger.Info("topics or their partitions changed, assigning anew", "topics", len(counts), "partitions", sum(counts))
			m.signal(g.id)
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
