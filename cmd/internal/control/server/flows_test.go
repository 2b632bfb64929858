package server_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"kinesis-destination/cmd/internal/control/documents"
	"kinesis-destination/cmd/internal/control/server"
)

func TestAnEtagIsTakenHoweverItIsQuoted(t *testing.T) {
	r := newRig(t)
	m := r.flow(leads)
	forms := []func(etag string) string{
		func(etag string) string { return etag }, // within quotes, as it came
		func(etag string) string { return strings.Trim(etag, `"`) },
		func(etag string) string { return `"` + etag + `"` },
		func(etag string) string { return "W/" + etag },
		func(etag string) string { return `"\"` + strings.Trim(etag, `"`) + `\""` },
	}
	for i, form := range forms {
		m.etag = r.call("PATCH", flowservice+"/flows/"+m.flow, add(fmt.Sprint("segment", i), ""), "If-Match", form(m.etag)).is(202).str("etag")
	}
	r.call("PATCH", flowservice+"/flows/"+m.flow, add("more", "")).is(400).says("1403-400", "If-Match")
	r.call("PATCH", flowservice+"/flows/"+m.flow, add("more", ""), "If-Match", `"old"`).is(412).says("1404-412", "old", strings.Trim(m.etag, `"`))
}

func TestWhatIsNoJSONIsRefusedByItsLine(t *testing.T) {
	r := newRig(t)
	at := flowservice + "/connections"
	// The platform's samples hold comments, and params twice.
	r.call("POST", at, "{\n \"auth\": {\n  \"params\": { // use these values for Amazon Kinesis connections\n").is(400).says("line 3", "comment")
	r.call("POST", at, `{"name":"a","auth":{"params":{"region":"a"},"params":{"sasKey":"b"}}}`).is(400).says("auth.params", "twice")
	r.call("POST", at, `{"name":"a"`).is(400).says("too early")
	r.call("POST", at, `{"name":"a"} {}`).is(400)
	r.call("POST", at, "").is(400).says("1405-400")
	r.call("POST", at, "null").is(400).says("1405-400")
	r.call("POST", at, strings.Repeat("[", 1000)).is(400)
	large := httptest.NewRequest("POST", "http://localhost"+at, strings.NewReader(`"`+strings.Repeat("x", 20<<20)+`"`))
	large.Header.Set("Content-Type", "application/json")
	recorder := httptest.NewRecorder()
	if r.server.ServeHTTP(recorder, large); recorder.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("a body of 20 MB: %d %s", recorder.Code, recorder.Body)
	}
	r.call("POST", at, `[1]`).is(400)
	r.call("POST", at, `{"naame":"a","connectionSpec":{"id":"`+profileSpec+`","version":"1.0"}}`).is(400).says("naame", "did you mean name?")
	// A form of another site can send this; curl says it of everything, beside a token.
	r.call("POST", at, `{}`, "Content-Type", "application/x-www-form-urlencoded", "Authorization", "").is(400).says("BadRequestError", "content-type")
	r.call("POST", at, `{"name":"a","connectionSpec":{"id":"`+profileSpec+`","version":"1.0"}}`, "Content-Type", "application/x-www-form-urlencoded").is(201)
}

func TestSpecsThatThereAreNotAreRefusedByTheirCode(t *testing.T) {
	r := newRig(t)
	post := func(spec string) answer {
		return r.call("POST", flowservice+"/connections", `{"name":"a","connectionSpec":`+spec+`}`)
	}
	post(`{"id":"bf9f5905-92b7-48bf-bf20-455bc6b60a4e","version":"1.0"}`).is(400).says("1413-400")
	post(`{"id":"` + profileSpec + `"}`).is(422).says("connectionSpec.version")
	post(`{"id":"` + profileSpec + `","version":"2.0"}`).is(400)
	r.call("POST", flowservice+"/connections", strings.Replace(accountBody(accessKey), "Aws Kinesis authentication credentials", "Azure EventHub authentication credentials", 1)).is(400).says("1415-400")
	m := r.flow(leads)
	r.call("POST", flowservice+"/flows", strings.Replace(flowBody("a", m.source, m.target, "", ""), `{`, `{"state":"enabled",`, 1)).is(400).says("1410-400")
	r.call("POST", flowservice+"/flows", flowBody("a", m.target, m.source, "", "")).is(400).says("sourceConnectionIds[0]", "targetConnectionIds[0]")
	etag := r.call("GET", flowservice+"/connections/"+m.base, "").is(200).str("items", 0, "etag")
	r.call("PATCH", flowservice+"/connections/"+m.base, `[{"op":"replace","path":"/connectionSpec/id","value":"`+profileSpec+`"}]`, "If-Match", etag).is(400).says("1414-400")
	r.call("PATCH", flowservice+"/flows/"+m.flow, `[{"op":"replace","path":"/state","value":"disabled"}]`, "If-Match", m.etag).is(400).says("action?op=")
	r.call("PATCH", flowservice+"/flows/"+m.flow, `[{"op":"move","path":"/name","from":"/description"}]`, "If-Match", m.etag).is(400).says("1434-400", "move")
	r.call("PATCH", flowservice+"/flows/"+m.flow, `[{"op":"replace","path":"/naame","value":"x"}]`, "If-Match", m.etag).is(400).says("1455-400", "Missing field")
	r.call("PATCH", flowservice+"/flows/"+m.flow, `[]`, "If-Match", m.etag).is(400)
	r.call("PATCH", flowservice+"/flows/"+m.flow, `{"name":"x"}`, "If-Match", m.etag).is(400).says("JSON Patch")
	r.call("PATCH", flowservice+"/flows/"+m.flow, `[{"op":"REPLACE","path":"/name","value":"Renamed"}]`, "If-Match", m.etag).is(202)
}

// The platform's sample removes places 0 and 1 and means the first and the second.
func TestARemovalTakesWhatIsMeantOrNothing(t *testing.T) {
	r := newRig(t)
	m := r.flow(leads)
	for _, id := range []string{"a", "b", "c"} {
		m.etag = r.call("PATCH", flowservice+"/flows/"+m.flow, add(id, ""), "If-Match", m.etag).is(202).str("etag")
	}
	remove := func(place int, id string) string {
		return fmt.Sprintf(`{"op":"remove","path":"/transformations/0/params/segmentSelectors/selectors/%d","value":{"type":"PLATFORM_SEGMENT","value":{%s}}}`, place, id)
	}
	patch := func(ops ...string) answer {
		return r.call("PATCH", flowservice+"/flows/"+m.flow, "["+strings.Join(ops, ",")+"]", "If-Match", m.etag)
	}
	patch(remove(0, ""), remove(1, "")).is(400).says("1455-400", "highest place")
	patch(remove(0, ""), remove(0, ""), remove(1, "")).is(400).says("[2]", "what stood at 1 stands at 0")
	patch(remove(0, `"id":"a"`), remove(1, `"id":"b"`)).is(400).says(`there is \"c\" then`)
	segments := func() (ids []string) {
		got := r.call("GET", flowservice+"/flows/"+m.flow, "").is(200)
		for i := 0; ; i++ {
			id := got.str("items", 0, "transformations", 0, "params", "segmentSelectors", "selectors", i, "value", "id")
			if id == "" {
				return ids
			}
			ids = append(ids, id)
		}
	}
	if got := segments(); !slices.Equal(got, []string{"a", "b", "c"}) {
		t.Fatalf("a refused patch changed the flow: %v", got)
	}
	m.etag = patch(remove(0, `"id":"a"`), remove(1, `"id":"c"`)).is(202).str("etag")
	if got := segments(); !slices.Equal(got, []string{"b"}) {
		t.Errorf("left are %v", got)
	}
	m.etag = r.call("PATCH", flowservice+"/flows/"+m.flow, add("d", ""), "If-Match", m.etag).is(202).str("etag")
	m.etag = patch(remove(1, ""), remove(0, "")).is(202).str("etag")
	if got := segments(); got != nil {
		t.Errorf("left are %v", got)
	}
	for _, id := range []string{"e", "f", "g"} {
		m.etag = r.call("PATCH", flowservice+"/flows/"+m.flow, add(id, ""), "If-Match", m.etag).is(202).str("etag")
	}
	patch(remove(0, ""), remove(0, "")).is(202) // the first two, as RFC 6902 has it
	if got := segments(); !slices.Equal(got, []string{"g"}) {
		t.Errorf("left are %v", got)
	}
}

func TestWhatIsInUseIsNotDeleted(t *testing.T) {
	r := newRig(t)
	m := r.flow(leads)
	r.call("DELETE", flowservice+"/connections/"+m.base, "").is(400).says("1418-400", m.target)
	r.call("DELETE", flowservice+"/targetConnections/"+m.target, "").is(400).says("1447-400", m.flow)
	for _, path := range []string{"/flows/" + m.flow, "/targetConnections/" + m.target, "/sourceConnections/" + m.source, "/connections/" + m.base} {
		if gone := r.call("DELETE", flowservice+path, "").is(202); gone.text != "" {
			t.Errorf("DELETE %s has a body: %s", path, gone.text)
		}
		r.call("GET", flowservice+path, "").is(404).says("1101-404")
		r.call("DELETE", flowservice+path, "").is(404)
	}
}

func TestListsArePagedOrderedAndFiltered(t *testing.T) {
	r := newRig(t)
	m := r.flow(leads)
	for i := range 24 {
		r.call("POST", flowservice+"/flows", flowBody(fmt.Sprintf("flow %02d", i), m.source, m.target, "", "")).is(201)
	}
	r.call("POST", flowservice+"/flows/"+m.flow+"/action?op=disable", "").is(200)
	list := flowservice + "/flows"
	var names []string
	for next := list + "?limit=7&orderby=-name"; next != ""; {
		page := r.call("GET", next, "").is(200)
		for i := 0; page.str("items", i, "id") != ""; i++ {
			names = append(names, page.str("items", i, "name"))
		}
		next = page.str("_links", "next", "href")
	}
	if len(names) != 25 || !slices.IsSortedFunc(names, func(a, b string) int { return strings.Compare(b, a) }) {
		t.Errorf("the pages hold %d: %v", len(names), names)
	}
	count := func(query string) any { return r.call("GET", list+"?count=true&"+query, "").is(200).get("count") }
	for query, want := range map[string]float64{
		"": 25, "property=state==disabled": 1, "property=name==Leads,flow%2001": 2, "property=name>flow%2020": 3,
		"property=name>flow%2020&property=state==disabled":                              0,
		"property=inheritedAttributes.targetConnections[].baseConnection.id==" + m.base: 25,
		"property=flowSpec.id==" + flowSpec:                                             25, "property=createdAt>=1": 25, "property=state!=disabled": 24,
	} {
		if got := count(query); got != want {
			t.Errorf("%s: %v, wanted %v", query, got, want)
		}
	}
	r.call("GET", list+"?limit=3&count=true", "").is(400).says("1401-400")
	r.call("GET", list+"?orderby=%2B-name", "").is(400).says("1432-400")
	r.call("GET", list+"?orderby=secret", "").is(400).says("1433-400")
	r.call("GET", list+"?limit=101", "").is(400)
	r.call("GET", list+"?continuationToken=x", "").is(400)
	r.call("GET", list+"?property=name", "").is(400)
	r.call("GET", list+"?property=name%3Ea,b", "").is(400).says("1443-400")
	r.call("GET", list+"?prperty=name", "").is(400).says("1451-400")
	r.call("GET", flowservice+"/runs?property=flowId=="+m.flow, "").is(200)
	r.call("GET", flowservice+"/runs", "").is(400).says("flowId==")
}

func TestADocumentOfAnotherSandboxIsNotThere(t *testing.T) {
	r := newRig(t)
	m := r.flow(leads)
	r.call("GET", flowservice+"/flows/"+m.flow, "", "x-sandbox-name", "dev").is(404)
	r.call("GET", flowservice+"/flows/"+m.flow, "", "x-sandbox-name", "staging").is(404).says("2100-404")
	r.call("POST", flowservice+"/flows", flowBody("a", m.source, m.target, "", ""), "x-sandbox-name", "dev").is(400)
	r.call("GET", flowservice+"/flows/"+url.PathEscape("../dev/"+m.flow), "").is(404)
	if n := r.call("GET", flowservice+"/flows?count=true", "", "x-sandbox-name", "dev").is(200).get("count"); n != 0.0 {
		t.Errorf("the other sandbox lists %v flows", n)
	}
}

// Sandboxes share their clusters: a group or a topic of letters that a flow elsewhere has
// would get half of its events, or erase its letters.
func TestAFlowIsAloneBesideThoseOfOtherSandboxes(t *testing.T) {
	r := newRig(t)
	there := r.flow(leads).flow
	r.header.Set("x-sandbox-name", "dev")
	base := r.account()
	profiles := r.profiles()
	own, theirs := r.source(profiles, `{}`), r.source(profiles, `{"group":"`+there+`"}`)
	letters := r.target(base, `{"stream":"leads","deadLetter":{"topic":"segment-evaluations.`+there+`.dlt"}}`).is(201).str("id")
	target := r.target(base, `{"stream":"leads"}`).is(201).str("id")
	for _, body := range []string{flowBody("group", theirs, target, "", ""), flowBody("letters", own, letters, "", "")} {
		got := r.call("POST", flowservice+"/flows", body).is(400).says("another sandbox")
		if strings.Contains(got.text, there) {
			t.Errorf("the id of a flow of another sandbox is told: %s", got.text)
		}
	}
	r.call("POST", flowservice+"/flows", flowBody("of its own", own, target, "", "")).is(201)
}

// Letters in the journal would be erased with it, and those in a source's topic be read as
// events.
func TestDeadLettersGoToNoTopicOfOthers(t *testing.T) {
	r := newRig(t, func(o *server.Options) {
		o.OwnTopics = []string{"the.control", "the.status"}
		visits := *o.Sources[0]
		visits.Name, visits.Kafka.Topic = "visits", "site-visits"
		many := *o.Sources[0]
		many.Name, many.Sandbox, many.Kafka.Topic, many.Kafka.TopicPattern = "many", "dev", "", `shop\..*`
		o.Sources = append(o.Sources, &visits, &many)
	})
	base := r.account()
	for _, topic := range []string{"the.control", "the.status", "__consumer_offsets", "segment-evaluations", "site-visits", "shop.evaluations"} {
		got := r.target(base, `{"stream":"leads","deadLetter":{"topic":"`+topic+`"}}`).is(400)
		if got.str("errors", 0, "field") != "params.deadLetter.topic" || got.get("errors", 1) != nil {
			t.Errorf("%s: %s", topic, got.text)
		}
	}
	r.target(base, `{"stream":"leads","deadLetter":{"topic":"letters"}}`).is(201)
}

func TestFieldsOfADestinationAreJudgedByTheirOwnPackages(t *testing.T) {
	r := newRig(t)
	base := r.account()
	for params, field := range map[string]string{
		`{"stream":"a b","region":"us-east-1"}`:                                                "params.stream",
		`{"region":"us-east-1"}`:                                                               "params.stream",
		`{"stream":"leads","region":"US"}`:                                                     "params.region",
		`{"stream":"leads","aggregation":"zip"}`:                                               "params.aggregation",
		`{"stream":"leads","partitionKey":"x"}`:                                                "params.partitionKey",
		`{"stream":"leads","retry":{"maxInterval":"soon"}}`:                                    "params.retry.maxInterval",
		`{"stream":"leads","marketingActions":["exportToThirdPart"]}`:                          "params.marketingActions[0]",
		`{"stream":"leads","unmappedSegments":"some"}`:                                         "params.unmappedSegments",
		`{"stream":"leads","deadLetter":{"onExhausted":"no"}}`:                                 "params.deadLetter.onExhausted",
		`{"stream":"leads","governance":{"consent":{"mode":"maybe"}}}`:                         "params.governance.consent.mode",
		`{"stream":"leads","strem":"x"}`:                                                       "params.strem",
		`{"stream":"leads","endpoint":"http://169.254.169.254/"}`:                              "params.endpoint",
		`{"stream":"leads","endpoint":"https://kinesis.us-east-1.amazonaws.com.example.org/"}`: "params.endpoint",
		`{"stream":"leads","endpoint":"https://user:pass@kinesis.us-east-1.amazonaws.com/"}`:   "params.endpoint",
	} {
		got := r.target(base, params).is(400)
		if got.str("errors", 0, "field") != field {
			t.Errorf("%s: %s", params, got.text)
		}
	}
	m := r.flow(leads)
	r.call("PATCH", flowservice+"/flows/"+m.flow, add("", "person..name"), "If-Match", m.etag).is(400).says("transformations[0].params.profileSelectors.selectors[0].value.path")
	r.call("PATCH", flowservice+"/flows/"+m.flow, `[{"op":"add","path":"/transformations/0/params/segmentSelectors/selectors/-","value":{"type":"PLATFORM_SEGMENT","value":{"name":"x"}}}]`, "If-Match", m.etag).is(400).says("segmentSelectors.selectors[0].value.id")
	// What the platform maps by itself is part of every record.
	got := r.call("PATCH", flowservice+"/flows/"+m.flow, add("a", "segmentMembership.status"), "If-Match", m.etag).is(202).says("warnings", "part of every record")
	m.etag = got.str("etag")
	r.call("PATCH", flowservice+"/flows/"+m.flow, add("a", ""), "If-Match", m.etag).is(400).says("segmentSelectors.selectors[1].value.id", "the same segment")
}

// A text of a caller is never taken for a reference to the environment or a file.
func TestNothingOfACallerReadsTheEnvironment(t *testing.T) {
	t.Setenv("HUSH", "very-secret")
	r := newRig(t)
	m := r.flow(leads)
	m.etag = r.call("PATCH", flowservice+"/flows/"+m.flow, `[{"op":"add","path":"/description","value":"${HUSH} file:///etc/passwd"}]`, "If-Match", m.etag).is(202).str("etag")
	r.call("GET", flowservice+"/flows/"+m.flow+"/export", "").is(400).says("description", "reference")
	text := "name: imported\ndescription: ${HUSH}\nsource: {kafka: {brokers: [\"localhost:9092\"], topic: segment-evaluations}, schemaRegistry: {url: " + r.options.Sources[0].Registry.URL + "}}\n" +
		"target: {kinesis: {region: us-east-1, stream: leads}}\nactivation: {segments: [{id: a, name: file:///etc/passwd}]}\n"
	id := r.call("POST", flowservice+"/flows/import?baseConnectionId="+m.base, text, "Content-Type", "application/yaml").is(201).str("id")
	got := r.call("GET", flowservice+"/flows/"+id, "").is(200).says("${HUSH}", "file:///etc/passwd")
	if strings.Contains(got.text, "very-secret") || strings.Contains(got.text, "root:") {
		t.Errorf("the answer holds what it should not read: %s", got.text)
	}
}

func TestAPausedFlowGoesOnWhereItIsEnabled(t *testing.T) {
	r := newRig(t)
	m := r.flow(leads)
	for _, op := range []string{"disable", "disable", "enable"} {
		answer := r.call("POST", flowservice+"/flows/"+m.flow+"/action?op="+op, "", "Content-Type", "").is(200)
		if answer.str("id") != m.flow || answer.str("etag") == m.etag {
			t.Errorf("%s: %s", op, answer.text)
		}
		if state := r.call("GET", flowservice+"/flows/"+m.flow, "").is(200).str("items", 0, "state"); state != op+"d" {
			t.Errorf("after %s the state is %s", op, state)
		}
	}
	r.call("POST", flowservice+"/flows/"+m.flow+"/action?op=stop", "").is(400).says("1422-400")
}

func TestAnUnansweredWriteSaysThatItMayStillHappen(t *testing.T) {
	r := newRig(t)
	m := r.flow(leads)
	r.store.Fail = func(documents.Change) error { return fmt.Errorf("append: %w", documents.ErrOutcomeUnknown) }
	r.store.Stale = "Kafka does not answer"
	r.call("PATCH", flowservice+"/flows/"+m.flow, add("a", ""), "If-Match", m.etag).is(503).says("may still happen")
	if got := r.call("GET", flowservice+"/flows/"+m.flow, "").is(200); !strings.Contains(got.header.Get("Warning"), "Kafka does not answer") {
		t.Errorf("the answer does not say that it may be old: %v", got.header)
	}
	r.store.Fail = func(documents.Change) error { return fmt.Errorf("%w: the topic is compacted", documents.ErrReadOnly) }
	r.call("PATCH", flowservice+"/flows/"+m.flow, add("a", ""), "If-Match", m.etag).is(503).says("read-only", "the topic is compacted")
}

// More segments than a backfill can know of are a mistake of the flow, at its selectors.
func TestMoreSegmentsThanABackfillKnowsAreRefusedByTheirField(t *testing.T) {
	r := newRig(t)
	m := r.flow(leads)
	var operations []string
	for i := range 501 {
		operations = append(operations, fmt.Sprintf(`{"op":"add","path":"/transformations/0/params/segmentSelectors/selectors/-","value":{"type":"PLATFORM_SEGMENT","value":{"id":"s%d"}}}`, i))
	}
	r.call("PATCH", flowservice+"/flows/"+m.flow, "["+strings.Join(operations, ",")+"]", "If-Match", m.etag).is(400).says("transformations[0].params.segmentSelectors.selectors", "at most 500")
}

// What the pages show of sources, streams and changes that are not made yet, a script
// can ask for as well; Kafka is away here.
func TestSourcesStreamsAndPreviewsAreAnswered(t *testing.T) {
	r := newRig(t)
	m := r.flow(leads)
	r.call("GET", flowservice+"/sources", "").is(200).says(`"profiles"`, `"segment-evaluations"`)
	r.call("GET", flowservice+"/sources/profiles/segments", "").is(200).says(`"vip"`, "Very important persons", "no sample could be taken")
	r.call("GET", flowservice+"/sources/profiles/fields", "").is(200).says(`"person.name.firstName"`, `"I2"`, `"group":true`)
	r.call("GET", flowservice+"/sources/nothing/fields", "").is(404)
	r.call("GET", flowservice+"/connections/"+m.base+"/streams", "").is(200).says(`"leads"`, `"ACTIVE"`, `"shards":2`)
	r.call("GET", flowservice+"/connections/"+m.sourceBase+"/streams", "").is(400)
	before := r.call("GET", flowservice+"/flows/"+m.flow, "").is(200).text
	preview := flowservice + "/flows/" + m.flow + "/preview"
	r.call("POST", preview, `{"flow":`+add("vip", "person.name")+`,"target":[{"op":"add","path":"/params/includeSegmentNames","value":true}]}`).is(200).says(`"valid":true`, `"backfill"`)
	r.call("POST", preview, `{"flow":`+add("vip", "a..b")+`}`).is(200).says(`"valid":false`, "profileSelectors.selectors[0].value.path")
	r.call("POST", preview, `{"target":[{"op":"add","path":"/params/stream","value":""}]}`).is(200).says(`"valid":false`, "params.stream")
	// A preview asks the stream for what it takes, with the account's keys.
	r.call("POST", preview, `{"target":[{"op":"add","path":"/params/endpoint","value":"http://10.0.0.5:8080/"}]}`).is(200).says(`"valid":false`, "params.endpoint", "must be an https address of AWS")
	r.call("POST", preview, `{"flow":{}}`).is(200).says(`"valid":false`, "1455-400")
	r.call("POST", preview, `{"flows":[]}`).is(400).says("there is no such field")
	r.call("PUT", policyservice+"/enabledCorePolicies", `{"policyIds":["corepolicy_0001"]}`).is(200)
	r.call("POST", preview, `{"flow":`+add("vip", "")+`,"target":[{"op":"add","path":"/params/marketingActions","value":["exportToThirdParty"]}]}`).is(200).says(`"valid":false`, "core/C1-exportToThirdParty", "waysOut")
	if after := r.call("GET", flowservice+"/flows/"+m.flow, "").is(200).text; after != before {
		t.Errorf("a preview has changed the flow: %s", after)
	}
}
