package embeddedkinesis

import (
	"crypto/md5"
	"fmt"
	"math/big"
	"strings"
	"time"
)

// stream is guarded by the server's lock, as is all below it.
type stream struct {
	name     string
	mode     string // PROVISIONED or ON_DEMAND
	strategy string // AUTO or USER_PARTITION_KEY; on-demand streams only
	created  time.Time
	status   string // CREATING or UPDATING until busy, then ACTIVE
	busy     time.Time
	record   int      // largest record in bytes, key included
	shards   []*shard // open and closed, in the order of creation
}

// shard is one hash range. A closed one keeps its records and takes no more.
type shard struct {
	id            string
	from, to      *big.Int // both inclusive
	parents       []string
	first, closed string // sequence numbers; closed is empty while open
	records       []Record
	trimmed       int // how many went before records: iterators count from the first one ever
	limit         limiter
}

// Record is one stored record.
type Record struct {
	ShardID        string
	SequenceNumber string
	PartitionKey   string
	Data           []byte
	Arrived        time.Time
}

// hashSpace is one past the largest hash key.
var hashSpace = new(big.Int).Lsh(big.NewInt(1), 128)

func (s *Server) newShard(st *stream, from, to *big.Int, parents ...string) *shard {
	sh := &shard{
		id:      fmt.Sprintf("shardId-%012d", len(st.shards)),
		from:    from,
		to:      to,
		parents: parents,
		first:   s.nextSequence(),
	}
	st.shards = append(st.shards, sh)
	return sh
}

// spread gives the stream n new open shards of equal ranges.
func (s *Server) spread(st *stream, n int, parents func(from, to *big.Int) []string) {
	at := func(i int) *big.Int {
		v := new(big.Int).Mul(hashSpace, big.NewInt(int64(i)))
		return v.Div(v, big.NewInt(int64(n)))
	}
	for i := range n {
		from, to := at(i), new(big.Int).Sub(at(i+1), big.NewInt(1))
		var p []string
		if parents != nil {
			p = parents(from, to)
		}
		s.newShard(st, from, to, p...)
	}
}

// nextSequence returns a number that is larger than all before, of the length
// of a real one. They are compared as numbers, and only within a shard.
func (s *Server) nextSequence() string {
	s.sequence++
	return fmt.Sprintf("496%013d%020d%020d", time.Now().UnixMilli(), s.sequence, 2)
}

func (st *stream) arn(s *Server) string {
	return fmt.Sprintf("arn:aws:kinesis:%s:%s:stream/%s", s.opts.Region, Account, st.name)
}

func (st *stream) statusNow() string {
	if time.Now().Before(st.busy) {
		return st.status
	}
	return "ACTIVE"
}

func (st *stream) open() []*shard {
	var open []*shard
	for _, sh := range st.shards {
		if sh.closed == "" {
			open = append(open, sh)
		}
	}
	return open
}

func (st *stream) shard(id string) *shard {
	for _, sh := range st.shards {
		if sh.id == id {
			return sh
		}
	}
	return nil
}

func (sh *shard) covers(hash *big.Int) bool {
	return sh.from.Cmp(hash) <= 0 && hash.Cmp(sh.to) <= 0
}

func hashOf(key string) *big.Int {
	sum := md5.Sum([]byte(key))
	return new(big.Int).SetBytes(sum[:])
}

// route finds the open shard of an entry.
func (s *Server) route(st *stream, key, explicit string) (*shard, error) {
	hash := hashOf(key)
	if explicit != "" {
		var ok bool
		if hash, ok = new(big.Int).SetString(explicit, 10); !ok || hash.Sign() < 0 || hash.Cmp(hashSpace) >= 0 {
			return nil, fail("InvalidArgumentException", "Invalid ExplicitHashKey")
		}
	}
	open := st.open()
	if st.strategy == "AUTO" { // keys are ignored, as the real one does
		return open[s.random.IntN(len(open))], nil
	}
	for _, sh := range open {
		if sh.covers(hash) {
			return sh, nil
		}
	}
	return nil, fail("InternalFailure", "no shard covers the hash")
}

// find resolves the stream of a request, by name or ARN.
func (s *Server) find(name, arn string) (*stream, error) {
	if arn != "" {
		_, after, ok := strings.Cut(arn, ":stream/")
		if !ok || (name != "" && name != after) {
			return nil, fail("ValidationException", "StreamARN %q is not valid", arn)
		}
		name = after
	}
	if name == "" {
		return nil, fail("InvalidArgumentException", "StreamARN or StreamName must be given")
	}
	st := s.streams[name]
	if st == nil {
		return nil, fail("ResourceNotFoundException", "Stream %s under account %s not found.", name, Account)
	}
	return st, nil
}
