package follow_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"kinesis-destination/cmd/internal/destination"
	"kinesis-destination/cmd/internal/leads"
)

// soon is what is promised: a flow runs within it of the write.
const soon = 2 * time.Second

func TestFromAnEmptyStoreToARecordOnTheStreamByAPIAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		p := r.run(adminAt)
		pass(time.Second)
		if code, body := r.get("/readyz"); code != 200 {
			t.Errorf("with no flow, readyz says %d %s", code, body)
		}
		m := r.connect("leads", "")
		r.becomes(p, m.flow, destination.Running, soon)
		r.activate(&m, leads.HighPropensity, leads.Newsletter, "person.email", "loyalty.points")
		pass(soon)
		r.feed(200)
		all := r.arrived("leads", r.written, time.Minute)
		if !strings.Contains(string(all[0].Data), `"email"`) {
			t.Errorf("a record is %s", all[0].Data)
		}
		if s := r.status(m.flow); s.Group != m.flow || s.Rules.Version != 2 || !s.Ready {
			t.Errorf("status %+v", s)
		}
		if code, _ := r.get("/readyz"); code != 200 {
			t.Errorf("readyz says %d", code)
		}
		if _, metrics := r.get("/metrics"); !strings.Contains(metrics, `kinesis_destination_events_consumed_total{destination="`+m.flow+`"} 200`) ||
			!strings.Contains(metrics, `kinesis_destination_flow_state{destination="`+m.flow+`",sandbox="prod",state="running"} 1`) {
			t.Errorf("the metrics do not show the flow:\n%s", metrics)
		}
		r.call("DELETE", flowservice+"/flows/"+m.flow, "", 202)
		pass(10 * time.Second)
		if _, metrics := r.get("/metrics"); strings.Contains(metrics, m.flow) || len(p.Flows()) != 0 {
			t.Errorf("a deleted flow is still there: %+v", p.Flows())
		}
		p.stop()
	})
}
