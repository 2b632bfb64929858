package consumer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
)

// Consumer is one member of a consumer group.
type Consumer struct {
	cfg    Config
	opts   Options
	addr   net.Addr
	fetch  *kafka.Transport
	client *kafka.Client // metadata, offsets
	group  *kafka.Client // join, sync, heartbeat, commit, leave: on connections of its own

	budget *Budget // of the process, over memberships

	groupTransport *kafka.Transport
	missing        []string // topics that were not there at the last join; of the one who joins

	holding   sync.Mutex // held while Options.Hold is called; mu is not
	groupHeld string     // last reported reason

	mu          sync.Mutex
	memberID    string
	coordinator string           // where the group's was last, as an address
	lease       time.Time        // until when this process is sure to be a member
	onTime      time.Time        // when it was last sure not to keep the group waiting
	generation  *generation      // the one that the coordinator named last
	joining     bool             // for the next one, while claims go on
	assigned    []topicPartition // what the last assignment gave; none once the group no longer knew this member
	claims      []*claim         // what is worked on
	read        map[string]bool  // topics that it has worked on
	active      bool             // an assignment is worked on
	worked      bool             // one has been
}

// ErrFenced is returned by Run when another process has joined under the same
// source.kafka.groupInstanceId.
var ErrFenced = errors.New("another process uses this source.kafka.groupInstanceId; give each process its own")

// New prepares a consumer; nothing is sent before Run.
func New(cfg Config, opts Options) (*Consumer, error) {
	opts.defaults(cfg.SessionTimeout)
	fetch, err := cfg.Transport(opts.Dial)
	if err != nil {
		return nil, err
	}
	group, err := cfg.Transport(opts.Dial)
	if err != nil {
		return nil, err
	}
	return &Consumer{
		cfg: cfg, opts: opts, addr: cfg.Addr(), fetch: fetch, groupTransport: group, read: map[string]bool{},
		client: &kafka.Client{Transport: fetch},
		group:  &kafka.Client{Transport: group},
		budget: cmp.Or(cfg.Budget, newBudget(opts.Budget)),
	}, nil
}

// Run reads the assigned partitions until ctx ends; then what was handed out is
// given Options.DrainTimeout to come to rest, offsets are committed and the
// group is left (a static member stays, so that its restart moves nothing).
func (c *Consumer) Run(ctx context.Context, handler Handler) error {
	defer c.fetch.CloseIdleConnections()
	defer c.groupTransport.CloseIdleConnections()
	for ctx.Err() == nil {
		g, err := c.enter(ctx, false)
		if errors.Is(err, kafka.FencedInstanceID) {
			return ErrFenced
		}
		if g == nil {
			break
		}
		if err := c.work(ctx, g, handler); err != nil {
			return errors.Join(err, c.leave(ctx))
		}
	}
	return c.leave(ctx)
}

// holdGroup reports why there is no assignment, or none that lasts, once per change; of rights that
// lack each time, as they are granted one after the other.
func (c *Consumer) holdGroup(reason string, err error) {
	// Reported under a lock, so that what is reported last is what was noted last: a
	// late "held" after "free" would stand for ever.
	c.holding.Lock()
	defer c.holding.Unlock()
	changed := c.groupHeld != reason || denied(err)
	c.groupHeld = reason
	if changed {
		c.opts.Hold("", -1, reason, err)
	}
}

// holdMissing reports which of several topics are not there; the others are read.
func (c *Consumer) holdMissing(missing []string) {
	for _, topic := range c.cfg.Topics {
		switch is, was := slices.Contains(missing, topic), slices.Contains(c.missing, topic); {
		case is && !was:
			c.opts.Hold(topic, -1, ReasonTopicMissing, absent(topic))
		case was && !is:
			c.opts.Hold(topic, -1, "", nil)
		}
	}
	c.missing = missing
}

// leave tells the group that this member goes, so that its partitions move at once.
func (c *Consumer) leave(ctx context.Context) error {
	c.mu.Lock()
	id := c.memberID
	c.memberID, c.lease, c.onTime = "", time.Time{}, time.Time{}
	c.mu.Unlock()
	if id == "" || c.cfg.GroupInstanceID != "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveTimeout)
	defer cancel()
	_, err := c.group.LeaveGroup(ctx, &kafka.LeaveGroupRequest{
		Addr: c.addr, GroupID: c.cfg.Group, Members: []kafka.LeaveGroupRequestMember{{ID: id}},
	})
	if err != nil {
		c.opts.Logger.Warn("the group could not be left; its partitions move when the session times out", "error", err)
	}
	return nil
}

// ordinaryDelay is how long what settles soon may take before it is a hold.
const ordinaryDelay = 10 * time.Second

// leaveTimeout bounds what is only a courtesy to the other members.
const leaveTimeout = time.Second

// Stats is the member as it stands.
type Stats struct {
	Group      string
	MemberID   string
	Generation int
	Assigned   bool // an assignment is being worked on
	Worked     bool // one is, or has been
	Partitions []PartitionStats
}

// Stats tells what is assigned and how far it is.
func (c *Consumer) Stats() Stats {
	c.mu.Lock()
	s := Stats{Group: c.cfg.Group, MemberID: c.memberID, Assigned: c.active, Worked: c.worked}
	if c.active {
		s.Generation = c.generation.id
	}
	c.mu.Unlock()
	for _, cl := range c.held() {
		s.Partitions = append(s.Partitions, cl.stats())
	}
	return s
}

// Check tells whether the brokers answer and the topics are there.
func (c *Consumer) Check(ctx context.Context) (partitions map[string]int, err error) {
	topics, err := c.cfg.lookUp(ctx, c.client, c.addr)
	if err != nil {
		return nil, err
	}
	partitions = map[string]int{}
	for _, t := range topics {
		if len(t.Partitions) == 0 {
			return nil, fmt.Errorf("topic %s has no partitions", t.Name)
		}
		partitions[t.Name] = len(t.Partitions)
	}
	return partitions, nil
}

// Close gives connections back that Check opened; Run closes its own.
func (c *Consumer) Close() {
	c.fetch.CloseIdleConnections()
	c.groupTransport.CloseIdleConnections()
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
		cl.account.budget, cl.mark.buffers = m.budget, &m.budget.codecs.buffers
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
	m.active, m.worked = true, true
	m.mu.Unlock()
	if len(fresh) > 0 {
		m.fetcher.set(m.held())
	}
	m.opts.Logger.Info("partitions assigned", "group", m.cfg.Group, "generation", g.id, "protocol", g.protocol,
		"partitions", len(g.partitions), "new", len(fresh))
}
