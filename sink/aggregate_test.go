package sink

import (
	"bytes"
	"crypto/md5"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"kinesis-destination/sink/deadletter"
	"kinesis-destination/sink/embeddedkinesis"
	"kinesis-destination/sink/kpl"
)

// piece is one document of a stored record.
type piece struct {
	key  string
	data []byte
}

// takeApart takes an aggregate apart with another library than the code under test
// uses (which uses none). A plain record is its own only member.
func takeApart(key string, data []byte) (members []piece, err error) {
	body, ok := bytes.CutPrefix(data, kpl.Magic[:])
	if !ok {
		return []piece{{key, data}}, nil
	}
	if len(body) < md5.Size {
		return nil, errors.New("an aggregate without a checksum")
	}
	body, sum := body[:len(body)-md5.Size], body[len(body)-md5.Size:]
	if want := md5.Sum(body); !bytes.Equal(sum, want[:]) {
		return nil, errors.New("the checksum is wrong")
	}
	var table []string
	for len(body) > 0 {
		n, typ, used := protowire.ConsumeTag(body)
		if used < 0 || typ != protowire.BytesType {
			return nil, fmt.Errorf("field %d of type %d", n, typ)
		}
		body = body[used:]
		field, used := protowire.ConsumeBytes(body)
		if used < 0 {
			return nil, protowire.ParseError(used)
		}
		body = body[used:]
		switch n {
		case 1:
			table = append(table, string(field))
		case 3:
			m, err := takeMember(table, field)
			if err != nil {
				return nil, err
			}
			members = append(members, m)
		default:
			return nil, fmt.Errorf("unexpected field %d", n)
		}
	}
	return members, nil
}

func takeMember(table []string, field []byte) (m piece, err error) {
	index := uint64(1 << 40)
	for len(field) > 0 {
		n, _, used := protowire.ConsumeTag(field)
		field = field[max(used, 0):]
		switch n {
		case 1:
			index, used = protowire.ConsumeVarint(field)
		case 3:
			m.data, used = protowire.ConsumeBytes(field)
		default:
			return m, fmt.Errorf("unexpected field %d of a member", n)
		}
		if used < 0 {
			return m, protowire.ParseError(used)
		}
		field = field[used:]
	}
	if index >= uint64(len(table)) {
		return m, errors.New("a member without a key")
	}
	m.key = table[index]
	return m, nil
}

func TestAggregateIsOfTheSizeThatWasPromisedAndUnpacks(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		key := strings.Repeat("k", 1+random.IntN(200))
		c := &chain{key: key}
		for range 2 + random.IntN(300) {
			data := bytes.Repeat([]byte{byte(random.IntN(256))}, random.IntN(400))
			c.entries = append(c.entries, entry{rec: taken(key, data)})
		}
		n, a := c.run(limits{aggregate: kpl.MaxBytes})
		packed := appendAggregate(nil, []inFlight{{chain: c, head: c.entries[:n]}})
		if len(packed)+len(key) != a.size || len(packed) > kpl.MaxBytes {
			t.Fatalf("%d bytes for %d members, said %d", len(packed)+len(key), n, a.size)
		}
		if n < len(c.entries) && len(packed)+memberSize(c.entries[n].rec) <= kpl.MaxBytes {
			t.Fatal("there was room for another")
		}
		members, err := takeApart(key, packed)
		if err != nil || len(members) != n {
			t.Fatalf("%d members of %d: %v", len(members), n, err)
		}
		for i, m := range members {
			if m.key != key || !bytes.Equal(m.data, c.entries[i].rec.written) {
				t.Fatalf("member %d differs", i)
			}
		}
	}
}

func TestKeysOfOneShardShareAggregatesOfThePromisedSize(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for range 100 {
		q := newQueue(func(r *Record) int { return len(r.PartitionKey) % 3 })
		total := 0
		for i := range 400 {
			key := strings.Repeat("k", 1+random.IntN(40)) + fmt.Sprint(i%90)
			q.Push(entry{rec: taken(key, make([]byte, 1+random.IntN(500)))})
			total++
		}
		asked, packed := make(map[int]int), 0
		may := func(shard int, _, _ time.Time, _, bytes int) (bool, time.Time) {
			asked[shard] += bytes
			return true, time.Time{}
		}
		batch := q.Batch(epoch, limits{records: 500, bytes: maxBatchBytes, record: defaultRecordBytes, aggregate: kpl.MaxBytes, share: true}, may)
		for rest := batch; len(rest) > 0; {
			n := recordGroup(rest)
			if entries(rest[:n]) == 1 {
				packed += rest[0].head[0].rec.size()
			} else {
				data := appendAggregate(nil, rest[:n])
				if len(data) > kpl.MaxBytes {
					t.Fatalf("an aggregate of %d bytes", len(data))
				}
				packed += len(data) + len(rest[0].key)
			}
			for _, f := range rest[:n] {
				if f.group != rest[0].group {
					t.Fatal("keys of two shards share an aggregate")
				}
			}
			rest = rest[n:]
		}
		if said := asked[0] + asked[1] + asked[2]; said != packed || recordGroups(batch) > 20 {
			t.Fatalf("%d bytes in %d records, said %d", packed, recordGroups(batch), said)
		}
		if entries(batch) != total {
			t.Fatalf("%d of %d records", entries(batch), total)
		}
	}
}

func TestOrderSurvivesFaultsWithAggregation(t *testing.T) {
	for _, seed := range seeds(3) {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, worldOptions{
					config: func(c *Config) { c.Aggregation = AggregationKPL },
					kinesis: embeddedkinesis.Options{
						Seed:   seed,
						Script: embeddedkinesis.Random(seed, embeddedkinesis.Rates{Throttle: 0.2, Internal: 0.1, CallFails: 0.05, LostBefore: 0.05, LostAfter: 0.05}),
					},
				})
				for i := range 1500 {
					w.put(fmt.Sprint("key-", i%61), 100+i%400)
					if i == 700 || i == 1100 {
						w.stream.Reshard(testStream, 6+i/1000)
						<-time.After(time.Duration(seed) * time.Second)
					}
				}
				w.oracle.await()
				w.delivered()
				w.check()
				if n := len(w.stream.History(testStream)); n > 1000 {
					t.Errorf("%d records for 1500 documents", n)
				}
			})
		})
	}
}

func TestRejectedRecordPartsTheAggregatesOfItsKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOptions{missing: true, config: func(c *Config) { c.Aggregation = AggregationKPL }})
		var all []*tracked
		for i := range 9 {
			tr := w.oracle.record("k", 0, nil)
			if i == 4 {
				if err := w.sink.Reject(t.Context(), tr.rec, deadletter.Failure{Stage: "transform", Reason: "unexportable"}); err != nil {
					t.Fatal(err)
				}
			} else if err := tr.put(t.Context(), w.sink); err != nil {
				t.Fatal(err)
			}
			all = append(all, tr)
		}
		w.stream.Create(embeddedkinesis.Stream{Name: testStream})
		w.oracle.await()
		for i, tr := range all {
			if (i == 4) != (tr.outcome == DeadLettered) || tr.at.Before(all[max(i-1, 0)].at) {
				t.Errorf("record %d: %v at %v", i, tr.outcome, tr.at)
			}
		}
		if n := len(w.stream.History(testStream)); n != 2 {
			t.Errorf("%d records", n)
		}
	})
}

func TestRefusedAggregateIsTakenApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOptions{
			config: func(c *Config) { c.Aggregation = AggregationKPL },
			stream: embeddedkinesis.Stream{Shards: 1},
		})
		w.put("k", 0).wait()
		// The stream's limit shrinks below an aggregate: single documents still fit.
		w.stream.Create(embeddedkinesis.Stream{Name: testStream, MaxRecordBytes: 2048})
		w.sink.stream.recordLimit.Store(defaultRecordBytes)
		first := len(w.oracle.all)
		for range 50 {
			w.put("k", 500)
		}
		big := w.put("k", 4000)
		w.put("k", 500)
		w.oracle.await()
		for _, tr := range w.oracle.all[first:] {
			if (tr == big) != (tr.outcome == DeadLettered) {
				t.Fatalf("%d: %v %s", tr.seq, tr.outcome, tr.reason)
			}
		}
	})
}

func TestHotIdentityIsDeliveredInOrderAtItsRateWithAggregation(t *testing.T) {
	for _, aggregation := range []string{AggregationNone, AggregationKPL} {
		t.Run(aggregation, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, worldOptions{
					config:  func(c *Config) { c.Aggregation = aggregation },
					stream:  embeddedkinesis.Stream{Shards: 1},
					kinesis: embeddedkinesis.Options{EnforceShardLimits: true, Script: slow},
				})
				<-time.After(time.Second)
				const offered, d = 5000, 2 * time.Second
				began, total, late := time.Now(), 0, time.Duration(0)
				tick := time.NewTicker(10 * time.Millisecond)
				defer tick.Stop()
				for ; time.Since(began) < d; <-tick.C {
					for due := int(time.Since(began).Seconds() * offered); total < due && time.Since(began) < d; total++ {
						w.put("hot", 150)
					}
				}
				stored := len(w.stream.History(testStream))
				if aggregation == AggregationNone {
					t.Logf("without aggregation: %.0f events/s", float64(stored)/time.Since(began).Seconds())
					if n := w.sink.Stats().Queued; n < offered*int(d/time.Second)/4 {
						t.Errorf("only %d are queued: the comparison shows nothing", n)
					}
					return
				}
				w.oracle.await()
				late = time.Since(began) - d
				w.delivered()
				if w.check() != 0 {
					t.Error("duplicates")
				}
				t.Logf("with aggregation: %d events in %v, at rest %v after the last, in %d records, %d throttled",
					total, d, late, len(w.stream.History(testStream)), w.stream.Counters()["ProvisionedThroughputExceededException"])
				if total < offered*int(d/time.Second)*99/100 || late > time.Second {
					t.Error("the rate is not kept")
				}
			})
		})
	}
}

func TestAggregateThatWentAstrayIsSentAgainKeyByKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOptions{
			config:  func(c *Config) { c.Aggregation = AggregationKPL },
			options: func(o *Options) { o.Lanes = 1 },
			stream:  embeddedkinesis.Stream{Shards: 1},
			kinesis: embeddedkinesis.Options{Script: slow},
		})
		<-time.After(2 * time.Second)
		w.put("first", 0) // stored before the split, and in flight while the others queue up
		for len(w.stream.History(testStream)) == 0 {
			<-time.After(time.Millisecond)
		}
		w.stream.Reshard(testStream, 4)
		for i := range 200 {
			w.put(fmt.Sprint("key-", i%20), 0)
		}
		w.oracle.await()
		w.delivered()
		w.check() // reads as KCL does, which drops aggregates with members elsewhere
		if w.misrouted == 0 {
			t.Error("no aggregate went misrouted: nothing was shown")
		}
		if n := len(w.stream.History(testStream)); n > 60 {
			t.Errorf("%d records for 201 documents", n)
		}
	})
}
