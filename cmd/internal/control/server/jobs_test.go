package server_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"kinesis-destination/cmd/internal/config"
	"kinesis-destination/cmd/internal/control/api"
	"kinesis-destination/cmd/internal/control/jobs"
	"kinesis-destination/cmd/internal/control/operation"
	"kinesis-destination/cmd/internal/control/server"
)

// work is done as far as a test lets it.
type work struct {
	asked   chan jobs.Request
	proceed chan error
}

func (w *work) Check(_ context.Context, _, flow string, _ *jobs.Request) error {
	if flow == "nothing" {
		return api.Refuse(api.CodeNotFound, "there is no flow")
	}
	return nil
}

func (w *work) Do(ctx context.Context, o jobs.Order, tell jobs.Teller) (jobs.Done, error) {
	tell.Progress(10, 100)
	w.asked <- o.Request
	if o.Segment == "held" {
		tell.Held("stream-missing", "the stream is not there")
		<-ctx.Done()
		return jobs.Done{}, <-w.proceed
	}
	select {
	case err := <-w.proceed:
		return jobs.Done{Selected: 100, Finished: 100, By: map[string]int64{"delivered": 100}}, err
	case <-ctx.Done():
		return jobs.Done{Selected: 100, Finished: 10}, ctx.Err()
	}
}

func (w *work) Note(context.Context, jobs.Order, bool) error {
	return nil
}

func working(w *work) func(*server.Options) { return func(o *server.Options) { o.Work = w } }

func TestAJobIsBegunWatchedAndStopped(t *testing.T) {
	w := &work{make(chan jobs.Request, 1), make(chan error)}
	r := newRig(t, working(w))
	at := flowservice + "/flows/one/jobs"
	r.call("GET", at, "").is(200).says(`"items":[]`)
	r.call("DELETE", at, "").is(404)
	r.call("POST", at, `{"op":"backfill","segment":"vip","rate":100}`).is(202).says(`"state":"running"`, `"by":`)
	if asked := <-w.asked; asked.Segment != "vip" || asked.Rate != 100 || asked.DryRun {
		t.Errorf("asked: %+v", asked)
	}
	r.call("GET", at, "").is(200).says(`"finished":10`, `"selected":100`)
	r.call("POST", at, `{"op":"drop","reason":"malformed"}`).is(409).says("a backfill of this flow is under way")
	r.call("GET", flowservice+"/flows/other/jobs", "").is(200).says(`"items":[]`)
	r.call("DELETE", at, "").is(202)
	for !strings.Contains(r.call("GET", at, "").text, `"state":"stopped"`) {
	}
	r.call("POST", at, `{"op":"drop","reason":"malformed"}`).is(202)
	<-w.asked
	w.proceed <- errors.New("the topic is gone")
	for !strings.Contains(r.call("GET", at, "").text, `"state":"failed"`) {
	}
	r.call("GET", at, "").says("the topic is gone")
	for _, said := range []string{"op=backfill", "state=stopped", "state=failed", `problem="the topic is gone"`} {
		if !strings.Contains(r.log.String(), said) {
			t.Errorf("the log says %s nowhere: %s", said, r.log.String())
		}
	}
}

func TestAJobThatMakesNoSenseSaysWhatIsWrong(t *testing.T) {
	r := newRig(t, working(&work{}))
	at := flowservice + "/flows/one/jobs"
	for body, said := range map[string]string{
		`{}`:                                  "must be replay, backfill, redrive or drop",
		`{"op":"dance"}`:                      "must be replay, backfill, redrive or drop",
		`{"op":"redrive"}`:                    "must name the reason",
		`{"op":"drop","reason":"x","rate":1}`: "is of replays and backfills",
		`{"op":"replay","reason":"x"}`:        "is of dead letters",
		`{"op":"replay","rate":-1}`:           "must be 0 or more",
		`{"op":"replay","rate":1.5}`:          "rate",
		`{"op":"backfill","everyEvent":true}`: "is of replays",
		`{"op":"replay","segmint":"x"}`:       "segment",
	} {
		r.call("POST", at, body).is(400).says(said)
	}
	r.call("POST", flowservice+"/flows/nothing/jobs", `{"op":"replay"}`).is(404)
}

func TestAReplayIsOfAnActivatedSegmentAndARangeThatThereIs(t *testing.T) {
	r := newRig(t)
	m := r.flow(leads)
	at := flowservice + "/flows/" + m.flow + "/jobs"
	r.call("POST", at, `{"op":"replay"}`).is(400).says("needs an activated segment")
	r.call("PATCH", flowservice+"/flows/"+m.flow, add("vip", ""), "If-Match", m.etag).is(202)
	r.call("POST", at, `{"op":"replay","segment":"other"}`).is(400).says("is no activated segment")
	r.call("POST", at, `{"op":"replay","from":"sometimes"}`).is(400).says(`"field":"from"`, "is none of: earliest")
	r.call("POST", at, `{"op":"replay","from":"1h","to":"2h"}`).is(400).says("comes after the end of the range")
	r.call("POST", at, `{"op":"replay","id":"a b"}`).is(400).says("must be letters, digits")
	r.call("POST", at, `{"op":"drop","reason":"nonsense"}`).is(400).says(`"message":"no letter has it`)
	for _, others := range []string{"foreign", "other-destination"} { // the topic may be anybody's
		r.call("POST", at, `{"op":"drop","reason":"`+others+`"}`).is(400).says("is what others wrote")
	}
	r.call("POST", flowservice+"/flows/nothing/jobs", `{"op":"replay"}`).is(404)
}

func TestAProcessRunsSoManyReplaysAndNoMore(t *testing.T) {
	w := &work{make(chan jobs.Request, 20), make(chan error)}
	r := newRig(t, working(w))
	for i, flow := range []string{"a", "b", "c"} {
		begun := r.call("POST", flowservice+"/flows/"+flow+"/jobs", `{"op":"replay"}`)
		if i < 2 {
			begun.is(202)
		} else {
			begun.is(429).says("2 replays and backfills are under way")
		}
	}
	r.call("POST", flowservice+"/flows/c/jobs", `{"op":"redrive","reason":"malformed"}`).is(202)
}

func TestARefusedJobIsInTheAudit(t *testing.T) {
	now := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	r, tokens := withTokens(t, &now)
	r.header.Set("Authorization", "Bearer "+tokens["admin"])
	m := r.flow(leads)
	r.header.Set("Authorization", "Bearer "+tokens["viewer"])
	at := flowservice + "/flows/" + m.flow + "/jobs"
	r.call("POST", at, `{"op":"drop","reason":"malformed"}`).is(403)
	r.call("DELETE", at, "").is(403)
	notes := r.refusedNotes()
	if len(notes) != 2 || notes[0].By != "viewer" || !strings.HasSuffix(notes[0].Writes[0].Key, m.flow) || !strings.HasPrefix(notes[1].Why, "DELETE ") {
		t.Errorf("the audit has %+v", notes)
	}
}

func TestADeletedFlowHasNoJobAnyMore(t *testing.T) {
	w := &work{make(chan jobs.Request, 1), make(chan error)}
	r := newRig(t, working(w))
	m := r.flow(leads)
	at := flowservice + "/flows/" + m.flow
	r.call("POST", at+"/jobs", `{"op":"replay"}`).is(202)
	<-w.asked
	r.call("DELETE", at, "").is(202)
	if !strings.Contains(r.log.String(), `problem="the flow was deleted"`) {
		t.Errorf("the deletion did not wait for the end of the job: %s", r.log.String())
	}
}

func TestAJobTellsAChangeOfItsFlowFromALookAtIt(t *testing.T) {
	r := newRig(t)
	m := r.flow(leads)
	r.call("PATCH", flowservice+"/flows/"+m.flow, add("vip", ""), "If-Match", m.etag).is(202)
	now := func() config.Config {
		v, err := r.store.View(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		c, err := r.server.Flows.Config(v, "prod", m.flow)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	first := now()
	if again := now(); operation.Changed(first, again) {
		t.Errorf("it is another: first %+v, then %+v", first, again)
	}
	keys := `[{"op":"replace","path":"/auth/params","value":{"accessKeyId":"` + accessKey + `","secretKey":"another","region":"us-east-1"}}]`
	etag := r.call("GET", flowservice+"/connections/"+m.base, "").is(200).header.Get("ETag")
	r.call("PATCH", flowservice+"/connections/"+m.base+"?validate=false", keys, "If-Match", etag).is(202)
	if !operation.Changed(first, now()) {
		t.Error("it is the same with other credentials")
	}
}

func TestAHeldJobSaysWhyAndThatItIsStopping(t *testing.T) {
	w := &work{make(chan jobs.Request, 1), make(chan error)}
	r := newRig(t, working(w))
	at := flowservice + "/flows/one/jobs"
	r.call("POST", at, `{"op":"replay","segment":"held"}`).is(202)
	<-w.asked
	for !strings.Contains(r.call("GET", at, "").text, `"held":{`) {
	}
	r.call("GET", at, "").is(200).says(`"reason":"stream-missing"`, `"detail":"the stream is not there"`, `"since":`, `"state":"running"`)
	r.call("DELETE", at, "").is(202)
	r.call("GET", at, "").is(200).says(`"state":"stopping"`)
	r.call("POST", at, `{"op":"replay"}`).is(409)
	w.proceed <- context.Canceled
	for !strings.Contains(r.call("GET", at, "").text, `"state":"stopped"`) {
	}
	if said := r.call("GET", at, "").text; strings.Contains(said, "held\":{") {
		t.Errorf("it ended, and is held: %s", said)
	}
}

func TestTheAuditHasWhoBeganAndWhoStoppedAJob(t *testing.T) {
	r := newRig(t)
	m := r.flow(leads)
	at := flowservice + "/flows/" + m.flow
	etag := r.call("GET", at, "").is(200).header.Get("ETag")
	r.call("POST", at+"/jobs", `{"op":"drop","reason":"malformed","dryRun":true}`).is(202) // it does nothing
	for !strings.Contains(r.call("GET", at+"/jobs", "").text, `"endedAt":`) {
	}
	r.call("POST", at+"/jobs", `{"op":"drop","reason":"malformed"}`).is(202)
	changes := r.store.Changes()
	last := changes[len(changes)-1]
	if last.By != "loopback" || last.Why != "POST /flows/"+m.flow+"/jobs op=drop reason=malformed" || last.Writes[0].Key != "jobs/prod/"+m.flow || strings.Contains(changes[len(changes)-2].Why, "jobs") {
		t.Errorf("the audit has %+v", changes)
	}
	if again := r.call("GET", at, "").is(200).header.Get("ETag"); again != etag {
		t.Error("who edits the flow is refused for a job")
	}
	r.call("DELETE", at, "").is(202)
	if v, _ := r.store.View(t.Context()); len(v.List("jobs/")) != 0 {
		t.Error("the note outlives the flow")
	}
}

func TestAReplayThatPoliciesForbidIsRefusedAtOnce(t *testing.T) {
	r := newRig(t)
	m := r.flow(thirdParty)
	at := flowservice + "/flows/" + m.flow
	etag := r.call("PATCH", at, add("59bd2fkd-3c48-4b18-bf56-4f5c5e6967ae", "mobilePhone.number"), "If-Match", m.etag).is(202).str("etag")
	r.call("POST", at+"/action?op=disable", "", "If-Match", etag).is(200)
	r.call("PUT", policyservice+"/enabledCorePolicies", `{"policyIds":["corepolicy_0002"]}`).is(200) // it judges enabled flows
	for _, op := range []string{"replay", "backfill"} {
		r.call("POST", at+"/jobs", `{"op":"`+op+`"}`).is(409).says("would violate", `"violations":`)
	}
	r.call("POST", at+"/jobs", `{"op":"redrive","reason":"malformed"}`).is(409).says("would violate")
	r.call("POST", at+"/jobs", `{"op":"drop","reason":"malformed","dryRun":true}`).is(202)
}

func TestWhatBecameOfAJobIsToldForAnHour(t *testing.T) {
	now := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	r, tokens := withTokens(t, &now)
	r.header.Set("Authorization", "Bearer "+tokens["admin"])
	m := r.flow(leads)
	at := flowservice + "/flows/" + m.flow + "/jobs"
	r.call("GET", flowservice+"/flows/nothing/jobs", "").is(404)
	r.call("GET", at, "").is(200).says(`"items":[]`)
	r.call("POST", at, `{"op":"drop","reason":"malformed","dryRun":true}`).is(202)
	for !strings.Contains(r.call("GET", at, "").text, `"state":"failed"`) {
	}
	if said := r.call("GET", at, "").text; strings.Contains(said, "kafka.(") || !strings.Contains(said, "look up topics: ") {
		t.Errorf("the problem is told in words of the program: %s", said)
	}
	now = now.Add(time.Hour + 1)
	r.call("GET", at, "").is(200).says(`"items":[]`)
}
