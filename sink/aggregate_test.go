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

	"kinesis-destination/sink/embeddedkinesis"
)

// unpack takes an aggregate apart with another library than the one under test
// uses (which uses none). A plain record is its own only member.
func unpack(key string, data []byte) (members [][]byte, err error) {
	body, ok := bytes.CutPrefix(data, magic[:])
	if !ok {
		return [][]byte{data}, nil
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
			member, err := unpackMember(table, key, field)
			if err != nil {
				return nil, err
			}
			members = append(members, member)
		default:
			return nil, fmt.Errorf("unexpected field %d", n)
		}
	}
	return members, nil
}

func unpackMember(table []string, key string, field []byte) (data []byte, err error) {
	index := uint64(1 << 40)
	for len(field) > 0 {
		n, _, used := protowire.ConsumeTag(field)
		field = field[max(used, 0):]
		switch n {
		case 1:
			index, used = protowire.ConsumeVarint(field)
		case 3:
			data, used = protowire.ConsumeBytes(field)
		default:
			return nil, fmt.Errorf("unexpected field %d of a member", n)
		}
		if used < 0 {
			return nil, protowire.ParseError(used)
		}
		field = field[used:]
	}
	if index >= uint64(len(table)) || table[index] != key {
		return nil, errors.New("a member of another key than the outer one")
	}
	return data, nil
}

func TestAggregateIsOfTheSizeThatWasPromisedAndUnpacks(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		key := strings.Repeat("k", 1+random.IntN(200))
		c := &chain{key: key}
		for range 2 + random.IntN(300) {
			data := bytes.Repeat([]byte{byte(random.IntN(256))}, random.IntN(400))
			c.entries = append(c.entries, entry{rec: &Record{PartitionKey: key, Data: data}})
		}
		n, size := c.run(limits{aggregate: aggregateBytes})
		packed := appendAggregate(nil, key, c.entries[:n])
		if len(packed)+len(key) != size || len(packed) > aggregateBytes {
			t.Fatalf("%d bytes for %d members, said %d", len(packed)+len(key), n, size)
		}
		if n < len(c.entries) && len(packed)+memberSize(c.entries[n].rec) <= aggregateBytes {
			t.Fatal("there was room for another")
		}
		members, err := unpack(key, packed)
		if err != nil || len(members) != n {
			t.Fatalf("%d members of %d: %v", len(members), n, err)
		}
		for i, m := range members {
			if !bytes.Equal(m, c.entries[i].rec.Data) {
				t.Fatalf("member %d differs", i)
			}
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
					w.put(fmt.Sprint("key-", i%7), 100+i%900)
					if i == 700 {
						w.stream.Reshard(testStream, 6)
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
					if n := w.sink.Stats().Queued; n < laneRecords/2 {
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
