// Command stream is the fake Kinesis stream of the benchmark: as little work as
// it takes to answer PutRecords, ListShards and DescribeStreamSummary, to count
// records, and to look into a sample of them. It serves the schema registry's
// one answer as well, prints its address, and ends when its input does.
//
// It checks no signature and keeps to no shard limits.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"kinesis-destination/.ci/bench/account"
	"kinesis-destination/.ci/bench/event"
)

func main() {
	if err := serve(); err != nil {
		fmt.Fprintln(os.Stderr, "stream:", err)
		os.Exit(1)
	}
}

func serve() error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	s := &server{}
	s.set(account.Task{Shards: 1})
	mux := http.NewServeMux()
	mux.HandleFunc("POST /{$}", s.call)
	mux.HandleFunc("POST /task", s.newTask)
	mux.HandleFunc("GET /account", s.account)
	mux.HandleFunc("GET /schemas/ids/{id}", registry)
	web := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- web.Serve(listener) }() // ends with Close
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // whoever started it is gone, or wants no more
		_ = web.Close()
	}()
	fmt.Println(listener.Addr())
	if err := <-failed; err != http.ErrServerClosed { //nolint:errorlint // as documented
		return err
	}
	return nil
}

type server struct{ now atomic.Pointer[run] }

// run is one task and what came of it.
type run struct {
	task    account.Task
	ended   chan struct{}
	counter counter
}

func (s *server) set(task account.Task) {
	before := s.now.Swap(&run{task: task, ended: make(chan struct{}), counter: newCounter(task)})
	if before != nil {
		close(before.ended)
	}
}

func (s *server) newTask(w http.ResponseWriter, r *http.Request) {
	var task account.Task
	if err := json.NewDecoder(r.Body).Decode(&task); err != nil || task.Shards < 1 {
		http.Error(w, "not a task", http.StatusBadRequest)
		return
	}
	s.set(task)
}

func (s *server) account(w http.ResponseWriter, _ *http.Request) {
	// The client may be gone; there is nobody to tell.
	_ = json.NewEncoder(w).Encode(s.now.Load().counter.account())
}

func registry(w http.ResponseWriter, r *http.Request) {
	if r.PathValue("id") != strconv.Itoa(event.SchemaID) {
		http.Error(w, `{"error_code":40403,"message":"Schema not found"}`, http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "application/vnd.schemaregistry.v1+json")
	_ = json.NewEncoder(w).Encode(map[string]any{"schema": event.Schema})
}

func (s *server) call(w http.ResponseWriter, r *http.Request) {
	now := s.now.Load()
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	switch operation {
	case "PutRecords":
		now.put(w, r)
	case "ListShards":
		_ = json.NewEncoder(w).Encode(map[string]any{"Shards": shards(now.task.Shards)})
	case "DescribeStreamSummary":
		_ = json.NewEncoder(w).Encode(map[string]any{"StreamDescriptionSummary": map[string]any{
			"StreamName": "bench", "StreamARN": arn, "StreamStatus": "ACTIVE", "OpenShardCount": now.task.Shards,
			"RetentionPeriodHours": 24, "StreamCreationTimestamp": 1772442000, "EnhancedMonitoring": []any{}, "MaxRecordSizeInKiB": 1024,
		}})
	default:
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"__type":"UnknownOperationException","message":"the benchmark's stream has no such operation"}`)
	}
}

const arn = "arn:aws:kinesis:us-east-1:123456789012:stream/bench"

func (n *run) put(w http.ResponseWriter, r *http.Request) {
	if n.task.Stalled {
		_, _ = io.Copy(io.Discard, r.Body) // what the client does is not of interest
		select {
		case <-n.ended:
		case <-r.Context().Done():
		}
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = io.WriteString(w, `{"__type":"InternalFailure"}`)
		return
	}
	b := buffers.Get().(*buffer)
	defer buffers.Put(b)
	if err := b.read(r); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	timer := time.NewTimer(n.task.Latency)
	defer timer.Stop()
	n.counter.count(b, n.task.Shards)
	<-timer.C
	n.counter.answered(time.Now())
	w.Header().Set("Content-Length", strconv.Itoa(len(b.answer)))
	_, _ = w.Write(b.answer)
}
