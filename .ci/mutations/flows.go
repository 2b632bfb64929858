package main

const followPkg = "./cmd/internal/control/follow"

// flows: those of the control plane that come, change and go.
var flows = []mutation{
	{
		"a flow that is activated at once has its backfill", "cmd/internal/control/follow/follow.go",
		"c.FirstSegmentsNew = c.Source.Kafka.Group == k.wish.ID", "c.FirstSegmentsNew = false", followPkg, "TestAFlowThatIsActivatedAtOnce",
	},
	{
		"a stopped flow's offsets are kept alive", "cmd/internal/destination/rest.go",
		"due = time.After(time.Until(f.keep))", "due = nil", followPkg, "TestADisabledFlow",
	},
	{
		"a change beyond the rules starts the flow anew", "cmd/internal/destination/flow.go",
		"if keys := config.OtherThanRules(&was, &next.Config); len(keys) > 0 {", "if keys := config.OtherThanRules(&was, &was); len(keys) > 0 {", followPkg, "TestAnotherChange",
	},
	{
		"a change of the rules starts nothing anew", "cmd/internal/config/changes.go",
		"[]string{\"activation\", \"governance\", \"description\", \"server\"}", "[]string{\"governance\", \"description\", \"server\"}", followPkg, "TestAChangeOfActivation",
	},
	{
		"what a policy forbids does not go on by the rules of before", "cmd/internal/destination/flow.go",
		"if err = d.change(ctx, next.Config); err != nil {", "if err = d.change(ctx, next.Config); false {", followPkg, "TestAChangeThatAPolicyForbids",
	},
	{
		"a change that comes while the flow starts is not missed", "cmd/internal/destination/flow.go",
		"		f.wanted = wanted\n\t}\n\tf.signal()", "		f.wanted = wanted\n\t}\n\tif f.d != nil {\n\t\tf.signal()\n\t}", followPkg, "TestAChangeWhileAFlowStarts",
	},
	{
		"a flow's connections are part of its version", "cmd/internal/control/flowservice/wish.go",
		"w.keys = append(w.keys, key)", "_ = key", followPkg, "TestAnotherChange",
	},
	{
		"who runs keeps its place", "cmd/internal/control/follow/follow.go",
		"runs: k != nil && k.runs && wish.Enabled", "runs: false", followPkg, "TestMoreFlows",
	},
	{
		"a paused flow gives its place up", "cmd/internal/control/follow/follow.go",
		"runs: k != nil && k.runs && wish.Enabled", "runs: k != nil && k.runs", followPkg, "TestMoreFlows",
	},
	{
		"what flows have counted outlasts a restart", "cmd/internal/destination/flow.go",
		"f.past.add(account)", "_ = account", followPkg, "TestWhatFlowsDo",
	},
	{
		"a process is not ready before its first assignment is worked on", "cmd/internal/destination/ready.go",
		"(!stats.Worked || time", "(time", destinationPkg, "TestAProcessIsNotReadyBefore",
	},
}
