package destination

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"kinesis-destination/cmd/internal/config"
	"kinesis-destination/cmd/internal/deadletters"
	"kinesis-destination/cmd/internal/rules"
	"kinesis-destination/schemas"
	"kinesis-destination/schemas/embeddedregistry"
	"kinesis-destination/sink/embeddedkinesis"
)

// hostilePartition gets everything that one producer can send to do harm.
const hostilePartition = 5

const (
	// hostileTime bounds the time from the start to the last commit. The good events of the load story take 16 s on two
	// cores and six unknown schemas 30 s, for each of which the registry is asked for 5 s (schemas.lookupWait); what else the
	// hostile messages cost their own partition is seconds. The rest is for a machine that others use too.
	hostileTime = 5 * time.Minute

	// hostileMemory bounds what the process holds resident meanwhile: memoryBound, of which the budget of fetched messages
	// is a part whatever they decompress to (consumer.budget).
	hostileMemory = memoryBound
)

// One hostile producer, who may write to one partition and to the dead-letter topic and register schemas, harms nobody
// else: the events of the other eleven partitions are all delivered in order, the good ones beside the hostile too, the
// process stays within its memory and ends well, and its dead letters can be listed.
func TestContractAHostileProducerHarmsItsOwnPartitionAlone(t *testing.T) {
	s := newSite(t, embeddedkinesis.Random(71, embeddedkinesis.Rates{Throttle: .01}))
	registry := &hostileRegistry{Registry: embeddedregistry.New()} // a real one would not take every schema
	s.registry = s.serve(registry)
	s.schemaID = registry.Register(s.topic+"-value", string(schemas.SegmentEvaluation))
	s.extra = "deadLetter: {park: true}\n"
	program, config := s.hostileConfig()
	g, o := newLeads(t, 71, 5000), newOracle()
	h := newHostile(s, registry)
	n := s.load()
	foreign := h.sendForeign()
	s.feed(g, o, n/4)
	h.sendBombs()
	h.sendSmall()
	began := time.Now()
	command := s.run(program, config)
	var highest atomic.Int64
	watching, stop := context.WithCancel(t.Context())
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		for watching.Err() == nil {
			highest.Store(max(highest.Load(), resident(t, command.Process.Pid)))
			pass(50 * time.Millisecond)
		}
	}()
	for range 3 {
		s.feed(g, o, n/4)
		h.sendSmall()
	}
	s.await(hostileTime-time.Since(began), "all offsets committed", s.committed)
	took := time.Since(began)
	stop()
	<-watched
	if err := command.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := command.Wait(); err != nil {
		t.Errorf("exit after SIGTERM: %v", err)
	}
	records := s.embedded.History(s.name)
	others, own := o.split(func(key string) bool { return s.partitionOf(key) != hostilePartition }, records)
	t.Logf("%d good events and %d hostile messages in %v; resident at most %d MiB; the other partitions %+v, the hostile one %+v; endless answers %d",
		o.total, h.sent, took.Round(time.Millisecond), highest.Load()>>20, others, own, registry.endless.Load())
	if others != (verdict{}) {
		t.Errorf("the other eleven partitions: %+v", others)
	}
	if own != (verdict{}) {
		t.Errorf("the good events of the hostile partition: %+v", own)
	}
	if highest.Load() > hostileMemory {
		t.Errorf("resident %d MiB, the bound is %d MiB", highest.Load()>>20, hostileMemory>>20)
	}
	if registry.endless.Load() == 0 {
		t.Error("the registry was not asked for what it answers endlessly")
	}
	s.checkHostileLetters(config, foreign)
}

// checkHostileLetters lists what is on the dead-letter topic.
func (s *site) checkHostileLetters(file string, foreign int) {
	t := s.t
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Parse(file, text)
	if err != nil {
		t.Fatal(err)
	}
	list, err := deadletters.ListAll(t.Context(), &cfg, "", deadletters.Filter{}, 10)
	if err != nil {
		t.Fatal("list the dead letters:", err)
	}
	reasons, strange := map[string]int64{}, 0
	for _, c := range list.Causes {
		reasons[c.Reason] += c.Count
	}
	for _, f := range list.Foreign {
		strange += int(f.Count)
	}
	t.Logf("letters %v, foreign %d: %+v", reasons, strange, list.Foreign)
	for _, reason := range []string{rules.ReasonMalformed, rules.ReasonUnknownSchema, rules.ReasonInvalidSchema, rules.ReasonTooLarge} {
		if reasons[reason] == 0 {
			t.Errorf("no letter with reason %s", reason)
		}
	}
	if strange != foreign {
		t.Errorf("%d foreign messages listed of %d", strange, foreign)
	}
}

// hostileConfig is binary with a file that maps whatever a hostile event carries.
func (s *site) hostileConfig() (program, config string) {
	program, config = s.binary()
	text := strings.Replace(s.configText(), "attributes: [", "allowCollections: true\n  attributes: [", 1)
	config = filepath.Join(filepath.Dir(config), "hostile.yaml")
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return program, config
}

// hostileRegistry answers for one id without an end.
type hostileRegistry struct {
	*embeddedregistry.Registry
	id      atomic.Int64
	endless atomic.Int64 // how often it was asked for it
}

func (r *hostileRegistry) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	if request.URL.Path != fmt.Sprintf("/schemas/ids/%d", r.id.Load()) {
		r.Registry.ServeHTTP(w, request)
		return
	}
	r.endless.Add(1)
	xs := bytes.Repeat([]byte("x"), 64<<10)
	chunk := []byte(`{"schema":"`)
	for {
		if _, err := w.Write(chunk); err != nil {
			return
		}
		chunk = xs
	}
}

func (s *site) partitionOf(key string) int {
	return kafka.Murmur2Balancer{}.Balance(kafka.Message{Key: []byte(key)}, numbers(sitePartitions)...)
}

// split judges the records of the keys that choose names, and of all others.
func (o *oracle) split(choose func(key string) bool, records []embeddedkinesis.Record) (chosen, others verdict) {
	halves := map[bool]*oracle{true: newOracle(), false: newOracle()}
	for key, serials := range o.expected {
		halves[choose(key)].expected[key] = serials
	}
	sorted := map[bool][]embeddedkinesis.Record{}
	for _, r := range records {
		if strings.HasPrefix(r.PartitionKey, hostileKey) {
			continue // what of it can be exported is, and no oracle knows of it
		}
		in := choose(r.PartitionKey)
		sorted[in] = append(sorted[in], r)
	}
	return halves[true].judge(sorted[true]), halves[false].judge(sorted[false])
}
