package consumer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/segmentio/kafka-go"
)

// heartbeats keeps the membership alive until ctx ends. It tells when the group
// rebalances, and ends the membership when this process is no longer in the group.
func (m *membership) heartbeats(ctx context.Context) {
	tick := time.NewTicker(m.opts.HeartbeatInterval)
	defer tick.Stop()
	var coordinator net.Addr
	held := false
	failing := time.Time{} // since when; zero: it does not
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		g, settled := m.current()
		sent := time.Now()
		err := m.heartbeat(ctx, g, &coordinator)
		if ctx.Err() != nil {
			return
		}
		switch {
		case err == nil:
			m.extendLease(sent, settled)
		case errors.Is(err, kafka.RebalanceInProgress):
			m.extendLease(sent, false) // the coordinator counts it: the member is there
			m.signal(g.id)
			err = nil
		case m.overtaken(g, err):
			continue // the answer to the join says which one it is
		case outOfGroup(err):
			m.lose(err)
			return
		default:
			if failing.IsZero() {
				failing = sent
				m.opts.Logger.Warn("heartbeat failed, trying again", "error", err)
			}
			if time.Since(failing) > min(ordinaryDelay, m.opts.SessionTimeout/3) { // nothing is sent once the lease is over
				held = true
				m.holdGroup(holdReason(err), err)
			}
		}
		if err == nil {
			failing = time.Time{}
			if held {
				held = false
				m.holdGroup("", nil)
			}
		}
	}
}

// heartbeat sends one heartbeat to the coordinator, which it looks up where none
// is known. kafka-go would send it to any broker, and reads the answer's two
// fields in the wrong order from version 1 on (the protocol has throttle_time_ms,
// error_code): the error code is found in the low half of what it takes for the
// throttle time.
func (c *Consumer) heartbeat(ctx context.Context, g *generation, coordinator *net.Addr) error {
	ctx, cancel := context.WithTimeout(ctx, min(requestTimeout, c.opts.SessionTimeout/3))
	defer cancel()
	if *coordinator == nil {
		addr, err := c.findCoordinator(ctx)
		if err != nil {
			return err
		}
		*coordinator = addr
	}
	res, err := c.group.Heartbeat(ctx, &kafka.HeartbeatRequest{
		Addr: *coordinator, GroupID: c.cfg.Group, GenerationID: int32(g.id), MemberID: g.memberID,
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
		*coordinator = nil // it may have moved
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
