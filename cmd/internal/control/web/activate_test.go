package web_test

import (
	"fmt"
	"html"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kinesis-destination/cmd/internal/control/api"
	"kinesis-destination/cmd/internal/control/server"
)

// setUp sets a destination up by forms, and returns the address of its activation.
func (r *rig) setUp(name string, actions ...string) (base, id string) {
	r.t.Helper()
	at, _, _ := strings.Cut(r.connected(), "?")
	pairs := []string{"name", name, "listed", "leads", "go", "next"}
	for _, action := range actions {
		pairs = append(pairs, "params.marketingActions", action)
	}
	s := r.post(at, pairs...).is(200).has("The destination is set up")
	base, _, _ = strings.Cut(s.path, "/segments")
	return base, strings.Split(base, "/")[4]
}

// From an empty catalog to a flow that is activated, by forms alone.
func TestTheWholeWayWorksWithoutScript(t *testing.T) {
	r := newRig(t)
	r.events(40, "propensity", "seen-only")
	r.get("/").has("Three steps to start")
	at, id := r.setUp("Leads")
	segments := r.get(at+"/segments").is(200).has("High propensity to convert", "seen-only", "seen only", "the newest 40 of 40 events", ">20</td>")
	segments.has("&lt;script&gt;alert(1)&lt;/script&gt;").hasNot("<script>alert")
	// Searching keeps what was ticked, and has an address.
	r.post(at+"/segments", "listed", "propensity", "listed", "vip", "segment", "propensity", "go", "search", "q", "PERSONS", "show", "configured").
		at(at+"/segments?q=PERSONS&show=configured").has("1 segment is chosen", "Very important persons", "High propensity").hasNot(">seen-only<")
	r.post(at+"/segments", "listed", "vip", "paste", "seen-only\n pasted-1,pasted-2", "go", "next").at(at+"/attributes").is(200).
		has("Which attributes?", ">email<", "string", ">I1<", "in 100 % of the events", "xxx.xxxxxxxx@xxxxxxx.xxx", "data-tree")
	r.post(at+"/attributes", "listed", "person.email", "listed", "person", "attribute", "person.email", "paste", "homeAddress.city", "option", "includeSegmentNames", "riding", "all", "go", "next").
		at(at+"/review").has("No policy objects", ">would leave<", "added:", "person.email", "Names of segments in the record", "All segments of the profile", "A real event as it would leave", "xxx.xxxxxxxx@xxxxxxx.xxx").
		has("At most about 40 records", "as 40 of 40 events", "Finish")
	r.post(at+"/review", "go", "undo:segment:pasted-2").at(at + "/review").hasNot("pasted-2")
	review := r.get(at + "/review")
	r.post(at+"/review", "go", "finish", "etag.flow", html.UnescapeString(review.find(`name="etag.flow" value="([^"]*)"`)), "etag.target", html.UnescapeString(review.find(`name="etag.target" value="([^"]*)"`))).
		at("/s/prod/flows/" + id + "?done=flow.activated")
	made := r.api("GET", flowservice+"/flows/"+id, "")["items"].([]any)[0].(map[string]any)
	params := made["transformations"].([]any)[0].(map[string]any)["params"].(map[string]any)
	if n := len(params["segmentSelectors"].(map[string]any)["selectors"].([]any)); n != 3 {
		t.Errorf("%d segments: %v", n, params)
	}
	if n := len(params["profileSelectors"].(map[string]any)["selectors"].([]any)); n != 2 {
		t.Errorf("%d attributes: %v", n, params)
	}
	target := r.api("GET", flowservice+"/targetConnections/"+made["targetConnectionIds"].([]any)[0].(string), "")["items"].([]any)[0].(map[string]any)["params"].(map[string]any)
	if target["includeSegmentNames"] != true || target["unmappedSegments"] != "all" {
		t.Errorf("the target connection has %v", target)
	}
	r.get(at + "/review").has("Nothing differs from what runs").hasNot(">Finish<")
	r.get("/s/prod/catalog").hasNot("Three steps to start")
}

func TestAViolationHasWaysOutAsButtons(t *testing.T) {
	r := newRig(t)
	r.api("PUT", "/data/foundation/dulepolicy/enabledCorePolicies", `{"policyIds":["corepolicy_0002"]}`)
	at, id := r.setUp("Partners", "exportToThirdParty")
	r.post(at+"/segments", "paste", "propensity", "go", "next").is(200)
	review := r.post(at+"/attributes", "paste", "mobilePhone.number person.email", "go", "next").at(at+"/review").
		has("core/C2-exportToThirdParty objects", "Who carries the labels", "mobilePhone.number", "Leave out what carries C2: mobilePhone.number", "The data is not used for exportToThirdParty").
		hasNot("No policy objects", ">Finish<")
	way := html.UnescapeString(review.find(`value="(drop:[^"]*)"`))
	fixed := r.post(at+"/review", "go", way).has("No policy objects", ">Finish<", "person.email").hasNot("mobilePhone.number")
	r.post(at+"/review", "go", "finish", "etag.flow", html.UnescapeString(fixed.find(`name="etag.flow" value="([^"]*)"`))).at("/s/prod/flows/" + id + "?done=flow.activated")
}

func TestAPolicyThatIsEnabledMeanwhileIsSaidAtTheEnd(t *testing.T) {
	r := newRig(t)
	at, _ := r.setUp("Partners", "exportToThirdParty")
	r.post(at+"/segments", "paste", "propensity", "go", "next").is(200)
	review := r.post(at+"/attributes", "paste", "mobilePhone.number", "go", "next").at(at + "/review").has(">Finish<")
	r.api("PUT", "/data/foundation/dulepolicy/enabledCorePolicies", `{"policyIds":["corepolicy_0002"]}`)
	r.post(at+"/review", "go", "finish", "etag.flow", html.UnescapeString(review.find(`name="etag.flow" value="([^"]*)"`))).is(409).
		has(`id="errors"`, "would violate core/C2-exportToThirdParty", "Ways out, the shortest first")
}

// The way out that takes an action from the target connection makes a violation that
// the flow has already go.
func TestWhatViolatesIsMendedInTheOrderThatWorks(t *testing.T) {
	r := newRig(t)
	r.api("PUT", "/data/foundation/dulepolicy/enabledCorePolicies", `{"policyIds":["corepolicy_0002"]}`)
	at, id := r.setUp("Partners")
	finish := func() shown {
		review := r.get(at + "/review").has("No policy objects")
		return r.post(at+"/review", "go", "finish", "etag.flow", html.UnescapeString(review.find(`name="etag.flow" value="([^"]*)"`)), "etag.target", html.UnescapeString(review.find(`name="etag.target" value="([^"]*)"`)))
	}
	r.post(at+"/segments", "paste", "propensity", "go", "next")
	r.post(at+"/attributes", "paste", "mobilePhone.number", "go", "next")
	finish().at("/s/prod/flows/" + id + "?done=flow.activated")
	// Another use, and without the field that this use forbids: the target alone would be refused.
	r.post(at+"/review", "go", "undo:action:exportToThirdParty").has("core/C2-exportToThirdParty objects")
	r.post(at+"/review", "go", "drop:attribute:mobilePhone.number").has("No policy objects")
	finish().at("/s/prod/flows/" + id + "?done=flow.activated")
	r.get(at + "/review").has("Nothing differs")
}

func TestWhoMayOnlyLookIsToldSo(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tokens.yaml")
	tokens := map[string]string{}
	for name, permissions := range map[string][]api.Permission{"viewer": {api.View}, "admin": {api.View, api.Manage, api.Activate}, "marketer": {api.View, api.Activate}} {
		var err error
		if tokens[name], err = server.CreateToken(file, name, permissions, nil); err != nil {
			t.Fatal(err)
		}
	}
	opened, err := server.OpenTokens(file)
	if err != nil {
		t.Fatal(err)
	}
	r := newRig(t, func(o *server.Options) { o.Tokens = opened })
	r.post("/sign-in", "token", tokens["admin"]).is(200)
	at, id := r.setUp("Leads")
	r.newBrowser()
	r.post("/sign-in", "token", tokens["viewer"]).is(200)
	r.get(at + "/segments").is(200)
	r.post("/s/prod/accounts", "auth", "keys", "name", "mine", "auth.params.region", "us-east-1").is(403).has("The permission manage is missing")
	r.post(at+"/segments", "paste", "propensity", "go", "next").at(at + "/attributes")
	etag := html.UnescapeString(r.get(at + "/review").find(`name="etag.flow" value="([^"]*)"`))
	r.post(at+"/review", "go", "finish", "etag.flow", etag).is(403).has("The permission activate is missing")
	r.newBrowser()
	r.post("/sign-in", "token", tokens["marketer"]).is(200)
	r.get(at + "/segments").hasNot("1 segment is chosen") // a draft is its author's
	r.post(at+"/segments", "paste", "propensity", "go", "next").at(at + "/attributes")
	r.post(at+"/review", "go", "finish", "etag.flow", etag).at("/s/prod/flows/" + id + "?done=flow.activated")
}

func TestTwoPeopleChangeAFlow(t *testing.T) {
	r := newRig(t)
	at, id := r.setUp("Leads")
	r.post(at+"/segments", "paste", "mine", "go", "next").is(200)
	review := r.post(at+"/attributes", "paste", "person.email", "go", "next").at(at + "/review")
	etag := html.UnescapeString(review.find(`name="etag.flow" value="([^"]*)"`))
	r.api("PATCH", flowservice+"/flows/"+id, `[{"op":"add","path":"/transformations/0/params/segmentSelectors/selectors/-","value":{"type":"PLATFORM_SEGMENT","value":{"id":"theirs"}}}]`, "If-Match", etag)
	stale := r.post(at+"/review", "go", "finish", "etag.flow", etag).is(412).has("Changed meanwhile by somebody else", "theirs", "mine", "does not match the current version", `id="errors"`)
	r.post(at+"/review", "go", "finish", "etag.flow", html.UnescapeString(stale.find(`name="etag.flow" value="([^"]*)"`))).at("/s/prod/flows/" + id + "?done=flow.activated")
	flow := r.api("GET", flowservice+"/flows/"+id, "")["items"].([]any)[0].(map[string]any)["transformations"].([]any)[0].(map[string]any)["params"].(map[string]any)
	if n := len(flow["segmentSelectors"].(map[string]any)["selectors"].([]any)); n != 2 {
		t.Errorf("%d segments: one of the two changes is lost", n)
	}
}

// A form that is posted after its session has ended is there again after the sign-in,
// without its secrets, and nobody else's.
func TestASessionThatEndsAmidADraftLosesNoneOfIt(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tokens.yaml")
	all := []api.Permission{api.View, api.Manage, api.Activate}
	token, err := server.CreateToken(file, "anna", all, nil)
	if err != nil {
		t.Fatal(err)
	}
	opened, err := server.OpenTokens(file)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	r := newRig(t, func(o *server.Options) { o.Tokens, o.Now = opened, func() time.Time { return now } })
	r.post("/sign-in", "token", token).is(200)
	at, _ := r.setUp("Leads")
	now = now.Add(13 * time.Hour)
	r.post(at+"/segments", "listed", "vip", "segment", "vip", "paste", "propensity", "go", "next").is(200).has("Sign in").at("/sign-in?back=" + url.QueryEscape(at+"/segments"))
	r.post("/sign-in", "token", token, "back", at+"/segments").at(at+"/segments").has("2 segments are chosen", "Very important persons")
	now = now.Add(13 * time.Hour)
	r.post("/s/prod/accounts", "auth", "keys", "name", "half", "auth.params.secretKey", secretKey).at("/sign-in?back=" + url.QueryEscape("/s/prod/accounts/new?auth=keys"))
	r.post("/sign-in", "token", token, "back", "/s/prod/accounts/new?auth=keys").has("half")
	r.post("/sign-out")
	r.post("/s/prod/accounts", "auth", "keys", "name", "of nobody").has("Sign in")
	r.post("/sign-in", "token", token, "back", "/s/prod/accounts/new?auth=keys").has("half").hasNot("of nobody")
}

func TestADraftSurvivesAndCanBeGivenUp(t *testing.T) {
	r := newRig(t)
	at, _ := r.setUp("Leads")
	r.post(at+"/segments", "paste", "kept", "go", "exit")
	r.newBrowser()
	r.get(at+"/segments").has("kept", "1 segment is chosen")
	r.post(at + "/drop").at(at + "/segments?done=draft.dropped").hasNot("kept")
}

func TestWhatIsWrongInAStepIsSaidThere(t *testing.T) {
	r := newRig(t)
	at, _ := r.setUp("Leads")
	r.post(at+"/attributes", "paste", "a..b", "go", "next").is(400).has(`href="#f-attribute"`, "a..b: ")
	r.post(at + "/drop")
	var many []string
	for i := range 501 {
		many = append(many, fmt.Sprintf("segment-%d", i))
	}
	r.post(at+"/segments", "paste", strings.Join(many, " "), "go", "next").is(400).at(at+"/segments").has(`href="#f-segment"`, "at most 500 segments", "501 segments are chosen")
	r.post(at + "/drop")
	r.post(at+"/segments", "paste", strings.Join(many[:251], " "), "go", "next").at(at + "/attributes")
	r.get(at+"/review").has("note warn", "250")
	r.get("/s/prod/flows/nothing/activate/segments").is(404)
	r.post(at+"/review", "go", "undo:flow:x").is(200)
	r.post(at+"/segments", "go", "page:-1").is(200)
	r.post(at+"/segments", "paste", strings.Repeat("x ", 1<<20)).is(413).has("larger than")
}

func TestARegistryOrKafkaThatIsAwayLeavesTheFormsWorking(t *testing.T) {
	r := newRig(t)
	r.kafka.Close()
	r.registry.SetDown(true)
	at, _ := r.setUp("Leads")
	r.get(at+"/segments").is(200).has("no sample could be taken", "Paste ids", "High propensity")
	r.get(at+"/attributes").is(200).has("the schema could not be looked up", "Type paths")
	r.post(at+"/segments", "paste", "propensity", "go", "next").is(200)
	r.post(at+"/attributes", "paste", "person.email", "go", "next").at(at+"/review").has("labels on their fields are weighed when the first event arrives", ">Finish<")
}

func TestEveryPageIsThereInSpanish(t *testing.T) {
	r := newRig(t)
	r.events(6, "propensity")
	at, _ := r.setUp("Leads")
	r.post(at+"/segments", "paste", "propensity", "go", "next")
	r.lang = "es"
	for path, word := range map[string]string{
		"/s/prod/catalog": "Catálogo", "/s/prod/flows": "Destinos", "/s/prod/accounts": "Cuentas", "/s/prod/connect": "¿Qué cuenta?", "/s/prod/accounts/new?auth=role": "Un rol",
		at + "/segments": "¿Qué segmentos?", at + "/attributes": "¿Qué atributos?", at + "/review": "Revisión", "/s/prod/nothing": "No ha funcionado",
	} {
		r.get(path).has(word, `<html lang="es">`)
	}
}
