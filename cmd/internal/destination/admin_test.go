package destination

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"kinesis-destination/cmd/internal/hold"
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
		held []hold.Held
	}{
		{"throttled", []hold.Held{{Reason: "throttled", Partition: -1}}},
		{"topic-missing (a/0, b/2)", []hold.Held{
			{Reason: "topic-missing", Topic: "a", Since: now},
			{Reason: "topic-missing", Topic: "b", Partition: 2, Since: now},
		}},
		{"kms-disabled; schema-registry (events/1)", []hold.Held{
			{Reason: "kms-disabled", Partition: -1},
			{Reason: "schema-registry", Topic: "events", Partition: 1},
		}},
	} {
		if got := hold.Reasons(c.held); got != c.want {
			t.Errorf("%q instead of %q", got, c.want)
		}
	}
}
