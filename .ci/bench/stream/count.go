package main

import (
	"bytes"
	"crypto/md5"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"strings"
	"sync"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"kinesis-destination/.ci/bench/account"
	"kinesis-destination/.ci/bench/event"
)

// counter counts records and looks into those of every fiftieth identity: that
// each is a whole document, and that an identity's come in their order.
type counter struct {
	task account.Task

	mu      sync.Mutex
	sum     account.Account
	serials map[string]int64
}

func newCounter(task account.Task) counter {
	return counter{task: task, serials: map[string]int64{}}
}

func (c *counter) account() account.Account {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sum
}

func (c *counter) answered(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sum.First.IsZero() {
		c.sum.First = now
	}
	c.sum.Last = now
}

// sampled says whether a key is looked into: profile-000050 is.
func sampled(key []byte) bool {
	n := len(key)
	return n >= 2 && key[n-1] == '0' && (key[n-2] == '0' || key[n-2] == '5')
}

// count counts a call's records and writes its answer.
func (c *counter) count(b *buffer, shards int) {
	b.answer = b.answer[:0]
	records := 0
	b.entries(func(key, data []byte) {
		b.answerEntry(key, shardOf(key, shards), shards)
		n, err := c.entry(b, key, data)
		records += n
		if err != nil {
			c.problem(err)
		}
	})
	b.answer = append(b.answer, `]}`...)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sum.Calls++
	c.sum.Records += records
	c.sum.Bytes += int64(len(b.body))
}

func (c *counter) problem(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sum.Problem == "" {
		c.sum.Problem = err.Error()
	}
}

// magic begins a KPL aggregate; aggregated is it in base64, as far as the
// letters are the magic's alone.
const (
	magic      = "\xf3\x89\x9a\xc2"
	aggregated = "84maw"
)

func (c *counter) entry(b *buffer, key, data []byte) (int, error) {
	begin := aggregated
	if b.binary {
		begin = magic
	}
	pack := bytes.HasPrefix(data, []byte(begin))
	if !pack && !sampled(key) {
		return 1, nil
	}
	var err error
	if b.binary {
		b.data = append(b.data[:0], data...)
	} else if b.data, err = base64.StdEncoding.AppendDecode(b.data[:0], data); err != nil {
		return 1, fmt.Errorf("a record's data is not base64: %w", err)
	}
	if pack {
		return c.aggregate(b.data)
	}
	return 1, c.record(key, b.data)
}

var errAggregate = errors.New("an aggregate cannot be read")

// The fields of a KPL AggregatedRecord and of its Record.
const (
	fieldKeys, fieldRecords            = 1, 3
	fieldRecordKey, fieldRecordContent = 1, 3
)

func (c *counter) aggregate(data []byte) (int, error) {
	if len(data) < len(magic)+md5.Size {
		return 1, errAggregate
	}
	message, sum := data[len(magic):len(data)-md5.Size], data[len(data)-md5.Size:]
	if own := md5.Sum(message); !bytes.Equal(own[:], sum) {
		return 1, fmt.Errorf("%w: its checksum is wrong", errAggregate)
	}
	var keys [][]byte
	n := 0
	err := fields(message, func(number protowire.Number, value []byte, _ uint64) error {
		switch number {
		case fieldKeys:
			keys = append(keys, value)
		case fieldRecords:
			n++
			return c.packed(keys, value)
		}
		return nil
	})
	return n, err
}

func (c *counter) packed(keys [][]byte, record []byte) error {
	key, content := 0, []byte(nil)
	err := fields(record, func(number protowire.Number, value []byte, varint uint64) error {
		switch number {
		case fieldRecordKey:
			key = int(varint)
		case fieldRecordContent:
			content = value
		}
		return nil
	})
	if err != nil || key < 0 || key >= len(keys) {
		return errAggregate
	}
	if !sampled(keys[key]) {
		return nil
	}
	return c.record(keys[key], content)
}

// fields calls f with each field of a message that is of bytes or a number.
func fields(message []byte, f func(number protowire.Number, value []byte, varint uint64) error) error {
	for len(message) > 0 {
		number, kind, n := protowire.ConsumeTag(message)
		if n < 0 {
			return errAggregate
		}
		message = message[n:]
		var value []byte
		var varint uint64
		switch kind {
		case protowire.BytesType:
			value, n = protowire.ConsumeBytes(message)
		case protowire.VarintType:
			varint, n = protowire.ConsumeVarint(message)
		default:
			n = protowire.ConsumeFieldValue(number, kind, message)
		}
		if n < 0 {
			return errAggregate
		}
		message = message[n:]
		if err := f(number, value, varint); err != nil {
			return err
		}
	}
	return nil
}

// record looks into one record.
func (c *counter) record(key, data []byte) error {
	if c.task.Raw {
		if len(data) < 5 || data[0] != 0 || binary.BigEndian.Uint32(data[1:]) != event.SchemaID {
			return errors.New("a raw record is not a message of the topic")
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.sum.Checked++
		return nil
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	var document map[string]any
	if err := decoder.Decode(&document); err != nil {
		return fmt.Errorf("a record is not JSON: %w", err)
	}
	for _, path := range event.Attributes {
		if at(document, path) == nil {
			return fmt.Errorf("a record lacks %s", path)
		}
	}
	if at(document, "segmentMembership.ups") == nil || at(document, "identityMap.ecid") == nil {
		return errors.New("a record lacks its segment membership or its identity map")
	}
	number, ok := at(document, "loyalty.points").(json.Number)
	serial, err := number.Int64()
	if !ok || err != nil {
		return errors.New("a record's loyalty.points is not a number")
	}
	canonical, err := json.Marshal(document) // with sorted keys
	if err != nil {
		return fmt.Errorf("write a record again: %w", err)
	}
	digest := fnv.New64a()
	_, _ = digest.Write(canonical) // never fails
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sum.Checked++
	c.sum.Digest += digest.Sum64()
	if c.task.Timed { // the answer comes after the time that a call takes
		c.sum.Waits = append(c.sum.Waits, account.Wait{Written: serial, Took: time.Since(time.UnixMicro(serial)) + c.task.Latency})
	}
	if before := c.serials[string(key)]; serial <= before {
		return fmt.Errorf("%s: event %d came after %d", key, serial, before)
	}
	c.serials[string(key)] = serial
	return nil
}

func at(document map[string]any, path string) any {
	var value any = document
	for part := range strings.SplitSeq(path, ".") {
		object, ok := value.(map[string]any)
		if !ok {
			return nil
		}
		value = object[part]
	}
	return value
}
