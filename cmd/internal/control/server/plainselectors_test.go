package server_test

import "testing"

// What is one line on pages, in logs and in files is none with a control character in it.
func TestSelectorsHoldNoControlCharacters(t *testing.T) {
	r := newRig(t)
	m := r.flow(leads)
	segment := func(value string) string { return `{"type":"PLATFORM_SEGMENT","value":` + value + `}` }
	const at = "transformations[0].params.segmentSelectors.selectors[0].value."
	for field, value := range map[string]string{at + "name": `{"id":"vip","name":"a\rb"}`, at + "id": `{"id":"v\u0000ip"}`, at + "labels[0]": `{"id":"vip","labels":["C\n1"]}`} {
		r.call("POST", flowservice+"/flows", flowBody("Leads", m.source, m.target, "", segment(value))).is(400).
			says(`"field":"`+field+`"`, "must not hold a line break or another control character")
	}
	r.call("POST", flowservice+"/flows", flowBody("Leads", m.source, m.target, `{"type":"JSON_PATH","value":{"path":"person\tname"}}`, "")).is(400).says("control character")
	r.call("POST", policyservice+"/policies/custom", `{"name":"two\nlines","status":"DRAFT","marketingActionRefs":["../marketingActions/core/analytics"],"deny":{"label":"C1"}}`).is(400).says("control character")
}
