package destination

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"kinesis-destination/cmd/internal/config"
	"kinesis-destination/cmd/internal/leads"
	"kinesis-destination/cmd/internal/rules"
	"kinesis-destination/schemas"
	"kinesis-destination/sink/embeddedkinesis"
)

// governedConfig is bubbleConfig under a policy that forbids what carries C2.
const governedConfig = BubbleConfig + `  marketingActions: [exportToThirdParty]
governance: {enabledPolicies: [core/C2-exportToThirdParty], onViolation: refuse}
server: {listen: "127.0.0.1:8080"}
`

// ruled is a destination whose configuration is a file that a test rewrites.
type ruled struct {
	*bubble
	*process
	file   string
	ask    chan struct{}
	second int // id of a writer schema whose person.email carries C2
}

func startRuled(t *testing.T, text string) *ruled {
	t.Helper()
	r := &ruled{bubble: newBubble(t, 3, embeddedkinesis.Options{}), ask: make(chan struct{})}
	r.file = filepath.Join(t.TempDir(), "destination.yaml")
	r.write(text)
	cfg, err := config.Load(r.file)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r.process = &process{cancel: cancel, done: make(chan error, 1)}
	started := make(chan *Destination, 1)
	go func() {
		r.done <- Run(ctx, []config.Config{cfg}, Options{
			Logger: slog.New(slog.NewTextHandler(r.log, nil)), Dial: r.network.DialContext, Listen: r.network.Listen,
			Reload: r.ask, Started: func(ds []*Destination) { started <- ds[0] },
		})
	}()
	select {
	case r.Destination = <-started:
	case err := <-r.done:
		t.Fatal(err)
	}
	t.Cleanup(func() {
		r.cancel()
		r.ended.Do(func() {
			if err := <-r.done; err != nil {
				t.Errorf("run: %v", err)
			}
		})
	})
	return r
}

func (r *ruled) write(text string) {
	r.t.Helper()
	if err := os.WriteFile(r.file, []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

// reloadWith rewrites the file and has it read.
func (r *ruled) reloadWith(text string) Status {
	r.t.Helper()
	r.write(text)
	r.ask <- struct{}{}
	synctest.Wait()
	_, body := r.get(8080, "/status")
	var overview Overview
	if err := json.Unmarshal([]byte(body), &overview); err != nil {
		r.t.Fatal(err)
	}
	return overview.Destinations[0]
}

// registerForbidden registers a newer writer schema, whose person.email carries C2.
func (r *ruled) registerForbidden() {
	r.t.Helper()
	const email = `"email", "type": ["null", "string"], "default": null, "labels": ["I1"`
	text := strings.Replace(string(schemas.SegmentEvaluation), email, email+`, "C2"`, 1)
	if text == string(schemas.SegmentEvaluation) {
		r.t.Fatal("the schema has no person.email")
	}
	r.second = r.registry.Register(testTopic+"-value", text)
}

// feedForbidden writes n events in the newer schema and tells the oracle.
func (r *ruled) feedForbidden(g *leads.Generator, o *oracle, n int) {
	r.t.Helper()
	r.feedEach(g, n, r.second, o.add)
}

// emails counts the records on the stream that hold an e-mail address.
func (r *ruled) emails() int {
	n := 0
	for _, record := range r.kinesis.History(testStream) {
		if strings.Contains(string(record.Data), `"email":`) {
			n++
		}
	}
	return n
}

func TestALabelThatAppearsAtRunTimeHoldsThePartitionUntilTheRulesChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startRuled(t, governedConfig)
		g, o := newLeads(t, 11, 30), newOracle()
		r.feed(g, o, 150)
		r.settled(o.total, time.Minute, r.process)
		before := r.emails()
		r.registerForbidden()
		r.feedForbidden(g, o, 150)
		r.feed(g, o, 150)
		pass(time.Hour)

		if code, body := r.get(8080, "/readyz"); code != http.StatusServiceUnavailable || !strings.Contains(body, "held: policy-violation") {
			t.Errorf("readyz says %d %q", code, body)
		}
		if _, metrics := r.get(8080, "/metrics"); !strings.Contains(metrics, `kinesis_destination_held_partitions{destination="leads",reason="policy-violation"} 3`) {
			t.Error("the metrics do not show the held partitions")
		}
		if n := r.log.Count("held: retrying"); n != 1 || r.log.Count("error=\"schema id 2: policy violation: core/C2-exportToThirdParty") != 1 {
			t.Errorf("logged %d times, or without the policy:\n%s", n, r.log)
		}
		if r.emails() != before {
			t.Error("something was exported that policy forbids")
		}
		for _, held := range r.Holds() {
			if held.Reason != rules.HoldViolation || !strings.Contains(held.Cause, "C2") || !strings.Contains(held.Cause, "remove person.email from activation.attributes") {
				t.Errorf("held %+v", held)
			}
		}
		generation := r.Stats().Generation
		status := r.reloadWith(strings.Replace(governedConfig, "[person.email, loyalty.points]", "[loyalty.points]", 1))
		if status.Rules.Version != 2 || status.Refused != nil {
			t.Errorf("status %+v %+v", status.Rules, status.Refused)
		}
		r.settled(o.total, time.Minute, r.process)
		pass(5 * time.Second)
		if code, body := r.get(8080, "/readyz"); code != http.StatusOK {
			t.Errorf("readyz says %d %q", code, body)
		}
		if r.Stats().Generation != generation {
			t.Error("the switch of the rules took a rebalance")
		}
		if v := o.judge(r.kinesis.History(testStream)); v != (verdict{}) {
			t.Errorf("%+v", v)
		}
		if r.emails() != before {
			t.Error("the old rules were used after the switch")
		}
		if a := r.Account(); a.Unaccounted() != 0 || len(a.DeadLettered) != 0 {
			t.Errorf("account %+v", a)
		}
		r.stop(t)
	})
}

func TestALabelThatAppearsAtRunTimeDropsTheField(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startRuled(t, strings.Replace(governedConfig, "onViolation: refuse", "onViolation: drop-field", 1))
		g, o := newLeads(t, 12, 30), newOracle()
		r.feed(g, o, 100)
		r.settled(o.total, time.Minute, r.process)
		before := r.emails()
		r.registerForbidden()
		r.feedForbidden(g, o, 100)
		r.settled(o.total, time.Minute, r.process)
		if code, body := r.get(8080, "/readyz"); code != http.StatusOK {
			t.Errorf("readyz says %d %q", code, body)
		}
		if _, metrics := r.get(8080, "/metrics"); !strings.Contains(metrics, `kinesis_destination_violating_schemas_total{destination="leads"} 1`) {
			t.Error("the violating schema is not counted")
		}
		if n := r.log.Count("a writer schema violates a data governance policy"); n != 1 {
			t.Errorf("the violation was logged %d times", n)
		}
		r.stop(t)
		if before == 0 || r.emails() != before {
			t.Errorf("%d records with the field before, %d after", before, r.emails())
		}
		if v := o.judge(r.kinesis.History(testStream)); v != (verdict{}) {
			t.Errorf("%+v", v)
		}
	})
}

// Of a pattern no schema was weighed, and of several topics none behind one without a schema.
func TestTheLabelsOfEachTopicAreWeighedBeforeTheStart(t *testing.T) {
	for name, topics := range map[string]string{"a pattern": "topicPattern: segment-.*", "one has no schema": "topics: [nowhere, segment-evaluations, elsewhere]"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := &ruled{bubble: newBubble(t, 3, embeddedkinesis.Options{})}
				r.registerForbidden()
				cfg, err := config.Parse("leads.yaml", []byte(strings.Replace(governedConfig, "topic: segment-evaluations", topics, 1)))
				if err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				err = Run(ctx, []config.Config{cfg}, Options{Logger: slog.New(slog.NewTextHandler(r.log, nil)), Dial: r.network.DialContext, Listen: r.network.Listen})
				if !errors.Is(err, rules.ErrViolation) || !strings.Contains(err.Error(), "subject segment-evaluations-value") {
					t.Errorf("run: %v", err)
				}
				for _, topic := range []string{"nowhere", "elsewhere"} {
					if strings.Contains(topics, topic) && !strings.Contains(r.log.String(), "subject "+topic+"-value") {
						t.Errorf("nobody is told that %s has no schema:\n%s", topic, r.log.String())
					}
				}
			})
		})
	}
}

func TestARefusedReloadChangesNothingAndIsToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startRuled(t, governedConfig)
		change := func(old, now string) string {
			t.Helper()
			text := strings.Replace(governedConfig, old, now, 1)
			if text == governedConfig {
				t.Fatalf("no %s", old)
			}
			return text
		}
		for _, refused := range []struct{ text, problem string }{
			{"name: [", "no YAML"},
			{change("stream: leads", "stream: others"), "target.kinesis.stream: has changed; that needs a restart"},
			{change("secretAccessKey: test", "secretAccessKey: rotated"), "target.kinesis.credentials.secretAccessKey: has changed"},
			{change("topic: segment-evaluations", "topics: [segment-evaluations]"), "source.kafka.topic: has changed"},
			{change("127.0.0.1:8081", "127.0.0.1:8082"), "source.schemaRegistry.url: has changed"},
			{change("[person.email, loyalty.points]", "[person..email]") + "x: y\n", "activation.attributes[0]: must be a dotted path"},
			{change("[person.email, loyalty.points]", "[loyalty.balance]"), "policy violation: C12"},
		} {
			for range 2 {
				status := r.reloadWith(refused.text)
				if status.Rules.Version != 1 || status.Refused == nil || !strings.Contains(strings.Join(status.Refused.Problems, "\n"), refused.problem) {
					t.Errorf("%s: %+v", refused.problem, status.Refused)
				}
				if strings.Contains(strings.Join(status.Refused.Problems, "\n"), "rotated") {
					t.Errorf("%s: the value is shown", refused.problem)
				}
			}
		}
		if n := r.log.Count("new configuration refused"); n != 7 {
			t.Errorf("7 refusals were logged %d times", n)
		}
		g, o := newLeads(t, 14, 10), newOracle()
		r.feed(g, o, 50)
		r.settled(o.total, time.Minute, r.process)
		if r.emails() == 0 {
			t.Error("the rules from before are not in force")
		}
		status := r.reloadWith(governedConfig)
		if status.Rules.Version != 1 || status.Refused != nil {
			t.Errorf("after the file was put back: %+v %+v", status.Rules, status.Refused)
		}
		r.stop(t)
	})
}

func TestTheRulesSwitchBetweenTwoEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startRuled(t, governedConfig)
		g, o := newLeads(t, 15, 40), newOracle()
		first := r.reloadWith(governedConfig)
		hashes := map[string]bool{first.Rules.Hash: true}
		for i, attributes := range []string{"[loyalty.points]", "[person.email, loyalty.points, person.name]", "[loyalty.points, person.email]"} {
			r.feed(g, o, 200)
			status := r.reloadWith(strings.Replace(governedConfig, "[person.email, loyalty.points]", attributes, 1))
			if status.Rules.Version != i+2 || !status.Rules.LoadedAt.Equal(time.Now()) {
				t.Errorf("status %+v", status.Rules)
			}
			hashes[status.Rules.Hash] = true
		}
		if len(hashes) != 4 {
			t.Errorf("hashes %v", hashes)
		}
		if again := r.reloadWith(strings.Replace(governedConfig, "[person.email, loyalty.points]", "[person.email, loyalty.points] # a comment", 1)); again.Rules.Hash != first.Rules.Hash {
			t.Errorf("the first rules again have another hash: %s, %s", first.Rules.Hash, again.Rules.Hash)
		}
		r.settled(o.total, time.Minute, r.process)
		r.stop(t)
		if v := o.judge(r.kinesis.History(testStream)); v != (verdict{}) {
			t.Errorf("%+v", v)
		}
	})
}

func TestThePoliciesFileIsReadAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		folder := t.TempDir()
		policies := filepath.Join(folder, "policies.yaml")
		write := func(status string) {
			t.Helper()
			text := "policies: [{name: custom/no-points, status: " + status + ", marketingActions: [exportToThirdParty], deny: {label: I1}}]\n"
			if err := os.WriteFile(policies, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		write("draft")
		text := strings.Replace(governedConfig, "governance: {", "governance: {policiesFile: "+policies+", ", 1)
		r := startRuled(t, text)
		write("disabled")
		if status := r.reloadWith(text); status.Rules.Version != 2 {
			t.Errorf("version %d after the policies changed", status.Rules.Version)
		}
		write("enabled")
		if status := r.reloadWith(text); status.Rules.Version != 2 || status.Refused == nil || !strings.Contains(status.Refused.Problems[0], "custom/no-points") {
			t.Errorf("status %+v %+v", status.Rules, status.Refused)
		}
		r.stop(t)
	})
}
