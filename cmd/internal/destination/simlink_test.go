package destination

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kinesis-destination/cmd/internal/leads"
	"kinesis-destination/consumer"
	"kinesis-destination/schemas"
)

// link is the network as one process has it.
type link struct {
	dial  func(ctx context.Context, network, address string) (net.Conn, error)
	delay func(key uint16) time.Duration // of an offset commit or a join

	mu    sync.Mutex
	cut   bool
	conns map[net.Conn]bool
}

var errCut = errors.New("the network is cut")

func (l *link) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	l.mu.Lock()
	cut := l.cut
	l.mu.Unlock()
	if cut {
		return nil, &net.OpError{Op: "dial", Err: errCut}
	}
	conn, err := l.dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conns[conn] = true
	return &linkConn{conn, l}, nil
}

// Cut ends every connection and lets no new one come about; heal undoes that.
func (l *link) Cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut = true
	for conn := range l.conns {
		_ = conn.Close()
	}
	clear(l.conns)
}

func (l *link) Heal() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut = false
}

type linkConn struct {
	net.Conn
	link *link
}

const offsetCommitKey, joinGroupKey = 8, 11 // of the Kafka protocol

func (c *linkConn) Write(b []byte) (int, error) {
	if len(b) > 6 && b[0] == 0 {
		if key := binary.BigEndian.Uint16(b[4:]); key == offsetCommitKey || key == joinGroupKey {
			if d := c.link.delay(key); d > 0 {
				pass(d)
			}
		}
	}
	return c.Conn.Write(b)
}

func (c *linkConn) Close() error {
	c.link.mu.Lock()
	delete(c.link.conns, c.Conn)
	c.link.mu.Unlock()
	return c.Conn.Close()
}

// simulatedEvent is a small event that is exported, and simulatedRecord is its
// record, written down by hand.
func simulatedEvent(t *testing.T, key string, serial int64) leads.Event {
	t.Helper()
	schema, err := simulatedSchema()
	if err != nil {
		t.Fatal(err)
	}
	body, err := schema.EncodeJSON(fmt.Appendf(nil, `{"eventId": "e", "evaluatedAt": 1590449853000, "profileId": %q, "mergePolicyId": "mp",
		"changed": {"profile.segmentation.v1.Changed": {"segments": [%q], "attributes": [], "identities": false}},
		"attributes": {"person": null, "personalEmail": null, "mobilePhone": null, "homeAddress": null,
			"loyalty": {"profile.xdm.Loyalty": {"tier": null, "points": {"long": %d}, "balance": null, "joinedAt": null}}},
		"segmentMembership": {"ups": {%[2]q: {"lastQualificationTime": 1590449853000, "status": "realized", "validUntil": null, "mergePolicyId": null}}},
		"identityMap": {}, "consents": null}`, key, leads.HighPropensity, serial))
	if err != nil {
		t.Fatal(err)
	}
	return leads.Event{Key: key, Body: body, Serial: serial}
}

var simulatedSchema = sync.OnceValues(func() (*schemas.Schema, error) { return schemas.Parse(schemas.SegmentEvaluation) })

func simulatedRecord(serial int64) []byte {
	return fmt.Appendf(nil, `{"loyalty":{"points":%d},"segmentMembership":{"ups":{%q:{"lastQualificationTime":"2020-05-25T23:37:33Z","status":"realized"}}},"identityMap":{}}`,
		serial, leads.HighPropensity)
}

// evict does what a real broker does by itself and the embedded one forgets: it
// removes members that died between their join and their sync.
func (s *simulation) evict(client *kafka.Client) {
	living := map[string]bool{}
	for _, p := range s.live() {
		living[p.Stats().MemberID] = true
	}
	for _, m := range s.kafka.GroupInfo("leads").Members {
		if living[m.MemberID] {
			continue
		}
		if _, err := client.LeaveGroup(context.Background(), &kafka.LeaveGroupRequest{
			GroupID: "leads", Members: []kafka.LeaveGroupRequestMember{{ID: m.MemberID}},
		}); err != nil {
			s.t.Fatal(err)
		}
	} // Nor does its rebalance end while members try again: each join starts its timer anew.
	joins := s.kafka.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.JoinGroup}, Err: kerr.CoordinatorLoadInProgress, TopLevel: true, Count: -1})
	pass(consumer.DefaultRebalanceTimeout + time.Second)
	joins.Remove()
}

func setting(t *testing.T, name string, value uint64) uint64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return value
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}
