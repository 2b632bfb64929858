package status

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// State is what a flow does.
type State string

// The states of a flow. Silent and None are what a Board says where no process does.
const (
	Starting State = "starting" // it is not known yet that it can run
	Running  State = "running"
	Held     State = "held"    // it waits for a cause to go, and goes on by itself
	Refused  State = "refused" // it cannot run as it is
	Stopped  State = "stopped" // it is disabled
	Silent   State = "silent"  // the processes that ran it were not heard of for a while
	None     State = "none"    // no process has told of it
)

// States are all that a process tells, and Silent.
var States = []State{Starting, Running, Held, Refused, Stopped, Silent}

// Flow is what a flow does in one process.
type Flow struct {
	ID         string    `json:"id"`
	Sandbox    string    `json:"sandbox"`
	State      State     `json:"state"`
	Reason     string    `json:"reason,omitempty"` // of a closed set
	Detail     string    `json:"detail,omitempty"`
	Since      time.Time `json:"since"`
	Lag        int64     `json:"lag"` // of the partitions that are this process's
	LagSeconds float64   `json:"lagSeconds"`
}

// Counts are identities of a flow, since its process began; UnderWay is how many are now.
// Received is what the others add up to: what a rebalance took away before it was done
// is not in it.
type Counts struct {
	Received, Activated int64
	Excluded, Failed    map[string]int64 // by reason
	UnderWay            int64
	Segments            map[string]int64 // by id; an identity may be in several
}

// Reporter hears what flows do. It must not wait. A flow that is not told of for a minute
// is no longer one of this process.
type Reporter interface {
	Report(flow Flow)
	Count(flowID string, counts Counts)
}

const (
	format = 1

	processPrefix, runPrefix = "process/", "run/"

	// hourLayout is an hour in a key.
	hourLayout = "2006-01-02T15Z"

	// maxText, maxFlows, maxReasons, maxSegments and maxName bound a record: a hundred
	// running flows are what a process is made for, and 250 segments what a flow has.
	maxText, maxFlows, maxReasons, maxSegments, maxName = 300, 1000, 64, 300, 200
	// maxRecord is what is read of others; maxKey is twice the longest key of ours.
	maxRecord, maxKey = 1 << 20, 1 << 10

	// others is the sum of what is beyond a bound.
	others = "others"
)

// processRecord is what a process does now.
type processRecord struct {
	V         int       `json:"v"`
	Store     string    `json:"store"`
	Process   string    `json:"process"`
	Host      string    `json:"host,omitempty"`
	Version   string    `json:"version,omitempty"`
	StartedAt time.Time `json:"startedAt"`
	At        time.Time `json:"at"`
	Flows     []Flow    `json:"flows"`
	// Omitted is how many flows did not fit.
	Omitted int `json:"omitted,omitempty"`
}

// runRecord is what a process did for a flow in one hour.
type runRecord struct {
	V         int              `json:"v"`
	Store     string           `json:"store"`
	Flow      string           `json:"flow"`
	Sandbox   string           `json:"sandbox"`
	Process   string           `json:"process"`
	Hour      time.Time        `json:"hour"`
	First     time.Time        `json:"first"`
	Last      time.Time        `json:"last"`
	Activated int64            `json:"activated,omitempty"`
	Excluded  map[string]int64 `json:"excluded,omitempty"`
	Failed    map[string]int64 `json:"failed,omitempty"`
	UnderWay  int64            `json:"underWay,omitempty"`
	Segments  map[string]int64 `json:"segments,omitempty"`
}

func processKey(process string) string { return processPrefix + process }

func runKey(flow string, hour time.Time, process string) string {
	return runPrefix + flow + "/" + hour.UTC().Format(hourLayout) + "/" + process
}

// run is where a run record belongs.
type run struct {
	flow    string
	hour    time.Time
	process string
}

func (r run) key() string { return runKey(r.flow, r.hour, r.process) }

// parseRunKey is run.key the other way.
func parseRunKey(key string) (run, error) {
	parts := strings.Split(strings.TrimPrefix(key, runPrefix), "/")
	if len(parts) != 3 || parts[0] == "" || parts[2] == "" {
		return run{}, errors.New("is not run/FLOW/HOUR/PROCESS")
	}
	hour, err := time.Parse(hourLayout, parts[1])
	return run{parts[0], hour, parts[2]}, err
}

func decode[T any](value []byte, version func(*T) int) (*T, error) {
	var r T
	if err := json.Unmarshal(value, &r); err != nil {
		return nil, errors.New("is not JSON of a status record")
	}
	if v := version(&r); v != format {
		return nil, fmt.Errorf("is of format %d; this version knows %d", v, format)
	}
	return &r, nil
}

func decodeProcess(value []byte) (*processRecord, error) {
	return decode(value, func(r *processRecord) int { return r.V })
}

func decodeRun(value []byte) (*runRecord, error) {
	return decode(value, func(r *runRecord) int { return r.V })
}

// cut is a text as far as it is kept.
func cut(text string) string {
	if len(text) <= maxText {
		return text
	}
	end := maxText - len("…")
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + "…"
}

// add adds to a sum by names, of which there are at most so many.
func add(sums map[string]int64, name string, n int64, most int) {
	if n == 0 {
		return
	}
	if _, known := sums[name]; !known && (len(sums) >= most || len(name) > maxName) {
		name = others
	}
	sums[name] += n
}
