package embeddedkinesis

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Limits of reading.
const (
	iteratorLife   = 5 * time.Minute
	maxReadRecords = 10_000
	maxReadBytes   = 10 << 20
)

// Records returns what a stream holds: the records of each shard, closed ones
// included, in the order of their sequence numbers.
func (s *Server) Records(name string) map[string][]Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.streams[name]
	if st == nil {
		return nil
	}
	all := make(map[string][]Record, len(st.shards))
	for _, sh := range st.shards {
		all[sh.id] = slices.Clone(sh.records)
	}
	return all
}

// History returns all records of a stream as a reader that finishes parent
// shards before their children sees them: in sequence order over all shards.
func (s *Server) History(name string) []Record {
	var all []Record
	for _, records := range s.Records(name) {
		all = append(all, records...)
	}
	slices.SortFunc(all, func(a, b Record) int { return strings.Compare(a.SequenceNumber, b.SequenceNumber) })
	return all
}

// Holds says whether the hash of a key lies in the range of a shard.
func (s *Server) Holds(name, shard, key string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.streams[name]
	if st == nil {
		return false
	}
	sh := st.shard(shard)
	return sh != nil && sh.covers(hashOf(key))
}

type getShardIteratorInput struct {
	StreamName, StreamARN, ShardId, ShardIteratorType string
	StartingSequenceNumber                            string
	Timestamp                                         instant
}

func (s *Server) getShardIterator(in *getShardIteratorInput, _ *Action) (any, error) {
	st, err := s.find(in.StreamName, in.StreamARN)
	if err != nil {
		return nil, err
	}
	sh := st.shard(in.ShardId)
	if sh == nil {
		return nil, fail("ResourceNotFoundException", "Shard %s in stream %s does not exist", in.ShardId, st.name)
	}
	at, number := 0, in.StartingSequenceNumber
	switch in.ShardIteratorType {
	case "TRIM_HORIZON":
	case "LATEST":
		at = len(sh.records)
	case "AT_SEQUENCE_NUMBER":
		at = sh.search(func(r Record) bool { return r.SequenceNumber >= number })
	case "AFTER_SEQUENCE_NUMBER":
		at = sh.search(func(r Record) bool { return r.SequenceNumber > number })
	case "AT_TIMESTAMP":
		at = sh.search(func(r Record) bool { return r.Arrived.UnixMilli() >= in.Timestamp.UnixMilli() })
	default:
		return nil, fail("InvalidArgumentException", "ShardIteratorType is not valid")
	}
	return map[string]string{"ShardIterator": iterator(st, sh, sh.trimmed+at)}, nil
}

func (sh *shard) search(from func(Record) bool) int {
	if i := slices.IndexFunc(sh.records, from); i >= 0 {
		return i
	}
	return len(sh.records)
}

func iterator(st *stream, sh *shard, at int) string {
	return base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "%s %s %d %d", st.name, sh.id, at, time.Now().UnixMilli()))
}

type getRecordsInput struct {
	ShardIterator string
	Limit         int
}

type recordView struct {
	ApproximateArrivalTimestamp instant
	Data                        []byte
	PartitionKey                string
	SequenceNumber              string
	EncryptionType              string
}

func (s *Server) getRecords(in *getRecordsInput, _ *Action) (any, error) {
	var name, id string
	var at int
	var made int64
	raw, _ := base64.StdEncoding.DecodeString(in.ShardIterator)
	if n, _ := fmt.Sscan(string(raw), &name, &id, &at, &made); n != 4 {
		return nil, fail("InvalidArgumentException", "Invalid ShardIterator.")
	}
	if time.Since(time.UnixMilli(made)) > iteratorLife {
		return nil, fail("ExpiredIteratorException", "Iterator expired.")
	}
	if in.Limit == 0 {
		in.Limit = maxReadRecords
	}
	if in.Limit < 0 || in.Limit > maxReadRecords {
		return nil, fail("ValidationException", "limit must be between 1 and %d", maxReadRecords)
	}
	st, err := s.find(name, "")
	if err != nil {
		return nil, err
	}
	sh := st.shard(id)
	if sh == nil || at > sh.trimmed+len(sh.records) {
		return nil, fail("InvalidArgumentException", "Invalid ShardIterator.")
	}
	at = max(at-sh.trimmed, 0) // what has gone since is passed over, as after the retention time
	records := []recordView{}
	bytes := 0
	for ; at < len(sh.records) && len(records) < in.Limit; at++ {
		r := sh.records[at]
		if bytes += len(r.Data); bytes > maxReadBytes && len(records) > 0 {
			break
		}
		records = append(records, recordView{instant{r.Arrived}, r.Data, r.PartitionKey, r.SequenceNumber, "NONE"})
	}
	out := map[string]any{"Records": records, "MillisBehindLatest": 0}
	if at < len(sh.records) {
		out["MillisBehindLatest"] = time.Since(sh.records[at].Arrived).Milliseconds()
	}
	if sh.closed == "" || at < len(sh.records) {
		out["NextShardIterator"] = iterator(st, sh, sh.trimmed+at)
		return out, nil
	}
	children := []map[string]any{}
	for _, c := range st.shards {
		if slices.Contains(c.parents, sh.id) {
			children = append(children, map[string]any{"ShardId": c.id, "ParentShards": c.parents, "HashKeyRange": c.view().HashKeyRange})
		}
	}
	out["ChildShards"] = children
	return out, nil
}
