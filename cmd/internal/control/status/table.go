package status

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"
)

const (
	// silentAfter is how long a process may not be heard of: four of its records are
	// missing then.
	silentAfter = 45 * time.Second
	// goneAfter is how long a silent process is shown.
	goneAfter = 24 * time.Hour
	// DefaultRetention is how long hours are kept: a month of them is what the platform
	// shows.
	DefaultRetention = 30 * 24 * time.Hour
	// maxBytes bounds the hours in memory: 100 flows in three processes, ten segments
	// each, take 110 MB in a month.
	maxBytes = 128 << 20
)

// table is the records of the topic by their keys. It is pure, but for itself.
type table struct {
	processes map[string]*heard
	runs      map[string]map[run][]byte // by flow; as they were written
	bytes     int                       // of runs
	maxBytes  int
	store     string // of the last record that was read
	odd       int64  // records that were passed over
	since     time.Time
}

// heard is a process's last record, and when it was heard.
type heard struct {
	processRecord
	when time.Time
	by   map[string]Flow // the flows by id
}

func newTable() *table {
	return &table{processes: map[string]*heard{}, runs: map[string]map[run][]byte{}, maxBytes: maxBytes}
}

// apply takes one record; loaded: it was written just now, whatever its clock says.
func (t *table) apply(key string, value []byte, now time.Time, loaded bool) {
	switch {
	case len(key) > maxKey || len(value) > maxRecord:
		t.odd++
	case strings.HasPrefix(key, processPrefix):
		t.applyProcess(key, value, now, loaded)
	case strings.HasPrefix(key, runPrefix):
		t.applyRun(key, value)
	default:
		t.odd++
	}
}

func (t *table) applyProcess(key string, value []byte, now time.Time, loaded bool) {
	id := strings.TrimPrefix(key, processPrefix)
	if value == nil {
		delete(t.processes, id)
		return
	}
	r, err := decodeProcess(value)
	if err != nil || r.Process != id {
		t.odd++
		return
	}
	when := now
	if !loaded && r.At.Before(now) {
		when = r.At
	}
	t.store = r.Store
	h := &heard{*r, when, make(map[string]Flow, len(r.Flows))}
	for _, f := range r.Flows {
		h.by[f.ID] = f
	}
	t.processes[id] = h
}

func (t *table) applyRun(key string, value []byte) {
	r, err := parseRunKey(key)
	if err != nil {
		t.odd++
		return
	}
	if value != nil {
		record, err := decodeRun(value)
		if err != nil || (run{record.Flow, record.Hour.UTC(), record.Process}) != r {
			t.odd++
			return
		}
		t.store = record.Store
	}
	t.bytes -= len(t.runs[r.flow][r])
	if value == nil {
		delete(t.runs[r.flow], r)
		return
	}
	if t.runs[r.flow] == nil {
		t.runs[r.flow] = map[run][]byte{}
	}
	t.runs[r.flow][r] = value
	t.bytes += len(value)
	if t.bytes > t.maxBytes {
		t.forget()
	}
}

// forget lets go of the oldest hours, until an eighth is free again.
func (t *table) forget() {
	var all []run
	for _, runs := range t.runs {
		all = slices.AppendSeq(all, maps.Keys(runs))
	}
	slices.SortFunc(all, func(a, b run) int { return a.hour.Compare(b.hour) })
	for _, r := range all {
		if t.bytes <= t.maxBytes/8*7 {
			return
		}
		t.bytes -= len(t.runs[r.flow][r])
		delete(t.runs[r.flow], r)
		t.since = r.hour.Add(time.Hour)
	}
}

// alive says whether a process was heard of just now.
func (t *table) alive(process string, now time.Time) bool {
	p, ok := t.processes[process]
	return ok && now.Sub(p.when) <= silentAfter
}

// expired are the keys that nobody needs any more, and that are this process's to let go
// of: its own, and those of processes that have gone.
func (t *table) expired(now time.Time, process string, retention time.Duration) []string {
	var keys []string
	for id, p := range t.processes {
		if now.Sub(p.when) > goneAfter {
			keys = append(keys, processKey(id))
		}
	}
	for _, runs := range t.runs {
		for r := range runs {
			if now.Sub(r.hour) > retention && (r.process == process || !t.alive(r.process, now)) {
				keys = append(keys, r.key())
			}
		}
	}
	slices.Sort(keys)
	return keys
}

// Process is what a process told last.
type Process struct {
	ID        string    `json:"id"`
	Host      string    `json:"host,omitempty"`
	Version   string    `json:"version,omitempty"`
	StartedAt time.Time `json:"startedAt"`
	// At is when it was heard of.
	At     time.Time `json:"at"`
	Silent bool      `json:"silent"`
	Flows  int       `json:"flows"`
}

func (t *table) list(store string, now time.Time) []Process {
	var all []Process
	for id, p := range t.processes {
		if p.Store == store {
			all = append(all, Process{id, p.Host, p.Version, p.StartedAt, p.when, !t.alive(id, now), len(p.Flows) + p.Omitted})
		}
	}
	slices.SortFunc(all, func(a, b Process) int { return cmp.Or(cmp.Compare(a.Host, b.Host), cmp.Compare(a.ID, b.ID)) })
	return all
}
