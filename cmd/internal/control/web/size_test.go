package web_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"kinesis-destination/cmd/internal/control/documents"
	"kinesis-destination/cmd/internal/testutil"
)

// The stated costs of a view on this machine with 10,000 documents, in time of the CPU:
// the first view, and each step.
const (
	firstViewTime = 100 * time.Millisecond
	stepTime      = 50 * time.Millisecond
)

// tenThousand fills the store: flows, and a target connection of each third.
func (r *rig) tenThousand(flow, target string) {
	r.t.Helper()
	view, err := r.store.View(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	change := documents.Change{By: "test"}
	for _, kind := range []struct {
		name, id string
		n        int
	}{{documents.Flows, flow, 5000}, {documents.TargetConnections, target, 4990}} {
		one, ok := view.Get(documents.Key(kind.name, "prod", kind.id))
		if !ok {
			r.t.Fatal(kind)
		}
		for i := range kind.n {
			id := fmt.Sprintf("00000000-0000-4000-8000-%012d", i)
			change.Writes = append(change.Writes, documents.Write{
				Key: documents.Key(kind.name, "prod", id), Doc: json.RawMessage(strings.ReplaceAll(string(one.Doc), kind.id, id)),
			})
		}
	}
	if _, err := r.store.Propose(r.t.Context(), change); err != nil {
		r.t.Fatal(err)
	}
}

func TestViewsAreQuickWithTenThousandDocumentsAndALargeSchema(t *testing.T) {
	r := newRig(t)
	var fields []string
	for i := range 3000 {
		fields = append(fields, fmt.Sprintf(`{"name":"field%d","type":["null","string"],"default":null}`, i))
	}
	schema := string(r.schemaText)
	schema = strings.Replace(schema, `{"name": "person",`, strings.Join(fields, ",")+`,{"name": "person",`, 1)
	r.events(300, "propensity", "vip", "other")
	r.registry.Register("segment-evaluations-value", schema)
	at, id := r.setUp("Leads")
	var segments []string
	for i := range 250 {
		segments = append(segments, fmt.Sprintf("segment-%d", i))
	}
	r.post(at+"/segments", "paste", strings.Join(segments, " "), "go", "next").is(200)
	r.post(at+"/attributes", "paste", "person.email", "go", "next").at(at + "/review")
	target := r.api("GET", flowservice+"/flows/"+id, "")["items"].([]any)[0].(map[string]any)["targetConnectionIds"].([]any)[0].(string)
	r.tenThousand(id, target)
	r.get("/s/prod/catalog") // each document is read once
	r.get("/s/prod/flows")
	r.get("/s/prod/accounts")
	for path, bound := range map[string]time.Duration{
		"/s/prod/catalog": firstViewTime, "/s/prod/flows": stepTime, "/s/prod/flows?q=lead&order=%2Bname": stepTime, "/s/prod/accounts": stepTime,
		at + "/segments": stepTime, at + "/attributes": stepTime, at + "/attributes?q=field": stepTime, at + "/review": stepTime,
	} {
		const times = 5
		began := testutil.CPUTime(t)
		for range times {
			request := httptest.NewRequest(http.MethodGet, "http://localhost"+path, nil)
			request.Header.Set("Accept-Encoding", "gzip")
			recorder := httptest.NewRecorder()
			r.handler.ServeHTTP(recorder, request)
			if recorder.Code != 200 {
				t.Fatalf("%s: %d", path, recorder.Code)
			}
		}
		took := (testutil.CPUTime(t) - began) / times
		t.Logf("%s: %v", path, took)
		if took > bound*slack {
			t.Errorf("%s took %v, and may take %v", path, took, bound*slack)
		}
	}
}
