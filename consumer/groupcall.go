package consumer

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/joingroup"
	"github.com/segmentio/kafka-go/protocol/syncgroup"
)

// The join and sync exchanges with the coordinator. kafka-go declares them, but
// its client leaves out the generation that a member's claims are of, and hides
// the error code of a refused sync behind the assignment that such an answer lacks.

// The protocol type, and the assignors' names as Kafka's own consumer uses them.
// In a group that has chosen the first, members keep their claims while they join.
const (
	protocolType        = "consumer"
	cooperativeProtocol = "cooperative-sticky"
	eagerProtocol       = "sticky"
)

// subscription is what a member says of itself when it joins: Kafka's
// ConsumerProtocolSubscription up to the version below.
type subscription struct {
	Version    int16             `kafka:"min=v0,max=v2"`
	Topics     []string          `kafka:"min=v0,max=v2"`
	UserData   []byte            `kafka:"min=v0,max=v2,nullable"`
	Owned      []ownedPartitions `kafka:"min=v1,max=v2"`
	Generation int32             `kafka:"min=v2,max=v2"`
}

// assignment is what the leader gives to a member: Kafka's ConsumerProtocolAssignment.
type assignment struct {
	Version  int16             `kafka:"min=v0,max=v1"`
	Owned    []ownedPartitions `kafka:"min=v0,max=v1"`
	UserData []byte            `kafka:"min=v0,max=v1,nullable"`
}

type ownedPartitions struct {
	Topic      string  `kafka:"min=v0,max=v2"`
	Partitions []int32 `kafka:"min=v0,max=v2"`
}

const (
	subscriptionVersion = 2
	assignmentVersion   = 1
	noGeneration        = -1 // of a member that owns nothing, or does not say
)

func (s subscription) encode() ([]byte, error) {
	s.Version = subscriptionVersion
	return protocol.Marshal(subscriptionVersion, s)
}

// decodeMember reads what a member said of itself, in any version.
func decodeMember(id string, b []byte) (groupMember, []byte, error) {
	if len(b) < 2 {
		return groupMember{}, nil, fmt.Errorf("the subscription of member %s has %d bytes", id, len(b))
	}
	version := min(int16(binary.BigEndian.Uint16(b)), subscriptionVersion)
	s := subscription{Generation: noGeneration}
	if err := protocol.Unmarshal(b, version, &s); err != nil {
		return groupMember{}, nil, fmt.Errorf("the subscription of member %s: %w", id, err)
	}
	return groupMember{id: id, topics: s.Topics, owned: fromWire(s.Owned), generation: int(s.Generation)}, s.UserData, nil
}

func toWire(tps []topicPartition) []ownedPartitions {
	byTopic := map[string][]int32{}
	for _, tp := range tps {
		byTopic[tp.topic] = append(byTopic[tp.topic], int32(tp.partition))
	}
	var wire []ownedPartitions
	for _, topic := range slices.Sorted(maps.Keys(byTopic)) {
		wire = append(wire, ownedPartitions{Topic: topic, Partitions: byTopic[topic]})
	}
	return wire
}

func fromWire(wire []ownedPartitions) []topicPartition {
	var tps []topicPartition
	for _, t := range wire {
		for _, p := range t.Partitions {
			tps = append(tps, topicPartition{t.Topic, int(p)})
		}
	}
	slices.SortFunc(tps, compareTopicPartitions)
	return tps
}

// sendJoin joins, a second time under the member id that a first-time join is
// answered with (KIP-394).
func (c *Consumer) sendJoin(ctx context.Context, protocols []joingroup.RequestProtocol) (*joingroup.Response, error) {
	ctx, cancel := context.WithTimeout(ctx, c.opts.RebalanceTimeout+requestTimeout)
	defer cancel()
	for {
		c.mu.Lock()
		id := c.memberID
		c.mu.Unlock()
		sent := time.Now()
		answer, err := c.groupTransport.RoundTrip(ctx, c.addr, &joingroup.Request{
			GroupID: c.cfg.Group, MemberID: id, GroupInstanceID: c.cfg.GroupInstanceID,
			SessionTimeoutMS: int32(c.opts.SessionTimeout.Milliseconds()), RebalanceTimeoutMS: int32(c.opts.RebalanceTimeout.Milliseconds()),
			ProtocolType: protocolType, Protocols: protocols,
		})
		if err != nil {
			return nil, fmt.Errorf("join group: %w", err)
		}
		res := answer.(*joingroup.Response)
		if res.MemberID != "" {
			c.mu.Lock()
			c.memberID = res.MemberID
			c.mu.Unlock()
		}
		switch code := kafka.Error(res.ErrorCode); {
		case code == 0:
			c.joined(sent)
			return res, nil
		case errors.Is(code, kafka.MemberIDRequired) && res.MemberID != "":
			continue
		case errors.Is(code, kafka.InvalidSessionTimeout):
			return nil, fmt.Errorf("join group: source.kafka.sessionTimeout: %v is outside of what the brokers take (their group.min.session.timeout.ms and group.max.session.timeout.ms): %w", c.opts.SessionTimeout, code)
		default:
			c.forget(code)
			return nil, fmt.Errorf("join group: %w", missingRight(code, readGroup, c.cfg.Group))
		}
	}
}

// sendSync sends the leader's assignments, if any, and returns this member's.
func (c *Consumer) sendSync(ctx context.Context, g *generation, assigned map[string][]topicPartition) ([]topicPartition, error) {
	ctx, cancel := context.WithTimeout(ctx, c.opts.RebalanceTimeout+requestTimeout)
	defer cancel()
	request := &syncgroup.Request{
		GroupID: c.cfg.Group, GenerationID: int32(g.id), MemberID: g.memberID,
		GroupInstanceID: c.cfg.GroupInstanceID, ProtocolType: protocolType, ProtocolName: g.protocol,
	}
	for _, id := range slices.Sorted(maps.Keys(assigned)) {
		a, err := protocol.Marshal(assignmentVersion, assignment{Version: assignmentVersion, Owned: toWire(assigned[id])})
		if err != nil {
			return nil, fmt.Errorf("sync group: %w", err)
		}
		request.Assignments = append(request.Assignments, syncgroup.RequestAssignment{MemberID: id, Assignment: a})
	}
	answer, err := c.groupTransport.RoundTrip(ctx, c.addr, request)
	if err != nil {
		return nil, fmt.Errorf("sync group: %w", err)
	}
	res := answer.(*syncgroup.Response)
	if code := kafka.Error(res.ErrorCode); code != 0 {
		c.forget(code)
		return nil, fmt.Errorf("sync group: %w", missingRight(code, readGroup, c.cfg.Group))
	}
	var a assignment
	if len(res.Assignments) > 0 { // a leader may leave a member out
		if err := protocol.Unmarshal(res.Assignments, assignmentVersion, &a); err != nil {
			return nil, fmt.Errorf("sync group: the assignment: %w", err)
		}
	}
	return fromWire(a.Owned), nil
}
