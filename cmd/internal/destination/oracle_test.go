package destination

import (
	"encoding/json"
	"maps"
	"slices"

	"kinesis-destination/cmd/internal/leads"
	"kinesis-destination/sink/embeddedkinesis"
)

// oracle knows what the stream must hold, from how the events were made up.
type oracle struct {
	expected map[string][]int64 // profile → serials that are exported, in order
	filtered map[string]int64
	total    int64
}

func newOracle() *oracle { return &oracle{map[string][]int64{}, map[string]int64{}, 0} }

func (o *oracle) add(e leads.Event) {
	o.total++
	if e.Filtered != "" {
		o.filtered[e.Filtered]++
		return
	}
	o.expected[e.Key] = append(o.expected[e.Key], e.Serial)
}

// verdict is what the oracle found.
type verdict struct{ lost, reordered, duplicates, unexpected int }

// judge compares what the stream holds, per profile and in sequence order, with
// what it must hold. A duplicate is a repetition right where the record stands;
// one that comes after something newer is a reordering.
func (o *oracle) judge(records []embeddedkinesis.Record) verdict {
	var v verdict
	seen := map[string][]int64{}
	for _, r := range records {
		var document struct{ Loyalty struct{ Points int64 } }
		if json.Unmarshal(r.Data, &document) != nil {
			v.unexpected++
			continue
		}
		serial, before := document.Loyalty.Points, seen[r.PartitionKey]
		switch {
		case len(before) == 0 || serial > before[len(before)-1]:
			seen[r.PartitionKey] = append(before, serial)
		case serial == before[len(before)-1]:
			v.duplicates++
		default:
			v.reordered++
		}
	}
	for key, want := range o.expected {
		for _, serial := range want {
			if !slices.Contains(seen[key], serial) {
				v.lost++
			}
		}
	}
	for key, got := range seen {
		for _, serial := range got {
			if !slices.Contains(o.expected[key], serial) {
				v.unexpected++
			}
		}
	}
	return v
}

func sum(m map[string]int64) int64 {
	var n int64
	for v := range maps.Values(m) {
		n += v
	}
	return n
}
