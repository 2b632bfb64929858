//go:build chaos

package destination

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"kinesis-destination/sink/embeddedkinesis"
)

// The test binary is the stream too, in a process of its own, where these are set.
const (
	emulatorJournal = "CHAOS_KINESIS_JOURNAL"
	emulatorListen  = "CHAOS_KINESIS_LISTEN"
	emulatorStream  = "CHAOS_KINESIS_STREAM"
	emulatorSeed    = "CHAOS_KINESIS_SEED"
)

func TestMain(m *testing.M) {
	if path := os.Getenv(emulatorJournal); path != "" {
		fmt.Fprintln(os.Stderr, serveJournalled(path))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// journalLine is what one call stored, and the counters of the process so far.
type journalLine struct {
	Life     int
	Records  []embeddedkinesis.Record
	Counters map[string]int
}

// serveJournalled is the embedded stream, which writes down what it stored
// before it answers: what was acknowledged outlives its process. A process that
// is started anew begins with an empty stream, as nobody reads it but the oracle,
// which reads the journal.
func serveJournalled(path string) error {
	seed, err := strconv.ParseUint(os.Getenv(emulatorSeed), 10, 64)
	if err != nil {
		return err
	}
	random := embeddedkinesis.Random(seed, embeddedkinesis.Rates{Throttle: .02, CallFails: .01, LostAfter: .01})
	server := embeddedkinesis.New(embeddedkinesis.Options{Seed: seed, Script: func(c embeddedkinesis.Call) embeddedkinesis.Action {
		action := random(c)
		action.DelayAnswer = 20 * time.Millisecond
		return action
	}})
	name := os.Getenv(emulatorStream)
	if name != "" {
		server.Create(embeddedkinesis.Stream{Name: name, Shards: 4})
	}
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", os.Getenv(emulatorListen))
	if err != nil {
		return err
	}
	fmt.Println(listener.Addr())
	var mu sync.Mutex
	written := map[string]int{} // by shard
	journal := func(name string) {
		mu.Lock()
		defer mu.Unlock()
		var added []embeddedkinesis.Record
		for shard, records := range server.Records(name) {
			added = append(added, records[written[shard]:]...)
			written[shard] = len(records)
		}
		if len(added) == 0 {
			return
		}
		line, err := json.Marshal(journalLine{os.Getpid(), added, server.Counters()})
		if err == nil {
			_, err = file.Write(append(line, '\n'))
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	return http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		var call struct{ StreamName, StreamARN string }
		_ = json.Unmarshal(body, &call) // the server says what is wrong with it
		r.Body = io.NopCloser(bytes.NewReader(body))
		_, ofARN, _ := strings.Cut(call.StreamARN, "/")
		write := sync.OnceFunc(func() { journal(cmp.Or(call.StreamName, ofARN)) })
		defer write()
		server.ServeHTTP(firstWrite{w, write}, r)
	}))
}

// firstWrite does something before an answer begins.
type firstWrite struct {
	http.ResponseWriter
	before func()
}

// WriteHeader implements http.ResponseWriter.
func (f firstWrite) WriteHeader(status int) { f.before(); f.ResponseWriter.WriteHeader(status) }

// Write implements http.ResponseWriter.
func (f firstWrite) Write(b []byte) (int, error) { f.before(); return f.ResponseWriter.Write(b) }

// emulator is the stream's process.
type emulator struct {
	seed            uint64
	url, path       string
	streamName      string
	process         *os.Process
	command         *exec.Cmd
	read            int64 // of the journal
	records         []embeddedkinesis.Record
	counters, lives map[string]int
}

func startEmulator(t *testing.T, seed uint64) *emulator {
	t.Helper()
	e := &emulator{seed: seed, path: filepath.Join(t.TempDir(), "journal"), counters: map[string]int{}}
	e.start(t, "127.0.0.1:0")
	t.Cleanup(func() { _ = e.process.Kill(); _ = e.command.Wait() }) // it may have ended
	return e
}

func (e *emulator) start(t *testing.T, listen string) {
	t.Helper()
	e.seed++
	e.command = exec.Command(os.Args[0])
	e.command.Env = append(os.Environ(), emulatorJournal+"="+e.path, emulatorListen+"="+listen,
		emulatorStream+"="+e.streamName, emulatorSeed+"="+strconv.FormatUint(e.seed, 10))
	e.command.Stderr = os.Stderr
	out, err := e.command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := e.command.Start(); err != nil {
		t.Fatal(err)
	}
	e.process = e.command.Process
	address, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal("the stream's process did not start:", err)
	}
	e.url = "http://" + strings.TrimSpace(address)
}

// restart kills the stream's process, lets it be away for a while, and starts it again.
func (e *emulator) restart(t *testing.T) {
	t.Helper()
	send(t, e.process, syscall.SIGKILL)
	_ = e.command.Wait() // it was killed
	pass(8 * time.Second)
	e.start(t, strings.TrimPrefix(e.url, "http://"))
}

// catchUp reads what was added to the journal.
func (e *emulator) catchUp() error {
	file, err := os.Open(e.path)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	added, err := io.ReadAll(io.NewSectionReader(file, e.read, 1<<40))
	if err != nil {
		return err
	}
	for {
		text, rest, whole := bytes.Cut(added, []byte("\n"))
		if !whole {
			return nil // the last line is being written, or never will be
		}
		var line journalLine
		if err := json.Unmarshal(text, &line); err != nil {
			return fmt.Errorf("read the journal at %d: %w", e.read, err)
		}
		e.read += int64(len(text)) + 1
		e.records = append(e.records, line.Records...)
		e.note(line)
		added = rest
	}
}

// note adds the counters of a life to those of the earlier ones.
func (e *emulator) note(line journalLine) {
	life := strconv.Itoa(line.Life) + " "
	if e.lives == nil {
		e.lives = map[string]int{}
	}
	for what, n := range line.Counters {
		e.counters[what] += n - e.lives[life+what]
		e.lives[life+what] = n
	}
}

// stored is how many records the stream has acknowledged, or was about to.
func (e *emulator) stored() int {
	_ = e.catchUp() // journal tells
	return len(e.records)
}

// journal is all that was stored, in order.
func (e *emulator) journal(t *testing.T) []embeddedkinesis.Record {
	t.Helper()
	if err := e.catchUp(); err != nil {
		t.Fatal(err)
	}
	return e.records
}

// findBroker is the real Kafka's process.
func findBroker(t *testing.T) node {
	t.Helper()
	folder := os.Getenv("KAFKA_NODE")
	if folder == "" {
		t.Fatal("there is no broker that may be killed: run make chaos")
	}
	return node(folder)
}

func send(t *testing.T, p *os.Process, sig syscall.Signal) {
	t.Helper()
	if err := p.Signal(sig); err != nil {
		t.Fatal(err)
	}
}
