package operation

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"kinesis-destination/cmd/internal/config"
	"kinesis-destination/cmd/internal/control/api"
	"kinesis-destination/cmd/internal/control/documents"
	"kinesis-destination/cmd/internal/control/documents/documentstest"
	"kinesis-destination/cmd/internal/control/jobs"
	"kinesis-destination/consumer/embeddedkafka"
	"kinesis-destination/transform"
)

// site is a flow of which a job is under way.
type site struct {
	t     *testing.T
	store documentstest.Store
	flows Flows
}

func newSite(t *testing.T) *site {
	s := &site{t: t}
	s.flows = Flows{
		Store: &s.store,
		Config: func(v documents.Reader, sandbox, flowID string) (config.Config, error) {
			var c config.Config
			e, ok := v.Get(documents.Key(documents.Flows, sandbox, flowID))
			if !ok {
				return c, api.Refuse(api.CodeNotFound, "there is no flow")
			}
			c.Governance.EnabledPolicies = []string{v.Version(documents.AllGovernance)}
			return c, documents.Decode(e, &c.Target.Kinesis.Stream)
		},
		Judge: func(_ context.Context, v documents.Reader, _, _ string) error {
			if _, forbidden := v.Get("governance/policies/prod/forbids"); forbidden {
				return api.Refuse(api.CodeConflict, "flow one would violate it")
			}
			return nil
		},
	}
	s.write("flows/prod/one", `"leads"`)
	return s
}

// write replaces a document; empty: it is deleted.
func (s *site) write(key, doc string) {
	s.t.Helper()
	v, _ := s.store.View(s.t.Context())
	e, _ := v.Get(key)
	w := documents.Write{Key: key, Base: e.Etag}
	if doc != "" {
		w.Doc = json.RawMessage(doc)
	}
	if _, err := s.store.Propose(s.t.Context(), documents.Change{Writes: []documents.Write{w}}); err != nil {
		s.t.Fatal(err)
	}
}

// ended is how a job ends that would go on for ever, within a minute after a change.
func (s *site) ended(op string, change func()) error {
	s.t.Helper()
	c, err := s.flows.config(s.t.Context(), "prod", "one")
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	return s.flows.watched(ctx, &jobs.Order{Request: jobs.Request{Op: op}, Sandbox: "prod", Flow: "one"}, c, func(ctx context.Context) error {
		time.Sleep(lookEvery + 1) // virtual time
		change()
		<-ctx.Done()
		return ctx.Err()
	})
}

func TestAJobEndsWhenItsFlowIsDeletedChangedOrForbidden(t *testing.T) {
	for name, c := range map[string]struct {
		op, key, doc string
		why          string // empty: it goes on
	}{
		"the flow is deleted":              {jobs.Replay, "flows/prod/one", "", jobs.Deleted},
		"the flow of a drop is deleted":    {jobs.Drop, "flows/prod/one", "", jobs.Deleted},
		"its stream is another":            {jobs.Backfill, "flows/prod/one", `"others"`, "have changed meanwhile"},
		"a drop sends nothing":             {jobs.Drop, "flows/prod/one", `"others"`, ""},
		"it cannot run any more":           {jobs.Redrive, "flows/prod/one", `[]`, "the flow is refused now: document"},
		"a policy forbids it":              {jobs.Replay, "governance/policies/prod/forbids", "{}", "the flow is refused now: flow one would violate it"},
		"a policy that it does not offend": {jobs.Replay, "governance/policies/prod/allows", "{}", ""},
		"another flow":                     {jobs.Replay, "flows/prod/two", "{}", ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t)
				err := s.ended(c.op, func() { s.write(c.key, c.doc) })
				why, interrupted := errors.AsType[*jobs.Interrupted](err)
				if interrupted != (c.why != "") || interrupted && !strings.Contains(why.Why, c.why) {
					t.Errorf("it ended: %v", err)
				}
			})
		})
	}
}

func TestTheNoteOfAJobNamesWhoStoppedIt(t *testing.T) {
	s := newSite(t)
	s.flows.Now = func() time.Time { return time.UnixMilli(1) }
	o := jobs.Order{Request: jobs.Request{Op: jobs.Replay, Segment: "vip", From: "0=5", To: "latest", ID: "one", EveryEvent: true}, Sandbox: "prod", Flow: "one", By: "ann"}
	for _, stopped := range []bool{false, true} {
		if err := s.flows.Note(t.Context(), o, stopped); err != nil {
			t.Fatal(err)
		}
	}
	all := s.store.Changes()
	if last := all[len(all)-1]; len(all) != 3 || last.By != "ann" || last.Why != "DELETE /flows/one/jobs op=replay segment=vip from=0=5 to=latest id=one everyEvent" {
		t.Errorf("%+v", all)
	}
	o.Flow = "nothing"
	if err := s.flows.Note(t.Context(), o, false); err != nil || len(s.store.Changes()) != 3 {
		t.Errorf("a flow that is gone: %v", err)
	}
	if got := by(strings.Repeat("a", 500)); len(got) > 100 || by("ann") != "ann@control-plane" {
		t.Errorf("who is %s", got)
	}
}

func TestOffsetsAreOfPartitionsThatThereAre(t *testing.T) {
	kafka, err := embeddedkafka.Start(embeddedkafka.Options{Topics: map[string]int{"events": 3}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(kafka.Close)
	s := newSite(t)
	s.flows.Now = time.Now
	within := s.flows.Config
	s.flows.Config = func(v documents.Reader, sandbox, flowID string) (config.Config, error) {
		c, err := within(v, sandbox, flowID)
		c.Source.Kafka.Brokers, c.Source.Kafka.Topic, c.Source.Kafka.Group = kafka.ListenAddrs(), "events", "one"
		c.Activation.Segments = []transform.Segment{{ID: "vip"}}
		return c, err
	}
	for _, c := range []struct{ from, to, field string }{
		{"0=5,77=3", "", "from"}, {"", "3=1", "to"}, {"0=0,2=0", "", ""}, {"1h", "", ""},
	} {
		err := s.flows.Check(t.Context(), "prod", "one", &jobs.Request{Op: jobs.Replay, From: c.from, To: c.to})
		refusal, refused := errors.AsType[*api.Error](err)
		if refused != (c.field != "") || refused && (refusal.Errors[0].Field != c.field || !strings.Contains(refusal.Errors[0].Message, "they are 0 to 2")) {
			t.Errorf("from %q to %q: %v", c.from, c.to, err)
		}
	}
}
