package sink_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// kclPatience bounds how long the library may take to begin, or to go on: it
// takes its leases one after another.
const kclPatience = 90 * time.Second

// kclEnd is how long it may take to shut down.
const kclEnd = 15 * time.Second

// kclReader is a process with the Kinesis Client Library that reads along.
type kclReader struct {
	input  io.Closer
	lines  chan kclLine
	first  *kclLine // read ahead
	stderr *bytes.Buffer
	ended  chan error
	kill   func()
}

// kclLine is a line of .ci/kcl/Read.java.
type kclLine struct{ Shard, State, PartitionKey, SequenceNumber, Data string }

// startKCL starts the reader where the environment has one; nil: it has none.
func startKCL(t *testing.T, name string) *kclReader {
	t.Helper()
	if os.Getenv("KCL_JAVA") == "" || os.Getenv("KINESIS_ENDPOINT") == "" {
		return nil
	}
	command := exec.Command(os.Getenv("KCL_JAVA"), "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dfile.encoding=UTF-8",
		"-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", filepath.Join(os.Getenv("KCL_JARS"), "*"), os.Getenv("KCL_PROGRAM"), name)
	k := &kclReader{lines: make(chan kclLine, 1024), stderr: new(bytes.Buffer), ended: make(chan error, 1)}
	command.Stderr = k.stderr
	var err error
	if k.input, err = command.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	output, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	k.kill = func() { _ = command.Process.Kill() } // it may have ended
	t.Cleanup(k.kill)
	go func() {
		defer close(k.lines)
		for scanner := bufio.NewScanner(output); scanner.Scan(); {
			var line kclLine
			if json.Unmarshal(scanner.Bytes(), &line) == nil {
				k.lines <- line
			}
		}
		k.ended <- command.Wait()
	}()
	return k
}

// next is the next line that the reader prints; false: it printed its last one.
func (k *kclReader) next(t *testing.T) (kclLine, bool) {
	t.Helper()
	if k.first != nil {
		line := *k.first
		k.first = nil
		return line, true
	}
	select {
	case line, more := <-k.lines:
		return line, more
	case <-time.After(kclPatience):
		t.Fatalf("the Kinesis Client Library printed nothing for %v", kclPatience)
		return kclLine{}, false
	}
}

// beganReading waits until the library has taken its first shard.
func (k *kclReader) beganReading(t *testing.T) {
	t.Helper()
	if k == nil {
		return
	}
	line, more := k.next(t)
	if !more {
		t.Fatalf("the Kinesis Client Library ended: %v\n%s", <-k.ended, k.stderr)
	}
	k.first = &line
}

// judge reads on until every document is there and the parent shard has ended,
// and checks their order and that of the shards.
func (k *kclReader) judge(t *testing.T, r *reading) {
	t.Helper()
	var events []string
	parentEnded := false
	for !r.complete() || !parentEnded {
		line, more := k.next(t)
		if !more {
			t.Fatalf("the Kinesis Client Library ended after %d documents: %v\n%s", r.documents, <-k.ended, k.stderr)
		}
		if line.State == "" {
			if err := r.read(line.Shard, line.PartitionKey, line.Data); err != nil {
				t.Fatal(err)
			}
			continue
		}
		events = append(events, line.Shard+" "+line.State)
		parent := line.Shard == "shardId-000000000000"
		if parentEnded = parentEnded || parent && line.State == "ended"; !parent && !parentEnded {
			t.Errorf("%s %s before its parent had ended", line.Shard, line.State)
		}
	}
	r.judge(t)
	t.Logf("the Kinesis Client Library's shards, in order: %q", events)
	k.end(t, r)
}

// end tells the reader to end, and ends it when it does not in time: how the
// library shuts down is its own affair. What it still prints may only repeat.
func (k *kclReader) end(t *testing.T, r *reading) {
	t.Helper()
	if err := k.input.Close(); err != nil {
		t.Error(err)
	}
	late := time.AfterFunc(kclEnd, k.kill)
	defer late.Stop()
	for line := range k.lines {
		if line.State == "" {
			if err := r.read(line.Shard, line.PartitionKey, line.Data); err != nil {
				t.Errorf("after all documents were there: %v", err)
			}
		}
	}
	if err := <-k.ended; err != nil {
		t.Logf("the Kinesis Client Library's end: %v", err)
	}
}

// deaggregate reads the stream with another library's reader of aggregates.
func deaggregate(t *testing.T, program, name string, r *reading) {
	t.Helper()
	var stderr bytes.Buffer
	command := exec.Command(program, "--user-records", name)
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil || stderr.Len() > 0 {
		t.Fatalf("%v\n%s", err, &stderr)
	}
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var line struct {
			Shard, PartitionKey string
			Data                []byte
		}
		if err := decoder.Decode(&line); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if err := r.read(line.Shard, line.PartitionKey, string(line.Data)); err != nil {
			t.Fatal(err)
		}
	}
	r.judge(t)
}
