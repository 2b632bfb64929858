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
	codecs *decompressor

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
		budget: cmp.Or(cfg.Budget, newBudget(opts.Budget)), codecs: newDecompressor(),
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

// Lease is until when this member is sure to own what it was assigned.
func (c *Consumer) Lease() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lease
}

// extendLease notes that the coordinator answered well what was sent then. While
// it waits for this member to join or to sync (settled is false), it does so for
// the rebalance timeout and no longer, whatever heartbeats it answers.
func (c *Consumer) extendLease(sent time.Time, settled bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	until := sent.Add(c.opts.SessionTimeout)
	if settled {
		c.onTime = latest(c.onTime, sent)
	} else if limit := c.onTime.Add(c.opts.RebalanceTimeout); until.After(limit) {
		until = limit
	}
	c.lease = latest(c.lease, until)
}

// joined notes that the join that was sent then was answered: the coordinator
// began to wait for the sync after that.
func (c *Consumer) joined(sent time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.onTime = latest(c.onTime, sent)
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// leased tells whether this process is sure to be a member.
func (c *Consumer) leased() bool { return time.Until(c.Lease()) > 0 }

// Stats is the member as it stands.
type Stats struct {
	Group      string
	MemberID   string
	Generation int
	Assigned   bool // an assignment is being worked on
	Partitions []PartitionStats
}

// Stats tells what is assigned and how far it is.
func (c *Consumer) Stats() Stats {
	c.mu.Lock()
	s := Stats{Group: c.cfg.Group, MemberID: c.memberID, Assigned: c.active}
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
