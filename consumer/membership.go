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

// work is the life of one membership: claims begin and end with what is assigned,
// until all must be given up; then everything is brought to rest and committed.
// Heartbeats go on until the last of these is done. It returns an error when the
// process cannot go on.
func (c *Consumer) work(ctx context.Context, g *generation, handler Handler) error {
	// Nothing below may end with ctx before what is under way has come to rest.
	life, stop := context.WithCancel(context.WithoutCancel(ctx))
	m := c.newMembership(ctx, handler)
	defer m.background.Wait()
	defer stop()
	defer m.end(nil)
	m.background.Go(func() { m.heartbeats(life) })
	m.background.Go(func() { m.watchPartitions(life) })
	stopFetching := m.start(life, m.fetcher.run)
	defer stopFetching()
	stopCommitting := m.start(life, m.commitLoop)
	defer stopCommitting()

	for next := g; next != nil; next = m.awaitNext(life, next) {
		m.claimPartitions(next)
	}
	why := context.Cause(m.running)
	drain := ctx.Err() != nil && errors.Is(why, context.Cause(ctx))
	stopFetching()
	m.drain(life, m.held(), drain)
	stopCommitting()
	m.finish(life, why, drain)
	switch {
	case errors.Is(why, kafka.FencedInstanceID):
		return ErrFenced
	case errors.Is(why, errEvicted), drain:
		return nil
	}
	return why
}

// start runs f in the background, until its context or the returned function ends
// it; that returns when f has.
func (m *membership) start(ctx context.Context, f func(context.Context)) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	m.background.Go(func() {
		defer close(done)
		f(ctx)
	})
	return func() {
		cancel()
		<-done
	}
}

// claimPartitions finds out where each partition goes on that was not held before, and
// makes the claims. It gives up when the generation must end before that is known.
func (m *membership) claimPartitions(g *generation) {
	var fresh []topicPartition
	for _, tp := range g.partitions {
		if !slices.ContainsFunc(m.held(), func(cl *claim) bool { return cl.topicPartition == tp }) {
			fresh = append(fresh, tp)
		}
	}
	starts, begun := m.find(g, fresh)
	if !begun {
		return
	}
	for _, tp := range fresh {
		cl := newClaim(context.WithoutCancel(m.running), tp, starts[tp])
		cl.report = m.opts.Hold
		cl.budget, cl.account.budget, cl.codecs = m.budget, m.budget, m.codecs
		cl.tracing.tracer, cl.tracing.group = m.opts.Tracer, m.cfg.Group
		m.mu.Lock()
		m.claims = append(m.claims, cl)
		m.read[tp.topic] = true
		m.mu.Unlock()
		go func() {
			defer close(cl.worked) // which rest awaits
			if err := cl.work(m.handler); err != nil {
				m.end(err)
			}
		}()
	}
	m.mu.Lock()
	m.active = true
	m.mu.Unlock()
	if len(fresh) > 0 {
		m.fetcher.set(m.held())
	}
	m.opts.Logger.Info("partitions assigned", "group", m.cfg.Group, "generation", g.id, "protocol", g.protocol,
		"partitions", len(g.partitions), "new", len(fresh))
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
		m.holdGroup(holdReason(err), err)
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
