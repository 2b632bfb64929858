package server_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
)

// The published bodies of the policy service's pages.
const publishedPolicy = `{
        "name": "Export Data to Third Party",
        "status": "DRAFT",
        "marketingActionRefs": [
          "../marketingActions/custom/exportToThirdParty"
        ],
        "description": "Conditions under which data cannot be exported to a third party",
        "deny": {
          "operator": "OR",
          "operands": [
            {"label": "C1"},
            {
              "operator": "AND",
              "operands": [
                {"label": "C3"},
                {"label": "C7"}
              ]
            }
          ]
        }
      }`

func TestThePolicyServicesPagesWorkCallByCall(t *testing.T) {
	r := newRig(t)
	action := `{
        "name": "crossSiteTargeting",
        "description": "Perform targeting on information obtained across multiple web sites."
      }`
	r.call("PUT", policyservice+"/marketingActions/custom/crossSiteTargeting", action).is(201)
	r.call("PUT", policyservice+"/marketingActions/custom/crossSiteTargeting", action).is(200)
	r.call("PUT", policyservice+"/marketingActions/custom/another", action).is(400).says("name")
	list := r.call("GET", policyservice+"/marketingActions/custom", "").is(200)
	if list.get("_page", "count") != 1.0 || list.str("children", 0, "_links", "self", "href") != policyservice+"/marketingActions/custom/crossSiteTargeting" {
		t.Errorf("the list: %s", list.text)
	}
	r.call("GET", policyservice+"/marketingActions/core/emailTargeting", "").is(200)
	r.call("GET", policyservice+"/marketingActions/core/nothing", "").is(404)
	policy := r.call("POST", policyservice+"/policies/custom", publishedPolicy).is(201)
	id := policy.str("id")
	at := policyservice + "/policies/custom/" + id
	r.call("GET", at, "").is(200).says("Export Data to Third Party", "DRAFT")
	r.call("PUT", at, strings.Replace(publishedPolicy, `"OR"`, `"AND"`, 1)).is(200)
	patched := r.call("PATCH", at, ` [
          {
            "op": "replace",
            "path": "/status",
            "value": "ENABLED"
          },
          {
            "op": "replace",
            "path": "/description",
            "value": "New policy description."
          }
        ]`).is(200)
	if patched.str("status") != "ENABLED" || patched.str("description") != "New policy description." {
		t.Errorf("patched: %s", patched.text)
	}
	r.call("PATCH", at, `[{"op":"remove","path":"/description"},{"op":"add","path":"/description","value":"New policy description."},{"op":"test","path":"/status","value":"ENABLED"},{"op":"copy","from":"/name","path":"/description"}]`).is(200)
	r.call("PATCH", at, `[{"op":"test","path":"/status","value":"DRAFT"},{"op":"replace","path":"/name","value":"x"}]`).is(400)
	r.call("GET", policyservice+"/policies/custom?duleLabels=C3&marketingAction=exportToThirdParty", "").is(200).says(`"count":1`)
	r.call("GET", policyservice+"/policies/custom?duleLabels=C9", "").is(200).says(`"count":0`)
	r.call("GET", policyservice+"/policies/core?limit=3", "").is(200).says("corepolicy_0001", "start=")
	r.call("GET", policyservice+"/marketingActions/core/exportToThirdParty/constraints?duleLabels=C1,C3,C7", "").is(200).says(id)
	r.call("DELETE", at, "").is(200)
	r.call("GET", at, "").is(404)
	r.call("DELETE", policyservice+"/marketingActions/custom/crossSiteTargeting", "").is(200)
	r.call("GET", policyservice+"/marketingActions/custom/crossSiteTargeting", "").is(404)
	r.call("GET", policyservice+"/labels/core", "").is(200).says("PSPD")
	r.call("GET", policyservice+"/labels/custom", "").is(200)
	r.call("GET", policyservice+"/labels/core/C12", "").is(200)
	r.call("GET", policyservice+"/policies/mine", "").is(404)
}

func TestAPolicyIsRefusedByItsField(t *testing.T) {
	r := newRig(t)
	for change, field := range map[[2]string]string{
		{`"DRAFT"`, `"draft"`}:                                  "status",
		{`custom/exportToThirdParty`, `custom/none`}:            "marketingActionRefs[0]",
		{`../marketingActions/custom/exportToThirdParty`, `x`}:  "marketingActionRefs[0]",
		{`"operator": "OR"`, `"label": "C1", "operator": "OR"`}: "deny",
		{`"label": "C1"`, `"label": ""`}:                        "deny.operands[0]",
		{`"Export Data to Third Party"`, `""`}:                  "name",
		{`"Export Data to Third Party"`, `"core/mine"`}:         "name",
	} {
		got := r.call("POST", policyservice+"/policies/custom", strings.Replace(publishedPolicy, change[0], change[1], 1)).is(400)
		if got.str("errors", 0, "field") != field {
			t.Errorf("%v: %s", change, got.text)
		}
	}
	r.call("POST", policyservice+"/policies/custom", publishedPolicy).is(201)
	r.call("POST", policyservice+"/policies/custom", publishedPolicy).is(400).says("has this name already")
	r.call("PUT", policyservice+"/marketingActions/custom/partnerShare", `{"name":"partnerShare"}`).is(201)
	id := r.call("POST", policyservice+"/policies/custom", strings.NewReplacer("exportToThirdParty", "partnerShare", "Export Data to Third Party", "Partner").Replace(publishedPolicy)).is(201).str("id")
	r.call("DELETE", policyservice+"/marketingActions/custom/partnerShare", "").is(400).says(id)
	r.call("PUT", policyservice+"/enabledCorePolicies", `{"policyIds":["corepolicy_0099"]}`).is(400).says("policyIds[0]")
}

const thirdParty = `{"stream":"leads","marketingActions":["exportToThirdParty"]}`

func TestAnActivationThatAPolicyForbidsIsRefused(t *testing.T) {
	r := newRig(t)
	r.call("PUT", policyservice+"/enabledCorePolicies", `{"policyIds":["corepolicy_0002"]}`).is(200)
	m := r.flow(thirdParty)
	// The schema's label C2 stands on the number.
	got := r.call("PATCH", flowservice+"/flows/"+m.flow, add("a", "mobilePhone.number"), "If-Match", m.etag).is(409)
	got.says("Violations Error", "core/C2-exportToThirdParty", "mobilePhone.number", "waysOut", "PUT /enabledCorePolicies", "profileSelectors")
	if got.str("violations", 0, "enforcementRef") != flowservice+"/flows/"+m.flow || strings.Contains(got.text, "activation.") {
		t.Errorf("the refusal: %s", got.text)
	}
	m.etag = r.call("PATCH", flowservice+"/flows/"+m.flow, add("a", "person.name.lastName"), "If-Match", m.etag).is(202).str("etag")
	// The source's label C1 stands on the segment.
	r.call("PUT", policyservice+"/enabledCorePolicies", `{"policyIds":["corepolicy_0001","corepolicy_0002"]}`).is(200)
	r.call("PATCH", flowservice+"/flows/"+m.flow, add("vip", ""), "If-Match", m.etag).is(409).says("core/C1-exportToThirdParty", `"segment":"vip"`)
	// C12 needs no policy.
	r.call("PATCH", flowservice+"/flows/"+m.flow, add("", "loyalty.balance"), "If-Match", m.etag).is(409).says("C12")
	refused := 0
	for _, change := range r.store.Changes() {
		if change.Refused != "" && change.By == "loopback" {
			refused++
		}
	}
	if refused != 3 {
		t.Errorf("the audit has %d refused attempts, wanted 3", refused)
	}
}

func TestAPolicyThatForbidsWhatRunsIsRefused(t *testing.T) {
	r := newRig(t)
	m := r.flow(thirdParty)
	m.etag = r.call("PATCH", flowservice+"/flows/"+m.flow, add("a", "mobilePhone.number"), "If-Match", m.etag).is(202).str("etag")
	r.call("PUT", policyservice+"/enabledCorePolicies", `{"policyIds":["corepolicy_0002"]}`).is(409).says("Violations Error", m.flow)
	deny := strings.Replace(publishedPolicy, "DRAFT", "ENABLED", 1)
	deny = strings.Replace(deny, `{"label": "C1"}`, `{"label": "C2"}`, 1)
	r.call("POST", policyservice+"/policies/custom", deny).is(409).says("Export Data to Third Party", "mobilePhone.number")
	draft := r.call("POST", policyservice+"/policies/custom", strings.Replace(deny, "ENABLED", "DRAFT", 1)).is(201).str("id")
	r.call("PATCH", policyservice+"/policies/custom/"+draft, `[{"op":"replace","path":"/status","value":"ENABLED"}]`).is(409)
	r.call("GET", policyservice+"/marketingActions/core/exportToThirdParty/constraints?duleLabels=C2", "").is(200).says(`"violatedPolicies":[]`)
	r.call("GET", policyservice+"/marketingActions/core/exportToThirdParty/constraints?duleLabels=C2&includeDraft=true", "").is(200).says(draft)
	// A paused flow lets nothing out; it is judged when it is enabled.
	r.call("POST", flowservice+"/flows/"+m.flow+"/action?op=disable", "").is(200)
	r.call("PATCH", policyservice+"/policies/custom/"+draft, `[{"op":"replace","path":"/status","value":"ENABLED"}]`).is(200)
	r.call("POST", flowservice+"/flows/"+m.flow+"/action?op=enable", "").is(409).says("Export Data to Third Party")
}

// An action that is added to a target connection is judged for the flows that go by it.
func TestAMarketingActionIsJudgedForTheFlowsThatHaveIt(t *testing.T) {
	r := newRig(t)
	m := r.flow(leads)
	r.call("PATCH", flowservice+"/flows/"+m.flow, add("a", "mobilePhone.number"), "If-Match", m.etag).is(202)
	r.call("PUT", policyservice+"/enabledCorePolicies", `{"policyIds":["corepolicy_0002"]}`).is(200)
	etag := r.call("GET", flowservice+"/targetConnections/"+m.target, "").is(200).str("items", 0, "etag")
	r.call("PATCH", flowservice+"/targetConnections/"+m.target, `[{"op":"add","path":"/params/marketingActions","value":["exportToThirdParty"]}]`, "If-Match", etag).is(409).says(m.flow)
	r.call("PATCH", flowservice+"/targetConnections/"+m.target, `[{"op":"add","path":"/params/marketingActions","value":["analytics"]}]`, "If-Match", etag).is(202)
}

func TestDatasetsAreJudgedByTheLabelsOfTheirFields(t *testing.T) {
	r := newRig(t)
	r.call("PUT", policyservice+"/enabledCorePolicies", `{"policyIds":["corepolicy_0002"]}`).is(200)
	at := policyservice + "/marketingActions/core/exportToThirdParty/constraints"
	r.call("POST", at, `[{"entityType":"dataSet","entityId":"segment-evaluations-value"}]`).is(200).says("corepolicy_0002", "/properties/mobilePhone/properties/number", `"C2"`)
	r.call("POST", at, `[{"entityType":"dataSet","entityId":"segment-evaluations-value","entityMeta":{"fields":["/properties/person/properties/name","/properties/homeAddress"]}}]`).is(200).says(`"violatedPolicies":[]`, "S2")
	r.call("POST", at, `[{"entityType":"dataSet","entityId":"nothing-value"}]`).is(400).says("[0].entityId")
	bulk := r.call("POST", policyservice+"/bulk-eval", `[
        {
          "evalRef": "https://platform.example:443/data/foundation/dulepolicy/marketingActions/core/exportToThirdParty/constraints",
          "includeDraft": false,
          "labels": ["C1", "C2", "C3"]
        },
        {
          "evalRef": "https://platform.example:443/data/foundation/dulepolicy/marketingActions/core/emailTargeting/constraints",
          "includeDraft": false,
          "entityList": [{"entityType": "dataSet", "entityId": "segment-evaluations-value", "entityMeta": {"fields": ["homeAddress"]}}]
        },
        {"evalRef": "/marketingActions/core/emailTargeting", "labels": ["C1"], "entityList": []},
        {"evalRef": "/marketingActions/custom/none", "labels": ["C1"]}
      ]`).is(200)
	for i, status := range []float64{200, 200, 400, 404} {
		if bulk.get(i, "status") != status {
			t.Errorf("job %d: %v, wanted %v: %s", i, bulk.get(i, "status"), status, bulk.text)
		}
	}
	if bulk.str(0, "body", "violatedPolicies", 0, "id") != "corepolicy_0002" {
		t.Errorf("the first job: %s", bulk.text)
	}
}

// A policy that is enabled beside a segment that is activated: one of them is refused,
// whichever comes first, and no violation is ever in force.
func TestAPolicyAndAnActivationThatRaceLeaveNoViolationInForce(t *testing.T) {
	r := newRig(t)
	m := r.flow(thirdParty)
	both, none := 0, 0
	for i := range 60 {
		var wg sync.WaitGroup
		var policy, activation answer
		wg.Go(func() {
			policy = r.call("PUT", policyservice+"/enabledCorePolicies", `{"policyIds":["corepolicy_0002"]}`)
		})
		wg.Go(func() {
			activation = r.call("PATCH", flowservice+"/flows/"+m.flow, add(fmt.Sprint("s", i), "mobilePhone.number"), "If-Match", m.etag)
		})
		wg.Wait()
		switch {
		case policy.status == 200 && activation.status == 202:
			both++
		case policy.status == 409 && activation.status == 409:
			none++
		case policy.status+activation.status != 200+409 && policy.status+activation.status != 409+202:
			t.Fatalf("policy %d, activation %d: %s %s", policy.status, activation.status, policy.text, activation.text)
		}
		// Back to the beginning: no policy, nothing mapped.
		r.call("POST", flowservice+"/flows/"+m.flow+"/action?op=disable", "").is(200)
		r.call("PUT", policyservice+"/enabledCorePolicies", `{"policyIds":[]}`).is(200)
		etag := r.call("GET", flowservice+"/flows/"+m.flow, "").is(200).str("items", 0, "etag")
		etag = r.call("PATCH", flowservice+"/flows/"+m.flow, `[{"op":"replace","path":"/transformations/0/params","value":{"profileSelectors":{"selectors":[]},"segmentSelectors":{"selectors":[]}}}]`, "If-Match", etag).is(202).str("etag")
		m.etag = r.call("POST", flowservice+"/flows/"+m.flow+"/action?op=enable", "").is(200).str("etag")
		_ = etag
	}
	if both != 0 {
		t.Errorf("%d violations in force of 60", both)
	}
	if none != 0 {
		t.Errorf("%d times both were refused", none)
	}
}
