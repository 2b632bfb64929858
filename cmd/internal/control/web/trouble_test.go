package web_test

import (
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/segmentio/kafka-go"

	"kinesis-destination/cmd/internal/testutil"
	"kinesis-destination/schemas"
	"kinesis-destination/sink/embeddedkinesis"
)

func TestAnAWSThatIsAwayLeavesTheFormsWorking(t *testing.T) {
	r := newRig(t)
	at, _, _ := strings.Cut(r.connected(), "?")
	r.kinesis.SetScript(func(embeddedkinesis.Call) embeddedkinesis.Action {
		return embeddedkinesis.Action{Code: "ServiceUnavailable", Status: http.StatusServiceUnavailable}
	})
	r.get(at).is(200).has("streams cannot be listed", "can be typed all the same", `name="params.stream"`)
	r.post(at, "name", "Leads", "params.stream", "leads", "go", "next").is(400).has("Save untested", `value="leads"`, `value="Leads"`)
	r.post(at, "name", "Leads", "params.stream", "leads", "untested", "1", "go", "next").is(200).has("The destination is set up")
}

func TestAStreamThatIsDeletedMeanwhileIsSaidAtItsField(t *testing.T) {
	r := newRig(t)
	at, _, _ := strings.Cut(r.connected(), "?")
	r.kinesis.Create(embeddedkinesis.Stream{Name: "second", Shards: 1})
	r.get(at).has(">second<")
	r.kinesis.Delete("second")
	r.post(at, "name", "Leads", "description", "for sales", "listed", "second", "go", "next").is(400).
		has("ResourceNotFound", `href="#f-params-stream"`, "Save untested", `value="Leads"`, "for sales")
}

func TestAsManySegmentsAndAttributesAsThePlatformHasAreActivated(t *testing.T) {
	r := newRig(t)
	at, id := r.setUp("Leads")
	var segments, attributes []string
	for i := range 250 {
		segments = append(segments, fmt.Sprintf("segment-%d", i))
	}
	for i := range 50 {
		attributes = append(attributes, fmt.Sprintf("custom.field%d", i))
	}
	r.post(at+"/segments", "paste", strings.Join(segments, "\n"), "go", "next").at(at + "/attributes").has("Which attributes?")
	review := r.post(at+"/attributes", "paste", strings.Join(attributes, "\n"), "go", "next").at(at+"/review").has("segment-249", "custom.field49", ">Finish<")
	r.post(at+"/review", "go", "finish", "etag.flow", html.UnescapeString(review.find(`name="etag.flow" value="([^"]*)"`))).at("/s/prod/flows/" + id + "?done=flow.activated")
	r.get("/s/prod/flows/"+id).is(200).has("segment-249", "custom.field49")
	r.get("/s/prod/flows/" + id + "/edit").is(200).has("segment-249")
	r.get("/s/prod/flows/" + id + "/resend").is(200).has("segment-249")
	r.post(at+"/attributes", "paste", "custom.field50", "go", "next").is(200).has("50")
}

// What people and events call things is text, whatever is in it: no markup, and no mark
// that turns the text around it.
func TestHostileNamesAreTextOnEveryPage(t *testing.T) {
	const hostile = "<script>alert(1)</script>\u202e\"'&{{.}}"
	r := newRig(t, operated(t, &fakePlane{}))
	r.events(3, hostile)
	at, id := r.setUp(hostile)
	r.post(at+"/segments", "paste", "hostile", "listed", hostile, "segment", hostile, "go", "next").is(200)
	r.post(at+"/attributes", "paste", "person.email", "go", "next").is(200)
	review := r.get(at + "/review")
	flow := "/s/prod/flows/" + id
	r.post(at+"/review", "go", "finish", "etag.flow", html.UnescapeString(review.find(`name="etag.flow" value="([^"]*)"`))).is(200)
	shownSomewhere := 0
	for _, path := range []string{
		"/s/prod/flows", flow, flow + "/edit", flow + "/pause", flow + "/delete", flow + "/resend", flow + "/letters", at + "/segments", at + "/attributes", at + "/review",
		"/s/prod/activity", "/s/prod/catalog", "/s/prod/flows?q=" + "%3Cscript%3Ealert(1)%3C/script%3E", "/s/prod/activity?q=" + "%3Cscript%3Ealert(1)%3C/script%3E",
	} {
		page := r.get(path).is(200).hasNot("<script>alert")
		shownSomewhere += strings.Count(page.text, "&lt;script&gt;alert(1)&lt;/script&gt;")
		// A mark that turns text around stands where its reach ends: in a bdi, an attribute, or what is copied.
		for _, part := range strings.SplitAfter(page.main(), "\u202e")[1:] {
			before, _, _ := strings.Cut(page.main(), part)
			open := max(strings.LastIndex(before, "<bdi"), strings.LastIndex(before, "<pre"), strings.LastIndex(before, "<textarea"), strings.LastIndex(before, "<option"), strings.LastIndex(before, `="`), strings.LastIndex(before, "<title"))
			if closed := max(strings.LastIndex(before, "</bdi"), strings.LastIndex(before, "</pre"), strings.LastIndex(before, "</textarea"), strings.LastIndex(before, "</option"), strings.LastIndex(before, "</title")); open < closed {
				t.Errorf("%s: text is turned around beyond a name: …%.120s", path, before[max(0, len(before)-120):])
				break
			}
		}
	}
	if shownSomewhere < 10 {
		t.Errorf("the name is shown %d times: the pages show nothing", shownSomewhere)
	}
}

// The stated size of a topic of which segments and attributes are listed by a sample.
const (
	manyEvents = 1_000_000
	manyBatch  = 20_000
)

func TestStepsAreQuickOnATopicOfAMillionEvents(t *testing.T) {
	r := newRig(t)
	body, err := r.schema.EncodeJSON([]byte(`{"eventId":"e","evaluatedAt":1790000000000,"profileId":"p","mergePolicyId":"m",
		"changed":{"profile.segmentation.v1.Changed":{"segments":["vip"],"attributes":[],"identities":false}},
		"attributes":{"person":{"profile.xdm.Person":{"name":null,"email":{"string":"` + person + `"},"birthDate":null}},"personalEmail":null,"mobilePhone":null,"homeAddress":null,"loyalty":null},
		"segmentMembership":{"ups":{"vip":{"lastQualificationTime":1790000000000,"status":"realized","validUntil":null,"mergePolicyId":null}}},
		"identityMap":{},"consents":null}`))
	if err != nil {
		t.Fatal(err)
	}
	value := append(schemas.AppendFrame(nil, r.schemaID), body...)
	client := kafka.Client{Addr: kafka.TCP(r.kafka.ListenAddrs()...)}
	for written := 0; written < manyEvents; written += manyBatch {
		records := make([]kafka.Record, manyBatch)
		for i := range records {
			records[i] = kafka.Record{Key: kafka.NewBytes([]byte("p")), Value: kafka.NewBytes(value)}
		}
		answer, err := client.Produce(t.Context(), &kafka.ProduceRequest{Topic: "segment-evaluations", Partition: written / manyBatch % 3, RequiredAcks: kafka.RequireAll, Compression: kafka.Zstd, Records: kafka.NewRecordReader(records...)})
		if err == nil {
			err = answer.Error
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	at := "/s/prod/flows/" + r.flow("Leads", r.made("Other")) + "/activate" // no sample has been taken yet
	for i, path := range []string{at + "/segments", at + "/segments", at + "/attributes", at + "/review"} {
		began := testutil.CPUTime(t)
		recorder := httptest.NewRecorder()
		r.handler.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "http://localhost"+path, nil))
		took := testutil.CPUTime(t) - began
		t.Logf("%s: %v", path, took)
		if bound := stepTime * slack; recorder.Code != http.StatusOK || took > bound {
			t.Errorf("%s (%d): status %d after %v of CPU, and may take %v", path, i, recorder.Code, took, bound)
		}
		if !strings.Contains(recorder.Body.String(), "the newest 300 of 1,000,000 events in 3 partitions") && i < 3 {
			t.Errorf("%s does not say that it is of a sample", path)
		}
	}
}
