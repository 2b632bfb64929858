package destination

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"kinesis-destination/cmd/internal/config"
	"kinesis-destination/cmd/internal/deadletters"
	"kinesis-destination/consumer"
	"kinesis-destination/sink/deadletter"
	"kinesis-destination/sink/embeddedkinesis"
)

// loseToLetters makes dead letters of the events that choose names, as if the
// live group had come to the end of the topic with those refused. It returns how many.
func (s *site) loseToLetters(choose func(*consumer.Message) bool) int {
	s.t.Helper()
	ctx := s.t.Context()
	s.makeTopic(s.letterTopic(), sitePartitions)
	history, err := consumer.NewHistory(consumer.Config{Brokers: s.brokers, Topic: s.topic}, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	defer history.Close()
	ranges, err := history.Ranges(ctx, consumer.Beginning(), consumer.End())
	if err != nil {
		s.t.Fatal(err)
	}
	var letters []kafka.Message
	for _, r := range ranges {
		if err := history.Read(ctx, r, func(m *consumer.Message) error {
			if choose(m) {
				letters = append(letters, s.letter(m))
			}
			return nil
		}); err != nil {
			s.t.Fatal(err)
		}
	}
	w := kafka.Writer{
		Addr: kafka.TCP(s.brokers...), Topic: s.letterTopic(), Transport: s.transport, RequiredAcks: kafka.RequireAll,
		Balancer: kafka.Murmur2Balancer{}, BatchSize: 2000, BatchBytes: 1 << 20, BatchTimeout: 5 * time.Millisecond,
	}
	if err := w.WriteMessages(ctx, letters...); err != nil {
		s.t.Fatal("write letters:", err)
	}
	if err := w.Close(); err != nil {
		s.t.Fatal("write letters:", err)
	}
	return len(letters)
}

func (s *site) letter(m *consumer.Message) kafka.Message {
	l := kafka.Message{Key: m.Key, Value: m.Value, Headers: append(slices.Clone(m.Headers),
		kafka.Header{Key: deadletter.HeaderTopic, Value: []byte(m.Topic)},
		kafka.Header{Key: deadletter.HeaderPartition, Value: binary.BigEndian.AppendUint32(nil, uint32(m.Partition))},
		kafka.Header{Key: deadletter.HeaderOffset, Value: binary.BigEndian.AppendUint64(nil, uint64(m.Offset))},
		kafka.Header{Key: deadletter.HeaderTimestamp, Value: binary.BigEndian.AppendUint64(nil, uint64(m.Time.UnixMilli()))},
		kafka.Header{Key: deadletter.HeaderDestination, Value: []byte(s.name)},
		kafka.Header{Key: deadletter.HeaderStage, Value: []byte("sink")},
		kafka.Header{Key: deadletter.HeaderReason, Value: []byte("retries-exhausted")},
		kafka.Header{Key: deadletter.HeaderFailedAt, Value: []byte(m.Time.UTC().Format(time.RFC3339))},
	)}
	if s.letterHeader != nil {
		l.Headers = append(l.Headers, *s.letterHeader)
	}
	return l
}

// alone runs a command in a process of its own until it ends, and reads the account
// that it prints; or until the stream has so many records: then the stream stands
// still, so that much is under way, and the process is killed.
func (s *site) alone(program string, killAt int, account any, args ...string) {
	s.t.Helper()
	command := exec.Command(program, append(args, "-o", "json")...)
	var out, told strings.Builder
	command.Stdout, command.Stderr = &out, &told
	if err := command.Start(); err != nil {
		s.t.Fatal(err)
	}
	if killAt > 0 {
		s.await(2*time.Minute, "so much is sent", func() bool { return len(s.embedded.History(s.name)) >= killAt })
		s.embedded.SetScript(func(embeddedkinesis.Call) embeddedkinesis.Action {
			return embeddedkinesis.Action{Code: "InternalFailure"}
		})
		pass(time.Second)
		defer s.embedded.SetScript(nil)
		if err := command.Process.Kill(); err != nil {
			s.t.Fatal(err)
		}
		_ = command.Wait() // it was killed
		return
	}
	if err := command.Wait(); err != nil {
		s.t.Fatalf("%v: %v\n%s", args, err, &told)
	}
	if err := json.Unmarshal([]byte(out.String()), account); err != nil {
		s.t.Fatalf("%v: %s", err, &out)
	}
}

func (s *site) redriveAlone(program, config string, killAt int) (account deadletters.Redriven) {
	s.t.Helper()
	s.alone(program, killAt, &account, "dead-letters", "redrive", "-c", config)
	return account
}

func TestContractRedriveWithAKillInTheMiddleLosesNothing(t *testing.T) {
	s := newSite(t, embeddedkinesis.Random(19, embeddedkinesis.Rates{Throttle: .01}))
	n := s.load()
	g, o := newLeads(t, 19, max(50, n/20)), newOracle()
	s.feed(g, o, n)
	letters := s.loseToLetters(func(*consumer.Message) bool { return true })
	program, config := s.binary()
	exported := int(o.total - sum(o.filtered))
	began := time.Now()
	s.redriveAlone(program, config, 3*exported/5)
	killed := len(s.embedded.History(s.name))
	a := s.redriveAlone(program, config, 0)
	took := time.Since(began)
	v := o.judge(s.embedded.History(s.name))
	t.Logf("%d letters, killed after %d of %d records; then %+v; %v in all, %.0f letters/s; %+v",
		letters, killed, exported, a, took.Round(time.Millisecond), float64(letters)/took.Seconds(), v)
	// A kill repeats at most one round, each identity's events in order.
	if v.lost+v.unexpected != 0 || v.duplicates+v.reordered > deadletters.RedriveRound {
		t.Errorf("%+v", v)
	}
	if left := o.lastStates(s.embedded.History(s.name)); left != 0 {
		t.Errorf("%d identities have an old state as their last", left)
	}
	if a.Done() != a.Selected || a.Superseded != 0 || len(a.Left)+len(a.DeadLettered) != 0 || a.Selected >= int64(letters) {
		t.Errorf("%+v", a)
	}
	if again := s.redriveAlone(program, config, 0); again.Selected != 0 {
		t.Errorf("settled letters are redriven again: %+v", again)
	}
}

// lastStates counts the identities whose last record is not their newest state.
func (o *oracle) lastStates(records []embeddedkinesis.Record) int {
	last := map[string]int64{}
	for _, r := range records {
		var document struct{ Loyalty struct{ Points int64 } }
		if json.Unmarshal(r.Data, &document) == nil {
			last[r.PartitionKey] = document.Loyalty.Points
		}
	}
	wrong := 0
	for key, serials := range o.expected {
		if last[key] != serials[len(serials)-1] {
			wrong++
		}
	}
	return wrong
}

// redriveAll redrives all letters in this process, each at most three times.
func redriveAll(t *testing.T, config *config.Config, id string) *deadletters.Redriven {
	t.Helper()
	a, err := deadletters.Redrive(t.Context(), config, deadletters.RedriveOptions{ID: id, MaxRedrives: 3, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// While the live pipeline delivers newer events of the same identities, no
// letter's older state may be what is left of one.
func TestContractRedriveBesideLiveTrafficLeavesNoOldStateAsTheLast(t *testing.T) {
	s := newSite(t, embeddedkinesis.Random(20, embeddedkinesis.Rates{Throttle: .3}))
	g, o := newLeads(t, 20, 400), newOracle()
	s.feed(g, o, 1000)
	random := rand.New(rand.NewPCG(20, 1))
	s.loseToLetters(func(*consumer.Message) bool { return random.IntN(2) == 0 }) // of which the live group knows nothing: it sends them, too
	config, err := config.Parse("site.yaml", []byte(s.configText()))
	if err != nil {
		t.Fatal(err)
	}
	p := s.start()
	var feeding sync.WaitGroup
	feeding.Go(func() {
		for range 30 {
			s.feed(g, o, 20)
			pass(30 * time.Millisecond)
		}
	})
	total := deadletters.Redriven{}
	for i := range 3 {
		a := redriveAll(t, &config, fmt.Sprint(i))
		if a.Done() != a.Selected {
			t.Errorf("%+v", a)
		}
		total.Selected += a.Selected
		total.Delivered += a.Delivered
		total.Superseded += a.Superseded
		total.CaughtUp += a.CaughtUp
	}
	feeding.Wait()
	s.await(time.Minute, "all events at rest", func() bool { return atRest(p) >= o.total })
	p.stop(t)
	t.Logf("%+v", total)
	if total.Delivered == 0 || total.Superseded == 0 {
		t.Errorf("the story tells nothing: %+v", total)
	}
	if left := o.lastStates(s.embedded.History(s.name)); left != 0 {
		t.Errorf("%d identities have an old state as their last", left)
	}
}

// Parked identities leave in order with a redrive beside the live pipeline,
// which goes on with them only then.
func TestContractARedriveReleasesParkedIdentitiesInOrder(t *testing.T) {
	var refusing atomic.Bool
	s := newSite(t, func(embeddedkinesis.Call) embeddedkinesis.Action {
		return embeddedkinesis.Action{Entry: func(_ int, key, _ string) string {
			if refusing.Load() && strings.HasSuffix(key, "3") {
				return "ValidationException"
			}
			return ""
		}}
	})
	text := s.configText() + "deadLetter: {park: true}\n"
	config, err := config.Parse("site.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	p := launch(t, config, Options{Logger: slog.New(slog.DiscardHandler)})
	g, o := newLeads(t, 21, 40), newOracle()
	atRestSoon := func() { s.await(time.Minute, "all events at rest", func() bool { return atRest(p) >= o.total }) }
	s.feed(g, o, 200)
	atRestSoon()
	refusing.Store(true)
	s.feed(g, o, 200)
	atRestSoon()
	refusing.Store(false)
	s.feed(g, o, 200) // the stream would take them now
	atRestSoon()
	parked := p.sink.Parking().Count()
	if v := o.judge(s.embedded.History(s.name)); parked == 0 || v.lost == 0 {
		t.Fatalf("the story tells nothing: %d parked, %+v", parked, v)
	}
	var feeding sync.WaitGroup
	feeding.Go(func() {
		for range 20 {
			s.feed(g, o, 20)
			pass(50 * time.Millisecond)
		}
	})
	total := deadletters.Redriven{}
	s.await(time.Minute, "all are released", func() bool {
		a := redriveAll(t, &config, "")
		total.Delivered += a.Delivered
		total.Superseded += a.Superseded
		return p.sink.Parking().Count() == 0
	})
	feeding.Wait()
	s.feed(g, o, 100)
	s.await(time.Minute, "nothing is parked", func() bool {
		if atRest(p) < o.total {
			return false
		}
		redriveAll(t, &config, "")
		return p.sink.Parking().Count() == 0
	})
	p.stop(t)
	v := o.judge(s.embedded.History(s.name))
	t.Logf("%d identities were parked; %+v; %+v", parked, total, v)
	if v.reordered+v.duplicates+v.unexpected != 0 || int64(v.lost) > total.Superseded {
		t.Errorf("%+v", v)
	}
	if left := o.lastStates(s.embedded.History(s.name)); left != 0 {
		t.Errorf("%d identities have an old state as their last", left)
	}
}
