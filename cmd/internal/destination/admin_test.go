package destination

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"kinesis-destination/sink/embeddedkinesis"
)

func TestStatusTellsWhatIsHeldWhyAndSinceWhen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, 2, embeddedkinesis.Options{})
		b.kinesis.SetScript(func(c embeddedkinesis.Call) embeddedkinesis.Action {
			if c.Operation == "PutRecords" {
				return embeddedkinesis.Action{Code: "KMSDisabledException"}
			}
			return embeddedkinesis.Action{}
		})
		p := b.start(8080, "")
		lead := exported(t)
		began := time.Now()
		b.produce(b.message(lead))
		pass(time.Minute)

		if code, body := b.get(8080, "/readyz"); code != http.StatusServiceUnavailable || body != "leads: held: kms-disabled\n" {
			t.Errorf("readyz says %d %q", code, body)
		}
		_, body := b.get(8080, "/status")
		if strings.Contains(body, lead.Key) || strings.Contains(body, "@") || strings.Contains(body, `"test"`) {
			t.Errorf("the status tells of a profile or a credential:\n%s", body)
		}
		var overview Overview
		decoder := json.NewDecoder(strings.NewReader(body))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&overview); err != nil || len(overview.Destinations) != 1 {
			t.Fatalf("%v:\n%s", err, body)
		}
		s := overview.Destinations[0]
		if s.Name != "leads" || s.Ready || s.Reason != "held: kms-disabled" || s.Generation == 0 || s.Rules.Version != 1 {
			t.Errorf("%+v", s)
		}
		if len(s.Schemas) != 1 || s.Schemas[0].Origin != "schema id 1" {
			t.Errorf("schemas %+v", s.Schemas)
		}
		if len(s.Holds) != 1 || s.Holds[0].Reason != "kms-disabled" || !strings.Contains(s.Holds[0].Cause, "KMSDisabled") {
			t.Errorf("holds %+v", s.Holds)
		}
		behind := int64(0)
		for _, at := range s.Partitions {
			behind += *at.Lag
			if at.Held != "kms-disabled" || at.HeldSince.Before(began) || time.Since(at.HeldSince) < 50*time.Second {
				t.Errorf("partition %+v, with holds %+v", at, s.Holds)
			}
		}
		if len(s.Partitions) != 2 || behind != 1 {
			t.Errorf("%d partitions are %d behind", len(s.Partitions), behind)
		}
		queued := 0
		for _, lane := range s.Sink.Lanes {
			queued += lane.Queued
		}
		if len(s.Sink.Lanes) != 16 || queued != 1 || s.Sink.Retries["held"] == 0 || len(s.Sink.LastErrors) != 1 ||
			s.Sink.LastErrors[0].Reason != "kms-disabled" || s.Sink.LastErrors[0].At.Before(began) {
			t.Errorf("sink %+v", s.Sink)
		}
		if s.Account.Consumed != 1 || s.Account.Delivered != 0 {
			t.Errorf("account %+v", s.Account)
		}
		p.stop(t)
	})
}

func TestReadinessNamesEveryReasonAndWhatItHolds(t *testing.T) {
	now := time.Now()
	for _, c := range []struct {
		want string
		held []Held
	}{
		{"throttled", []Held{{Reason: "throttled", Partition: -1}}},
		{"topic-missing (a/0, b/2)", []Held{
			{Reason: "topic-missing", Topic: "a", Since: now},
			{Reason: "topic-missing", Topic: "b", Partition: 2, Since: now},
		}},
		{"kms-disabled; schema-registry (events/1)", []Held{
			{Reason: "kms-disabled", Partition: -1},
			{Reason: "schema-registry", Topic: "events", Partition: 1},
		}},
	} {
		if got := reasons(c.held); got != c.want {
			t.Errorf("%q instead of %q", got, c.want)
		}
	}
}

func TestProfilesAreForThisMachineOnly(t *testing.T) {
	handler := adminHandler(nil, prometheus.NewRegistry(), "v1")
	for _, c := range []struct {
		local, remote, host, header string
		code                        int
	}{
		{"127.0.0.1:8080", "127.0.0.1:40000", "localhost:8080", "", http.StatusOK},
		{"127.0.0.1:8080", "127.0.0.1:40000", "127.0.0.1:8080", "", http.StatusOK},
		{"[::1]:8080", "[::1]:40000", "[::1]:8080", "", http.StatusOK},
		{"10.0.0.7:8080", "10.0.0.9:40000", "10.0.0.7:8080", "", http.StatusForbidden},
		{"10.0.0.7:8080", "127.0.0.1:40000", "localhost:8080", "", http.StatusForbidden},
		{"127.0.0.1:8080", "10.0.0.9:40000", "localhost:8080", "", http.StatusForbidden},
		{"127.0.0.1:8080", "127.0.0.6:40000", "localhost:8080", "X-Forwarded-For", http.StatusForbidden},
		{"127.0.0.1:8080", "127.0.0.6:40000", "leads.example.com", "", http.StatusForbidden},
		{"", "127.0.0.1:40000", "localhost", "", http.StatusForbidden},
	} {
		for _, path := range []string{"/debug/pprof/", "/debug/pprof/heap", "/debug/pprof/cmdline", "/debug/pprof/symbol"} {
			r := httptest.NewRequest(http.MethodGet, path, nil)
			r.RemoteAddr, r.Host = c.remote, c.host
			if c.header != "" {
				r.Header.Set(c.header, "203.0.113.9")
			}
			if c.local != "" {
				address, err := net.ResolveTCPAddr("tcp", c.local)
				if err != nil {
					t.Fatal(err)
				}
				r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, address))
			}
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			if w.Code != c.code {
				t.Errorf("%s to %s from %s for %s: %d", path, c.local, c.remote, c.host, w.Code)
			}
		}
	}
}

func TestProfilesAreServedOnARealLoopbackListener(t *testing.T) {
	server := httptest.NewServer(adminHandler(nil, prometheus.NewRegistry(), "v1"))
	defer server.Close()
	res, err := http.Get(server.URL + "/debug/pprof/goroutine?debug=1")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		t.Errorf("%s", res.Status)
	}
}
