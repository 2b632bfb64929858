package consumer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"

	"kinesis-destination/consumer/connect"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/heartbeat"
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
			m.evict(err)
			return
		default:
			if failing.IsZero() {
				failing = sent
				m.opts.Logger.Warn("heartbeat failed, trying again", "error", err)
			}
			if time.Since(failing) > min(ordinaryDelay, m.opts.SessionTimeout/3) { // nothing is sent once the lease is over
				held = true
				m.holdGroup(HoldReason(err), err)
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

// heartbeatCall is a heartbeat to one broker. kafka-go would send it to any, and
// reads the answer's two fields in the wrong order from version 1 on (the protocol
// has throttle_time_ms, error_code).
type heartbeatCall struct {
	heartbeat.Request
	version int16
}

type heartbeatAnswer struct{ code kafka.Error }

// ApiKey implements protocol.Message.
func (*heartbeatAnswer) ApiKey() protocol.ApiKey { return protocol.Heartbeat }

// Required tells kafka-go to leave the exchange to RawExchange.
func (c *heartbeatCall) Required(versions map[protocol.ApiKey]int16) bool {
	c.version = versions[protocol.Heartbeat]
	return true
}

// maxHeartbeatAnswer is well above what the few fields take.
const maxHeartbeatAnswer = 1 << 10

// RawExchange sends the request and reads the response.
func (c *heartbeatCall) RawExchange(rw io.ReadWriter) (protocol.Message, error) {
	if err := protocol.WriteRequest(rw, c.version, correlation, connect.ClientID, &c.Request); err != nil {
		return nil, err
	}
	const flexible = 4
	w, err := readAnswer(rw, maxHeartbeatAnswer, c.version >= flexible)
	if err != nil {
		return nil, err
	}
	if c.version >= 1 {
		w.int32() // throttle time
	}
	code := kafka.Error(w.int16())
	if w.short {
		return nil, io.ErrUnexpectedEOF
	}
	return &heartbeatAnswer{code}, nil
}

// heartbeat sends one heartbeat to the coordinator, which it looks up where none
// is known.
func (c *Consumer) heartbeat(ctx context.Context, g *generation, coordinator *net.Addr) error {
	ctx, cancel := context.WithTimeout(ctx, min(requestTimeout, c.opts.SessionTimeout/3))
	defer cancel()
	if *coordinator == nil {
		addr, err := c.findCoordinator(ctx)
		if err != nil {
			dropSilent(c.groupTransport, err)
			return err
		}
		*coordinator = addr
	}
	answer, err := c.groupTransport.RoundTrip(ctx, *coordinator, &heartbeatCall{Request: heartbeat.Request{
		GroupID: c.cfg.Group, GenerationID: int32(g.id), MemberID: g.memberID, GroupInstanceID: c.cfg.GroupInstanceID,
	}})
	if err == nil {
		if code := answer.(*heartbeatAnswer).code; code != 0 {
			err = code
		}
	}
	switch {
	case err == nil, errors.Is(err, kafka.RebalanceInProgress):
	default:
		dropSilent(c.groupTransport, err)
		*coordinator = nil // it may have moved
	}
	return missingRight(err, readGroup, c.cfg.Group)
}

func (c *Consumer) findCoordinator(ctx context.Context) (net.Addr, error) {
	res, err := c.group.FindCoordinator(ctx, &kafka.FindCoordinatorRequest{
		Addr: c.addr, Key: c.cfg.Group, KeyType: kafka.CoordinatorKeyTypeConsumer,
	})
	if err == nil {
		err = res.Error
	}
	if err != nil {
		return nil, fmt.Errorf("find the group's coordinator: %w", missingRight(err, describeGroup, c.cfg.Group))
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
