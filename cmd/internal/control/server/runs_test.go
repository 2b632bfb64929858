package server_test

import (
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"kinesis-destination/cmd/internal/control/server"
	"kinesis-destination/cmd/internal/control/status"
)

// activity is what a test says that processes do.
type activity struct {
	told    map[string]status.Told
	runs    map[string][]status.Run
	trouble error
}

func (a *activity) Flow(id string) status.Told {
	if told, ok := a.told[id]; ok {
		return told
	}
	return status.Told{State: status.None}
}
func (a *activity) Runs(flow string) []status.Run { return a.runs[flow] }
func (a *activity) Processes() []status.Process {
	return []status.Process{{ID: "worker-1", Version: "v1", Silent: true, Flows: 1}}
}
func (a *activity) Trouble() error { return a.trouble }

// TestPagesShowWhatProcessesTell: the same that the API answers.
func TestPagesShowWhatProcessesTell(t *testing.T) {
	hour := time.Now().Add(-time.Hour).Truncate(time.Hour)
	a := &activity{told: map[string]status.Told{}, runs: map[string][]status.Run{}}
	r := newRig(t, func(o *server.Options) { o.Activity, o.KeptIn = a, "Kafka: control-journal" })
	m := r.flow(leads)
	page := func(path string) string {
		answer := httptest.NewRecorder()
		r.server.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "http://localhost"+path, nil))
		if answer.Code != http.StatusOK {
			t.Fatalf("%s: %d", path, answer.Code)
		}
		return answer.Body.String()
	}
	r.call("PATCH", flowservice+"/flows/"+m.flow, `[{"op":"add","path":"/transformations/0/params/segmentSelectors/selectors/-","value":{"type":"PLATFORM_SEGMENT","value":{"id":"vip"}}}]`, "If-Match", m.etag).is(202)
	r.call("POST", flowservice+"/flows/"+m.flow+"/action?op=enable", "").is(200)
	at := "/s/prod/flows/" + m.flow
	a.told[m.flow] = status.Told{State: status.Held, Reason: "access-denied", Since: hour, Lag: 4711}
	a.runs[m.flow] = []status.Run{{Hour: hour, Counts: status.Counts{Received: 1234, Activated: 1234}}}
	if body := page(at); !strings.Contains(body, "4,711") || !strings.Contains(body, "1,234") {
		t.Errorf("%s", body)
	}
	if body := page("/s/prod/flows"); !strings.Contains(body, "state-held") || strings.Contains(body, "state-enabled") {
		t.Errorf("the list does not say that it is held: %s", body)
	}
	if body := page("/s/prod/flows?state=held"); !strings.Contains(body, m.flow) {
		t.Errorf("it is not among those held: %s", body)
	}
	if body := page("/s/prod/flows?state=refused"); strings.Contains(body, m.flow) {
		t.Errorf("it is among those refused: %s", body)
	}
	if body := page("/s/prod/catalog"); !strings.Contains(body, `flows?state=held">1<`) || strings.Contains(body, "state=refused") {
		t.Errorf("the card does not say that one is held: %s", body)
	}
	if body := page("/s/prod/settings"); !strings.Contains(body, "worker-1") || !strings.Contains(body, "Kafka: control-journal") {
		t.Errorf("%s", body)
	}
}

func number(t *testing.T, v any) float64 {
	t.Helper()
	n, ok := v.(float64)
	if !ok {
		t.Fatalf("%v is no number", v)
	}
	return n
}

func TestARunIsAnHourWhoseIdentitiesAddUp(t *testing.T) {
	hour := time.Date(2026, 11, 28, 9, 0, 0, 0, time.UTC)
	a := &activity{runs: map[string][]status.Run{}}
	r := newRig(t, func(o *server.Options) { o.Activity = a })
	m := r.flow(leads)
	a.runs[m.flow] = []status.Run{
		{Hour: hour.Add(time.Hour), First: hour.Add(61 * time.Minute), Last: hour.Add(62 * time.Minute), Open: true, Counts: status.Counts{Received: 5, Activated: 3, UnderWay: 2}},
		{Hour: hour, First: hour.Add(time.Minute), Last: hour.Add(59 * time.Minute), Counts: status.Counts{
			Received: 20, Activated: 10, Excluded: map[string]int64{"no-mapped-segment": 2, "consent": 5}, Failed: map[string]int64{"missing-part": 3}, Segments: map[string]int64{"vip": 4, "lost": 9},
		}},
	}
	at := flowservice + "/runs?property=flowId==" + m.flow
	answer := r.call("GET", at, "").is(200)
	if got := answer.str("items", 0, "metrics", "statusSummary", "status"); got != "inProgress" {
		t.Errorf("the present hour is %s", got)
	}
	if answer.get("items", 0, "metrics", "durationSummary", "completedAtUTC") != nil {
		t.Error("the present hour is completed")
	}
	for i := range 2 {
		sum := func(name string) float64 { return number(t, answer.get("items", i, "metrics", "recordSummary", name)) }
		if sum("inputRecordCount") != sum("outputRecordCount")+sum("skippedRecordCount")+sum("failedRecordCount")+sum("underWayRecordCount") {
			t.Errorf("hour %d does not add up: %s", i, answer.text)
		}
	}
	if code, n := answer.str("items", 1, "metrics", "recordSummary", "skippedInfo", 0, "code"), answer.get("items", 1, "metrics", "recordSummary", "skippedInfo", 0, "count"); code != "consent" || n != 5. {
		t.Errorf("the most frequent reason is %s, %v", code, n)
	}
	if got := answer.str("items", 1, "metrics", "recordSummary", "targetSummaries", 0, "entitySummaries", 0, "id"); got != "segment:lost" {
		t.Errorf("the largest segment is %s", got)
	}
	if got := answer.str("items", 1, "metrics", "statusSummary", "status"); got != "partialSuccess" {
		t.Errorf("an hour with failures is %s", got)
	}
	if got := answer.get("items", 1, "metrics", "durationSummary", "completedAtUTC"); got != float64(hour.Add(59*time.Minute).UnixMilli()) {
		t.Errorf("completed at %v", got)
	}
	first := r.call("GET", at+"&limit=1", "").is(200)
	second := r.call("GET", first.str("_links", "next", "href"), "").is(200)
	if second.str("items", 0, "id") != answer.str("items", 1, "id") {
		t.Errorf("the second page: %s", second.text)
	}
	if oldest := r.call("GET", at+"&orderby=%2BcreatedAt", "").is(200); oldest.str("items", 0, "id") != answer.str("items", 1, "id") {
		t.Errorf("the oldest first: %s", oldest.text)
	}
	if n := r.call("GET", at+"&count=true", "").is(200).get("count"); n != 2. {
		t.Errorf("counted %v", n)
	}
	if n := len(r.call("GET", at+"&property=metrics.statusSummary.status==inProgress", "").is(200).get("items").([]any)); n != 1 { //nolint:forcetypeassert // a list
		t.Errorf("%d are in progress", n)
	}
	r.call("GET", flowservice+"/runs", "").is(400).says("flowId")
	r.call("GET", flowservice+"/runs?property=flowId==none", "").is(404)
	r.call("GET", at, "", "x-sandbox-name", "dev").is(404)
}

func TestAFlowShowsWhatProcessesTellOfIt(t *testing.T) {
	since := time.Date(2026, 11, 28, 9, 0, 0, 0, time.UTC)
	a := &activity{told: map[string]status.Told{}}
	r := newRig(t, func(o *server.Options) { o.Activity = a })
	m := r.flow(leads)
	if got := r.call("GET", flowservice+"/flows/"+m.flow, "").is(200).str("items", 0, "status", "state"); got != "none" {
		t.Errorf("a flow that nobody runs is %s", got)
	}
	a.told[m.flow] = status.Told{
		State: status.Held, Reason: "throttled", Detail: "the stream refuses", Since: since, Lag: 7, LagSeconds: 3.5, At: since.Add(time.Minute),
		Processes: []status.Part{{Process: "p1", Host: "h", State: status.Held, Reason: "throttled", Since: since, Lag: 7, At: since}},
	}
	got := r.call("GET", flowservice+"/flows/"+m.flow, "").is(200)
	if got.str("items", 0, "status", "state") != "held" || got.get("items", 0, "status", "lag") != 7. || got.get("items", 0, "status", "since") != float64(since.UnixMilli()) || got.str("items", 0, "status", "processes", 0, "id") != "p1" {
		t.Errorf("%s", got.text)
	}
	a.told[m.flow] = status.Told{State: status.Stopped, Lag: -1, Processes: []status.Part{{Process: "p1", State: status.Stopped, Lag: -1}}}
	if got := r.call("GET", flowservice+"/flows/"+m.flow, "").is(200); strings.Contains(got.text, `"lag`) {
		t.Errorf("nobody knows the lag: %s", got.text)
	}
	a.told[m.flow] = status.Told{State: status.Held, Reason: "throttled"}
	held := r.call("GET", flowservice+"/flows?property=status.state==held", "").is(200)
	if held.str("items", 0, "id") != m.flow || held.str("items", 0, "status", "reason") != "throttled" {
		t.Errorf("%s", held.text)
	}
	// What it does is not part of the document: the version is the same, and nobody sets it.
	etag := got.header.Get("ETag")
	r.call("PATCH", flowservice+"/flows/"+m.flow, `[{"op":"add","path":"/status","value":{"state":"running"}}]`, "If-Match", etag).is(400).says("status")
	r.call("PATCH", flowservice+"/flows/"+m.flow, add("vip", ""), "If-Match", etag).is(202)
	a.trouble = errors.New("the topic is away")
	if got := r.call("GET", flowservice+"/flows/"+m.flow, "").is(200).header.Get("Warning"); got == "" {
		t.Error("an answer that may be old does not say so")
	}
}

// What a process tells is what every replica answers. Time is virtual where it is told,
// and not where HTTP is spoken.
func TestRunsAreAnsweredFromWhatProcessesTell(t *testing.T) {
	dir := t.TempDir()
	a := &activity{told: map[string]status.Told{}, runs: map[string][]status.Run{}}
	r := newRig(t, func(o *server.Options) { o.Activity = a })
	id := r.flow(leads).flow
	synctest.Test(t, func(t *testing.T) {
		b, err := status.OpenFiles(t.Context(), dir, status.Options{Logger: slog.New(slog.DiscardHandler), Process: "p1", Host: "h"})
		if err != nil {
			t.Fatal(err)
		}
		b.Begin("s1")
		b.Report(status.Flow{ID: id, Sandbox: "prod", State: status.Running, Since: time.Now(), Lag: 3})
		b.Count(id, status.Counts{Activated: 4, UnderWay: 1, Excluded: map[string]int64{"consent": 2}, Segments: map[string]int64{"vip": 4}})
		time.Sleep(5 * time.Second) // virtual
		a.told[id], a.runs[id] = b.Flow(id), b.Runs(id)
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	runs := r.call("GET", flowservice+"/runs?property=flowId=="+id, "").is(200)
	if runs.get("items", 0, "metrics", "recordSummary", "inputRecordCount") != 7. {
		t.Errorf("%s", runs.text)
	}
	if got := r.call("GET", flowservice+"/flows/"+id, "").is(200); got.str("items", 0, "status", "state") != "running" || got.get("items", 0, "status", "lag") != 3. {
		t.Errorf("%s", got.text)
	}
}
