package server_test

import (
	"testing"

	"kinesis-destination/cmd/internal/control/documents"
)

// Two people enable the first core policies at once: whoever asks for a list that is not
// there yet does not overwrite the other's.
func TestTheFirstListOfCorePoliciesIsNotOverwrittenUnseen(t *testing.T) {
	r := newRig(t)
	at := policyservice + "/enabledCorePolicies"
	r.call("PUT", at, `{"policyIds":["corepolicy_0009"]}`, "If-Match", `"0a1b2c3d-00000001"`).is(412).says("is not there")
	overtaken := false
	r.store.Fail = func(c documents.Change) error {
		if c.Why == "PUT /enabledCorePolicies" && !overtaken {
			overtaken = true
			r.call("PUT", at, `{"policyIds":["corepolicy_0001"]}`, "If-None-Match", "*").is(200)
		}
		return nil
	}
	r.call("PUT", at, `{"policyIds":["corepolicy_0009"]}`, "If-None-Match", "*").is(412).says("somebody was faster", "Get the document again")
	r.store.Fail = nil
	etag := r.call("GET", at, "").is(200).says("corepolicy_0001").header.Get("ETag")
	r.call("PUT", at, `{"policyIds":["corepolicy_0009"]}`, "If-None-Match", etag).is(412)
	r.call("PUT", at, `{"policyIds":["corepolicy_0009"]}`, "If-Match", etag).is(200)
}

func TestAMarketingActionIsMadeOrChangedAsItsAuthorSawIt(t *testing.T) {
	r := newRig(t)
	at, body := policyservice+"/marketingActions/custom/winback", `{"name":"winback","description":""}`
	r.call("PUT", at, body, "If-Match", "0a1b2c3d-00000001").is(412).says("is not there")
	etag := r.call("PUT", at, body, "If-None-Match", "*").is(201).header.Get("ETag")
	r.call("PUT", at, body, "If-None-Match", "*").is(412)
	r.call("PUT", at, body, "If-Match", "0a1b2c3d-0000ffff").is(412)
	r.call("PUT", at, body, "If-Match", etag).is(200)
}
