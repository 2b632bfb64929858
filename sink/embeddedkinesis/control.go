package embeddedkinesis

import (
	"math/big"
	"regexp"
	"slices"
	"time"
)

var streamName = regexp.MustCompile(`^[a-zA-Z0-9_.-]{1,128}$`)

// Stream says what a stream is like when it is made through Go.
type Stream struct {
	Name           string
	Shards         int    // at least 1
	OnDemand       bool   // capacity mode
	Strategy       string // RecordDistributionStrategy of an on-demand stream; default USER_PARTITION_KEY
	MaxRecordBytes int    // default 1 MiB
}

// Create makes a stream that is ready at once, replacing one of that name.
func (s *Server) Create(def Stream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.create(def.Name, max(def.Shards, 1), def.OnDemand)
	if def.Strategy != "" {
		st.strategy = def.Strategy
	}
	if def.MaxRecordBytes != 0 {
		st.record = min(def.MaxRecordBytes, maxRecord)
	}
	st.busy = time.Time{}
}

// Keep bounds what shards hold from now on: the newest records of each, at least so many
// and less than twice as many.
func (s *Server) Keep(records int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keep = records
}

// trim lets go of the oldest records.
func (sh *shard) trim(n int) {
	sh.records = slices.Clone(sh.records[n:])
	sh.trimmed += n
}

// Delete removes a stream and all its records.
func (s *Server) Delete(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.streams, name)
}

func (s *Server) create(name string, shards int, onDemand bool) *stream {
	st := &stream{name: name, mode: "PROVISIONED", created: time.Now(), status: "CREATING", record: defaultRecord}
	if onDemand {
		st.mode, st.strategy = "ON_DEMAND", "USER_PARTITION_KEY"
	}
	st.busy = st.created.Add(s.opts.StatusDelay)
	s.spread(st, shards, nil)
	s.streams[name] = st
	return st
}

type createStreamInput struct {
	StreamName         string
	ShardCount         int
	MaxRecordSizeInKiB int
	StreamModeDetails  struct{ StreamMode string }
}

func (s *Server) createStream(in *createStreamInput, _ *Action) (any, error) {
	onDemand := in.StreamModeDetails.StreamMode == "ON_DEMAND"
	switch {
	case !streamName.MatchString(in.StreamName):
		return nil, fail("ValidationException", "streamName is not valid")
	case s.streams[in.StreamName] != nil:
		return nil, fail("ResourceInUseException", "Stream %s under account %s already exists.", in.StreamName, Account)
	case !onDemand && in.ShardCount < 1:
		return nil, fail("ValidationException", "ShardCount must be at least 1")
	}
	shards := in.ShardCount
	if onDemand {
		shards = 4 // what an on-demand stream starts with
	}
	st := s.create(in.StreamName, shards, onDemand)
	if in.MaxRecordSizeInKiB != 0 {
		st.record = in.MaxRecordSizeInKiB << 10
	}
	return nil, nil
}

type streamInput struct {
	StreamName, StreamARN string
	Limit                 int
	ExclusiveStartShardId string
	ShardToSplit          string
	NewStartingHashKey    string
	ShardToMerge          string
	AdjacentShardToMerge  string
	TargetShardCount      int
}

func (s *Server) deleteStream(in *streamInput, _ *Action) (any, error) {
	st, err := s.find(in.StreamName, in.StreamARN)
	if err != nil {
		return nil, err
	}
	delete(s.streams, st.name)
	return nil, nil
}

// change finds a stream that may be resharded now, and marks it as updating.
func (s *Server) change(in *streamInput) (*stream, error) {
	st, err := s.find(in.StreamName, in.StreamARN)
	if err != nil {
		return nil, err
	}
	if st.statusNow() != "ACTIVE" {
		return nil, fail("ResourceInUseException", "Stream %s is not ACTIVE.", st.name)
	}
	st.status, st.busy = "UPDATING", time.Now().Add(s.opts.StatusDelay)
	return st, nil
}

func (s *Server) close(sh *shard) { sh.closed = s.nextSequence() }

func (st *stream) openShard(id string) (*shard, error) {
	sh := st.shard(id)
	if sh == nil || sh.closed != "" {
		return nil, fail("ResourceNotFoundException", "no open shard %s in stream %s", id, st.name)
	}
	return sh, nil
}

func (s *Server) splitShard(in *streamInput, _ *Action) (any, error) {
	st, err := s.change(in)
	if err != nil {
		return nil, err
	}
	sh, err := st.openShard(in.ShardToSplit)
	if err != nil {
		return nil, err
	}
	at, ok := new(big.Int).SetString(in.NewStartingHashKey, 10)
	if !ok || at.Cmp(sh.from) <= 0 || at.Cmp(sh.to) > 0 {
		return nil, fail("InvalidArgumentException", "NewStartingHashKey is not inside the shard")
	}
	s.close(sh)
	s.newShard(st, sh.from, new(big.Int).Sub(at, big.NewInt(1)), sh.id)
	s.newShard(st, at, sh.to, sh.id)
	return nil, nil
}

func (s *Server) mergeShards(in *streamInput, _ *Action) (any, error) {
	st, err := s.change(in)
	if err != nil {
		return nil, err
	}
	a, err := st.openShard(in.ShardToMerge)
	if err != nil {
		return nil, err
	}
	b, err := st.openShard(in.AdjacentShardToMerge)
	if err != nil {
		return nil, err
	}
	if a.from.Cmp(b.from) > 0 {
		a, b = b, a
	}
	if new(big.Int).Add(a.to, big.NewInt(1)).Cmp(b.from) != 0 {
		return nil, fail("InvalidArgumentException", "the shards are not adjacent")
	}
	s.close(a)
	s.close(b)
	s.newShard(st, a.from, b.to, a.id, b.id)
	return nil, nil
}

func (s *Server) updateShardCount(in *streamInput, _ *Action) (any, error) {
	st, err := s.change(in)
	if err != nil {
		return nil, err
	}
	before := st.open()
	if in.TargetShardCount < (len(before)+1)/2 || in.TargetShardCount > 2*len(before) {
		return nil, fail("InvalidArgumentException", "UpdateShardCount can at most double or halve the shards")
	}
	s.reshard(st, before, in.TargetShardCount)
	return map[string]any{"StreamName": st.name, "StreamARN": st.arn(s), "CurrentShardCount": len(before), "TargetShardCount": in.TargetShardCount}, nil
}

// Reshard gives a stream n shards of equal ranges at once, however many it has.
func (s *Server) Reshard(name string, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if st := s.streams[name]; st != nil {
		s.reshard(st, st.open(), n)
	}
}

func (s *Server) reshard(st *stream, before []*shard, n int) {
	for _, sh := range before {
		s.close(sh)
	}
	s.spread(st, n, func(from, to *big.Int) []string {
		var parents []string
		for _, sh := range before {
			if sh.from.Cmp(to) <= 0 && from.Cmp(sh.to) <= 0 {
				parents = append(parents, sh.id)
			}
		}
		return slices.Clip(parents[:min(len(parents), 2)])
	})
}
