package destination

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/compress"
	"github.com/segmentio/kafka-go/protocol"

	"kinesis-destination/schemas"
	"kinesis-destination/schemas/embeddedregistry"
	"kinesis-destination/sink/embeddedkinesis"
)

const (
	smallMemory = "96MiB"   // what the process is told
	smallPod    = 128 << 20 // what its container has: the kernel would kill it there
	// smallTime bounds each load: the largest takes 15 s on two cores.
	smallTime = 3 * time.Minute
	// manyPartitions are those of a topic with very many.
	manyPartitions = 1000
)

// smallLoad is one that took more memory than was promised before it was bounded.
type smallLoad struct {
	name       string
	identities int // of the good events; 0: 2,000
	padding    int // of an event, in bytes
	events     int
	partitions int // of the topic; 0: as ever
	slow       bool
	hostile    func(h *hostile)
}

// smallBombs are such that no window of zstd is larger than a process of 96 MiB keeps, 7.5 MiB: those are held.
var smallBombs = hostileSizes{48 << 20, 200_000, 100_000, 10_000, 0}

var smallLoads = []smallLoad{
	{name: "slow identity", events: 20_000, slow: true},
	{name: "hot key", identities: 1, events: 2_000},
	{name: "1,000 partitions", events: 20_000, partitions: manyPartitions},
	{name: "events of 1 MB", padding: 900_000, events: 120},
	{name: "tombstones", events: 2_000, hostile: func(h *hostile) {
		for range 10 {
			h.produce(compress.Zstd, many(h.bombs.tombstones, func(int) protocol.Record { return protocol.Record{} })...)
		}
	}},
	{name: "millions of headers", events: 2_000, hostile: func(h *hostile) {
		for range 10 {
			h.produce(compress.Zstd, h.record(nil, make([]protocol.Header, h.bombs.headers)...))
		}
		for range 20 {
			h.produce(compress.Zstd, h.record([]byte("many"), h.manyHeaders(9_999)...))
		}
	}},
	{name: "bombs", events: 2_000, hostile: func(h *hostile) {
		size := h.bombs
		h.produce(compress.Gzip, h.record(make([]byte, size.bomb*3/4)))
		h.produce(compress.Lz4, h.record(make([]byte, size.bomb*3/4)))
		h.produce(compress.Snappy, h.record(make([]byte, 8<<20)), h.record(make([]byte, 8<<20)))
		h.produce(compress.Lz4, many(size.keyed, func(i int) protocol.Record {
			return protocol.Record{Key: protocol.NewBytes(fmt.Appendf(nil, hostileKey+"%08d", i))}
		})...)
	}},
}

// A process that is told 96 MiB lives in a container of 128 MiB through each load that once took more. What it
// took over time is written to the file that RSS_OVER_TIME names.
func TestContractASmallProcessLivesThroughEachLoad(t *testing.T) {
	program := filepath.Join(t.TempDir(), "kinesis-destination")
	if out, err := exec.Command("go", "build", "-o", program, "kinesis-destination/cmd/kinesis-destination").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	for _, load := range smallLoads {
		t.Run(strings.NewReplacer(" ", "-", ",", "").Replace(load.name), func(t *testing.T) { load.run(t, program) })
	}
}

func (load *smallLoad) run(t *testing.T, program string) {
	s := newSite(t, embeddedkinesis.Random(5, embeddedkinesis.Rates{}))
	registry := &hostileRegistry{Registry: embeddedregistry.New()}
	s.registry = s.serve(registry)
	s.schemaID = s.register(s.topic+"-value", string(schemas.SegmentEvaluation))
	partitions := sitePartitions
	if load.partitions > 0 {
		partitions = load.partitions
		s.grow(partitions)
	}
	identities := load.identities
	if identities == 0 {
		identities = 2000
	}
	g, o := newLeads(t, 5, identities), newOracle()
	g.Padding = load.padding
	file := filepath.Join(t.TempDir(), "destination.yaml")
	if err := os.WriteFile(file, []byte(s.configText()), 0o600); err != nil {
		t.Fatal(err)
	}
	if load.slow { // its records wait, and all that comes behind them goes on
		until := time.Now().Add(5 * time.Second)
		s.embedded.SetScript(func(embeddedkinesis.Call) embeddedkinesis.Action {
			return embeddedkinesis.Action{Entry: func(_ int, key, _ string) string {
				if key == "lead-00000" && time.Now().Before(until) {
					return "ProvisionedThroughputExceededException"
				}
				return ""
			}}
		})
	}
	events := load.events
	if s.real && load.padding == 0 {
		events *= 5 // the embedded Kafka serves what takes seconds
	}
	for left := events; left > 0; left -= 100 { // a few at a time: they are in this process's memory
		s.feed(g, o, min(left, 100))
	}
	if load.hostile != nil {
		h := newHostile(s, registry)
		h.bombs = smallBombs
		load.hostile(h)
	}
	command := s.run(program, file, "--memory", smallMemory)
	curve := watchResident(t, command.Process.Pid)
	s.await(smallTime, "all offsets committed", func() bool { return s.committedAll(partitions) })
	highest := resident(t, command.Process.Pid)
	if err := command.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := command.Wait(); err != nil {
		t.Errorf("exit after SIGTERM: %v", err)
	}
	line := fmt.Sprintf("%-22s at most %3d MiB; every 250 ms: %s", load.name, highest>>20, curve())
	t.Log(line)
	writeCurve(t, line)
	if highest > smallPod {
		t.Errorf("resident %d MiB, the container has %d", highest>>20, smallPod>>20)
	}
	if v := o.judge(slices.DeleteFunc(s.embedded.History(s.name), func(r embeddedkinesis.Record) bool {
		return strings.HasPrefix(r.PartitionKey, hostileKey)
	})); v != (verdict{}) {
		t.Errorf("%+v", v)
	}
}

// grow gives the topic more partitions.
func (s *site) grow(partitions int) {
	s.t.Helper()
	res, err := s.kafka.CreatePartitions(context.Background(), &kafka.CreatePartitionsRequest{Topics: []kafka.TopicPartitionsConfig{{Name: s.topic, Count: int32(partitions)}}})
	if err != nil || res.Errors[s.topic] != nil {
		s.t.Fatal("add partitions:", err, res)
	}
	s.awaitLed(s.topic, partitions)
}

// watchResident looks every 250 ms at what a process takes, until it is told to end and tells it, in MiB.
func watchResident(t *testing.T, pid int) (end func() string) {
	ctx, cancel := context.WithCancel(t.Context())
	told := make(chan string, 1)
	go func() {
		var curve []string
		for ctx.Err() == nil {
			curve = append(curve, strconv.FormatInt(residentNow(pid)>>20, 10))
			pass(250 * time.Millisecond)
		}
		told <- strings.Join(curve, " ")
	}()
	return func() string {
		cancel()
		return <-told
	}
}

// residentNow is what a process has resident now, in bytes; 0 where that is not known.
func residentNow(pid int) int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	fields := strings.Fields(string(text))
	if err != nil || len(fields) < 2 {
		return 0
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil {
		return 0
	}
	return pages * int64(os.Getpagesize())
}

func writeCurve(t *testing.T, line string) {
	name := os.Getenv("RSS_OVER_TIME")
	if name == "" {
		return
	}
	f, err := os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err == nil {
		_, err = fmt.Fprintln(f, line)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		t.Error("write what it took over time:", err)
	}
}
