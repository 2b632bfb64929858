package embeddedkinesis

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Account is the account id in the ARNs of the embedded streams.
const Account = "000000000000"

// targetPrefix is the service's name in the X-Amz-Target header.
const targetPrefix = "Kinesis_20131202."

// maxBody is above every legal request: 10 MiB of data in base64, and keys.
const maxBody = 24 << 20

// Options says how the service behaves. The zero value is a service without
// shard limits whose streams are ready at once.
type Options struct {
	// Region is the region in ARNs; default us-east-1.
	Region string
	// AccessKeyID, when set, is the only key that may call.
	AccessKeyID string
	// EnforceShardLimits throttles each shard at 1,000 records/s and 1 MiB/s.
	EnforceShardLimits bool
	// StatusDelay is how long a stream stays CREATING or UPDATING.
	StatusDelay time.Duration
	// Seed is the seed of the order in which the entries of one call are applied.
	Seed uint64
	// Script, when set, is asked before each call. See [Server.SetScript].
	Script Script
}

// Server is the service. It is safe for concurrent use.
type Server struct {
	opts Options

	mu       sync.Mutex
	streams  map[string]*stream
	sequence uint64
	random   *rand.Rand
	keep     int // records of a shard; 0: all
	script   Script
	load     Load
	counters map[string]int
}

// New returns a service without streams.
func New(opts Options) *Server {
	if opts.Region == "" {
		opts.Region = "us-east-1"
	}
	return &Server{
		opts:     opts,
		streams:  make(map[string]*stream),
		random:   rand.New(rand.NewPCG(opts.Seed, 0x6b696e65736973)),
		script:   opts.Script,
		counters: make(map[string]int),
	}
}

// operation answers one action. The server's lock is held.
type operation func(*Server, *codec, []byte, *Action) (any, error)

// operations are the actions that the service has.
var operations = map[string]operation{
	"CreateStream":          call((*Server).createStream),
	"DeleteStream":          call((*Server).deleteStream),
	"DescribeStream":        call((*Server).describeStream),
	"DescribeStreamSummary": call((*Server).describeStreamSummary),
	"GetRecords":            call((*Server).getRecords),
	"GetShardIterator":      call((*Server).getShardIterator),
	"ListShards":            call((*Server).listShards),
	"ListStreams":           call((*Server).listStreams),
	"MergeShards":           call((*Server).mergeShards),
	"PutRecord":             call((*Server).putRecord),
	"PutRecords":            call((*Server).putRecords),
	"SplitShard":            call((*Server).splitShard),
	"UpdateShardCount":      call((*Server).updateShardCount),
}

func call[In any](f func(*Server, *In, *Action) (any, error)) operation {
	return func(s *Server, c *codec, body []byte, act *Action) (any, error) {
		in := new(In)
		if err := c.unmarshal(body, in); err != nil {
			return nil, fail("SerializationException", "the request body is not what %s has", c.contentType)
		}
		return f(s, in, act)
	}
}

// apiError is a refusal in the shape that SDKs expect.
type apiError struct {
	status        int
	code, message string
}

func (e *apiError) Error() string { return e.code + ": " + e.message }

func fail(code, format string, args ...any) error { return refusal(code, format, args...) }

func refusal(code, format string, args ...any) *apiError {
	status := http.StatusBadRequest
	if code == "InternalFailure" || code == "ServiceUnavailable" {
		status = http.StatusInternalServerError
	}
	return &apiError{status: status, code: code, message: fmt.Sprintf(format, args...)}
}

// ServeHTTP answers one API call.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := codecOf(r)
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	switch {
	case c == nil: // the real service does not know how to answer either
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, "<UnknownOperationException/>\n") // the caller went away: nothing to tell it
		return
	case err != nil:
		write(w, c, nil, &apiError{http.StatusRequestEntityTooLarge, "RequestEntityTooLargeException", "the request is too large"})
		return
	}
	name, known := strings.CutPrefix(r.Header.Get("X-Amz-Target"), targetPrefix)
	op := operations[name]
	if !known || op == nil || r.Method != http.MethodPost {
		write(w, c, nil, fail("UnknownOperationException", "no such operation"))
		return
	}
	act := s.act(name, c, body)
	if act.Delay > 0 && !wait(r, act.Delay) {
		return
	}
	if act.Drop == DropBefore {
		panic(http.ErrAbortHandler)
	}
	out, err := s.answer(r, op, c, body, &act)
	if act.Drop == DropAfter {
		panic(http.ErrAbortHandler)
	}
	if act.DelayAnswer > 0 && !wait(r, act.DelayAnswer) {
		return
	}
	write(w, c, out, err)
}

func (s *Server) answer(r *http.Request, op operation, c *codec, body []byte, act *Action) (any, error) {
	if err := s.authorize(r); err != nil {
		return nil, err
	}
	if act.Code != "" {
		e := refusal(act.Code, "%s", act.message())
		if act.Status != 0 {
			e.status = act.Status
		}
		return nil, e
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return op(s, c, body, act)
}

// wait reports false when the caller went away first.
func wait(r *http.Request, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-r.Context().Done():
		return false
	}
}

func write(w http.ResponseWriter, c *codec, out any, err error) {
	w.Header().Set("Content-Type", c.contentType)
	w.Header().Set("X-Amzn-RequestId", "00000000-0000-0000-0000-000000000000")
	status := http.StatusOK
	if refused, ok := errors.AsType[*apiError](err); ok {
		status, out = refused.status, map[string]string{"__type": refused.code, "message": refused.message}
	}
	var answer []byte
	if out != nil { // else the real service answers with an empty body
		if answer, err = c.marshal(out); err != nil {
			panic(err) // what is answered is made here
		}
	}
	w.WriteHeader(status)
	_, _ = w.Write(answer) // the caller went away: nothing to tell it
}
