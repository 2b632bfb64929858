package destination

import (
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kinesis-destination/cmd/internal/rules"
	"kinesis-destination/sink/embeddedkinesis"
)

// trouble is what can be away, and what it is called then.
type trouble struct {
	name, reason string
	begin, end   func(b *bubble)
}

func troubles() []trouble {
	refuse := func(code string) func(*bubble) {
		return func(b *bubble) {
			b.kinesis.SetScript(func(embeddedkinesis.Call) embeddedkinesis.Action { return embeddedkinesis.Action{Code: code} })
		}
	}
	healthy := func(b *bubble) { b.kinesis.SetScript(nil) }
	return []trouble{
		{"registry down", rules.HoldRegistry, func(b *bubble) { b.registry.SetDown(true) }, func(b *bubble) { b.registry.SetDown(false) }},
		{"registry fails", rules.HoldRegistry, func(b *bubble) { b.registry.SetStatus(http.StatusInternalServerError) }, func(b *bubble) { b.registry.SetStatus(0) }},
		{"registry refuses", rules.HoldRegistry, func(b *bubble) { b.registry.SetStatus(http.StatusUnauthorized) }, func(b *bubble) { b.registry.SetStatus(0) }},
		{"access denied", "access-denied", refuse("AccessDeniedException"), healthy},
		{"outage", "", refuse("InternalFailure"), healthy},
		{"key disabled", "kms-disabled", refuse("KMSDisabledException"), healthy},
		{
			"stream deleted and made anew", "stream-missing", func(b *bubble) { b.kinesis.Delete(testStream) },
			func(b *bubble) { b.kinesis.Create(embeddedkinesis.Stream{Name: testStream, Shards: 7}) },
		},
	}
}

func TestWhatIsNobodysFaultIsHeldForAsLongAsItTakes(t *testing.T) {
	for _, trouble := range troubles() {
		for _, when := range []string{"at start", "later"} {
			t.Run(trouble.name+" "+when, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					b := newBubble(t, 3, embeddedkinesis.Options{})
					g, o := newLeads(t, 3, 20), newOracle()
					if when == "at start" {
						trouble.begin(b)
					}
					p := b.start(8080, "")
					if when == "later" {
						if trouble.reason != rules.HoldRegistry { // a schema that is known needs no registry
							b.feed(g, o, 100)
							b.settled(o.total, time.Minute, p)
						}
						trouble.begin(b)
					}
					b.feed(g, o, 200)
					pass(time.Hour)
					code, body := b.get(8080, "/readyz")
					if code != http.StatusServiceUnavailable || !strings.Contains(body, "held: "+trouble.reason) {
						t.Errorf("readyz says %d %q", code, body)
					}
					if code, _ := b.get(8080, "/healthz"); code != http.StatusOK {
						t.Errorf("healthz says %d", code)
					}
					if n := b.log.Count("held: retrying"); n > 2 {
						t.Errorf("the cause was logged %d times in an hour:\n%s", n, b.log)
					}
					if trouble.reason == "stream-missing" {
						o = newOracle() // what the stream held is gone with it
					}
					trouble.end(b)
					pass(2 * time.Minute)
					if code, body := b.get(8080, "/readyz"); code != http.StatusOK {
						t.Errorf("two minutes after the trouble ended, readyz says %d %q", code, body)
					}
					b.feed(g, o, 50)
					pass(time.Minute)
					a := p.Account()
					p.stop(t)
					if a.Unaccounted() != 0 || len(a.DeadLettered) != 0 {
						t.Errorf("account %+v", a)
					}
					if v := o.judge(b.kinesis.History(testStream)); v.lost+v.reordered+v.duplicates != 0 {
						t.Errorf("%+v", v)
					}
				})
			})
		}
	}
}

func TestSIGTERMEndsInTimeAlsoWhenTheStreamNeverAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, 3, embeddedkinesis.Options{Script: func(c embeddedkinesis.Call) embeddedkinesis.Action {
			if c.Operation == "PutRecords" {
				return embeddedkinesis.Action{Delay: time.Hour}
			}
			return embeddedkinesis.Action{}
		}})
		g, o := newLeads(t, 21, 50), newOracle()
		b.feed(g, o, 500)
		p := b.start(8080, "")
		pass(10 * time.Second)
		p.stop(t) // which looks at the time
		if a := p.Account(); a.Unaccounted() != 0 || a.Delivered != 0 || a.Withdrawn == 0 {
			t.Errorf("account %+v", a)
		}
		pass(2 * time.Hour) // for the embedded stream to wake up
	})
}

func TestKafkaAwayAtStartIsAwaited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, 3, embeddedkinesis.Options{})
		b.kafka.Close()
		p := b.start(8080, "")
		pass(10 * time.Minute)
		if code, body := b.get(8080, "/readyz"); code != http.StatusServiceUnavailable || !strings.Contains(body, "kafka-unreachable") {
			t.Errorf("readyz says %d %q", code, body)
		}
		if n := b.log.Count("held: retrying"); n != 1 {
			t.Errorf("logged %d times:\n%s", n, b.log)
		}
		p.stop(t)
	})
}

// A broker whose disk is full refuses what is written to it, offsets too, with
// KAFKA_STORAGE_ERROR, and still answers reads.
func TestABrokerWithAFullDiskIsHeldAndLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, 3, embeddedkinesis.Options{})
		g, o := newLeads(t, 41, 20), newOracle()
		p := b.start(8080, "")
		b.feed(g, o, 100)
		b.settled(o.total, time.Minute, p)
		full := b.kafka.Fault( // the test itself goes on writing events
			kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: testLetter, Err: kerr.KafkaStorageError, Count: -1},
			kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Err: kerr.KafkaStorageError, Count: -1},
		)
		longKey := simulatedEvent(t, strings.Repeat("x", 257), 1) // the stream takes no such partition key
		b.produce(kafka.Message{Key: []byte("poison"), Value: []byte("no frame")}, b.message(longKey))
		b.feed(g, o, 200)
		pass(time.Hour)
		code, body := b.get(8080, "/readyz")
		if code != http.StatusServiceUnavailable || !strings.Contains(body, "held: dead-letter-topic") {
			t.Errorf("readyz says %d %q", code, body)
		}
		a := p.Account()
		if len(a.DeadLettered) != 0 || a.Delivered+sum(a.Filtered) != o.total {
			t.Errorf("with a full disk: %+v, of %d that are no poison", a, o.total)
		}
		full.Remove()
		pass(2 * time.Minute)
		if code, body := b.get(8080, "/readyz"); code != http.StatusOK {
			t.Errorf("with room again, readyz says %d %q", code, body)
		}
		a = p.Account()
		p.stop(t)
		if a.Unaccounted() != 0 || a.DeadLettered[rules.ReasonMalformed] != 1 || a.DeadLettered["invalid-partition-key"] != 1 || len(b.letters()) != 2 {
			t.Errorf("account %+v, %d letters", a, len(b.letters()))
		}
		if v := o.judge(b.kinesis.History(testStream)); v != (verdict{}) {
			t.Errorf("%+v", v)
		}
		next := b.start(8090, "") // what settled while the disk was full is committed by now
		pass(time.Minute)
		if n := next.Account().Consumed; n != 0 {
			t.Errorf("%d messages are read again", n)
		}
		next.stop(t)
	})
}

func TestOneOfSeveralTopicsThatIsMissingIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, 2, embeddedkinesis.Options{})
		config := b.config("server: {listen: \"127.0.0.1:7000\"}\n")
		config.Source.Kafka.Topic, config.Source.Kafka.Topics = "", []string{testTopic, "later"}
		p := launch(t, config, Options{Logger: slog.New(slog.NewTextHandler(b.log, nil)), Dial: b.network.DialContext, Listen: b.network.Listen})
		g, o := newLeads(t, 42, 50), newOracle()
		for range 50 {
			e, err := g.Next()
			if err != nil {
				t.Fatal(err)
			}
			o.add(e)
			b.produce(b.message(e))
		}
		b.settled(o.total, time.Minute, p)
		if status, why := b.get(7000, "/readyz"); status != http.StatusServiceUnavailable || why != "leads: held: topic-missing (later)\n" {
			t.Errorf("readyz: %d %s", status, why)
		}
		for what, want := range map[string]string{
			"/status":  `"cause": "there is no topic later: [3] Unknown Topic Or Partition`,
			"/metrics": `kinesis_destination_held_partitions{destination="leads",reason="topic-missing"} 1`,
		} {
			if _, body := b.get(7000, what); !strings.Contains(body, want) {
				t.Errorf("no %s in %s", want, body)
			}
		}
		if n := b.log.Count("held: retrying"); n != 1 {
			t.Errorf("logged %d times", n)
		}
		if err := b.kafka.CreateTopic("later", 2, nil); err != nil {
			t.Fatal(err)
		}
		pass(time.Minute)
		if ready, why := p.Ready(); !ready || len(p.Stats().Partitions) != 4 {
			t.Errorf("once it is there: %s, %d partitions", why, len(p.Stats().Partitions))
		}
		p.stop(t)
	})
}

// TestAHoldOfTheStreamEndsWhereNothingIsLeftToTry: its partition has gone to another process,
// which finds out when the cause is gone; this one would hear of it no more.
func TestAHoldOfTheStreamEndsWhereNothingIsLeftToTry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, 2, embeddedkinesis.Options{Script: func(c embeddedkinesis.Call) embeddedkinesis.Action {
			if c.Operation == "PutRecords" {
				return embeddedkinesis.Action{Code: "AccessDeniedException"}
			}
			return embeddedkinesis.Action{}
		}})
		leads := newLeads(t, 31, 1000)
		for n := 0; n < 20; {
			e, err := leads.Next()
			if err != nil {
				t.Fatal(err)
			}
			if e.Filtered == "" && (kafka.Murmur2Balancer{}).Balance(kafka.Message{Key: []byte(e.Key)}, 0, 1) == 1 {
				b.produce(b.message(e))
				n++
			}
		}
		first := b.start(8080, "")
		pass(time.Minute)
		if status, why := b.get(8080, "/readyz"); status != http.StatusServiceUnavailable {
			t.Errorf("while it is held: %d %s", status, why)
		}
		second := b.start(8082, "") // partition 1 goes there
		pass(time.Minute)
		if status, why := b.get(8080, "/readyz"); status != http.StatusOK {
			t.Errorf("with nothing queued: %d %s", status, why)
		}
		if status, why := b.get(8082, "/readyz"); status != http.StatusServiceUnavailable {
			t.Errorf("the other, which has the events: %d %s", status, why)
		}
		b.kinesis.SetScript(nil)
		pass(time.Minute)
		if status, why := b.get(8082, "/readyz"); status != http.StatusOK {
			t.Errorf("the other, when the right was granted: %d %s", status, why)
		}
		first.stop(t)
		second.stop(t)
	})
}
