package embeddedkinesis

import (
	"time"
	"unicode/utf8"
)

// Limits of the service that no stream can raise.
const (
	maxEntries      = 500
	maxRequestBytes = 10 << 20
	maxKeyRunes     = 256
	defaultRecord   = 1 << 20
	maxRecord       = 10 << 20
)

type putEntry struct {
	Data            []byte
	PartitionKey    string
	ExplicitHashKey string
}

type putRecordsInput struct {
	StreamName, StreamARN string
	Records               []putEntry
}

type putResult struct {
	SequenceNumber string `json:",omitempty"`
	ShardId        string `json:",omitempty"`
	ErrorCode      string `json:",omitempty"`
	ErrorMessage   string `json:",omitempty"`
}

type putRecordsOutput struct {
	EncryptionType    string
	FailedRecordCount int
	Records           []putResult
}

func (s *Server) putRecords(in *putRecordsInput, act *Action) (any, error) {
	if n := len(in.Records); n < 1 || n > maxEntries {
		return nil, fail("ValidationException", "1 validation error detected: Value at 'records' failed to satisfy constraint: Member must have length less than or equal to %d", maxEntries)
	}
	st, err := s.writable(in.StreamName, in.StreamARN)
	if err != nil {
		return nil, err
	}
	total := 0
	for i := range in.Records {
		if err := st.check(&in.Records[i]); err != nil {
			return nil, err
		}
		total += in.Records[i].size()
	}
	if total > maxRequestBytes {
		return nil, fail("InvalidArgumentException", "Records size exceeds 10 MB limit")
	}
	out := putRecordsOutput{EncryptionType: "NONE", Records: make([]putResult, len(in.Records))}
	// The real service promises no order inside a call.
	for _, i := range s.random.Perm(len(in.Records)) {
		out.Records[i], err = s.put(st, i, &in.Records[i], act)
		if err != nil {
			return nil, err
		}
		if out.Records[i].ErrorCode != "" {
			out.FailedRecordCount++
		}
	}
	return out, nil
}

type putRecordInput struct {
	StreamName, StreamARN     string
	SequenceNumberForOrdering string
	putEntry
}

func (s *Server) putRecord(in *putRecordInput, act *Action) (any, error) {
	st, err := s.writable(in.StreamName, in.StreamARN)
	if err != nil {
		return nil, err
	}
	if err := st.check(&in.putEntry); err != nil {
		return nil, err
	}
	res, err := s.put(st, 0, &in.putEntry, act)
	if err != nil {
		return nil, err
	}
	if res.ErrorCode != "" {
		return nil, fail(res.ErrorCode, "%s", res.ErrorMessage)
	}
	return map[string]string{"ShardId": res.ShardId, "SequenceNumber": res.SequenceNumber, "EncryptionType": "NONE"}, nil
}

func (e *putEntry) size() int { return len(e.Data) + len(e.PartitionKey) }

func (st *stream) check(e *putEntry) error {
	if n := utf8.RuneCountInString(e.PartitionKey); n < 1 || n > maxKeyRunes {
		return fail("ValidationException", "1 validation error detected: Value at 'partitionKey' failed to satisfy constraint: Member must have length between 1 and %d", maxKeyRunes)
	}
	if e.size() > st.record {
		return fail("InvalidArgumentException", "Record size exceeds the limit of the stream, %d KiB", st.record>>10)
	}
	return nil
}

func (s *Server) writable(name, arn string) (*stream, error) {
	st, err := s.find(name, arn)
	if err != nil {
		return nil, err
	}
	if st.statusNow() == "CREATING" {
		return nil, fail("ResourceInUseException", "Stream %s under account %s is not ACTIVE.", st.name, Account)
	}
	return st, nil
}

// put stores one entry, or says why not.
func (s *Server) put(st *stream, index int, e *putEntry, act *Action) (putResult, error) {
	sh, err := s.route(st, e.PartitionKey, e.ExplicitHashKey)
	if err != nil {
		return putResult{}, err
	}
	code := ""
	if act.Entry != nil {
		code = act.Entry(index, e.PartitionKey, sh.id)
	}
	now := time.Now()
	if code == "" && s.opts.EnforceShardLimits && !sh.limit.allow(now, s.load, e.size()) {
		code = "ProvisionedThroughputExceededException"
	}
	if code != "" {
		s.counters[code]++
		return putResult{ErrorCode: code, ErrorMessage: "Rate exceeded for shard " + sh.id + " in stream " + st.name + " under account " + Account + "."}, nil
	}
	rec := Record{ShardID: sh.id, SequenceNumber: s.nextSequence(), PartitionKey: e.PartitionKey, Data: e.Data, Arrived: now}
	sh.records = append(sh.records, rec)
	if s.keep > 0 && len(sh.records) >= 2*s.keep {
		sh.trim(len(sh.records) - s.keep)
	}
	return putResult{ShardId: sh.id, SequenceNumber: rec.SequenceNumber}, nil
}
