package follow_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"kinesis-destination/cmd/internal/control/follow"
	"kinesis-destination/cmd/internal/destination"
	"kinesis-destination/cmd/internal/leads"
	"kinesis-destination/sink/embeddedkinesis"
)

// soon is what is promised: a flow runs within it of the write.
const soon = 2 * time.Second

// backfilled is when the backfill of a topic without events is over: what is written
// before may be exported twice, as an event and as the state of a member.
const backfilled = 5 * time.Second

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

func TestAChangeOfActivationIsASwapBetweenTwoEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		p := r.run(adminAt)
		m := r.connect("leads", "")
		r.activate(&m, leads.HighPropensity, leads.Newsletter, "loyalty.points", "person.email")
		r.becomes(p, m.flow, destination.Running, soon)
		pass(backfilled)
		r.feed(100)
		r.arrived("leads", r.written, time.Minute)
		before := r.status(m.flow)
		r.activate(&m, "person.lastName")
		began := time.Now()
		for r.status(m.flow).Rules.Version == before.Rules.Version {
			if time.Since(began) > soon {
				t.Fatalf("the change is not in force after %v", soon)
			}
			pass(10 * time.Millisecond)
		}
		if after := r.status(m.flow); after.Member != before.Member || after.Generation != before.Generation {
			t.Errorf("the change took a rebalance: %+v", after)
		}
		if counts := p.flow(m.flow); counts.State != destination.Running {
			t.Errorf("%+v", counts)
		}
		p.stop()
	})
}

func TestAnotherChangeDrainsAndStartsThatFlowAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		p := r.run(adminAt)
		one, other := r.connect("leads", ""), r.connect("more", "")
		for _, m := range []*made{&one, &other} {
			r.activate(m, leads.HighPropensity, leads.Newsletter, "loyalty.points", "person.email")
			r.becomes(p, m.flow, destination.Running, soon)
		}
		pass(backfilled)
		r.feed(100)
		r.arrived("leads", r.written, time.Minute)
		r.arrived("more", r.written, time.Minute)
		beside, before := r.status(other.flow), r.status(one.flow)
		etag := r.call("GET", flowservice+"/targetConnections/"+one.target, "", 200)["items"].([]any)[0].(map[string]any)["etag"].(string)
		r.kinesis.Create(embeddedkinesis.Stream{Name: "third", Shards: 1})
		r.call("PATCH", flowservice+"/targetConnections/"+one.target+"?validate=false", `[{"op":"replace","path":"/params/stream","value":"third"}]`, 202, "If-Match", etag)
		pass(soon)
		r.becomes(p, one.flow, destination.Running, soon)
		if after := r.status(other.flow); after.Member != beside.Member || after.Generation != beside.Generation {
			t.Errorf("the other flow was touched: %+v", after)
		}
		first := r.written
		r.feed(100)
		r.arrived("third", r.written-first, time.Minute)
		r.arrived("leads", first, time.Minute)
		if after := r.status(one.flow); after.Member == before.Member || after.Stream != "third" {
			t.Errorf("the flow was not started anew: %+v", after)
		}
		p.stop()
	})
}

func TestOneFlowsErrorIsItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		p := r.run(adminAt)
		lost := r.connectAs("LOST", "leads", "") // its key is not among those that open
		nowhere := r.connect("nowhere", "")      // there is no such stream
		good := r.connect("more", "")
		r.activate(&good, leads.HighPropensity, leads.Newsletter, "loyalty.points", "person.email")
		r.becomes(p, good.flow, destination.Running, soon)
		r.becomes(p, nowhere.flow, destination.Held, time.Minute)
		pass(backfilled)
		if f := p.flow(lost.flow); f.State != destination.Refused || f.Reason != destination.ReasonConfiguration || !strings.Contains(f.Detail, "--seal-keys") || strings.Contains(f.Detail, "Error: ") {
			t.Errorf("a flow without its key: %+v", f)
		}
		if f := p.flow(nowhere.flow); f.Reason != "stream-missing" && f.Detail == "" {
			t.Errorf("a flow without its stream: %+v", f)
		}
		r.feed(100)
		r.arrived("more", r.written, time.Minute)
		pass(time.Minute)
		if code, body := r.get("/readyz"); code != 200 {
			t.Errorf("others' trouble keeps the process from being ready: %d %s", code, body)
		}
		if _, body := r.get("/status"); !strings.Contains(body, `"state": "refused"`) || !strings.Contains(body, `"state": "held"`) {
			t.Errorf("status does not show what flows do: %s", body)
		}
		p.stop()
	})
}

// A flow that is activated right after it was made, and one that was seen before.
func TestAFlowThatIsActivatedAtOnceHasItsBackfill(t *testing.T) {
	for name, between := range map[string]time.Duration{"at once": 0, "later": time.Minute} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, func(r *rig) { r.source = ", start: latest" })
				r.feed(300) // before there is a flow
				p := r.run(adminAt)
				m := r.connect("leads", "")
				pass(between)
				r.activate(&m, leads.HighPropensity, leads.Newsletter, "loyalty.points", "person.email")
				pass(time.Minute)
				s := r.status(m.flow)
				if s.Backfill == nil || s.Backfill.Ended.IsZero() || len(r.kinesis.History("leads")) == 0 {
					t.Fatalf("the present members were not exported: %+v\n%s", s.Backfill, r.log)
				}
				once := len(r.kinesis.History("leads"))
				p.stop()
				p = r.run(adminAt)
				r.becomes(p, m.flow, destination.Running, 10*time.Second)
				pass(time.Minute)
				if n := len(r.kinesis.History("leads")); n != once {
					t.Errorf("they were exported again: %d records, then %d", once, n)
				}
				p.stop()
			})
		})
	}
}

func TestADisabledFlowStopsAndGoesOnWhereItWas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		p := r.run(adminAt)
		m := r.connect("leads", "")
		r.activate(&m, leads.HighPropensity, leads.Newsletter, "loyalty.points", "person.email")
		r.becomes(p, m.flow, destination.Running, soon)
		pass(backfilled)
		r.feed(100)
		r.arrived("leads", r.written, time.Minute)
		r.action(&m, "disable")
		r.becomes(p, m.flow, destination.Stopped, soon)
		before := r.written
		r.feed(100)
		r.arrived("leads", before, time.Minute)
		commits := r.commits()
		pass(10 * 24 * time.Hour) // Kafka forgets after seven
		if n, known := commits(m.flow), commits(m.flow+".backfill"); n < 9 || known < 9 {
			t.Errorf("its offsets were kept alive %d and %d times in ten days", n, known)
		}
		p.stop()
		p = r.run(adminAt)
		r.action(&m, "enable")
		r.becomes(p, m.flow, destination.Running, 10*time.Second)
		r.arrived("leads", r.written, time.Minute)
		p.stop()
	})
}

func TestMoreFlowsThanAProcessMayRunAreRefusedUntilThereIsRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(r *rig) { r.most = 2 })
		p := r.run(adminAt)
		var made []made
		for range 3 {
			made = append(made, r.connect("leads", ""))
			pass(time.Millisecond)
		}
		first, second, third := made[0], made[1], made[2]
		r.becomes(p, first.flow, destination.Running, soon)
		r.becomes(p, second.flow, destination.Running, soon)
		pass(soon)
		if f := p.flow(third.flow); f.State != destination.Refused || f.Reason != follow.ReasonTooMany || !strings.Contains(f.Detail, "--flows") {
			t.Errorf("one too many: %+v", f)
		}
		r.action(&first, "disable")
		r.becomes(p, third.flow, destination.Running, soon)
		r.action(&first, "enable")
		pass(soon)
		if f := p.flow(first.flow); f.State != destination.Refused || p.flow(third.flow).State != destination.Running {
			t.Errorf("who runs was sent away: %+v", f)
		}
		r.activate(&third, leads.HighPropensity) // and keeps its place when it is changed
		pass(soon)
		if f := p.flow(first.flow); f.State != destination.Refused || p.flow(third.flow).State != destination.Running {
			t.Errorf("who was changed was sent away: %+v", f)
		}
		p.stop()
	})
}
