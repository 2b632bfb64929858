package consumer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/describegroups"
)

// Member is a process in a consumer group, as the group's coordinator knows it.
type Member struct {
	ID   string
	Host string // the address that it joined from
	Owns []Range
}

// Members are the processes that are in a group now; it is not joined.
func (h *History) Members(ctx context.Context, group string) ([]Member, error) {
	var members []Member
	err := untilSettled(ctx, func(ctx context.Context) (err error) {
		members, err = h.members(ctx, group)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("ask who is in group %s: %w", group, missingRight(err, "DESCRIBE on group ", group))
	}
	return members, nil
}

func (h *History) members(ctx context.Context, group string) ([]Member, error) {
	answer, err := h.transport.RoundTrip(ctx, h.cfg.Addr(), &describegroups.Request{Groups: []string{group}})
	if err != nil {
		return nil, err
	}
	var members []Member
	for _, g := range answer.(*describegroups.Response).Groups {
		switch code := kafka.Error(g.ErrorCode); {
		case errors.Is(code, kafka.GroupIdNotFound):
			continue // newer brokers say so of a group that has nobody
		case code != 0:
			return nil, code
		}
		for _, m := range g.Members {
			member := Member{ID: m.MemberID, Host: strings.TrimPrefix(m.ClientHost, "/")}
			var a assignment
			if protocol.Unmarshal(m.MemberAssignment, assignmentVersion, &a) == nil { // another kind of member may have another form: what it owns is not known
				for _, tp := range fromWire(a.Owned) {
					member.Owns = append(member.Owns, Range{Topic: tp.topic, Partition: tp.partition})
				}
			}
			members = append(members, member)
		}
	}
	return members, nil
}

// Groups are the groups whose names begin so, of those that this user may describe.
func (h *History) Groups(ctx context.Context, prefix string) ([]string, error) {
	var answer *kafka.ListGroupsResponse
	err := untilSettled(ctx, func(ctx context.Context) (err error) {
		if answer, err = h.client.ListGroups(ctx, &kafka.ListGroupsRequest{Addr: h.cfg.Addr()}); err == nil {
			err = answer.Error
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list the groups: %w", err)
	}
	var names []string
	for _, g := range answer.Groups {
		if strings.HasPrefix(g.GroupID, prefix) {
			names = append(names, g.GroupID)
		}
	}
	slices.Sort(names)
	return names, nil
}
