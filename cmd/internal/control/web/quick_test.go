package web_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"kinesis-destination/cmd/internal/control/documents"
	"kinesis-destination/cmd/internal/control/journal"
	"kinesis-destination/cmd/internal/control/server"
	"kinesis-destination/cmd/internal/testutil"
)

func TestPagesOfOperationAreQuickWithTenThousandEntries(t *testing.T) {
	store, err := journal.OpenFiles(t.Context(), t.TempDir(), journal.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	}()
	r := newRig(t, func(o *server.Options) {
		o.Store = server.Journal(store)
		o.Operation.Audit, o.Operation.Runs = server.Audit(store), &fakePlane{}
	})
	id := r.flow("Leads", r.made("Other"))
	at := "/s/prod/flows/" + id
	r.patch(id, `[{"op":"add","path":"/transformations/0/params/segmentSelectors/selectors/-","value":{"type":"PLATFORM_SEGMENT","value":{"id":"propensity"}}}]`)
	view, err := r.options.Store.View(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	one, _ := view.Get(documents.Key(documents.Flows, "prod", id))
	var writers sync.WaitGroup
	for w := range 50 {
		writers.Go(func() {
			for i := range 200 {
				other := fmt.Sprintf("00000000-0000-4000-8000-%06d%06d", w, i)
				if _, err := r.options.Store.Propose(t.Context(), documents.Change{By: "test", Why: "POST /flows", Writes: []documents.Write{{
					Key: documents.Key(documents.Flows, "prod", other), Doc: json.RawMessage(strings.ReplaceAll(string(one.Doc), id, other)),
				}}}); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	writers.Wait()
	measure := func(path string, bound time.Duration) {
		began := testutil.CPUTime(t)
		recorder := httptest.NewRecorder()
		r.handler.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "http://localhost"+path, nil))
		took := testutil.CPUTime(t) - began
		t.Logf("%s: %v", path, took)
		if recorder.Code != http.StatusOK || took > bound*slack {
			t.Errorf("%s: status %d after %v, and may take %v", path, recorder.Code, took, bound*slack)
		}
	}
	r.get("/s/prod/flows") // each document is read once
	r.get(at)              // and so is each entry of the journal
	r.patch(id, `[{"op":"replace","path":"/name","value":"Renamed"}]`)
	for _, path := range []string{at, at + "/edit", "/s/prod/activity", "/s/prod/activity?q=renamed", "/s/prod/governance", "/s/prod/settings"} {
		measure(path, stepTime)
	}
}
