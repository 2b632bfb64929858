package web_test

import (
	"bufio"
	"context"
	"errors"
	"html"
	"net/http"
	"strings"
	"testing"
	"time"

	"kinesis-destination/cmd/internal/control/server"
	"kinesis-destination/cmd/internal/control/sources"
	"kinesis-destination/cmd/internal/control/web"
)

const (
	segmentsField   = "transformations[0].params.segmentSelectors.selectors"
	attributesField = "transformations[0].params.profileSelectors.selectors"
)

// activated is a rig with a flow that exports a segment.
func activated(t *testing.T, f *fakePlane) (r *rig, at, id string) {
	t.Helper()
	r = newRig(t, operated(t, f))
	id = r.flow("Leads", r.made("Other"))
	r.patch(id, `[{"op":"add","path":"/transformations/0/params/segmentSelectors/selectors/-","value":{"type":"PLATFORM_SEGMENT","value":{"id":"propensity","name":"High propensity"}}}]`)
	return r, "/s/prod/flows/" + id, id
}

// etag is the version of a flow.
func (r *rig) etag(id string) string {
	r.t.Helper()
	items, _ := r.api("GET", flowservice+"/flows/"+id, "")["items"].([]any)
	first, _ := items[0].(map[string]any)
	etag, _ := first["etag"].(string)
	return etag
}

// patch changes a flow as somebody else would.
func (r *rig) patch(id, operations string) {
	r.t.Helper()
	r.api("PATCH", flowservice+"/flows/"+id, operations, "If-Match", r.etag(id))
}

func TestAFlowSaysInOneLineHowItStandsAndWhatToDo(t *testing.T) {
	f := &fakePlane{}
	r, at, id := activated(t, f)
	r.get(at).is(200).has("state-unknown", "No process has told", "serve --run", "Not known yet: runs are shown")
	f.status = &web.FlowStatus{State: "running", Since: time.UnixMilli(1_700_000_000_000), Lag: 12345, LagSeconds: 3725}
	r.get(at).has("state-running", "Events are read", "2023-11-14 22:13:20 UTC", "12,345", "1 h 2 min")
	f.status = &web.FlowStatus{State: "held", Reason: "stream-missing", Detail: "stream <b>leads</b> is not there"}
	r.get(at).has("state-held", "Cause: the stream is not there", "stream &lt;b&gt;leads&lt;/b&gt; is not there", "Make the stream")
	f.status = &web.FlowStatus{State: "held", Reason: "a-new-word"}
	r.get(at).has("Cause: a-new-word", "goes on by itself")
	f.status = &web.FlowStatus{State: "dancing", Reason: "a-new-word"}
	r.get(at).has("state-unknown")
	r.api("POST", flowservice+"/flows/"+id+"/action?op=disable", "{}")
	r.get(at).has("state-disabled", "loopback paused it", "Resume")
	r.get("/s/prod/flows/nothing").is(404)
}

func TestRunsAreAccountedForIdentityByIdentity(t *testing.T) {
	f := &fakePlane{status: &web.FlowStatus{State: "running"}}
	r, at, _ := activated(t, f)
	hour := time.Date(2026, 11, 28, 6, 0, 0, 0, time.UTC)
	for i := range 3 {
		f.hours = append(f.hours, web.Hour{At: hour.Add(time.Duration(i) * time.Hour), Counts: web.Counts{
			Received: 1000, Activated: 900, Excluded: map[string]int64{"consent": 60, "unmapped-segment": 20}, Failed: map[string]int64{"rejected": 15}, UnderWay: 5,
			Segments: map[string]int64{"propensity": 850, "<i>x</i>": 50},
		}})
	}
	page := r.get(at).is(200).has("<svg", `role="img"`, "3,000 identities received, 2,700 activated, 240 excluded, 45 failed, 15 under way",
		"there is no consent", "Kinesis refused the record", "High propensity", "2,550", "&lt;i&gt;x&lt;/i&gt;", "2026-11-28 08:00:00 UTC").hasNot("not accounted for", "<i>x</i>")
	if n := strings.Count(page.text, `class="bar activated"`); n != 3 {
		t.Errorf("%d bars of what was activated, wanted 3", n)
	}
	f.hours[0].Received++
	r.get(at).has("1 identities are not accounted for")
}

func TestAPauseSaysWhatWaitsAndUntilWhenKafkaKeepsIt(t *testing.T) {
	f := &fakePlane{}
	r, at, id := activated(t, f)
	r.get(at + "/pause").is(200).has("Kafka does not answer now").hasNot("10.0.0.1")
	oldest := time.Date(2026, 11, 28, 6, 0, 0, 0, time.UTC)
	f.waiting = &web.Waiting{Topic: "segment-evaluations", Kept: 7 * 24 * time.Hour, Events: 42, Oldest: oldest}
	r.get(at+"/pause").has("segment-evaluations", ">42 ", "7 d 0 h", "2026-12-05 06:00:00 UTC", "Pause the destination")
	f.waiting.Kept = 0
	r.get(at + "/pause").has("good").hasNot("Resume before")
	r.post(at+"/pause").is(200).at(at+"?done=paused").has("The destination is paused", "state-disabled")
	r.get(at + "/pause").has("Resume the destination")
	r.post(at + "/resume").is(200).has("The destination goes on")
	if r.etag(id) == "" {
		t.Error("the flow is gone")
	}
}

// TestAPausedFlowShowsWhatKafkaHasOfItNow, not what the process knew that ran it.
func TestAPausedFlowShowsWhatKafkaHasOfItNow(t *testing.T) {
	f := &fakePlane{status: &web.FlowStatus{State: "stopped", Lag: 777, LagSeconds: 60}}
	r, at, id := activated(t, f)
	r.api("POST", flowservice+"/flows/"+id+"/action?op=disable", "{}")
	r.get(at).is(200).hasNot("777", "1 min 0 s")
	f.waiting = &web.Waiting{Topic: "segment-evaluations", Events: 4242, Oldest: time.Now().Add(-49 * time.Hour)}
	r.get(at).is(200).has("4,242", "2 d 1 h").hasNot("777")
	f.waiting.Events = -1
	r.get(at).is(200).hasNot(">-1<", "2 d 1 h")
}

func TestADeleteNeedsTheNameTyped(t *testing.T) {
	r, at, id := activated(t, &fakePlane{})
	form := r.get(at + "/delete").is(200).has("type its name")
	etag := html.UnescapeString(form.find(`name="etag" value="([^"]*)"`))
	r.post(at+"/delete", "name", "leads", "etag", etag).is(400).has("is not the name", `aria-invalid="true"`, "autofocus")
	r.patch(id, `[{"op":"replace","path":"/name","value":"Leads 2"}]`)
	r.post(at+"/delete", "name", "Leads 2", "etag", etag).is(412).has("does not match")
	etag = html.UnescapeString(r.get(at + "/delete").find(`name="etag" value="([^"]*)"`))
	r.post(at+"/delete", "name", "Leads 2", "etag", etag).is(200).at("/s/prod/flows?done=deleted").has("was deleted")
	r.get(at).is(404)
}

// editForm opens the form of a flow and returns what is hidden in it.
func (r *rig) editForm(at string) (etag, before string) {
	r.t.Helper()
	form := r.get(at + "/edit").is(200)
	return html.UnescapeString(form.find(`name="etag" value="([^"]*)"`)), html.UnescapeString(form.find(`name="before" value="([^"]*)"`))
}

func TestAnEditIsSavedAndItsMistakesStandBesideTheFields(t *testing.T) {
	r, at, _ := activated(t, &fakePlane{})
	etag, before := r.editForm(at)
	r.post(at+"/edit", "etag", etag, "before", before, "name", "", "description", "", segmentsField, "propensity", attributesField, "").
		is(400).has(`id="f-name-wrong"`, `href="#f-name"`, "autofocus", etag[1:len(etag)-1])
	r.post(at+"/edit", "etag", etag, "before", before, "name", "Leads <b>", "description", "For sales", segmentsField, "propensity | High\nvip", attributesField, "person.name\n\n personalEmail.address ").
		is(200).at(at+"?done=changed").has("Leads &lt;b&gt;", "For sales", "personalEmail.address", "vip")
	r.post(at+"/edit", "before", "nonsense").is(400).has("open it again")
}

// TestAnEditThatChangesNothingIsNotSaidToBeAChange, nor one of which nothing was chosen.
func TestAnEditThatChangesNothingIsNotSaidToBeAChange(t *testing.T) {
	r, at, id := activated(t, &fakePlane{})
	etag, before := r.editForm(at)
	r.post(at+"/edit", "etag", etag, "before", before, "name", "Leads", "description", "", segmentsField, "propensity | High propensity", attributesField, "").
		is(200).at(at + "?done=unchanged").has("Nothing was changed").hasNot("Changed.")
	r.patch(id, `[{"op":"replace","path":"/name","value":"Theirs"}]`)
	conflict := r.post(at+"/edit", "etag", etag, "before", before, "name", "Mine", segmentsField, "propensity | High propensity").is(409)
	hidden := func(name string) string {
		return html.UnescapeString(conflict.find(`name="` + name + `" value="([^"]*)"`))
	}
	r.post(at+"/resolve", "etag", hidden("etag"), "before", hidden("before"), "mine", hidden("mine")).is(400).has("Choose at least one change", "Mine")
}

func TestTwoPeopleEditAndEachChangeIsPutOnTheirs(t *testing.T) {
	r, at, id := activated(t, &fakePlane{})
	etag, before := r.editForm(at)
	r.patch(id, `[{"op":"replace","path":"/name","value":"Theirs"},{"op":"add","path":"/transformations/0/params/profileSelectors/selectors/-","value":{"type":"JSON_PATH","value":{"path":"person.name"}}}]`)
	conflict := r.post(at+"/edit", "etag", etag, "before", before, "name", "Mine", "description", "New words", segmentsField, "propensity | High propensity\nvip", attributesField, "").
		is(409).has("Somebody else changed it", "both changed it", "New words", "person.name", "What they changed, and stays")
	for box, ticked := range map[string]bool{"name:": false, "description:": true, "segment:vip": true} {
		if has := strings.Contains(conflict.text, `value="`+box+`" checked`); has != ticked {
			t.Errorf("%s is ticked: %t", box, has)
		}
	}
	hidden := func(s shown, name string) string {
		return html.UnescapeString(s.find(`name="` + name + `" value="([^"]*)"`))
	}
	again := []string{"etag", hidden(conflict, "etag"), "before", hidden(conflict, "before"), "mine", hidden(conflict, "mine"), "put", "description:", "put", "segment:vip"}
	r.patch(id, `[{"op":"replace","path":"/name","value":"Theirs, again"}]`)
	once := r.post(at+"/resolve", again...).is(409).has("It has changed once more", "Theirs, again")
	again[1] = hidden(once, "etag")
	r.post(at+"/resolve", again...).is(200).at(at+"?done=changed").has("Theirs, again", "New words", "vip", "person.name").hasNot(">Mine<")
}

func TestAChangeIsUndoneUnlessItWasChangedSince(t *testing.T) {
	r, at, id := activated(t, &fakePlane{})
	r.patch(id, `[{"op":"replace","path":"/name","value":"Second"},{"op":"add","path":"/description","value":"Words"}]`)
	r.patch(id, `[{"op":"replace","path":"/name","value":"Third"}]`)
	page := r.get(at).has("Leads</bdi> → <bdi>Second", "loopback", "PATCH /flows/")
	links := strings.Split(page.text, `/undo/`)
	offset, _, _ := strings.Cut(links[2], `"`) // the newest first
	undo := r.get(at+"/undo/"+offset).is(200).has("Take the change back", "both changed it", `value="description:" checked`).hasNot(`value="name:" checked`)
	hidden := func(name string) string { return html.UnescapeString(undo.find(`name="` + name + `" value="([^"]*)"`)) }
	r.post(at+"/resolve", "undo", "yes", "etag", hidden("etag"), "before", hidden("before"), "mine", hidden("mine"), "put", "description:").
		is(200).at(at + "?done=undone").has("Third").hasNot(`<p class="lead"><bdi>Words`)
	r.get(at + "/undo/99999").is(404).has("cannot be taken back")
	r.get(at + "/undo/x").is(404)
}

func TestARefusedChangeIsInTheHistory(t *testing.T) {
	r, at, id := activated(t, &fakePlane{})
	etag, before := r.editForm(at)
	r.patch(id, `[{"op":"replace","path":"/name","value":"Theirs"}]`)
	r.post(at+"/edit", "etag", etag, "before", before, "name", "Mine", segmentsField, "propensity").is(409)
	r.get(at).has("refused", "does not match the current version")
	r.get("/s/prod/activity?verdict=refused").is(200).has("does not match").hasNot("POST /connections")
}

func TestDeadLettersAreShownMaskedAndSettledWithProgress(t *testing.T) {
	f := &fakePlane{proceed: make(chan struct{}), told: make(chan struct{}, 1)}
	r, at, _ := activated(t, f)
	r.get(at + "/letters").is(200).has("There is no dead letter")
	when := time.Date(2026, 11, 28, 6, 0, 0, 0, time.UTC)
	f.causes = []web.LetterCause{{Stage: "sink", Reason: "rejected", Count: 1234, First: when, Last: when, Sample: &web.LetterSample{
		Topic: "segment-evaluations", Partition: 3, Offset: 99, At: when, Detail: "<b>ValidationException</b>", Event: []byte(`{"profileId":"***"}`),
	}}}
	r.get(at+"/letters").has("Kinesis refused the record", "1,234", "segment-evaluations", "3:99", "&lt;b&gt;ValidationException", "&#34;profileId&#34;: &#34;***&#34;")
	r.get(at+"/settle/redrive?reason=rejected").is(200).has("Redrive dead letters", "today&#39;s rules")
	r.get(at + "/settle/dance?reason=rejected").is(404)
	r.get(at + "/settle/drop").is(400).has("must name the reason")
	r.post(at+"/settle/redrive", "reason", "rejected").is(200).at(at + "/letters?done=begun")
	<-f.told
	r.post(at+"/settle/drop", "reason", "rejected").is(409).has("redrive of this flow is under way")
	r.get(at+"/letters").has("<progress", "Stop")
	close(f.proceed)
	r.waits(at+"/letters", "Over: 100 of 100 letters", "delivered", "99")
	r.post(at+"/settle/drop", "reason", "rejected", "dry", "yes")
	r.waits(at+"/letters", "only counted", "Over: 7 of 7")
	if got := strings.Join(f.asked, ", "); got != "redrive rejected false, drop rejected true" {
		t.Errorf("asked: %s", got)
	}
	f.fail = errors.New("dial tcp 10.0.0.1:9092")
	r.get(at + "/letters").is(200).has("cannot be read now").hasNot("10.0.0.1")
}

// waits looks at a page until it says something; a job's end is another goroutine's.
func (r *rig) waits(path string, words ...string) {
	r.t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for {
		page := r.get(path)
		if strings.Contains(page.text, words[0]) || time.Now().After(deadline) {
			page.has(words...)
			return
		}
	}
}

func TestAStoppedRedriveSaysWhatIsSettled(t *testing.T) {
	f := &fakePlane{proceed: make(chan struct{}), told: make(chan struct{}, 1)}
	r, at, _ := activated(t, f)
	r.post(at+"/settle/redrive", "reason", "rejected").is(200)
	<-f.told
	r.post(at + "/jobs/stop").is(200).at(at + "/letters?done=stopped")
	r.waits(at+"/letters", "Stopped after 40 of 100 letters")
}

func TestAFlowsPageIsLive(t *testing.T) {
	f := &fakePlane{status: &web.FlowStatus{State: "starting"}}
	r, at, _ := activated(t, f)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.server.URL+at+"/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if got := response.Header.Get("Content-Type"); got != "text/event-stream" {
		t.Fatalf("Content-Type is %s", got)
	}
	lines := bufio.NewScanner(response.Body)
	wait := func(word string) {
		for lines.Scan() {
			if strings.Contains(lines.Text(), word) {
				return
			}
		}
		t.Fatalf("the stream ended before %q: %v", word, lines.Err())
	}
	wait("event: live")
	wait("state-starting")
	f.set(func() { f.status = &web.FlowStatus{State: "running"} })
	wait("event: live")
	wait("state-running")
	closed, ok := r.handler.(interface{ Close() })
	if !ok {
		t.Fatal("the control plane cannot be closed")
	}
	closed.Close() // a process that ends does not wait for who looks
	for lines.Scan() {
	}
	if err := lines.Err(); err != nil {
		t.Errorf("the page was cut off: %v", err)
	}
}

func TestAFlowIsCopiedAsCurlAndAsYAML(t *testing.T) {
	r, at, id := activated(t, &fakePlane{})
	r.get(at).has("curl -sS", "/flows/"+id+"/action?op=disable", "Count what a backfill would send", "{&#34;op&#34;:&#34;backfill&#34;,&#34;dryRun&#34;:true}", "x-sandbox-name: prod", "If-Match: &#34;", "activation:", "id: propensity", "stream: leads")
}

func TestAPageWithoutADataPlaneSaysSo(t *testing.T) {
	r := newRig(t, func(o *server.Options) {
		away := *o.Sources[0]
		away.Kafka.Brokers = []string{"127.0.0.1:1"}
		o.Sources = sources.List{&away}
	})
	id := r.flow("Leads", r.made("Other"))
	at := "/s/prod/flows/" + id
	r.get(at).is(200).has("does not read the journal back", "No segment is activated yet")
	r.get(at + "/pause").is(200).has("Kafka does not answer now")
	r.get(at + "/letters").is(200).has("cannot be read now")
	r.post(at+"/settle/drop", "reason", "nonsense").is(400).has("no letter has it")
	r.get("/s/prod/activity").is(200).has("does not read the journal back")
	r.get("/s/prod/settings").is(200).has("no process tells")
}

func TestWhatWaitsIsAskedOfKafka(t *testing.T) {
	r := newRig(t)
	id := r.flow("Leads", r.made("Other"))
	r.events(12, "propensity")
	r.get("/s/prod/flows/"+id+"/pause").is(200).has("Events that wait now", ">12 ", "segment-evaluations", "Kafka keeps events for").hasNot("does not answer")
}

func TestASegmentThatWasChosenByItsIDHasTheNameThatTheSourceKnows(t *testing.T) {
	f := &fakePlane{}
	r := newRig(t, operated(t, f))
	id := r.flow("Leads", r.made("Other"))
	r.patch(id, `[{"op":"add","path":"/transformations/0/params/segmentSelectors/selectors/-","value":{"type":"PLATFORM_SEGMENT","value":{"id":"propensity"}}},
		{"op":"add","path":"/transformations/0/params/segmentSelectors/selectors/-","value":{"type":"PLATFORM_SEGMENT","value":{"id":"unheard-of"}}},
		{"op":"add","path":"/transformations/0/params/segmentSelectors/selectors/-","value":{"type":"PLATFORM_SEGMENT","value":{"id":"hostile"}}}]`)
	f.hours = []web.Hour{{At: time.Now().Truncate(time.Hour), Counts: web.Counts{Received: 1, Activated: 1, Segments: map[string]int64{"vip": 0, "propensity": 1}}}}
	at := "/s/prod/flows/" + id
	r.get(at).is(200).has("<bdi>High propensity to convert</bdi> <code>propensity</code>", "<bdi>unheard-of</bdi>", `<th scope="row"><bdi>High propensity to convert</bdi>`, "&lt;script&gt;alert(1)").hasNot("<script>alert")
	r.get(at + "/resend").has(`<option value="propensity">High propensity to convert`)
}
