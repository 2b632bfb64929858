package server_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"kinesis-destination/cmd/internal/control/documents"
	"kinesis-destination/cmd/internal/control/journal"
	policies "kinesis-destination/cmd/internal/control/policyservice"
	"kinesis-destination/cmd/internal/control/server"
	"kinesis-destination/consumer/embeddedkafka"
)

// replicas are control planes with one journal, in Kafka: that of make contract, or else
// the embedded one.
func replicas(t *testing.T, n int) (rigs []*rig, stores []*journal.Store) {
	t.Helper()
	k := journal.Kafka{Topic: "control-" + strings.ToLower(rand.Text()[:8])}
	if named := os.Getenv("KAFKA_BROKERS"); named != "" {
		k.Brokers = strings.Split(named, ",")
	} else {
		embedded, err := embeddedkafka.Start(embeddedkafka.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(embedded.Close)
		k.Brokers = embedded.ListenAddrs()
	}
	var first *rig
	for range n {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		store, err := journal.OpenKafka(ctx, k, journal.Options{Logger: slog.New(slog.DiscardHandler)})
		cancel()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = store.Close() })
		r := newRig(t, func(o *server.Options) {
			o.Store = server.Journal(store)
			if first != nil { // one stream and one registry
				o.Sources, o.Endpoints = first.options.Sources, first.options.Endpoints
			}
		})
		if first == nil {
			first = r
		}
		rigs, stores = append(rigs, r), append(stores, store)
	}
	return rigs, stores
}

// direct asks a replica without a connection, from an address of its own: a thousand
// callers are not one that asks too often.
func (r *rig) direct(from int, method, path, body string, header ...string) answer {
	request := httptest.NewRequest(method, "http://localhost"+path, strings.NewReader(body))
	request.Header = r.header.Clone()
	request.RemoteAddr = fmt.Sprintf("10.0.%d.%d:4711", from/250, from%250)
	for i := 0; i+1 < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	recorder := httptest.NewRecorder()
	r.server.ServeHTTP(recorder, request)
	return answer{r.t, recorder.Code, recorder.Header(), recorder.Body.String()}
}

// TestContractAThousandWritersOfOneFlowAllGetAnAnswer: two replicas, and each writer
// tries ten times by what it has just read.
func TestContractAThousandWritersOfOneFlowAllGetAnAnswer(t *testing.T) {
	const n = 1000
	rigs, stores := replicas(t, 2)
	m := rigs[0].flow(leads)
	at := flowservice + "/flows/" + m.flow
	etags := make([]string, n) // of those that were answered with 202
	var mu sync.Mutex
	statuses := map[int]int{}
	began := time.Now()
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			r := rigs[i%len(rigs)]
			var got answer
			for range 10 {
				read := r.direct(i, "GET", at, "")
				if got = read; read.status != http.StatusOK {
					break
				}
				// One document of a constant size: what is written says who has written it.
				got = r.direct(i, "PATCH", at, fmt.Sprintf(`[{"op":"replace","path":"/name","value":"writer %d"}]`, i), "If-Match", read.str("items", 0, "etag"))
				if got.status != http.StatusPreconditionFailed {
					break
				}
			}
			mu.Lock()
			defer mu.Unlock()
			if statuses[got.status]++; got.status == http.StatusAccepted {
				etags[i] = strings.Trim(got.str("etag"), `"`)
			}
		})
	}
	all.Wait()
	t.Logf("%d writers through 2 replicas in %v: %v", n, time.Since(began).Round(time.Millisecond), statuses)
	if statuses[202]+statuses[412] != n || statuses[202] == 0 {
		t.Errorf("not all were answered with 202 or 412: %v", statuses)
	}
	// The history is linear, and has exactly the changes that were answered so.
	present, written := strings.Trim(m.etag, `"`), map[string]bool{}
	err := stores[0].Audit(t.Context(), func(a journal.Audited) error {
		if a.Verdict != journal.Applied || !strings.HasSuffix(a.Docs[0].Key, m.flow) || a.Etag == present {
			return nil
		}
		if a.Docs[0].Base != present {
			t.Errorf("offset %d replaces %s, and %s was there", a.Offset, a.Docs[0].Base, present)
		}
		present, written[a.Etag] = a.Etag, true
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, etag := range etags {
		if etag != "" && !written[etag] {
			t.Errorf("writer %d was told %s, which the journal has not", i, etag)
		}
	}
	if len(written) != statuses[202] {
		t.Errorf("%d changes are in the journal, %d were answered with 202", len(written), statuses[202])
	}
	for i, r := range rigs {
		if got := strings.Trim(r.call("GET", at, "").is(200).str("items", 0, "etag"), `"`); got != present {
			t.Errorf("replica %d has %s in place of %s", i, got, present)
		}
	}
}

// TestContractAPolicyAndAnActivationThatRaceOverTwoReplicasLeaveNoViolationInForce: one
// is enabled by one replica while the other one activates.
func TestContractAPolicyAndAnActivationThatRaceOverTwoReplicasLeaveNoViolationInForce(t *testing.T) {
	const races = 50
	rigs, stores := replicas(t, 2)
	m := rigs[0].flow(thirdParty)
	outcomes := map[string]int{}
	for i := range races {
		var both sync.WaitGroup
		var policy, activation answer
		both.Go(func() {
			policy = rigs[i%2].direct(0, "PUT", policyservice+"/enabledCorePolicies", `{"policyIds":["corepolicy_0002"]}`)
		})
		both.Go(func() {
			activation = rigs[1-i%2].direct(1, "PATCH", flowservice+"/flows/"+m.flow, add(fmt.Sprint("s", i), "mobilePhone.number"), "If-Match", m.etag)
		})
		both.Wait()
		outcomes[fmt.Sprintf("policy %d, activation %d", policy.status, activation.status)]++
		if inForce(t, stores[i%2], m.flow) {
			t.Fatalf("race %d: a violation is in force: %s %s", i, policy.text, activation.text)
		}
		r := rigs[0]
		r.call("POST", flowservice+"/flows/"+m.flow+"/action?op=disable", "").is(200)
		r.call("PUT", policyservice+"/enabledCorePolicies", `{"policyIds":[]}`).is(200)
		etag := r.call("GET", flowservice+"/flows/"+m.flow, "").is(200).str("items", 0, "etag")
		r.call("PATCH", flowservice+"/flows/"+m.flow, `[{"op":"replace","path":"/transformations/0/params","value":{"profileSelectors":{"selectors":[]},"segmentSelectors":{"selectors":[]}}}]`, "If-Match", etag).is(202)
		m.etag = r.call("POST", flowservice+"/flows/"+m.flow+"/action?op=enable", "").is(200).str("etag")
	}
	t.Logf("%d races, no violation in force: %v", races, outcomes)
	if n := outcomes["policy 200, activation 409"] + outcomes["policy 409, activation 202"]; n != races {
		t.Errorf("not one of the two was refused each time: %v", outcomes)
	}
}

// inForce says whether the policy is enabled while the flow is that violates it.
func inForce(t *testing.T, store *journal.Store, flow string) bool {
	t.Helper()
	view, err := server.Journal(store).View(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	mapped := false
	if e, ok := view.Get(documents.Key(documents.Flows, "prod", flow)); ok {
		mapped = strings.Contains(string(e.Doc), "mobilePhone.number")
	}
	set, err := policies.Policies(view, "prod")
	if err != nil {
		t.Fatal(err)
	}
	return mapped && len(set.Enabled) > 0
}
