package web_test

import (
	"html"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kinesis-destination/cmd/internal/control/api"
	"kinesis-destination/cmd/internal/control/documents"
	"kinesis-destination/cmd/internal/control/server"
)

func TestTheTestBenchSaysWhatAnActionOverLabelsViolates(t *testing.T) {
	r := newRig(t)
	r.get("/s/prod/governance").is(200).has("Test bench", "C2", "core/")
	r.get("/s/prod/governance?labels=C9&action=core/dataScience").is(200).has("Allowed")
	r.post("/s/prod/governance/core", "id", r.corePolicy("C9"), "status", "ENABLED").is(200).has("Changed.")
	r.get("/s/prod/governance?labels=C9,+C1&action=core/dataScience").has("Denied", "C9")
	r.get("/s/prod/governance?labels=&action=core/dataScience").is(400).has("must name labels", `href="#f-labels"`)
	r.get("/s/prod/governance?labels=C1&action=nothing").is(400).has("must name a marketing action")
	r.get("/s/prod/governance?labels=<script>&action=custom/nothing").is(404).hasNot("<script>&")
	r.post("/s/prod/governance/core", "id", r.corePolicy("C9"), "status", "DISABLED").is(200)
	r.get("/s/prod/governance?labels=C9&action=core/dataScience").has("Allowed")
}

// Where no core policy was ever enabled, there is no version to change on: the page asks
// for a list that is not there yet.
func TestTheFirstCorePolicyThatAPageEnablesOverwritesNoOther(t *testing.T) {
	r := newRig(t)
	overtaken := false
	r.store.Fail = func(c documents.Change) error {
		if c.Why == "PUT /enabledCorePolicies" && !overtaken {
			overtaken = true
			r.api("PUT", "/data/foundation/dulepolicy/enabledCorePolicies", `{"policyIds":["corepolicy_0001"]}`)
		}
		return nil
	}
	r.post("/s/prod/governance/core", "id", r.corePolicy("C9"), "status", "ENABLED").is(412).has("somebody was faster")
	r.get("/s/prod/governance?labels=C9&action=core/dataScience").has("Allowed")
}

// corePolicy is the id of the core policy that denies a label alone.
func (r *rig) corePolicy(label string) string {
	r.t.Helper()
	children, _ := r.api("GET", "/data/foundation/dulepolicy/policies/core", "")["children"].([]any)
	for _, one := range children {
		policy, _ := one.(map[string]any)
		deny, _ := policy["deny"].(map[string]any)
		if deny["label"] == label {
			id, _ := policy["id"].(string)
			return id
		}
	}
	r.t.Fatalf("no core policy denies %s", label)
	return ""
}

func TestAPolicyIsMadeChangedAndDeleted(t *testing.T) {
	r := newRig(t)
	const at = "/s/prod/governance"
	r.post(at+"/actions", "name", "bad name", "description", "").is(400).has(`id="f-name-wrong"`)
	r.post(at+"/actions", "name", "", "description", "").is(400).has("is required")
	r.post(at+"/actions", "name", "winback", "description", "Win <b>back</b>").is(200).has("winback", "Win &lt;b&gt;back")
	for deny, problem := range map[string]string{
		"": "a label is missing", "C1 C2": "between two labels", "C1 and": "a label is missing", "(C1": "is not closed", "C1)": "the end is missing",
		"C1 and C2 or C3": "needs parentheses", strings.Repeat("(", 50) + "C1": "too many parentheses", "{nonsense": "is no JSON",
	} {
		r.post(at+"/policy", "name", "own", "status", "ENABLED", "marketingActionRefs", "custom/winback", "deny", deny).is(400).has("f-deny-wrong", problem)
	}
	r.post(at+"/policy", "name", "own", "status", "ENABLED", "marketingActionRefs", "custom/winback", "deny", "C3 and (I1 or I2)").is(200).has("Changed.", "C3 and (I1 or I2)")
	r.get(at+"?labels=C3+I2&action=custom/winback").has("Denied", "own")
	r.get(at + "?labels=C3&action=custom/winback").has("Allowed")
	page := r.get(at)
	link := page.find(`href="(/s/prod/governance/policy/[^"]+)"`)
	form := r.get(link).is(200).has("C3 and (I1 or I2)", `value="custom/winback" checked`)
	etag := html.UnescapeString(form.find(`name="etag" value="([^"]*)"`))
	r.post(link, "etag", etag, "name", "own", "status", "DRAFT", "marketingActionRefs", "custom/winback", "deny", "C3").is(200)
	r.post(link, "etag", etag, "name", "mine", "status", "DRAFT", "marketingActionRefs", "custom/winback", "deny", "C3").is(412).has("does not match", `value="mine"`)
	r.get(at + "?labels=C3&action=custom/winback").has("Allowed")
	r.get(at + "?labels=C3&action=custom/winback&draft=yes").has("Denied")
	id := link[strings.LastIndexByte(link, '/')+1:]
	r.post(at+"/actions/delete", "name", "winback").is(400).has("referenced by the policies")
	r.post(at+"/custom", "id", id, "status", "ENABLED").is(200)
	r.post(at+"/policies/delete", "id", id).is(200).hasNot("policy/" + id)
	r.post(at+"/actions/delete", "name", "winback").is(200).hasNot("winback")
}

func TestAPolicyThatWouldForbidARunningFlowIsRefusedWithItsCarriers(t *testing.T) {
	r := newRig(t)
	const at = "/s/prod/governance"
	m := r.made("Leads")
	target := r.api("GET", flowservice+"/targetConnections/"+m.target, "")
	etag := target["items"].([]any)[0].(map[string]any)["etag"].(string) //nolint:forcetypeassert // the API answers so
	r.api("PATCH", flowservice+"/targetConnections/"+m.target, `[{"op":"add","path":"/params/marketingActions","value":["analytics"]}]`, "If-Match", etag)
	id := r.flow("Second", m)
	r.patch(id, `[{"op":"add","path":"/transformations/0/params/segmentSelectors/selectors/-","value":{"type":"PLATFORM_SEGMENT","value":{"id":"vip"}}}]`)
	r.post(at+"/policy", "name", "no vips", "status", "ENABLED", "marketingActionRefs", "core/analytics", "deny", "C1").is(409).
		has("would violate", "no vips", "Carried by", "vip", "Ways out")
}

func TestActivityIsFilteredByItsAddress(t *testing.T) {
	r, at, id := activated(t, &fakePlane{})
	r.post(at + "/pause")
	r.get("/s/prod/activity").is(200).has("POST /connections", "op=disable", "loopback", at)
	r.get("/s/prod/activity?kind=flows&q=DISABLE").has("op=disable", id).hasNot("POST /connections")
	r.get("/s/prod/activity?by=nobody").has("Nothing matches")
	r.get("/s/prod/activity?kind=bogus&verdict=bogus").has("POST /connections")
	m := r.made("More")
	for range 60 {
		r.flow("x", m)
	}
	next := html.UnescapeString(r.get("/s/prod/activity?kind=flows").find(`href="([^"]*before=[^"]*)"`))
	r.get(next).is(200).has("First page", "op=disable").hasNot("POST /connections")
}

func TestSettingsShowTokensToThoseWhoManageAlone(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tokens.yaml")
	manage, err := server.CreateToken(file, "ana", []api.Permission{api.View, api.Manage}, nil)
	if err != nil {
		t.Fatal(err)
	}
	look, err := server.CreateToken(file, "ben", []api.Permission{api.View}, []string{"prod"})
	if err != nil {
		t.Fatal(err)
	}
	r := newRig(t, func(o *server.Options) {
		if o.Tokens, err = server.OpenTokens(file); err != nil {
			t.Fatal(err)
		}
		o.Operation.Runs = &fakePlane{}
		o.ReadOnly = func() string { return "the topic is compacted" }
	})
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	r.post("/sign-in", "token", manage, "back", "/s/prod/settings").is(200).
		has("ana", "view, manage", "ben", "profiles", "segment-evaluations", "process-1", "v1.2.3", "silent", "the topic is compacted").
		hasNot("sha256:", manage, "127.0.0.1:1")
	if !strings.Contains(string(text), "sha256:") {
		t.Error("the file has no hash")
	}
	r.newBrowser()
	r.post("/sign-in", "token", look, "back", "/s/prod/settings").is(200).has("Shown to those who may manage").hasNot("<bdi>ana</bdi>")
	r.post("/s/prod/governance/core", "id", "corepolicy_0001", "status", "ENABLED").is(403).has("permission manage is missing")
	r.post("/s/prod/flows/x/jobs/stop").is(403)
}
