package server_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"kinesis-destination/cmd/internal/control/documents"
	"kinesis-destination/cmd/internal/control/server"
	"kinesis-destination/cmd/internal/testutil"
)

// The stated limit of a control plane is 10,000 documents. A page of them takes less than
// a tenth of a second, also the first after a start: what is read once is read before
// anybody asks. The bound is one that a busy machine keeps under the race detector.
func TestAListOfTenThousandDocumentsIsAnsweredAtOnce(t *testing.T) {
	const flows, bound = 10_000, 10 * time.Second // of CPU, with the race detector on a slow machine
	r := newRig(t)
	m := r.flow(leads)
	view, err := r.store.View(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	one, _ := view.Get(documents.Key(documents.Flows, "prod", m.flow))
	change := documents.Change{By: "test"}
	for i := range flows - 5 {
		id := fmt.Sprintf("00000000-0000-4000-8000-%012d", i)
		doc := strings.ReplaceAll(string(one.Doc), m.flow, id)
		change.Writes = append(change.Writes, documents.Write{Key: documents.Key(documents.Flows, "prod", id), Doc: json.RawMessage(doc)})
	}
	if _, err := r.store.Propose(t.Context(), change); err != nil {
		t.Fatal(err)
	}
	// The process is started anew.
	began := testutil.CPUTime(t)
	anew, err := server.New(r.options)
	if err != nil {
		t.Fatal(err)
	}
	if err := anew.Flows.Prepare(t.Context(), []string{"prod"}); err != nil {
		t.Fatal(err)
	}
	prepared := testutil.CPUTime(t) - began
	t.Logf("prepared in %v", prepared)
	for _, query := range []string{"?limit=100", "?limit=100", "?limit=20&orderby=-name", "?count=true&property=state==enabled", "?limit=20&property=inheritedAttributes.targetConnections[].id==" + m.target} {
		request := httptest.NewRequest(http.MethodGet, "http://localhost"+flowservice+"/flows"+query, nil)
		answer := httptest.NewRecorder()
		began := testutil.CPUTime(t)
		anew.ServeHTTP(answer, request)
		took := testutil.CPUTime(t) - began
		t.Logf("%s: %v", query, took)
		if answer.Code != http.StatusOK || took > max(bound/20, prepared/2) {
			t.Errorf("%s took %v: %d", query, took, answer.Code)
		}
	}
	if prepared > bound {
		t.Errorf("prepared in %v", prepared)
	}
	began = testutil.CPUTime(t)
	r.call("PATCH", flowservice+"/flows/"+m.flow, add("a", "person.name"), "If-Match", m.etag).is(202)
	t.Logf("an activation: %v", testutil.CPUTime(t)-began)
}

// A policy judges every enabled flow when it is enabled: a hundred of 250 segments and
// the attributes of a schema take a fraction of a second.
func TestAPolicyIsJudgedOverAHundredFlowsAtOnce(t *testing.T) {
	const flows, bound = 100, 10 * time.Second
	r := newRig(t)
	m := r.flow(thirdParty)
	var segments []string
	for i := range 250 {
		segments = append(segments, fmt.Sprintf(`{"type":"PLATFORM_SEGMENT","value":{"id":"segment-%d","name":"Segment %d","labels":["C8"]}}`, i, i))
	}
	attribute := `{"type":"JSON_PATH","value":{"path":"person"}},{"type":"JSON_PATH","value":{"path":"homeAddress"}}`
	full := r.call("POST", flowservice+"/flows", flowBody("full", m.source, m.target, attribute, strings.Join(segments, ","))).is(201).str("id")
	view, err := r.store.View(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	one, _ := view.Get(documents.Key(documents.Flows, "prod", full))
	change := documents.Change{By: "test"}
	for i := range flows - 1 {
		id := fmt.Sprintf("00000000-0000-4000-8000-%012d", i)
		change.Writes = append(change.Writes, documents.Write{Key: documents.Key(documents.Flows, "prod", id), Doc: json.RawMessage(strings.ReplaceAll(string(one.Doc), full, id))})
	}
	if _, err := r.store.Propose(t.Context(), change); err != nil {
		t.Fatal(err)
	}
	began := testutil.CPUTime(t)
	r.call("PUT", policyservice+"/enabledCorePolicies", `{"policyIds":["corepolicy_0002"]}`).is(200)
	took := testutil.CPUTime(t) - began
	t.Logf("a policy over %d flows: %v", flows, took)
	if took > bound {
		t.Errorf("took %v", took)
	}
}
