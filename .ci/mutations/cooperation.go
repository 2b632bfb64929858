package main

// cooperation: claims outlast a join, and nobody is given what another holds.
var cooperation = []mutation{
	{
		"a partition that moves is first taken from its owner", "consumer/cooperate.go",
		"return claimant != id", "return claimant != id && false", consumerPkg, "TestAPartitionThatMoves|TestNoHistory",
	},
	{
		"what is held is told to the leader", "consumer/group.go",
		"s.Owned = toWire(held)", "_ = held", consumerPkg, "TestAFourthMemberStopsOnly",
	},
	{
		"the newer of two claims counts", "consumer/cooperate.go",
		"return m.generation < newest[p]", "return m.generation < newest[p] && false", consumerPkg, "TestOfTwoClaims",
	},
	{
		"who holds claims offers the cooperative protocol alone", "consumer/group.go",
		"\tif len(c.claims) > 0 {\n\t\treturn protocols, nil", "\tif false {\n\t\treturn protocols, nil", consumerPkg, "TestAnEagerMemberBeginsOnly",
	},
	{
		"who is refused beside an eager member gives everything up", "consumer/group.go",
		" || errors.Is(err, kafka.InconsistentGroupProtocol)", "", consumerPkg, "TestAnEagerMemberBeginsOnly",
	},
	{
		"in a cooperative group what stays goes on", "consumer/membership.go",
		"\tnext, err := m.rejoin(ctx)\n", "\tvar next *generation\n\tvar err error\n", consumerPkg, "TestAFourthMemberStopsOnly",
	},
	{
		"who gave a partition back joins again", "consumer/handover.go",
		"\tm.signal(g.id)\n", "", consumerPkg, "TestAFourthMemberStopsOnly",
	},
	{
		"a heartbeat that a join has overtaken ends nothing", "consumer/heartbeat.go",
		"case m.overtaken(g, err):", "case false:", consumerPkg, "TestWhatTheGroupDoesWhileAJoinsAnswer",
	},
}
