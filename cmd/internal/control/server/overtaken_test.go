package server_test

import (
	"strings"
	"sync/atomic"
	"testing"

	"kinesis-destination/cmd/internal/control/documents"
)

// overtake makes a call at the moment when the change of another one is about to be
// written, once.
func (r *rig) overtake(why string, call func()) {
	var done atomic.Bool
	r.store.Fail = func(c documents.Change) error {
		if strings.HasPrefix(c.Why, why) && c.Refused == "" && done.CompareAndSwap(false, true) {
			call()
		}
		return nil
	}
}

func TestAnActivationThatAPolicyOvertakesIsJudgedByIt(t *testing.T) {
	r := newRig(t)
	m := r.flow(thirdParty)
	r.overtake("PATCH /flows", func() {
		r.call("PUT", policyservice+"/enabledCorePolicies", `{"policyIds":["corepolicy_0002"]}`).is(200)
	})
	r.call("PATCH", flowservice+"/flows/"+m.flow, add("a", "mobilePhone.number"), "If-Match", m.etag).is(409).says("core/C2-exportToThirdParty")
}

func TestAPolicyThatAnActivationOvertakesIsJudgedWithIt(t *testing.T) {
	r := newRig(t)
	m := r.flow(thirdParty)
	r.overtake("PUT /enabledCorePolicies", func() {
		r.call("PATCH", flowservice+"/flows/"+m.flow, add("a", "mobilePhone.number"), "If-Match", m.etag).is(202)
	})
	r.call("PUT", policyservice+"/enabledCorePolicies", `{"policyIds":["corepolicy_0002"]}`).is(409).says(m.flow)
}

func TestAMarketingActionThatAPolicyOvertakesIsJudgedByIt(t *testing.T) {
	r := newRig(t)
	m := r.flow(leads)
	r.call("PATCH", flowservice+"/flows/"+m.flow, add("a", "mobilePhone.number"), "If-Match", m.etag).is(202)
	etag := r.call("GET", flowservice+"/targetConnections/"+m.target, "").is(200).str("items", 0, "etag")
	r.overtake("PATCH /targetConnections", func() {
		r.call("PUT", policyservice+"/enabledCorePolicies", `{"policyIds":["corepolicy_0002"]}`).is(200)
	})
	r.call("PATCH", flowservice+"/targetConnections/"+m.target, `[{"op":"add","path":"/params/marketingActions","value":["exportToThirdParty"]}]`, "If-Match", etag).is(409)
}

func TestWhatAFlowGoesByIsNotDeletedBesideIt(t *testing.T) {
	r := newRig(t)
	m := r.flow(leads)
	target := r.target(m.base, leads).is(201).str("id")
	r.overtake("POST /flows", func() { r.call("DELETE", flowservice+"/targetConnections/"+target, "").is(202) })
	r.call("POST", flowservice+"/flows", flowBody("late", m.source, target, "", "")).is(400).says("targetConnectionIds[0]")

	target = r.target(m.base, leads).is(201).str("id")
	r.overtake("DELETE /targetConnections", func() {
		r.call("POST", flowservice+"/flows", flowBody("first", m.source, target, "", "")).is(201)
	})
	r.call("DELETE", flowservice+"/targetConnections/"+target, "").is(400).says("1447-400")

	base := r.account()
	r.overtake("POST /targetConnections", func() { r.call("DELETE", flowservice+"/connections/"+base, "").is(202) })
	r.target(base, leads).is(400).says("baseConnectionId")
}

func TestAChangeOfAnotherFlowIsNoConflict(t *testing.T) {
	r := newRig(t)
	m := r.flow(leads)
	other := r.call("POST", flowservice+"/flows", flowBody("other", m.source, m.target, "", "")).is(201)
	tries := 0
	r.overtake("PATCH /flows/"+m.flow, func() {
		tries++
		r.call("PATCH", flowservice+"/flows/"+other.str("id"), add("b", ""), "If-Match", other.str("etag")).is(202)
	})
	before := len(r.store.Changes())
	r.call("PATCH", flowservice+"/flows/"+m.flow, add("a", ""), "If-Match", m.etag).is(202)
	if n := len(r.store.Changes()) - before; n != 2 || tries != 1 {
		t.Errorf("%d changes and %d tries", n, tries)
	}
}

func TestAChangeOfTheSameVersionIsStale(t *testing.T) {
	r := newRig(t)
	m := r.flow(leads)
	r.overtake("PATCH /flows", func() {
		r.call("PATCH", flowservice+"/flows/"+m.flow, add("b", ""), "If-Match", m.etag).is(202)
	})
	r.call("PATCH", flowservice+"/flows/"+m.flow, add("a", ""), "If-Match", m.etag).is(412)
}
