package status

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// Told is what all processes together tell of a flow. Where they differ it is what
// somebody should see to first.
type Told struct {
	State  State     `json:"state"`
	Reason string    `json:"reason,omitempty"`
	Detail string    `json:"detail,omitempty"`
	Since  time.Time `json:"since,omitzero"`
	// Lag and LagSeconds are of all partitions that a process has; -1 and 0: no process
	// knows.
	Lag        int64   `json:"lag"`
	LagSeconds float64 `json:"lagSeconds"`
	// At is when the last of the processes was heard of.
	At        time.Time `json:"at,omitzero"`
	Processes []Part    `json:"processes"`
}

// Part is what one process tells of a flow.
type Part struct {
	Process    string    `json:"process"`
	Host       string    `json:"host,omitempty"`
	State      State     `json:"state"`
	Reason     string    `json:"reason,omitempty"`
	Detail     string    `json:"detail,omitempty"`
	Since      time.Time `json:"since"`
	Lag        int64     `json:"lag"`
	LagSeconds float64   `json:"lagSeconds"`
	At         time.Time `json:"at"`
	// Silent: this is what it told last, and it was not heard of for a while.
	Silent bool `json:"silent"`
}

// order is that of states, from what somebody should see to first.
var order = map[State]int{Refused: 0, Held: 1, Starting: 2, Running: 3, Stopped: 4}

// flow is what the processes of a store tell of a flow.
func (t *table) flow(store, id string, now time.Time) Told {
	told := Told{State: None, Lag: -1, Processes: []Part{}}
	for process, p := range t.processes {
		if f, ok := p.by[id]; ok && p.Store == store {
			told.Processes = append(told.Processes, Part{
				process, p.Host, f.State, f.Reason, f.Detail, f.Since, f.Lag, f.LagSeconds, p.when, !t.alive(process, now),
			})
		}
	}
	slices.SortFunc(told.Processes, func(a, b Part) int {
		return cmp.Or(compareBool(a.Silent, b.Silent), cmp.Compare(order[a.State], order[b.State]), a.Since.Compare(b.Since), cmp.Compare(a.Process, b.Process))
	})
	for i, p := range told.Processes {
		if i == 0 {
			told.State, told.Reason, told.Detail, told.Since = p.State, p.Reason, p.Detail, p.Since
			if p.Silent {
				told.State, told.Reason, told.Since = Silent, "", p.At
				told.Detail = "no process that ran it was heard of for " + silentAfter.String() + "; it was " + string(p.State) + " then"
			}
		}
		if p.At.After(told.At) {
			told.At = p.At
		}
		if p.Lag >= 0 && (!p.Silent || told.State == Silent) {
			told.Lag = max(0, told.Lag) + p.Lag
			told.LagSeconds = max(told.LagSeconds, p.LagSeconds)
		}
	}
	return told
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// Run is what was done for a flow in one hour, by all processes.
type Run struct {
	Hour time.Time
	// First and Last are when something was counted.
	First, Last time.Time
	Counts
	// Open: the hour is not over, or something of it is still under way.
	Open bool
}

// hours are those of a flow, the newest first.
func (t *table) hours(store, flow string, now time.Time) []Run {
	by := map[time.Time]*Run{}
	for r, value := range t.runs[flow] {
		record, err := decodeRun(value)
		if err != nil || record.Store != store { // the first was judged when it was read
			continue
		}
		one := by[r.hour]
		if one == nil {
			one = &Run{Hour: r.hour, First: record.First, Last: record.Last, Counts: Counts{
				Excluded: map[string]int64{}, Failed: map[string]int64{}, Segments: map[string]int64{},
			}}
			by[r.hour] = one
		}
		if !t.alive(r.process, now) { // another process receives it anew
			record.UnderWay = 0
		}
		one.add(record)
	}
	all := make([]Run, 0, len(by))
	for at, one := range by {
		one.Open = one.UnderWay > 0 || now.Sub(at) < time.Hour
		all = append(all, *one)
	}
	slices.SortFunc(all, func(a, b Run) int { return b.Hour.Compare(a.Hour) })
	return all
}

func (r *Run) add(o *runRecord) {
	if o.First.Before(r.First) {
		r.First = o.First
	}
	if o.Last.After(r.Last) {
		r.Last = o.Last
	}
	r.Activated += o.Activated
	r.UnderWay += o.UnderWay
	for name, n := range o.Excluded {
		r.Excluded[name] += n
	}
	for name, n := range o.Failed {
		r.Failed[name] += n
	}
	for name, n := range o.Segments {
		r.Segments[name] += n
	}
	r.Received += o.Activated + sum(o.Excluded) + sum(o.Failed) + o.UnderWay
}

// states are the flows of a store that a process tells of, and what they do.
func (t *table) states(store string, now time.Time) map[string]Told {
	ids := map[string]bool{}
	for _, p := range t.processes {
		if p.Store == store {
			for _, f := range p.Flows {
				ids[f.ID] = true
			}
		}
	}
	all := make(map[string]Told, len(ids))
	for id := range maps.Keys(ids) {
		all[id] = t.flow(store, id, now)
	}
	return all
}
