package consumer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"time"

	"github.com/segmentio/kafka-go"
)

// The protocol type and the assignor's name as Kafka's own consumer uses them
// for an eager, sticky assignment.
const (
	protocolType = "consumer"
	protocolName = "sticky"
)

// generation is one assignment: it lasts from a join to the next.
type generation struct {
	id         int
	memberID   string
	leader     bool
	counts     map[string]int // partitions per topic when it was assigned
	partitions []topicPartition
	claims     []*claim

	coordinator net.Addr // where heartbeats go; the heartbeat goroutine's own
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
	res, err := c.sendJoin(ctx, names)
	if err != nil {
		return nil, err
	}
	g := &generation{
		id: res.GenerationID, memberID: res.MemberID, leader: res.LeaderID == res.MemberID,
		counts: counts,
	}
	request := &kafka.SyncGroupRequest{
		Addr: c.addr, GroupID: c.cfg.Group, GenerationID: g.id, MemberID: g.memberID,
		GroupInstanceID: c.cfg.GroupInstanceID, ProtocolType: protocolType, ProtocolName: protocolName,
	}
	if g.leader {
		request.Assignments = assignments(assign(c.members(res.Members, names), allPartitions(topics)))
	}
	syncCtx, cancel := context.WithTimeout(ctx, c.opts.RebalanceTimeout+requestTimeout)
	defer cancel()
	sent := time.Now()
	synced, err := c.group.SyncGroup(syncCtx, request)
	if err == nil {
		err = synced.Error
	}
	if err != nil {
		c.forget(err)
		return nil, fmt.Errorf("sync group: %w", lacking(err, readGroup, c.cfg.Group))
	}
	c.extendLease(sent)
	for topic, partitions := range synced.Assignment.AssignedPartitions {
		for _, p := range partitions {
			g.partitions = append(g.partitions, topicPartition{topic, p})
		}
	}
	slices.SortFunc(g.partitions, compareTopicPartitions)
	return g, nil
}

// sendJoin joins, a second time under the member id that a first-time join is
// answered with (KIP-394).
func (c *Consumer) sendJoin(ctx context.Context, topics []string) (*kafka.JoinGroupResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, c.opts.RebalanceTimeout+requestTimeout)
	defer cancel()
	for {
		c.mu.Lock()
		id := c.memberID
		owned := c.ownedBefore()
		c.mu.Unlock()
		res, err := c.group.JoinGroup(ctx, &kafka.JoinGroupRequest{
			Addr: c.addr, GroupID: c.cfg.Group, MemberID: id, GroupInstanceID: c.cfg.GroupInstanceID,
			SessionTimeout: c.opts.SessionTimeout, RebalanceTimeout: c.opts.RebalanceTimeout,
			ProtocolType: protocolType,
			Protocols: []kafka.GroupProtocol{{Name: protocolName, Metadata: kafka.GroupProtocolSubscription{
				Topics: topics, UserData: c.userData(), OwnedPartitions: owned,
			}}},
		})
		if err == nil {
			err = res.Error
		}
		if res != nil && res.MemberID != "" {
			c.mu.Lock()
			c.memberID = res.MemberID
			c.mu.Unlock()
		}
		switch {
		case err == nil:
			return res, nil
		case errors.Is(err, kafka.MemberIDRequired) && res.MemberID != "":
			continue
		}
		c.forget(err)
		return nil, fmt.Errorf("join group: %w", lacking(err, readGroup, c.cfg.Group))
	}
}

// ownedBefore is what the last generation had; c.mu is held.
func (c *Consumer) ownedBefore() map[string][]int {
	owned := map[string][]int{}
	if c.generation != nil {
		for _, tp := range c.generation.partitions {
			owned[tp.topic] = append(owned[tp.topic], tp.partition)
		}
	}
	return owned
}

// forget drops the member id when the coordinator no longer knows it.
func (c *Consumer) forget(err error) {
	if errors.Is(err, kafka.UnknownMemberId) || errors.Is(err, kafka.IllegalGeneration) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.memberID = ""
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
func (c *Consumer) members(joined []kafka.JoinGroupResponseMember, topics []string) []groupMember {
	result := make([]groupMember, 0, len(joined))
	for _, m := range joined {
		gm := groupMember{id: m.ID, topics: m.Metadata.Topics}
		if own := c.userData(); own != nil && bytes.Equal(m.Metadata.UserData, own) {
			gm.topics = topics
		}
		for topic, partitions := range m.Metadata.OwnedPartitions {
			for _, p := range partitions {
				gm.owned = append(gm.owned, topicPartition{topic, p})
			}
		}
		result = append(result, gm)
	}
	return result
}

func assignments(assigned map[string][]topicPartition) []kafka.SyncGroupRequestAssignment {
	var result []kafka.SyncGroupRequestAssignment
	for _, id := range slices.Sorted(maps.Keys(assigned)) {
		topics := map[string][]int{}
		for _, tp := range assigned[id] {
			topics[tp.topic] = append(topics[tp.topic], tp.partition)
		}
		result = append(result, kafka.SyncGroupRequestAssignment{
			MemberID: id, Assignment: kafka.GroupProtocolAssignment{AssignedPartitions: topics},
		})
	}
	return result
}

// heartbeats keeps the membership alive until ctx ends. It sends on ended, once,
// when this generation must end: the group rebalances (nil), or this process is
// no longer a member (the error).
func (c *Consumer) heartbeats(ctx context.Context, g *generation, ended chan<- error) {
	tick := time.NewTicker(c.opts.HeartbeatInterval)
	defer tick.Stop()
	told, held := false, false
	failing := time.Time{} // since when; zero: it does not
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		sent := time.Now()
		err := c.heartbeat(ctx, g)
		if ctx.Err() != nil {
			return
		}
		end := false
		switch {
		case err == nil:
			c.extendLease(sent)
		case errors.Is(err, kafka.RebalanceInProgress):
			c.extendLease(sent) // the coordinator counts it: the member is there
			end, err = true, nil
		case outOfGroup(err):
			end = true
		default:
			if failing.IsZero() {
				failing = sent
				c.opts.Logger.Warn("heartbeat failed, trying again", "error", err)
			}
			if time.Since(failing) > ordinaryDelay { // nothing is sent once the lease is over
				held = true
				c.holdGroup(holdReason(err), err)
			}
		}
		if err == nil {
			failing = time.Time{}
			if held {
				held = false
				c.holdGroup("", nil)
			}
		}
		if end && !told {
			told = true
			ended <- err
		}
		if end && err != nil {
			return
		}
	}
}

// heartbeat sends one heartbeat to the coordinator. kafka-go would send it to
// any broker, and reads the answer's two fields in the wrong order from version
// 1 on (the protocol has throttle_time_ms, error_code): the error code is found
// in the low half of what it takes for the throttle time.
func (c *Consumer) heartbeat(ctx context.Context, g *generation) error {
	ctx, cancel := context.WithTimeout(ctx, min(requestTimeout, c.opts.SessionTimeout/3))
	defer cancel()
	if g.coordinator == nil {
		addr, err := c.findCoordinator(ctx)
		if err != nil {
			return err
		}
		g.coordinator = addr
	}
	res, err := c.group.Heartbeat(ctx, &kafka.HeartbeatRequest{
		Addr: g.coordinator, GroupID: c.cfg.Group, GenerationID: int32(g.id), MemberID: g.memberID,
		GroupInstanceID: c.cfg.GroupInstanceID,
	})
	if err == nil {
		if code := kafka.Error(int16(res.Throttle.Milliseconds())); code != 0 {
			err = code
		}
	}
	switch {
	case err == nil, errors.Is(err, kafka.RebalanceInProgress):
	default:
		g.coordinator = nil // it may have moved
	}
	return lacking(err, readGroup, c.cfg.Group)
}

func (c *Consumer) findCoordinator(ctx context.Context) (net.Addr, error) {
	res, err := c.group.FindCoordinator(ctx, &kafka.FindCoordinatorRequest{
		Addr: c.addr, Key: c.cfg.Group, KeyType: kafka.CoordinatorKeyTypeConsumer,
	})
	if err == nil {
		err = res.Error
	}
	if err != nil {
		return nil, fmt.Errorf("find the group's coordinator: %w", lacking(err, describeGroup, c.cfg.Group))
	}
	addr := net.JoinHostPort(res.Coordinator.Host, strconv.Itoa(res.Coordinator.Port))
	c.mu.Lock()
	moved := c.coordinator != "" && c.coordinator != addr
	c.coordinator = addr
	c.mu.Unlock()
	if moved {
		// A transport keeps a pool for each address that it was given, and would
		// knock at one that left the cluster for ever.
		c.groupTransport.CloseIdleConnections()
	}
	return kafka.TCP(addr), nil
}
