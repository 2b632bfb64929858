package destination

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"kinesis-destination/cmd/internal/memory"
	"kinesis-destination/cmd/internal/rules"
	"kinesis-destination/sink/embeddedkinesis"
)

// The stories below run on the embedded servers, and on real ones where the
// environment gives their addresses.

func TestContractEndToEnd(t *testing.T) {
	s := newSite(t, nil)
	g, o := newLeads(t, 11, 200), newOracle()
	s.feed(g, o, 3000)
	p := s.start()
	s.await(60*time.Second, "all events at rest", func() bool { return atRest(p) == o.total })
	a := p.Account()
	p.stop(t)
	if sum(a.Filtered) != sum(o.filtered) || len(a.DeadLettered) != 0 || a.Unaccounted() != 0 {
		t.Errorf("account %+v, expected filtered %v", a, o.filtered)
	}
	if v := o.judge(s.final()); v != (verdict{}) {
		t.Errorf("%+v", v)
	}
	if !s.committed() {
		t.Error("after a clean end, not every offset is committed")
	}
}

func atRest(processes ...*process) int64 {
	var n int64
	for _, p := range processes {
		a := p.Account()
		n += a.Consumed - a.Withdrawn - a.Unaccounted()
	}
	return n
}

func TestContractRestartContinuesWithoutLossOrRepetition(t *testing.T) {
	s := newSite(t, nil)
	g, o := newLeads(t, 12, 200), newOracle()
	var all []*process
	for range 3 {
		p := s.start()
		all = append(all, p)
		s.feed(g, o, 800)
		s.await(60*time.Second, "some events at rest", func() bool { return atRest(all...) > o.total-700 })
		p.stop(t) // in the middle of the load
	}
	p := s.start()
	all = append(all, p)
	s.await(60*time.Second, "all events at rest", func() bool { return atRest(all...) >= o.total })
	p.stop(t)
	if v := o.judge(s.final()); v != (verdict{}) {
		t.Errorf("%+v", v)
	}
}

func TestContractTwoMembersHandOverCleanly(t *testing.T) {
	s := newSite(t, nil)
	g, o := newLeads(t, 13, 200), newOracle()
	first := s.start()
	s.feed(g, o, 1500)
	second := s.start()
	s.await(60*time.Second, "the second member has partitions", func() bool { return len(second.Stats().Partitions) == sitePartitions/2 })
	s.feed(g, o, 1500)
	first.stop(t)
	s.feed(g, o, 500)
	s.await(60*time.Second, "all events at rest", func() bool { return atRest(first, second) >= o.total })
	second.stop(t)
	if v := o.judge(s.final()); v != (verdict{}) {
		t.Errorf("%+v", v)
	}
}

func TestContractPoisonIsDeadLetteredWithItsKeyValueAndHeaders(t *testing.T) {
	s := newSite(t, nil)
	g, o := newLeads(t, 14, 50), newOracle()
	s.feed(g, o, 100)
	e, err := g.Next()
	if err != nil {
		t.Fatal(err)
	}
	header := kafka.Header{Key: "traceparent", Value: []byte("00-abc")}
	truncated := s.framed(e.Body[:len(e.Body)-3])
	s.produce(
		kafka.Message{Key: []byte("poison"), Value: truncated, Headers: []kafka.Header{header}},
		kafka.Message{Key: []byte("poison"), Value: []byte("no Avro"), Headers: []kafka.Header{header}},
		kafka.Message{Key: []byte("poison"), Value: nil},
	)
	s.feed(g, o, 100)
	p := s.start()
	s.await(60*time.Second, "all events at rest", func() bool { return atRest(p) >= o.total+3 })
	a := p.Account()
	p.stop(t)
	if a.DeadLettered[rules.ReasonMalformed] != 2 || a.Filtered[rules.ReasonTombstone] != 1 {
		t.Errorf("account %+v", a)
	}
	if v := o.judge(s.final()); v.lost+v.reordered+v.duplicates != 0 {
		t.Errorf("%+v", v)
	}
	partition := kafka.Murmur2Balancer{}.Balance(kafka.Message{Key: []byte("poison")}, numbers(sitePartitions)...)
	reader := kafka.NewReader(kafka.ReaderConfig{Brokers: s.brokers, Topic: s.letterTopic(), Partition: partition, MaxWait: time.Second})
	defer func() { _ = reader.Close() }()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for _, value := range []string{string(truncated), "no Avro"} {
		m, err := reader.ReadMessage(ctx)
		if err != nil {
			t.Fatal("read the dead-letter topic:", err)
		}
		if string(m.Key) != "poison" || string(m.Value) != value || m.Headers[0].Key != "traceparent" {
			t.Errorf("letter at %d: key, value or headers are not the message's own", m.Offset)
		}
	}
}

func numbers(n int) []int {
	ns := make([]int, n)
	for i := range ns {
		ns[i] = i
	}
	return ns
}

func TestContractSIGTERMUnderLoadDrainsAndExitsZero(t *testing.T) {
	s := newSite(t, nil)
	program, config := s.binary()
	g, o := newLeads(t, 15, 300), newOracle()
	s.feed(g, o, 2000)
	for range s.rounds() {
		command := s.run(program, config)
		before := len(s.records())
		s.feed(g, o, 1000)
		s.await(60*time.Second, "it delivers", func() bool { return len(s.records()) > before })
		began := time.Now()
		if err := command.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if err := command.Wait(); err != nil {
			t.Errorf("exit after SIGTERM: %v", err)
		}
		took := time.Since(began)
		t.Logf("ended %v after SIGTERM", took.Round(time.Millisecond))
		if took > 15*time.Second {
			t.Errorf("ending took %v", took)
		}
	}
	p := s.start()
	s.await(60*time.Second, "all offsets committed", s.committed)
	p.stop(t)
	if v := o.judge(s.final()); v != (verdict{}) {
		t.Errorf("%+v", v)
	}
}

// rounds is how often the process is ended and started again.
func (s *site) rounds() int {
	if s.real {
		return 3
	}
	return 1
}

// load is how many events the load story takes: what the embedded Kafka serves
// in seconds, and what is promised on a real one.
func (s *site) load() int {
	if s.real {
		return 100_000
	}
	return 4_000
}

func TestContractLoadIsNeitherLostNorReorderedNorRepeated(t *testing.T) {
	s := newSite(t, embeddedkinesis.Random(16, embeddedkinesis.Rates{Throttle: .02}))
	g, o := newLeads(t, 16, 5000), newOracle()
	g.Padding = 400 // about 1 KB an event
	n := s.load()
	s.feed(g, o, n/4)
	began := time.Now()
	first := s.start()
	s.feed(g, o, n/4)
	second := s.start() // joins amid the load, and leaves again
	s.feed(g, o, n/4)
	s.await(60*time.Second, "the second member has partitions", func() bool { return len(second.Stats().Partitions) > 0 })
	second.stop(t)
	s.feed(g, o, n-3*(n/4))
	s.await(5*time.Minute, "all events at rest", func() bool { return atRest(first, second) >= o.total })
	took := time.Since(began)
	first.stop(t)
	v := o.judge(s.embedded.History(s.name))
	t.Logf("%d events in %v, made up and read at once: %+v; throttled entries %d", o.total, took.Round(time.Millisecond), v,
		s.embedded.Counters()["ProvisionedThroughputExceededException"])
	if v != (verdict{}) {
		t.Errorf("%+v", v)
	}
}

// memoryBound is what a process may hold resident that is not told otherwise.
const memoryBound = memory.Default

// The built program, told to take no more, takes no more while its stream stands still
// and while it makes up for that. A container would kill it.
func TestContractMemoryIsBoundedWhileTheStreamStandsStill(t *testing.T) {
	for _, bound := range []int64{memoryBound, 96 << 20} {
		t.Run(memory.Text(bound), func(t *testing.T) { standStill(t, bound) })
	}
}

func standStill(t *testing.T, bound int64) {
	stalled := func(c embeddedkinesis.Call) embeddedkinesis.Action {
		if c.Operation == "PutRecords" {
			return embeddedkinesis.Action{Code: "InternalFailure"}
		}
		return embeddedkinesis.Action{}
	}
	s := newSite(t, stalled)
	program, config := s.binary()
	g, o := newLeads(t, 17, 5000), newOracle()
	s.ballast = 8000
	n, stall := 9_000, 4*time.Second
	if s.real {
		n, stall = 30_000, 60*time.Second
	}
	s.feed(g, o, n)
	command := s.run(program, config, "--memory", memory.Text(bound))
	highest := int64(0)
	for end := time.Now().Add(stall); time.Now().Before(end); pass(200 * time.Millisecond) {
		highest = max(highest, resident(t, command.Process.Pid))
	}
	t.Logf("%d events of about 9 KB wait; resident at most %d MiB in %v", n, highest>>20, stall)
	s.embedded.SetScript(nil)
	s.await(2*time.Minute, "all offsets committed", func() bool {
		highest = max(highest, resident(t, command.Process.Pid))
		return s.committed()
	})
	t.Logf("at most %d MiB in the end", highest>>20)
	if highest > bound {
		t.Errorf("resident %d MiB, the bound is %d MiB", highest>>20, bound>>20)
	}
	if err := command.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := command.Wait(); err != nil {
		t.Errorf("exit after SIGTERM: %v", err)
	}
	if v := o.judge(s.embedded.History(s.name)); v != (verdict{}) {
		t.Errorf("%+v", v)
	}
}

// resident is the resident set of a process in bytes: on Linux the largest that it had.
func resident(t *testing.T, pid int) int64 {
	t.Helper()
	if out, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid)); err == nil {
		for line := range strings.SplitSeq(string(out), "\n") {
			if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "VmHWM:" {
				kib, err := strconv.ParseInt(fields[1], 10, 64)
				if err != nil {
					t.Fatal(err)
				}
				return kib << 10
			}
		}
	} else if !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	// Not Linux: ps says it in KiB everywhere else.
	out, err := exec.Command("ps", "-o", "rss=", "-p", strconv.Itoa(pid)).Output()
	if err != nil {
		t.Fatal(err)
	}
	kib, err := strconv.ParseInt(strings.TrimSpace(string(out)), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return kib << 10
}
