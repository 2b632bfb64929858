package web_test

import (
	"strings"
	"testing"

	"kinesis-destination/cmd/internal/control/documents"
)

func TestABackfillIsCountedThenStartedWatchedAndStopped(t *testing.T) {
	f := &fakePlane{}
	r, at, id := activated(t, f)
	r.get(at).has("Send again")
	r.get(at+"/resend").is(200).has("High propensity", `value="backfill" checked`, `value="earliest"`, "offsets such as 0=100", "goes on beside it")
	r.post(at+"/resend", "op", "backfill", "segment", "nothing", "from", "earliest", "to", "latest", "rate", "0").is(400).has("is no activated segment", `id="errors"`)
	r.post(at+"/resend", "op", "backfill", "segment", "propensity", "from", "earliest", "to", "latest", "rate", "many").is(400).has("must be a number of records a second", `aria-invalid="true"`)
	r.post(at+"/resend", "op", "backfill", "segment", "propensity", "from", "earliest", "to", "latest", "rate", "-100").is(400).has("must be 0 or more", `aria-invalid="true"`)
	form := []string{"op", "backfill", "segment", "propensity", "from", "earliest", "to", "latest", "rate", "50"}
	r.post(at+"/resend", append(form, "dry", "yes")...).is(200).at(at + "?done=begun")
	r.waits(at, "It would put 1,234 records, 4,882 KiB", "takes at least 12 s", "costs about 0.02 USD", "list prices", "only counted", "not about the segment", "High propensity", "Start it")
	f.set(func() { f.proceed, f.told = make(chan struct{}), make(chan struct{}, 1) })
	r.post(at+"/resend", form...).is(200)
	<-f.told
	r.get(at).has("<progress", "40 of 100 events read", "Stop")
	r.api("POST", flowservice+"/flows/"+id+"/action?op=disable", "{}")
	r.get(at).has("paused it; nothing is read or sent but by what runs below")
	r.post(at+"/jobs/stop", "op", "backfill").is(200).at(at + "?done=stopped")
	r.waits(at, "Stopped after 40 of 100 events", "Go on")
	r.post(at+"/jobs/stop", "op", "backfill").is(200) // it has ended: nobody minds
	if got := strings.Join(f.asked, ", "); got != "backfill propensity earliest-latest false 50 true, backfill propensity earliest-latest false 50 false" {
		t.Errorf("asked: %s", got)
	}
}

// TestWhatIsCountedToBeNothingIsNotToBeStarted.
func TestWhatIsCountedToBeNothingIsNotToBeStarted(t *testing.T) {
	r, at, _ := activated(t, &fakePlane{})
	r.post(at+"/resend", "op", "backfill", "segment", "propensity", "from", "latest", "to", "latest", "rate", "50", "dry", "yes").is(200)
	r.waits(at, "It would put 0 records")
	r.get(at).hasNot("Start it")
}

func TestAReplayOfEveryEventIsAskedForByName(t *testing.T) {
	f := &fakePlane{}
	r, at, _ := activated(t, f)
	r.get(at + "/resend").has("Old states will stand after newer ones")
	r.post(at+"/resend", "op", "replay", "from", "1h", "to", "latest", "everyEvent", "yes").is(200)
	r.waits(at, "Over: 100 of 100 events read", "every event")
	r.get("/s/prod/flows/nothing/resend").is(404)
	r.lang = "es"
	r.newBrowser()
	r.get(at+"/resend").has("Enviar eventos de nuevo", "Relleno", "Todos los eventos de una repetición")
}

func TestAJobThatTheStreamHoldsSaysWhy(t *testing.T) {
	f := &fakePlane{proceed: make(chan struct{}), told: make(chan struct{}, 1), held: "stream-missing"}
	r, at, _ := activated(t, f)
	r.post(at+"/resend", "op", "backfill", "segment", "propensity", "from", "earliest", "to", "latest", "rate", "0").is(200)
	<-f.told
	r.get(at).has("Cause: the stream is not there", "stream &lt;b&gt;leads&lt;/b&gt; is not there", "<progress")
	close(f.proceed)
	r.waits(at, "Over: 100 of 100")
	r.get(at).hasNot("Cause: the stream")
}

func TestAJobIsInTheHistoryOfItsFlowAndInTheActivity(t *testing.T) {
	r, at, id := activated(t, &fakePlane{})
	why := "POST /flows/" + id + "/jobs op=drop reason=malformed"
	if _, err := r.store.Propose(t.Context(), documents.Change{By: "ann", Why: why, Writes: []documents.Write{{Key: documents.Key(documents.Jobs, "prod", id), Doc: []byte(`{}`)}}}); err != nil {
		t.Fatal(err)
	}
	r.get(at).is(200).has(why, "ann")
	r.get("/s/prod/activity?kind=flows&by=ann").is(200).has(why, at)
	r.get("/s/dev/activity").hasNot(why)
}
