package server_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"kinesis-destination/cmd/internal/control/documents"
	"kinesis-destination/sink/embeddedkinesis"
)

// The journal takes a thousand documents and reads of one change; flows may be ten thousand.
func TestAChangeThatManyFlowsGoByReliesOnFewDocuments(t *testing.T) {
	r := newRig(t)
	m := r.flow(leads)
	for range 150 {
		target := r.target(m.base, leads).is(201).str("id")
		r.call("POST", flowservice+"/flows", flowBody("Leads", m.source, target, "", "")).is(201)
	}
	at := flowservice + "/sourceConnections/" + m.source
	etag := r.call("GET", at, "").is(200).str("items", 0, "etag")
	r.call("PATCH", at, `[{"op":"replace","path":"/name","value":"renamed"}]`, "If-Match", etag).is(202)
	changes := r.store.Changes()
	reads := changes[len(changes)-1].Reads
	groups := ""
	for _, read := range reads {
		groups += " " + read.Key
	}
	if len(reads) > 110 || !strings.Contains(groups, "@targetConnections") {
		t.Errorf("it relies on %d:%s", len(reads), groups)
	}
}

// What waits for streams that do not answer would else wait for one after the other, longer
// than an answer may take.
func TestStreamsAreTestedAtOnce(t *testing.T) {
	r := newRig(t)
	base := r.account()
	for range 3 {
		r.target(base, leads).is(201)
	}
	var waiting atomic.Int32
	together := make(chan struct{})
	r.kinesis.SetScript(func(c embeddedkinesis.Call) embeddedkinesis.Action {
		if c.Operation == "DescribeStreamSummary" {
			if waiting.Add(1) == 3 {
				close(together)
			}
			select {
			case <-together:
			case <-time.After(15 * time.Second): // they come one by one
				t.Error("a stream is tested when another one has answered")
			}
		}
		return embeddedkinesis.Action{}
	})
	got := r.call("GET", flowservice+"/connections/"+base+"/test", "").is(200).says(`"result":true`)
	if reports, _ := got.get("reports").([]any); len(reports) != 4 || got.str("reports", 0, "name") != "account" {
		t.Errorf("reports: %s", got.text)
	}
}

func TestAFullStoreSaysWhatToDo(t *testing.T) {
	r := newRig(t)
	var once sync.Once
	r.store.Fail = func(documents.Change) error {
		var err error
		once.Do(func() { err = fmt.Errorf("%w: 3 documents, and it may have 2", documents.ErrFull) })
		return err
	}
	r.call("POST", flowservice+"/connections", accountBody(accessKey)).is(http.StatusInsufficientStorage).says("full", "it may have 2", "Delete documents")
	r.account()
}

func TestAPolicyIsNoLargerThanADocumentMayBe(t *testing.T) {
	r := newRig(t)
	policy := func(label string) string {
		return `{"name":"p","status":"ENABLED","marketingActionRefs":["` + policyservice + `/marketingActions/core/analytics"],"deny":{"label":"` + label + `"}}`
	}
	r.call("POST", policyservice+"/policies/custom", policy(strings.Repeat("x", 600_000))).is(http.StatusRequestEntityTooLarge)
	r.call("POST", policyservice+"/policies/custom", policy("C1")).is(201)
}

// Of a query that cannot be read the library leaves out what is wrong: a condition would be
// none, and everything be listed.
func TestAQueryThatCannotBeReadIsRefused(t *testing.T) {
	r := newRig(t)
	r.flow(leads)
	for _, query := range []string{"property=name==a;b", "property=name==100%", "%zz=1"} {
		r.call("GET", flowservice+"/flows?count=true&"+query, "").is(400).says("%3B")
	}
	if n := r.call("GET", flowservice+"/flows?count=true&property=name==a%3Bb", "").is(200).get("count"); n != 0.0 {
		t.Errorf("%v flows are named so", n)
	}
}
