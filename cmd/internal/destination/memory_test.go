package destination

import (
	"log/slog"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/segmentio/kafka-go"

	"kinesis-destination/cmd/internal/config"
	"kinesis-destination/cmd/internal/leads"
	"kinesis-destination/cmd/internal/memory"
	"kinesis-destination/sink/embeddedkinesis"
)

// smallShares are as small as the events of these stories allow: they have to wait
// for room all the time, in every place where there is any.
var smallShares = memory.Shares{Fetched: 4 << 20, Queued: 512 << 10, Calls: 1 << 20, Schemas: 1 << 20, Newest: 100}

// memoryLoad is what waits for a process that may take little.
type memoryLoad struct {
	name       string
	partitions int
	identities int
	events     int
	headers    int // of each event
	ballast    int // bytes of each header
	tombstones int // beside them
	before     func(b *bubble)
	stands     time.Duration // how long that lasts
}

func memoryLoads() []memoryLoad {
	stalled := func(b *bubble) {
		b.kinesis.SetScript(func(c embeddedkinesis.Call) embeddedkinesis.Action {
			if c.Operation != "PutRecords" {
				return embeddedkinesis.Action{}
			}
			return embeddedkinesis.Action{Code: "InternalFailure"}
		})
	}
	heldIdentity := func(b *bubble) {
		held := ""
		b.kinesis.SetScript(func(c embeddedkinesis.Call) embeddedkinesis.Action {
			if held == "" && len(c.Keys) > 0 {
				held = c.Keys[0]
			}
			if c.Operation == "PutRecords" && slices.Contains(c.Keys, held) {
				return embeddedkinesis.Action{Code: "InternalFailure"}
			}
			return embeddedkinesis.Action{}
		})
	}
	return []memoryLoad{
		{name: "stalled stream", partitions: 4, identities: 200, events: 6000, headers: 1, ballast: 2000, before: stalled, stands: 10 * time.Minute},
		{name: "registry away", partitions: 4, identities: 200, events: 6000, headers: 1, ballast: 2000, before: func(b *bubble) { b.registry.SetDown(true) }, stands: 10 * time.Minute},
		{name: "held identity", partitions: 4, identities: 200, events: 6000, headers: 1, ballast: 2000, before: heldIdentity, stands: 10 * time.Minute},
		{name: "hot key", partitions: 4, identities: 1, events: 3000, headers: 1, ballast: 2000},
		{name: "many partitions", partitions: 200, identities: 2000, events: 6000, headers: 1, ballast: 2000, before: stalled, stands: time.Minute},
		{name: "events of 1 MiB", partitions: 4, identities: 20, events: 60, headers: 1, ballast: 1_000_000, before: stalled, stands: time.Minute},
		{name: "tombstones", partitions: 4, identities: 20, events: 100, tombstones: 50_000, before: stalled, stands: time.Minute},
		{name: "headers", partitions: 4, identities: 20, events: 500, headers: 1000, before: stalled, stands: time.Minute},
	}
}

// Whatever waits, whatever stands still, what is counted is within the budgets but for
// what they let beyond; and in the end everything is delivered, so that the two
// budgets never wait for each other.
func TestNoLoadTakesMoreThanTheBudgetsAndAllGetThrough(t *testing.T) {
	for _, load := range memoryLoads() {
		t.Run(load.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, load.run)
		})
	}
}

func (load memoryLoad) run(t *testing.T) {
	b := newBubble(t, load.partitions, embeddedkinesis.Options{})
	g, o := newLeads(t, 9, load.identities), newOracle()
	n := int64(load.events + load.tombstones)
	load.feed(b, g, o)
	configs := []config.Config{b.config("server: {listen: \"127.0.0.1:8080\"}\n")}
	smallShares.Apply(configs)
	if load.before != nil {
		load.before(b)
	}
	budget, queues := configs[0].Source.Kafka.Budget, configs[0].Target.Kinesis.Memory
	p := launch(t, configs[0], Options{Logger: slog.New(slog.DiscardHandler), Dial: b.network.DialContext, Listen: b.network.Listen})
	var fetched int64
	queued := 0
	look := func() {
		fetched, queued = max(fetched, budget.Used()), max(queued, queues.Used())
	}
	for end := time.Now().Add(load.stands); time.Now().Before(end); pass(100 * time.Millisecond) {
		look()
	}
	b.kinesis.SetScript(nil)
	b.registry.SetDown(false)
	deadline := time.Now().Add(20 * time.Minute)
	for {
		look()
		a := p.Account()
		if a.Consumed-a.Withdrawn-a.Unaccounted() >= n {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d came to rest", a.Consumed-a.Unaccounted(), n)
		}
		pass(20 * time.Millisecond)
	}
	p.stop(t)
	t.Logf("at most %d KiB fetched, %d KiB queued", fetched>>10, queued>>10)
	// Beyond the budget: a batch as it was fetched, and the largest that one partition decodes of it.
	if most := smallShares.Fetched + 1<<20 + smallShares.LargestRecord(); fetched > most {
		t.Errorf("%d bytes of what was fetched are counted, of %d", fetched, most)
	}
	if most := int(smallShares.Queued) + 8<<10; queued > most {
		t.Errorf("%d bytes are queued, of %d", queued, most)
	}
	if left := budget.Used(); left != 0 || queues.Used() != 0 {
		t.Errorf("%d bytes are counted as fetched at the end, %d as queued", left, queues.Used())
	}
	if v := o.judge(b.kinesis.History(testStream)); v.lost > 0 || v.reordered > 0 {
		t.Errorf("%+v", v)
	}
}

// feed writes what is to wait.
func (load memoryLoad) feed(b *bubble, g *leads.Generator, o *oracle) {
	ballast := make([]byte, load.ballast)
	headers := make([]kafka.Header, load.headers)
	for i := range headers {
		headers[i] = kafka.Header{Key: "ballast", Value: ballast}
	}
	var messages []kafka.Message
	for i := range load.events + load.tombstones {
		if i < load.tombstones {
			messages = append(messages, kafka.Message{Key: strconv.AppendInt(nil, int64(i), 10)})
		} else {
			e, err := g.Next()
			if err != nil {
				b.t.Fatal(err)
			}
			o.add(e)
			m := b.message(e)
			m.Headers = headers
			messages = append(messages, m)
		}
		if len(messages) == 10_000 || load.ballast*len(messages) > 4<<20 {
			b.produce(messages...)
			messages = nil
		}
	}
	if len(messages) > 0 {
		b.produce(messages...)
	}
}
