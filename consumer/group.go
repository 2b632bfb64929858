package consumer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/joingroup"
)

// generation is one assignment: it lasts from a join to the next.
type generation struct {
	id       int
	memberID string
	protocol string // that the coordinator chose
	leader   bool
	counts   map[string]int // partitions per topic when it was assigned

	// Guarded by Consumer.mu until the generation is worked on.
	settled    bool // this member has its assignment
	partitions []topicPartition
}

// cooperative tells whether members hold claims while they join, so that the
// leader must not give those to others yet.
func (g *generation) cooperative() bool { return g.protocol == cooperativeProtocol }

var errLeaseOver = errors.New("no heartbeat was answered for a session: the group may have given the partitions to others")

// enter joins the group, trying again for as long as it takes or until ctx ends
// (nil). A member that is one already, and perhaps holds claims, tries again only
// while it may keep them: not when the group no longer knows it, when an eager
// member has joined, or when its lease is over.
func (c *Consumer) enter(ctx context.Context, member bool) (*generation, error) {
	wait := newBackoff()
	failingSince := time.Time{}
	for ctx.Err() == nil {
		g, err := c.join(ctx)
		switch {
		case err == nil:
			c.holdGroup("", nil)
			return g, nil
		case ctx.Err() != nil:
			return nil, nil
		case errors.Is(err, kafka.FencedInstanceID):
			return nil, err
		case member && (outOfGroup(err) || errors.Is(err, kafka.InconsistentGroupProtocol)):
			return nil, err
		case member && !c.leased():
			return nil, errLeaseOver
		}
		if failingSince.IsZero() {
			failingSince = time.Now()
		}
		if !settlesSoon(err) || time.Since(failingSince) > ordinaryDelay {
			c.holdGroup(HoldReason(err), err)
		}
		pause(ctx, wait.NextBackOff())
	}
	return nil, nil
}

// join makes this process a member and returns what it was assigned.
func (c *Consumer) join(ctx context.Context) (*generation, error) {
	topics, missing, err := c.cfg.present(ctx, c.client, c.addr)
	if err != nil {
		return nil, err
	}
	c.holdMissing(missing)
	counts := partitionCounts(topics)
	names := c.cfg.TopicNames() // the leader may see one that this member does not yet
	if names == nil {
		names = slices.Sorted(maps.Keys(counts))
	}
	protocols, err := c.protocols(names)
	if err != nil {
		return nil, err
	}
	joined, err := c.sendJoin(ctx, protocols)
	if err != nil {
		return nil, err
	}
	g := &generation{
		id: int(joined.GenerationID), memberID: joined.MemberID, protocol: joined.ProtocolName,
		leader: joined.LeaderID == joined.MemberID, counts: counts,
	}
	c.mu.Lock()
	c.generation = g
	c.mu.Unlock()
	var assigned map[string][]topicPartition
	if g.leader {
		members, err := c.members(joined.Members, names)
		if err != nil {
			return nil, err
		}
		if g.cooperative() {
			assigned = assignCooperatively(members, allPartitions(topics))
		} else {
			assigned = assign(members, allPartitions(topics))
		}
	}
	sent := time.Now()
	partitions, err := c.sendSync(ctx, g, assigned)
	if err != nil {
		return nil, err
	}
	c.extendLease(sent, true)
	c.mu.Lock()
	defer c.mu.Unlock()
	g.partitions, g.settled = partitions, true
	c.assigned = partitions
	return g, nil
}

// protocols is what this member offers to the group, best first. While it holds
// claims that is the cooperative one alone. An eager leader gives a partition to
// another member at once, so it must not come to that while this one works on; and
// it cannot: the coordinator only chooses what every member offers, and refuses
// this one where a member that knows the eager protocol alone has joined.
func (c *Consumer) protocols(topics []string) ([]joingroup.RequestProtocol, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := subscription{Topics: topics, UserData: c.userData(), Generation: noGeneration}
	if len(c.claims) > 0 {
		s.Generation = int32(c.generation.id)
		var held []topicPartition
		for _, cl := range c.claims {
			held = append(held, cl.topicPartition)
		}
		s.Owned = toWire(held)
	}
	cooperative, err := s.encode()
	if err != nil {
		return nil, fmt.Errorf("join group: %w", err)
	}
	protocols := []joingroup.RequestProtocol{{Name: cooperativeProtocol, Metadata: cooperative}}
	if len(c.claims) > 0 {
		return protocols, nil
	}
	// To an eager leader it tells what it had: what need not move does not.
	s.Owned = toWire(c.assigned)
	eager, err := s.encode()
	if err != nil {
		return nil, fmt.Errorf("join group: %w", err)
	}
	return append(protocols, joingroup.RequestProtocol{Name: eagerProtocol, Metadata: eager}), nil
}

// forget drops what a member had when the group has gone on without it. The id
// stays as long as the coordinator knows it: under that the member joins again, or
// leaves.
func (c *Consumer) forget(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case errors.Is(err, kafka.UnknownMemberId):
		c.memberID, c.assigned = "", nil
	case errors.Is(err, kafka.IllegalGeneration):
		c.assigned = nil
	}
}

// userData tells the leader of this member's pattern.
func (c *Consumer) userData() []byte {
	if c.cfg.TopicPattern == "" {
		return nil
	}
	return []byte("topicPattern:" + c.cfg.TopicPattern)
}

// members reads what the members said of themselves. One with the leader's own
// pattern takes the topics that the leader sees: it may not have seen a new one
// yet, which would else go to the others alone.
func (c *Consumer) members(joined []joingroup.ResponseMember, topics []string) ([]groupMember, error) {
	result := make([]groupMember, 0, len(joined))
	for _, m := range joined {
		member, userData, err := decodeMember(m.MemberID, m.Metadata)
		if err != nil {
			return nil, fmt.Errorf("join group: %w", err)
		}
		if own := c.userData(); own != nil && bytes.Equal(userData, own) {
			member.topics = topics
		}
		result = append(result, member)
	}
	return result, nil
}
