package destination

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kinesis-destination/cmd/internal/leads"
	"kinesis-destination/schemas"
	"kinesis-destination/sink/embeddedkinesis"
)

// TestSimulation runs whole worlds (Kafka, processes, stream) in virtual time
// under faults drawn from a seed, and asks of each: is anything lost, out of
// order, repeated where that is not allowed, and does it end. SIM_SEEDS says how
// many worlds, SIM_SEED the first; `make sim` sets them.
func TestSimulation(t *testing.T) {
	count, first := setting(t, "SIM_SEEDS", 12), setting(t, "SIM_SEED", rand.Uint64()>>1)
	t.Logf("%d worlds from seed %d", count, first)
	total := map[string]int{}
	for seed := first; seed < first+count; seed++ {
		synctest.Test(t, func(t *testing.T) {
			s := newSimulation(t, seed)
			s.run()
			for fault, n := range s.faults {
				total[fault] += n
			}
			if t.Failed() {
				t.Errorf("replay with: make sim SEED=%d SEEDS=1", seed)
			}
		})
		if t.Failed() {
			return
		}
	}
	t.Logf("lost 0, reordered 0, duplicates only where allowed; injected: %v", total)
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

// simulation is one world.
type simulation struct {
	*bubble
	rnd       *rand.Rand
	script    embeddedkinesis.Script
	processes []*simulated
	verifier  *verifier
	serials   map[string]int
	produced  int
	port      int
	faults    map[string]int
	repeats   bool // something happened after which repetitions are allowed

	mu     sync.Mutex
	outage bool
}

// simulated is a process with a network of its own, which can be cut.
type simulated struct {
	*process
	link    *link
	running bool
}

// link is the network as one process has it.
type link struct {
	dial  func(ctx context.Context, network, address string) (net.Conn, error)
	delay func() time.Duration // of an offset commit

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

const offsetCommitKey = 8 // of the Kafka protocol

func (c *linkConn) Write(b []byte) (int, error) {
	if len(b) > 6 && binary.BigEndian.Uint16(b[4:]) == offsetCommitKey && b[0] == 0 {
		if d := c.link.delay(); d > 0 {
			pass(d)
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

func newSimulation(t *testing.T, seed uint64) *simulation {
	t.Helper()
	rnd := rand.New(rand.NewPCG(seed, 0x73696d))
	s := &simulation{
		bubble: newBubble(t, 1+rnd.IntN(4), embeddedkinesis.Options{Seed: seed, EnforceShardLimits: rnd.IntN(2) == 0}),
		rnd:    rnd, verifier: newVerifier(), serials: map[string]int{}, port: 8100, faults: map[string]int{},
	}
	rates := embeddedkinesis.Rates{}
	for _, rate := range []*float64{&rates.Throttle, &rates.Internal, &rates.CallFails, &rates.LostBefore, &rates.LostAfter} {
		if rnd.IntN(2) == 0 {
			*rate = rnd.Float64() / 5
		}
	}
	s.repeats = rates.LostAfter > 0
	random := embeddedkinesis.Random(seed, rates)
	slowest := time.Duration(rnd.IntN(1500)) * time.Millisecond
	delays := rand.New(rand.NewPCG(seed, 2))
	s.kinesis.SetScript(func(c embeddedkinesis.Call) embeddedkinesis.Action {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.outage {
			return embeddedkinesis.Action{Code: "InternalFailure"}
		}
		action := random(c)
		if slowest > 0 && c.Operation == "PutRecords" {
			action.Delay = time.Duration(delays.Int64N(int64(slowest)))
		}
		return action
	})
	return s
}

// run lets a history happen, mends everything, waits for the end and judges.
func (s *simulation) run() {
	s.launch()
	for range 4 + s.rnd.IntN(10) {
		s.happen()
		pass(time.Duration(s.rnd.IntN(8000)) * time.Millisecond)
	}
	s.mend()
	s.await()
	for _, p := range s.processes {
		if p.running {
			p.stop(s.t)
		}
	}
	for _, r := range s.kinesis.History(testStream) {
		s.verifier.stored(r.PartitionKey, r.Data)
	}
	v := s.verifier.verdict(&Config{})
	for fault, n := range s.kinesis.Counters() {
		if strings.HasPrefix(fault, "drop") || strings.HasSuffix(fault, "Exception") || strings.HasSuffix(fault, "Failure") {
			s.faults[fault] += n
		}
	}
	s.faults["events"] += s.produced
	if !v.OK() || v.Unknown > 0 || v.Duplicates > 0 && !s.repeats {
		s.t.Errorf("%+v; repetitions allowed: %v\n%s", *v, s.repeats, s.log)
	}
}

func (s *simulation) happen() {
	s.produce()
	live := s.live()
	what := s.rnd.IntN(10)
	switch {
	case what < 2 && len(live) < 3:
		s.launch()
		s.faults["join"]++
	case what == 2 && len(live) > 1:
		p := live[s.rnd.IntN(len(live))]
		p.stop(s.t)
		p.running = false
		s.faults["leave"]++
	case what == 3: // kill -9, as the world sees it
		p := live[s.rnd.IntN(len(live))]
		p.link.Cut()
		p.running, s.repeats = false, true
		s.faults["crash"]++
		s.launch()
	case what == 4: // away for longer than its session, and back: a zombie
		p := live[s.rnd.IntN(len(live))]
		p.link.Cut()
		s.repeats = true
		s.faults["away"]++
		pass(time.Duration(20+s.rnd.IntN(80)) * time.Second)
		p.link.Heal()
	case what == 5:
		s.setOutage(true)
		s.faults["outage"]++
		pass(time.Duration(s.rnd.IntN(120)) * time.Second)
		s.setOutage(false)
	case what == 6:
		s.kinesis.Reshard(testStream, 1+s.rnd.IntN(6))
		s.faults["reshard"]++
	case what == 7:
		s.kafka.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Err: kerr.CoordinatorLoadInProgress, Count: 1 + s.rnd.IntN(3)})
		s.faults["commit-refused"]++
	case what == 8:
		s.kafka.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Heartbeat}, Err: kerr.NotCoordinator, TopLevel: true, Count: 1 + s.rnd.IntN(3)})
		s.faults["heartbeat-refused"]++
	}
}

func (s *simulation) setOutage(outage bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.outage = outage
}

func (s *simulation) live() []*simulated {
	var live []*simulated
	for _, p := range s.processes {
		if p.running {
			live = append(live, p)
		}
	}
	return live
}

func (s *simulation) launch() {
	seed := s.rnd.Uint64()
	delays := rand.New(rand.NewPCG(seed, 3))
	slow := time.Duration(1)
	if s.rnd.IntN(3) == 0 {
		slow = 1500 * time.Millisecond
		s.faults["slow-commits"]++
	}
	var mu sync.Mutex
	l := &link{dial: s.network.DialContext, conns: map[net.Conn]bool{}, delay: func() time.Duration {
		mu.Lock()
		defer mu.Unlock()
		return time.Duration(delays.Int64N(int64(slow)))
	}}
	s.port++
	config := s.config(fmt.Sprintf("server: {listen: \"127.0.0.1:%d\"}\n", s.port))
	ctx, cancel := context.WithCancel(context.Background())
	p := &process{cancel: cancel, done: make(chan error, 1)}
	started := make(chan *Destination, 1)
	go func() {
		p.done <- Run(ctx, []Config{config}, Options{
			Logger: slog.New(slog.NewTextHandler(s.log, nil)), Dial: l.Dial, Listen: s.network.Listen, Lanes: 3,
			Started: func(ds []*Destination) { started <- ds[0] },
		})
	}()
	select {
	case p.Destination = <-started:
	case err := <-p.done:
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		p.cancel()
		p.ended.Do(func() { <-p.done })
	})
	s.processes = append(s.processes, &simulated{p, l, true})
}

// produce writes a few events of few identities, and expects their records.
func (s *simulation) produce() {
	var messages []kafka.Message
	for range s.rnd.IntN(25) {
		key := fmt.Sprintf("profile-%d", s.rnd.IntN(6))
		s.serials[key]++
		s.produced++
		m := s.message(simulatedEvent(s.t, key, int64(s.serials[key])))
		messages = append(messages, m)
		s.verifier.expect(key, simulatedRecord(int64(s.serials[key])))
	}
	if len(messages) > 0 {
		s.bubble.produce(messages...)
	}
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

// mend ends every fault that lasts; at least one process can work.
func (s *simulation) mend() {
	s.setOutage(false)
	if len(s.live()) == 0 {
		s.launch()
	}
}

// await waits until the group has committed the end of every partition.
func (s *simulation) await() {
	client := kafka.Client{Addr: kafka.TCP("127.0.0.1:9092"), Transport: s.transport}
	deadline := time.Now().Add(time.Hour)
	waited := 0
	for {
		pass(time.Second)
		behind := 0
		for p := 0; ; p++ {
			info := s.kafka.PartitionInfo(testTopic, int32(p))
			if info == nil {
				break
			}
			res, err := client.OffsetFetch(context.Background(), &kafka.OffsetFetchRequest{GroupID: "leads", Topics: map[string][]int{testTopic: {p}}})
			if err != nil || res.Topics[testTopic][0].CommittedOffset < info.HighWatermark {
				behind++
			}
		}
		if behind == 0 {
			return
		}
		if waited++; waited%120 == 0 {
			s.evict(&client)
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("an hour after everything was mended, %d partitions are not at their end\n%s", behind, s.log)
		}
	}
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
	}
}
