package follow_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"kinesis-destination/cmd/internal/destination"
	"kinesis-destination/cmd/internal/leads"
	"kinesis-destination/sink/embeddedkinesis"
)

// Whatever is changed, paused and restarted amid the load, by whichever of the
// processes: each flow exports each event once, in the order of its identity.
func TestChangesAmidLoadNeitherLoseNorReorderNorRepeat(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { changesAmidLoad(t, rand.New(rand.NewPCG(seed, 14))) })
		})
	}
}

// fleetFlow is a flow with a stream of its own.
type fleetFlow struct {
	made
	stream         string
	paused, mapped bool
	retry          int
}

func changesAmidLoad(t *testing.T, random *rand.Rand) {
	r := newRig(t)
	processes := []*process{r.run(adminAt)}
	var flows []*fleetFlow
	for i := range 4 {
		f := &fleetFlow{stream: fmt.Sprint("stream-", i)}
		r.kinesis.Create(embeddedkinesis.Stream{Name: f.stream, Shards: 2})
		f.made = r.connect(f.stream, `,"backfill":{"newSegments":false}`)
		r.activate(&f.made, leads.HighPropensity, leads.Newsletter, "person.email", "loyalty.points")
		flows = append(flows, f)
	}
	for _, f := range flows {
		r.becomes(processes[0], f.flow, destination.Running, soon)
	}
	for step := range 60 {
		r.feed(20)
		f := flows[random.IntN(len(flows))]
		switch random.IntN(6) {
		case 0: // pause, or go on
			f.paused = !f.paused
			r.action(&f.made, map[bool]string{true: "disable", false: "enable"}[f.paused])
		case 1: // a swap
			if !f.mapped {
				r.activate(&f.made, "person.lastName")
				f.mapped = true
			}
		case 2: // a start anew
			f.retry++
			etag := r.call("GET", flowservice+"/targetConnections/"+f.target, "", 200)["items"].([]any)[0].(map[string]any)["etag"].(string)
			r.call("PATCH", flowservice+"/targetConnections/"+f.target+"?validate=false", fmt.Sprintf(`[{"op":"add","path":"/params/retry","value":{"maxInterval":"%ds"}}]`, f.retry), 202, "If-Match", etag)
		case 3: // another process
			if len(processes) < 3 {
				processes = append(processes, r.run(fmt.Sprintf("127.0.0.1:%d", 8180+step)))
			}
		case 4: // one less
			if n := len(processes); n > 1 {
				processes[n-1].stop()
				processes = processes[:n-1]
			}
		}
		pass(time.Duration(random.IntN(1500)) * time.Millisecond)
	}
	for _, f := range flows {
		if f.paused {
			r.action(&f.made, "enable")
		}
	}
	for _, f := range flows {
		r.arrived(f.stream, r.written, time.Minute)
		if lost, reordered := r.judge(r.kinesis.History(f.stream)); lost+reordered > 0 {
			t.Errorf("flow on %s: %d lost, %d out of order", f.stream, lost, reordered)
		}
	}
	for _, p := range processes {
		p.stop()
	}
}

// judge compares a stream with what was written, identity by identity.
func (r *rig) judge(records []embeddedkinesis.Record) (lost, reordered int) {
	found := map[string][]int64{}
	for _, record := range records {
		var document struct{ Loyalty struct{ Points int64 } }
		if err := json.Unmarshal(record.Data, &document); err != nil {
			r.t.Fatal(err)
		}
		found[record.PartitionKey] = append(found[record.PartitionKey], document.Loyalty.Points)
	}
	for key, want := range r.expected {
		got := found[key]
		if !slices.IsSorted(got) {
			reordered++
		}
		for _, serial := range want {
			if !slices.Contains(got, serial) {
				lost++
			}
		}
	}
	return lost, reordered
}
