package sink

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/binary"
	"fmt"
	"math/big"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

// hashKey is where a partition key lies: the MD5 of it, as the service has it.
type hashKey [md5.Size]byte

func hashOf(key string) hashKey { return md5.Sum([]byte(key)) }

func (h *hashKey) top() uint64 { return binary.BigEndian.Uint64(h[:]) }

// shardMap is the open shards at one time. It never changes; a reshard brings
// another. Finding a key's shard takes log₂ of their number.
type shardMap struct {
	ids     []string
	ends    []hashKey // inclusive, ascending
	tops    []uint64  // the first eight bytes of those
	buckets []*bucket
}

// unmapped stands for a stream whose shards are not known: one without limits.
var unmapped = &shardMap{}

// locate returns the index of a record's shard.
func (m *shardMap) locate(r *Record) int { return m.at(r.hash) }

// at returns the index of the shard that holds a place.
func (m *shardMap) at(h hashKey) int {
	if len(m.ends) == 0 {
		return 0
	}
	i, _ := slices.BinarySearch(m.tops, h.top())
	for i < len(m.ends)-1 && bytes.Compare(m.ends[i][:], h[:]) < 0 { // of ends that begin alike
		i++
	}
	return min(i, len(m.ends)-1)
}

// holds says whether the record of a key that was predicted for a shard may
// have gone to the one that the service named.
func (m *shardMap) holds(shard int, id []byte) bool {
	return len(m.ids) == 0 || len(id) == 0 || m.ids[shard] == string(id)
}

// newShardMap makes a map of the open ones among the shards. Buckets of shards
// that stay are taken over.
func newShardMap(shards []types.Shard, before *shardMap) (*shardMap, error) {
	type open struct {
		id       string
		from, to hashKey
	}
	var all []open
	for _, s := range shards {
		if s.SequenceNumberRange != nil && s.SequenceNumberRange.EndingSequenceNumber != nil {
			continue // closed: it takes nothing more
		}
		if s.HashKeyRange == nil {
			return nil, fmt.Errorf("shard %s has no hash range", aws.ToString(s.ShardId))
		}
		from, ok1 := parseHash(aws.ToString(s.HashKeyRange.StartingHashKey))
		to, ok2 := parseHash(aws.ToString(s.HashKeyRange.EndingHashKey))
		if !ok1 || !ok2 {
			return nil, fmt.Errorf("shard %s has no valid hash range", aws.ToString(s.ShardId))
		}
		all = append(all, open{aws.ToString(s.ShardId), from, to})
	}
	known := make(map[string]*bucket, len(before.ids))
	for i, id := range before.ids {
		known[id] = before.buckets[i]
	}
	slices.SortFunc(all, func(a, b open) int { return bytes.Compare(a.to[:], b.to[:]) })
	m := &shardMap{}
	for _, s := range all {
		b := known[s.id]
		if b == nil {
			b = newBucket()
		}
		m.ids, m.ends, m.tops, m.buckets = append(m.ids, s.id), append(m.ends, s.to), append(m.tops, s.to.top()), append(m.buckets, b)
	}
	return m, nil
}

// shardAnswers adds up what one shard answered to the records of a call, so that
// its bucket is told once and not for each.
type shardAnswers struct {
	bucket           *bucket
	records, refused int
}

// shardAnswered counts the answer to one record. Those of a shard follow one another.
func (l *lane) shardAnswered(shard int, now time.Time, throttled bool) {
	if len(l.shards.buckets) == 0 {
		return
	}
	if b := l.shards.buckets[shard]; b != l.shard.bucket {
		l.reportShard(now)
		l.shard.bucket = b
	}
	l.shard.records++
	if throttled {
		l.shard.refused++
	}
}

// reportShard tells the bucket what was counted.
func (l *lane) reportShard(now time.Time) {
	if l.shard.records > 0 {
		l.shard.bucket.answered(now, l.sent, l.shard.records, l.shard.refused)
	}
	l.shard = shardAnswers{}
}

func parseHash(s string) (h hashKey, ok bool) {
	n, ok := new(big.Int).SetString(s, 10)
	if !ok || n.Sign() < 0 || n.BitLen() > 8*len(h) {
		return h, false
	}
	n.FillBytes(h[:])
	return h, true
}

// listShards asks for the open shards.
func (c *client) listShards(ctx context.Context, stream string) ([]types.Shard, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	in := &kinesis.ListShardsInput{ShardFilter: &types.ShardFilter{Type: types.ShardFilterTypeAtLatest}}
	in.StreamName, in.StreamARN = target(stream)
	var all []types.Shard
	for {
		out, err := c.api.ListShards(ctx, in)
		if err != nil {
			_, err = c.classify("list the shards", err)
			return nil, err
		}
		all = append(all, out.Shards...)
		if out.NextToken == nil {
			return all, nil
		}
		in = &kinesis.ListShardsInput{NextToken: out.NextToken} // the token stands for the rest
	}
}
