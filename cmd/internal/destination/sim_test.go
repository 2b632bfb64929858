package destination

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kinesis-destination/cmd/internal/config"
	"kinesis-destination/cmd/internal/memory"
	"kinesis-destination/cmd/internal/verify"
	"kinesis-destination/consumer/embeddedkafka"
	"kinesis-destination/sink/embeddedkinesis"
)

// TestSimulation runs whole worlds (Kafka, processes, stream) in virtual time
// under faults drawn from a seed, and asks of each: is anything lost, out of
// order, repeated where that is not allowed, and does it end. SIM_SEEDS says how
// many worlds, SIM_SEED the first; `make sim` sets them.
func TestSimulation(t *testing.T) {
	count, first := setting(t, "SIM_SEEDS", 8), setting(t, "SIM_SEED", rand.Uint64()>>1)
	t.Logf("%d worlds from seed %d", count, first)
	var mu sync.Mutex
	total := map[string]int{}
	// As many worlds at a time as there are processors: each is its own bubble.
	next := make(chan uint64)
	t.Run("worlds", func(t *testing.T) {
		for range runtime.GOMAXPROCS(0) {
			t.Run("", func(t *testing.T) {
				t.Parallel()
				for seed := range next {
					faults := simulate(t, seed)
					mu.Lock()
					for fault, n := range faults {
						total[fault] += n
					}
					mu.Unlock()
				}
			})
		}
		go func() {
			defer close(next)
			for seed := first; seed < first+count && !t.Failed(); seed++ {
				next <- seed
			}
		}()
	})
	if !t.Failed() {
		t.Logf("lost 0, reordered 0, duplicates only where allowed; injected: %v", total)
	}
}

// simulate runs the world of one seed.
func simulate(t *testing.T, seed uint64) (faults map[string]int) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		defer func() {
			if t.Failed() {
				t.Errorf("seed %d; again with: make sim SEED=%[1]d SEEDS=1", seed)
			}
		}()
		s := newSimulation(t, seed)
		s.run()
		faults = s.faults
	})
	return faults
}

const slowestJoin = 10 * time.Second

// simulation is one world.
type simulation struct {
	*bubble
	rnd       *rand.Rand
	processes []*simulated
	verifier  *verify.Verifier
	serials   map[string]int
	produced  int
	port      int
	faults    map[string]int
	repeats   bool // something happened after which repetitions are allowed
	mixed     bool // some processes are of a version that knows the eager protocol alone

	mu     sync.Mutex
	outage bool
}

// simulated is a process with a network of its own, which can be cut.
type simulated struct {
	*process
	link    *link
	running bool
}

func newSimulation(t *testing.T, seed uint64) *simulation {
	t.Helper()
	rnd := rand.New(rand.NewPCG(seed, 0x73696d))
	s := &simulation{
		bubble: newBubble(t, 1+rnd.IntN(4), embeddedkinesis.Options{Seed: seed, EnforceShardLimits: rnd.IntN(2) == 0}),
		rnd:    rnd, verifier: verify.NewVerifier(), serials: map[string]int{}, port: 8100, faults: map[string]int{},
	}
	rates := embeddedkinesis.Rates{}
	for _, rate := range []*float64{&rates.Throttle, &rates.Internal, &rates.CallFails, &rates.LostBefore, &rates.LostAfter} {
		if rnd.IntN(2) == 0 {
			*rate = rnd.Float64() / 5
		}
	}
	s.repeats = rates.LostAfter > 0
	s.mixed = rnd.IntN(3) == 0
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
	for range 3 + s.rnd.IntN(8) {
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
	pass(slowestJoin) // for what was left under way
	// A process that ends tries for 2 s to commit; refused and slow, that may not do.
	s.repeats = s.repeats || s.faults["commit-refused"] > 0 && s.log.Count("last offsets of the assignment could not be committed") > 0
	for _, r := range s.kinesis.History(testStream) {
		s.verifier.Stored(r.PartitionKey, r.Data, "")
	}
	v := s.verifier.Verdict(&config.Config{})
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
	if what <= 4 {
		s.steady()
	}
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
		p.cancel() // whatever it still does, nothing of it gets out
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

// steady waits, for a while, until the living are the group. The embedded Kafka
// does not get over members that die in the middle of a join as a real one does.
func (s *simulation) steady() {
	for range 150 {
		live := s.live()
		assigned := 0
		for _, p := range live {
			if p.Stats().Assigned {
				assigned++
			}
		}
		if g := s.kafka.GroupInfo("leads"); assigned == len(live) && g != nil && len(g.Members) == len(live) {
			return
		}
		pass(time.Second)
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
	slow := map[uint16]time.Duration{offsetCommitKey: 1, joinGroupKey: 1}
	if s.rnd.IntN(3) == 0 {
		slow[offsetCommitKey] = 1500 * time.Millisecond
		s.faults["slow-commits"]++
	}
	if s.rnd.IntN(3) == 0 {
		slow[joinGroupKey] = slowestJoin
		s.faults["slow-joins"]++
	}
	var mu sync.Mutex
	l := &link{dial: s.network.DialContext, conns: map[net.Conn]bool{}, delay: func(key uint16) time.Duration {
		mu.Lock()
		defer mu.Unlock()
		return time.Duration(delays.Int64N(int64(slow[key])))
	}}
	dial := l.Dial
	if s.mixed && s.rnd.IntN(2) == 0 {
		dial = embeddedkafka.EagerDial(dial)
		s.faults["eager"]++
	}
	s.port++
	own := []config.Config{s.config(fmt.Sprintf("server: {listen: \"127.0.0.1:%d\"}\n", s.port))}
	if s.rnd.IntN(2) == 0 { // so little that everything waits for room
		memory.Shares{Fetched: 64 << 10, Queued: 4 << 10, Calls: 8 << 10, Schemas: 1 << 20, Newest: 4}.Apply(own)
		s.faults["little-memory"]++
	}
	p := launch(s.t, own[0], Options{
		Logger: slog.New(slog.NewTextHandler(s.log, nil)), Dial: dial, Listen: s.network.Listen, Lanes: 3,
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
		s.verifier.Expect(key, simulatedRecord(int64(s.serials[key])), "", verify.Offset{})
	}
	if len(messages) > 0 {
		s.bubble.produce(messages...)
	}
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
			if err != nil || len(res.Topics[testTopic]) == 0 || res.Topics[testTopic][0].CommittedOffset < info.HighWatermark {
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
			s.t.Fatalf("an hour after everything was mended, %d partitions are not at their end; the group: %+v\n%s", behind, s.kafka.GroupInfo("leads"), s.log)
		}
	}
}
