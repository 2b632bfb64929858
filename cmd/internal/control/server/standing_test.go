package server_test

import (
	"strings"
	"testing"

	"kinesis-destination/cmd/internal/control/documents"
)

// A flow may come to violate a policy without a change here, by a label that its schema
// got since. That must not keep anybody from changing policies: it is how to mend it.
func TestAViolationThatThereIsAlreadyKeepsNoPolicyFromChanging(t *testing.T) {
	r := newRig(t)
	m := r.flow(thirdParty)
	r.call("PATCH", flowservice+"/flows/"+m.flow, add("a", "mobilePhone.number"), "If-Match", m.etag).is(202)
	own := policyservice + "/policies/custom"
	const harmless = `{"name":"harmless","status":"ENABLED","marketingActionRefs":["../marketingActions/core/analytics"],"deny":{"label":"C9"}}`
	id := r.call("POST", own, harmless).is(201).str("id")
	// In force without having been judged: as if the label had come with the schema.
	key := documents.Key(documents.Settings, "prod", "enabledCorePolicies")
	if _, err := r.store.Propose(t.Context(), documents.Change{Writes: []documents.Write{{Key: key, Doc: []byte(`{"policyIds":["corepolicy_0002"]}`)}}}); err != nil {
		t.Fatal(err)
	}
	r.call("POST", flowservice+"/flows/"+m.flow+"/action?op=enable", "").is(409)
	enabled := policyservice + "/enabledCorePolicies"
	r.call("PATCH", own+"/"+id, `[{"op":"add","path":"/description","value":"says more"}]`).is(200)
	r.call("PATCH", own+"/"+id, `[{"op":"replace","path":"/status","value":"DISABLED"}]`).is(200)
	r.call("PUT", enabled, `{"policyIds":["corepolicy_0002","corepolicy_0009"]}`).is(200)
	// What is new is refused, and it alone is named.
	refused := r.call("POST", own, strings.NewReplacer("harmless", "no numbers", "analytics", "exportToThirdParty", "C9", "C2").Replace(harmless)).is(409).says("no numbers")
	if strings.Contains(refused.text, "core/C2") {
		t.Errorf("what is known is named as well: %s", refused.text)
	}
	r.call("PUT", enabled, `{"policyIds":[]}`).is(200)
	r.call("POST", flowservice+"/flows/"+m.flow+"/action?op=enable", "").is(200)
}
