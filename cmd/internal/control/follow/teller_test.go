package follow_test

import (
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"kinesis-destination/cmd/internal/control/status"
	kafkatopic "kinesis-destination/cmd/internal/control/topic"
	"kinesis-destination/cmd/internal/destination"
	"kinesis-destination/cmd/internal/leads"
)

// board opens the status topic as a process does.
func (r *rig) board(process string) *status.Board {
	r.t.Helper()
	b := status.OpenKafka(r.t.Context(), kafkatopic.Kafka{Brokers: []string{"127.0.0.1:9092"}, Dial: r.network.DialContext}, status.Options{
		Logger: slog.New(slog.NewTextHandler(r.log, nil)), Process: process, Host: process,
	})
	r.t.Cleanup(func() {
		if err := b.Close(); err != nil {
			r.t.Error(err)
		}
	})
	if err := b.Await(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
	b.Begin("s1")
	return b
}

// told is what a path through an answer leads to.
func told(t *testing.T, answer any, path ...any) any {
	t.Helper()
	for _, step := range path {
		switch s := step.(type) {
		case string:
			answer = answer.(map[string]any)[s]
		case int:
			answer = answer.([]any)[s]
		}
	}
	return answer
}

// One process runs the flows, another one answers the API; what joins them is the status
// topic.
func TestAnyReplicaAnswersWhatAProcessDid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(r *rig) { r.told = true })
		p := r.run(adminAt)
		m := r.connect("leads", "")
		r.activate(&m, leads.HighPropensity, leads.Newsletter, "person.email", "loyalty.points")
		r.becomes(p, m.flow, destination.Running, soon)
		pass(backfilled)
		r.feed(200)
		r.arrived("leads", r.written, time.Minute)
		pass(45 * time.Second) // an hour is told every 30 seconds
		flow := func() any { return told(t, r.call("GET", flowservice+"/flows/"+m.flow, "", 200), "items", 0, "status") }
		record := func() map[string]any {
			return told(t, r.call("GET", flowservice+"/runs?property=flowId=="+m.flow, "", 200), "items", 0, "metrics", "recordSummary").(map[string]any)
		}
		if got := flow(); told(t, got, "state") != "running" || told(t, got, "lag") != 0. || told(t, got, "processes", 0, "id") != "worker" {
			t.Errorf("%v", got)
		}
		got := record()
		if got["inputRecordCount"] != 200. || got["outputRecordCount"] != float64(r.written) || got["skippedRecordCount"] != float64(200-r.written) || got["underWayRecordCount"] != 0. {
			t.Errorf("%d of 200 leave: %v", r.written, got)
		}
		var segments float64 // a record may have both
		for _, s := range told(t, got, "targetSummaries", 0, "entitySummaries").([]any) {
			if n, ok := told(t, s, "outputRecordCount").(float64); ok && strings.HasPrefix(told(t, s, "id").(string), "segment:") {
				segments += n
			}
		}
		if segments < float64(r.written) || segments > 2*float64(r.written) {
			t.Errorf("%v records by segment of %d: %v", segments, r.written, got)
		}
		if len(got["skippedInfo"].([]any)) == 0 {
			t.Errorf("no reasons: %v", got)
		}
		r.feed(50)
		pass(time.Second)
		r.action(&m, "disable") // what was counted last is told, too
		r.becomes(p, m.flow, destination.Stopped, soon)
		pass(45 * time.Second)
		if got := flow(); told(t, got, "state") != "stopped" || told(t, got, "lag") != nil || told(t, got, "lagSeconds") != nil {
			t.Errorf("%v", got)
		}
		if got := record(); got["inputRecordCount"].(float64) != got["outputRecordCount"].(float64)+got["skippedRecordCount"].(float64)+got["failedRecordCount"].(float64)+got["underWayRecordCount"].(float64) || got["outputRecordCount"] != float64(len(r.kinesis.History("leads"))) {
			t.Errorf("%d records left: %v", len(r.kinesis.History("leads")), got)
		}
		p.stop()
	})
}
