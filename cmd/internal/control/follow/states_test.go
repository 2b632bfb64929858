package follow_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"kinesis-destination/cmd/internal/config"
	"kinesis-destination/cmd/internal/control/documents"
	"kinesis-destination/cmd/internal/control/documents/documentstest"
	"kinesis-destination/cmd/internal/control/follow"
	"kinesis-destination/cmd/internal/destination"
	"kinesis-destination/cmd/internal/leads"
	"kinesis-destination/cmd/internal/rules"
	"kinesis-destination/schemas"
	"kinesis-destination/sink/embeddedkinesis"
)

// The API weighs labels that it can look up; a flow is weighed once more where it runs.
// What a policy forbids does not go on by the rules of before.
func TestAChangeThatAPolicyForbidsStopsTheFlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		const email = `"email", "type": ["null", "string"], "default": null, "labels": ["I1"`
		r.schemaID = r.registry.Register(topic+"-value", strings.Replace(string(schemas.SegmentEvaluation), email, email+`, "C2"`, 1))
		r.call("PUT", "/data/foundation/dulepolicy/enabledCorePolicies", `{"policyIds":["corepolicy_0002"]}`, 200)
		p := r.run(adminAt)
		m := r.connect("leads", `,"marketingActions":["exportToThirdParty"]`)
		r.activate(&m, leads.HighPropensity, leads.Newsletter, "loyalty.points")
		r.becomes(p, m.flow, destination.Running, soon)
		r.activate(&m, "person.email") // the API of the rig does not reach the registry
		r.becomes(p, m.flow, destination.Refused, soon)
		if f := p.flow(m.flow); f.Reason != rules.HoldViolation || !strings.Contains(f.Detail, "C2") {
			t.Errorf("%+v", f)
		}
		r.feed(100)
		pass(10 * time.Minute)
		if n := len(r.kinesis.History("leads")); n != 0 {
			t.Errorf("%d records left that a policy forbids", n)
		}
		list := r.call("GET", flowservice+"/flows/"+m.flow, "", 200)["items"].([]any)[0].(map[string]any)
		r.call("PATCH", flowservice+"/flows/"+m.flow, `[{"op":"remove","path":"/transformations/0/params/profileSelectors/selectors/1","value":{"type":"JSON_PATH","value":{"path":"person.email"}}}]`, 202, "If-Match", list["etag"].(string))
		r.becomes(p, m.flow, destination.Running, soon)
		pass(time.Minute)
		if n := len(r.kinesis.History("leads")); n == 0 {
			t.Error("what waited was not exported")
		}
		p.stop()
	})
}

// A mapped path that is no single value cannot be exported, whatever ran before.
func TestAChangeThatCannotRunStopsTheFlowAsItWouldWhereItStarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		const email = `{"name": "email",`
		r.schemaID = r.registry.Register(topic+"-value", strings.Replace(string(schemas.SegmentEvaluation), email, `{"name": "tags", "type": {"type": "array", "items": "string"}}, `+email, 1))
		p := r.run(adminAt)
		m := r.connect("leads", "")
		r.activate(&m, leads.HighPropensity, "person.email")
		r.becomes(p, m.flow, destination.Running, soon)
		r.activate(&m, "person.tags") // the API of the rig does not reach the registry
		r.becomes(p, m.flow, destination.Refused, soon)
		refused := p.flow(m.flow)
		p.stop()
		p = r.run(adminAt)
		r.becomes(p, m.flow, destination.Refused, soon)
		if f := p.flow(m.flow); f.Detail != refused.Detail || f.Reason != destination.ReasonConfiguration || !strings.Contains(f.Detail, "person.tags") {
			t.Errorf("%+v, then %+v", refused, f)
		}
		p.stop()
	})
}

func TestPoliciesAreSwappedForAllFlowsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		p := r.run(adminAt)
		one, other := r.connect("leads", ""), r.connect("more", "")
		r.becomes(p, one.flow, destination.Running, soon)
		r.becomes(p, other.flow, destination.Running, soon)
		before := []destination.Status{r.status(one.flow), r.status(other.flow)}
		r.call("PUT", "/data/foundation/dulepolicy/enabledCorePolicies", `{"policyIds":["corepolicy_0002"]}`, 200)
		pass(soon)
		for i, id := range []string{one.flow, other.flow} {
			if after := r.status(id); after.Rules.Version != 2 || after.Member != before[i].Member || after.Generation != before[i].Generation {
				t.Errorf("flow %d: %+v", i, after)
			}
		}
		p.stop()
	})
}

func TestFlowsGoOnWhileChangesCannotBeFollowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		trouble := ""
		r := newRig(t, func(r *rig) {
			r.trouble = func() string { mu.Lock(); defer mu.Unlock(); return trouble }
		})
		p := r.run(adminAt)
		m := r.connect("leads", "")
		r.activate(&m, leads.HighPropensity, leads.Newsletter, "person.email", "loyalty.points")
		r.becomes(p, m.flow, destination.Running, soon)
		pass(backfilled)
		mu.Lock()
		trouble = "the journal cannot be read now: no broker answers"
		mu.Unlock()
		r.feed(100)
		r.arrived("leads", r.written, time.Minute)
		if code, _ := r.get("/readyz"); code != 200 {
			t.Errorf("readyz says %d", code)
		}
		if _, body := r.get("/status"); !strings.Contains(body, "no broker answers") {
			t.Errorf("status does not say so: %s", body)
		}
		if _, metrics := r.get("/metrics"); !strings.Contains(metrics, "kinesis_destination_follow_trouble 1") {
			t.Error("the metrics do not say so")
		}
		p.stop()
	})
}

// reports are what a Reporter hears.
type reports struct {
	mu     sync.Mutex
	states map[string][]destination.State
	counts map[string]destination.Account
}

func (r *reports) Report(f destination.Flow) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if all := r.states[f.ID]; len(all) == 0 || all[len(all)-1] != f.State {
		r.states[f.ID] = append(all, f.State)
	}
}

func (r *reports) Count(id string, counts destination.Account) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counts[id] = counts
}

func TestWhatFlowsDoIsReportedAndCountedOverRestarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		heard := &reports{states: map[string][]destination.State{}, counts: map[string]destination.Account{}}
		r := newRig(t, func(r *rig) { r.reporter = heard })
		p := r.run(adminAt)
		m := r.connect("leads", "")
		r.activate(&m, leads.HighPropensity, leads.Newsletter, "person.email", "loyalty.points")
		r.becomes(p, m.flow, destination.Running, soon)
		pass(backfilled)
		r.feed(100)
		r.arrived("leads", r.written, time.Minute)
		r.action(&m, "disable")
		r.becomes(p, m.flow, destination.Stopped, soon)
		r.action(&m, "enable")
		r.becomes(p, m.flow, destination.Running, 10*time.Second)
		r.feed(50)
		r.arrived("leads", r.written, time.Minute)
		pass(10 * time.Second)
		heard.mu.Lock()
		defer heard.mu.Unlock()
		if got, want := heard.states[m.flow], []destination.State{destination.Starting, destination.Running, destination.Stopped, destination.Starting, destination.Running}; !slices.Equal(got, want) {
			t.Errorf("states %v", got)
		}
		if a := heard.counts[m.flow]; a.Consumed != 150 || a.Delivered != int64(r.written) || a.Unaccounted() != 0 {
			t.Errorf("counted %+v", a)
		}
		p.stop()
	})
}

// What one process keeps alive must not be behind what another one commits last.
func TestOffsetsAreKeptAliveOnlyOnceAllHaveDrainedTheFlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(r *rig) { r.narrow = true })
		one, other := r.run(adminAt), r.run("127.0.0.1:8180")
		m := r.connect("leads", `,"backfill":{"newSegments":false}`)
		r.activate(&m, leads.HighPropensity, leads.Newsletter, "person.email", "loyalty.points")
		r.becomes(one, m.flow, destination.Running, 20*time.Second)
		r.becomes(other, m.flow, destination.Running, 20*time.Second)
		r.feed(20)
		r.arrived("leads", r.written, time.Minute)
		pass(10 * time.Second) // they are committed
		slow := false          // the first one was on its way for long
		r.kafka.ControlKey(int16(kmsg.OffsetCommit), func(request kmsg.Request) (kmsg.Response, error, bool) {
			r.kafka.KeepControl()
			if commit := request.(*kmsg.OffsetCommitRequest); commit.Group == m.flow && commit.Generation == -1 && !slow { // of no member
				slow = true
				r.kafka.SleepControl(func() { pass(7 * time.Second) })
			}
			return nil, nil, false
		})
		r.kinesis.SetScript(func(c embeddedkinesis.Call) embeddedkinesis.Action {
			if c.Operation == "PutRecords" {
				return embeddedkinesis.Action{Delay: 3 * time.Second}
			}
			return embeddedkinesis.Action{}
		})
		r.feed(20)
		pass(time.Second)
		r.action(&m, "disable") // one of the two has nothing to drain
		pass(10 * time.Minute)
		r.action(&m, "enable")
		r.arrived("leads", r.written, time.Minute)
		one.stop()
		other.stop()
	})
}

// A flow that cannot run for longer than Kafka keeps the offsets of a group without
// members goes on where it was, too.
func TestARefusedFlowGoesOnWhereItWas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		p := r.run(adminAt)
		m := r.connect("leads", "")
		r.becomes(p, m.flow, destination.Running, soon)
		pass(backfilled)
		etag := r.call("GET", flowservice+"/connections/"+m.account, "", 200)["items"].([]any)[0].(map[string]any)["etag"].(string)
		r.call("PATCH", flowservice+"/connections/"+m.account+"?validate=false", `[{"op":"replace","path":"/auth/params","value":{"accessKeyId":"LOST","secretKey":"LOST","region":"us-east-1"}}]`, 202, "If-Match", etag)
		r.becomes(p, m.flow, destination.Refused, soon)
		commits := r.commits()
		pass(10 * 24 * time.Hour)
		if n := commits(m.flow); n < 9 {
			t.Errorf("its offsets were kept alive %d times in ten days", n)
		}
		p.stop()
	})
}

// Ten thousand documents are looked at with each change of one of them.
func TestAChangeAmongTenThousandDocumentsIsSeenAtOnce(t *testing.T) {
	const flows = 2500 // with a source, a target and an account each
	store := &documentstest.Store{}
	add := func(c *documents.Change, i int, state string) {
		id := fmt.Sprintf("flow-%05d", i)
		at := func(kind string) string { return documents.Key(kind, "prod", id) }
		v, _ := store.Watch()
		for key, doc := range map[string]string{
			at(documents.SourceConnections): `{"id":"` + id + `","params":{}}`,
			at(documents.TargetConnections): `{"id":"` + id + `","baseConnectionId":"` + id + `","params":{"stream":"leads"}}`,
			at(documents.Connections):       `{"id":"` + id + `"}`,
			at(documents.Flows): `{"id":"` + id + `","state":"` + state + `","sourceConnectionIds":["` + id + `"],"targetConnectionIds":["` + id + `"],
				"transformations":[{"name":"GeneralTransform","params":{"profileSelectors":{"selectors":[]},"segmentSelectors":{"selectors":[` + strings.Repeat(`{"type":"PLATFORM_SEGMENT","value":{"id":"s"}},`, 20) + `{"type":"PLATFORM_SEGMENT","value":{"id":"s"}}]}}}]}`,
		} {
			before, _ := v.Get(key)
			c.Writes = append(c.Writes, documents.Write{Key: key, Base: before.Etag, Doc: []byte(doc)})
		}
	}
	write := func(c documents.Change) {
		if _, err := store.Propose(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	var first, second documents.Change
	for i := range flows {
		add(&first, i, "enabled")
	}
	write(first)
	made := 0
	f := follow.New(follow.Options{
		Store: store, Sandboxes: []string{"prod"}, Share: func(*config.Config) {},
		Config: func(_ documents.Reader, _, id string) (config.Config, error) {
			made++
			c := config.Config{Name: id}
			c.Source.Kafka.Group, c.DeadLetter.Topic, c.Source.Kafka.Brokers, c.Source.Kafka.Topic = id, id+".dlt", []string{"a:9092"}, "events"
			return c, nil
		},
	})
	v, _ := store.Watch()
	began := time.Now()
	wanted := f.Look(v)
	t.Logf("the first look took %v", time.Since(began))
	running := 0
	for _, w := range wanted {
		if w.Refused == nil {
			running++
		}
	}
	if len(wanted) != flows || running != follow.MostFlows || made != flows+follow.MostFlows {
		t.Fatalf("%d flows wanted, %d of them to run, %d configurations made", len(wanted), running, made)
	}
	add(&second, 7, "disabled")
	write(second)
	v, _ = store.Watch()
	began = time.Now()
	wanted = f.Look(v)
	took := time.Since(began)
	t.Logf("a look at one change took %v", took)
	if made != flows+follow.MostFlows+2 || !wanted["flow-00007"].Disabled || wanted["flow-00100"].Refused != nil {
		t.Errorf("%d configurations made; %+v", made, wanted["flow-00100"])
	}
	if took > time.Second {
		t.Errorf("a look at one change among %d documents took %v", 4*flows, took)
	}
}

// A flow's start takes as long as its registry, up to five seconds.
func TestAChangeWhileAFlowStartsIsDoneOnceItHas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(r *rig) {
			r.registryWait = func() { pass(3 * time.Second) }
		})
		p := r.run(adminAt)
		m := r.connect("leads", "")
		pass(time.Second)
		r.activate(&m, leads.HighPropensity, leads.Newsletter, "person.email", "loyalty.points")
		r.becomes(p, m.flow, destination.Running, 20*time.Second)
		pass(20 * time.Second)
		r.feed(50)
		r.arrived("leads", r.written, time.Minute)
		third := r.connect("more", "")
		pass(time.Second)
		r.action(&third, "disable")
		r.becomes(p, third.flow, destination.Stopped, 10*time.Second)
		r.call("DELETE", flowservice+"/flows/"+third.flow, "", 202)
		pass(10 * time.Second)
		if len(p.Flows()) != 1 {
			t.Errorf("a flow that was deleted is there: %+v", p.Flows())
		}
		p.stop()
	})
}
