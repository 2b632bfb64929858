package main

const (
	flowService   = "cmd/internal/control/flowservice/"
	policyService = "cmd/internal/control/policyservice/service.go"
	controlPkg    = "./cmd/internal/control/server"
)

// control: what the API promises to who changes documents beside others, and to who is talked about.
var control = []mutation{
	{
		"an activation relies on the policies that it was judged by", flowService + "change.go",
		"	if key == a.key ||", "	if key == a.key || key[0] == '@' ||", controlPkg, "TestAnActivationThatAPolicy|TestAPolicyThatAnActivation",
	},
	{
		"a policy relies on the flows that it was judged with", policyService,
		"range append([]string{documents.AllGovernance}, documents.AllFlows...) {", "range []string{documents.AllGovernance} {", controlPkg, "TestAnActivationThatAPolicy|TestAPolicyThatAnActivation",
	},
	{
		"a flow relies on the connections that it goes by", flowService + "change.go",
		"	a.rely(key, e.Etag)\n", "", controlPkg, "TestWhatAFlowGoesBy",
	},
	{
		"a change of an older version is refused", "cmd/internal/control/api/etag.go",
		"bare == current ||", "bare != \"\" ||", controlPkg, "TestAnEtag|TestAChangeOfTheSame",
	},
	{
		"a removal takes what is meant", flowService + "selectors.go",
		"there != meant {", "there != meant && false {", controlPkg, "TestARemoval",
	},
	{
		"addresses of callers are AWS' own", flowService + "settings.go",
		"if endpoint == \"\" ||", "if true ||", controlPkg, "TestFieldsOfADestination",
	},
	{
		"nothing of a caller is a reference", "cmd/internal/config/values.go",
		"	if l.literal {\n", "	if false {\n", controlPkg, "TestNothingOfACaller",
	},
	{
		"a paused flow is judged when it is enabled", flowService + "crud.go",
		"err != nil && state == stateEnabled {", "err != nil && false {", controlPkg, "TestAPolicyThatForbids",
	},
	{
		"another sandbox's documents are not there", "cmd/internal/control/server/guard.go",
		"!slices.Contains(i.o.Sources.Sandboxes(), c.Sandbox) ||", "false ||", controlPkg, "TestADocumentOfAnother",
	},
	{
		"a flood of refused attempts does not fill the journal", "cmd/internal/control/server/refusals.go",
		"	ok = one.AllowN(now, 1) && s.all.AllowN(now, 1)\n", "	ok = true\n", controlPkg, "TestAFloodOfRefused",
	},
	{
		"who may not change something is in the audit", "cmd/internal/control/server/refusals.go",
		"!ok || r.Method == http.MethodGet", "!ok || r.Method != \"\"", controlPkg, "TestARefusedAttempt",
	},
	{
		"a record counts for its segments once it is delivered", "cmd/internal/destination/pipeline.go",
		"		d.noted.Delivered()\n", "", "./cmd/internal/destination", "TestWhatIsCountedForSegments",
	},
	{
		"a segment that an event lists is not told of as unlisted", "transform/tally.go",
		"		t.listed.Store(true)\n", "", "./cmd/internal/destination", "TestASegmentThatNoEvent",
	},
}
