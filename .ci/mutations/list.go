package main

// mutation breaks one invariant once: in file, old (which stands there exactly
// once) becomes new. The test named by run must fail then.
type mutation struct {
	invariant      string
	file, old, new string
	pkg, run       string
}

const (
	consumerPkg    = "./consumer"
	sinkPkg        = "./sink"
	transformPkg   = "./transform"
	destinationPkg = "./cmd/internal/destination"

	simulation = "TestSimulation"
)

var mutations = []mutation{
	// What is committed.
	{
		"the watermark stops at what has not settled", "consumer/watermark.go",
		"for w.head < len(w.slots) && w.slots[w.head].settled {", "for w.head < len(w.slots) {", consumerPkg, "TestWatermarkAgreesWithASimpleModelInAnySettleOrder",
	},
	{
		"a message settles once", "consumer/watermark.go",
		"if seq < w.first || i >= len(w.slots) || w.slots[i].settled {", "if seq < w.first || i >= len(w.slots) {", consumerPkg, "TestWatermark",
	},
	{
		"a gap is passed only when what is below it has settled", "consumer/watermark.go",
		"if w.head < len(w.slots) {\n\t\tlast", "if false {\n\t\tlast", consumerPkg, "TestWatermarkNeverPassesAnUnsettledMessageAcrossGaps",
	},
	{
		"what has settled above the watermark is committed with it", "consumer/commit.go",
		"append(c.mark.Above(), c.settled...)", "[]span(nil)", consumerPkg, "TestWhatSettledAboveAHeldMessageIsNotHandedOutAgain",
	},
	{
		"what an earlier owner settled stays in the commit", "consumer/commit.go",
		"append(c.mark.Above(), c.settled...)", "c.mark.Above()", consumerPkg, "TestWhatAnEarlierOwnerSettledStaysInTheCommit",
	},
	{
		"what an earlier owner settled is passed by", "consumer/worker.go",
		"if c.before(m) {", "if c.before(m) && false {", consumerPkg, "TestACleanHandOverRepeatsNothing|TestWhatSettledAboveAHeldMessage",
	},
	{
		"a commit under way is awaited before the last one", "consumer/commit.go",
		"defer func() { <-m.commitLock }()", "<-m.commitLock", consumerPkg, "TestACommitUnderWayAtTheRevocationDoesNotSetTheOffsetsBack",
	},
	{
		"the last commit is tried again", "consumer/handover.go",
		"if err == nil || outOfGroup(err) &&", "if true || outOfGroup(err) &&", consumerPkg, "TestTheLastCommitIsTriedAgain",
	},
	{
		"there is a last commit", "consumer/handover.go",
		"if !errors.Is(why, errEvicted) {\n\t\tlimit", "if !errors.Is(why, errEvicted) && false {\n\t\tlimit", destinationPkg, simulation,
	},
	{
		"what is given back is committed", "consumer/handover.go",
		"err := m.lastCommit(m.running, gone, lastCommitTimeout)", "err := error(nil)", consumerPkg, "TestAFourthMemberStopsOnly",
	},
	{
		"an end while the group joins commits in the generation that comes", "consumer/handover.go",
		"outOfGroup(err) && !m.overtaken(g, err) {", "outOfGroup(err) && (g != nil) {", consumerPkg, "TestAnEndWhileAJoinsAnswer",
	},

	// What is handed out.
	{
		"aborted records are dropped", "consumer/batch.go",
		"(aborted || b.last < d.position)", "(aborted && b.last < d.position)", consumerPkg, "TestAbortedRecordsAreNeverHandedOut",
	},
	{
		"an abort marker ends the transaction", "consumer/batch.go",
		"control == abortMarker {", "control != abortMarker {", consumerPkg, "TestAbortedRecordsAreNeverHandedOut",
	},
	{
		"a fetch from within a batch begins at its offset", "consumer/batch.go",
		"if d.batch.control() || rec.offset < d.position {", "if d.batch.control() {", consumerPkg, "TestWhatLiesBeforeThePositionIsNotHandedOut",
	},
	{
		"an offset out of range is the user's to decide", "consumer/offsets.go",
		"if c.cfg.OnOffsetOutOfRange == Hold {", "if false {", consumerPkg, "TestAnOffsetOutOfRangeHoldsUnlessToldOtherwise",
	},
	{
		"new partitions are noticed", "consumer/membership.go",
		"!maps.Equal(counts, g.counts)", "!maps.Equal(counts, counts)", consumerPkg, "TestPartitionsAddedWhileRunningAreRead",
	},
	{
		"the assignment is even", "consumer/assign.go",
		"len(result[from])-len(result[to]) > 1", "len(result[from])-len(result[to]) > 2", consumerPkg, "TestAssign",
	},

	// Hand-over: withdraw, await, commit, leave.
	{
		"what is in flight is awaited", "consumer/handover.go",
		"\t\tcl.waitIdle(ctx)\n", "", destinationPkg, simulation,
	},
	{
		"withdrawn is not settled", "cmd/internal/destination/pipeline.go",
		"d.ack.Withdraw()", "d.ack.Settle()", destinationPkg, simulation,
	},
	{
		"the unsent is withdrawn", "sink/sink.go",
		"l.giveBack((*Record).revoked)", "", sinkPkg, "TestWithdrawn|TestWithdrawLeaves",
	},
	{
		"a failed record of an ended claim is withdrawn", "sink/undelivered.go",
		"l.stale = l.stale || e.rec.revoked()", "_ = e", sinkPkg, "TestFailedRecordOfAnEndedClaimIsNotSentAgain",
	},

	// The lease.
	{
		"the lease counts from the sending of the heartbeat that was answered", "consumer/heartbeat.go",
		"\tsent := time.Now()\n", "\tsent := time.Now().Add(m.opts.SessionTimeout)\n", consumerPkg, "TestLease",
	},
	{
		"a refused heartbeat does not renew the lease", "consumer/heartbeat.go",
		"\t\tswitch {\n\t\tcase err == nil:\n", "\t\tm.extendLease(sent, true)\n\t\tswitch {\n\t\tcase err == nil:\n", consumerPkg, "TestLease",
	},
	{
		"the lease of a member that the group waits for ends with the rebalance timeout", "consumer/heartbeat.go",
		"until = limit", "_ = limit", consumerPkg, "TestTheLeaseEndsBeforeAMemberThatIsAwaitedIsReplaced",
	},
	{
		"a call ends before the lease", "sink/deliver.go",
		"timeout = left - leaseMargin", "_ = left", sinkPkg, "TestLeaseBoundsEveryCall|TestNothingIsWrittenAfterTheDeadline",
	},
	{
		"no call begins without a lease", "sink/lane.go",
		"left < leaseMargin+minLease", "left < -1", sinkPkg, "TestLeaseBoundsEveryCall",
	},
	{
		"the sink knows the lease", "cmd/internal/destination/run.go",
		"Lease: d.consumer.Lease, ", "", destinationPkg, "TestAProcessWithoutItsCoordinatorWritesNothingAfterItsSession",
	},

	// Order per key, and retries.
	{
		"a key is in one place", "sink/queue.go",
		"if len(c.entries) == 1 {", "if len(c.entries) >= 1 {", sinkPkg, "TestQueue",
	},
	{
		"an answer belongs to the entry at its place", "sink/deliver.go",
		"l.result(rest[:n], now, results[0])", "l.result(rest[:n], now, results[len(results)-1])", sinkPkg, "TestOnlyTheFailedEntryIsSentAgain",
	},
	{
		"a failed entry is sent again", "sink/deliver.go",
		"l.retry(f.chain, v, now)", "l.settle(f.chain, Delivered, \"\")\n\t\t\tl.queue.Settle(f.chain)", sinkPkg, "TestOnlyTheFailedEntryIsSentAgain",
	},
	{
		"the same, in the simulation", "sink/deliver.go",
		"l.retry(f.chain, v, now)", "l.settle(f.chain, Delivered, \"\")\n\t\t\tl.queue.Settle(f.chain)", destinationPkg, simulation,
	},
	{
		"only the failed entries are sent again", "sink/deliver.go",
		"if len(r.code) == 0 {\n", "if len(r.code) == 0 && l.random.IntN(2) == 0 {\n\t\tl.keep(flights[0].chain, now, retryHeld)\n\t\treturn verdict{}\n\t}\n\tif len(r.code) == 0 {\n", sinkPkg, "TestOnlyTheFailedEntryIsSentAgain|TestRecordsArriveInOrder",
	},
	{
		"what got no answer is sent again", "sink/undelivered.go",
		"l.keep(f.chain, now, v.reason)", "l.settle(f.chain, Delivered, \"\")\n\t\tl.queue.Settle(f.chain)", sinkPkg, "TestOrderSurvives|TestHourLongOutage",
	},
	{
		"the same, in the simulation", "sink/undelivered.go",
		"l.keep(f.chain, now, v.reason)", "l.settle(f.chain, Delivered, \"\")\n\t\tl.queue.Settle(f.chain)", destinationPkg, simulation,
	},
	{
		"what waits for its retry stays the head of its key", "sink/queue.go",
		"c.state, c.due = chainWaiting, due\n\theap.Push(&q.waiting, c)", "e := c.entries[0]\n\tcopy(c.entries, c.entries[1:])\n\tc.entries[len(c.entries)-1] = e\n\tc.state, c.due = chainWaiting, due\n\theap.Push(&q.waiting, c)", destinationPkg, simulation,
	},
	{
		"aggregates that went astray are sent again", "sink/deliver.go",
		"&& len(flights) > 1", "&& false", sinkPkg, "TestAggregateThatWentAstray",
	},
	{
		"an aggregate is of the size that was promised", "sink/kpl/kpl.go",
		"fieldSize(2 + fieldSize(n)) }", "fieldSize(1 + fieldSize(n)) }", sinkPkg, "TestAggregateIsOfTheSize|TestKeysOfOneShard",
	},

	// Holds and dead letters.
	{
		"a refused call is nobody's fault", "sink/retry.go",
		"\"AccessDeniedException\":               {hold, \"access-denied\", true}", "\"AccessDeniedException\": {refuse, ReasonRejected, true}", sinkPkg, "TestHourLongOutage|TestOutageDeadLettersNothing",
	},
	{
		"a late answer ends no hold", "sink/gate.go",
		"	case as == 0 || as != g.probing:\n		return false\n	}\n	g.backoff, g.probing, g.failing", "	}\n	g.backoff, g.probing, g.failing", sinkPkg, "TestALateAnswerEndsNoHold",
	},
	{
		"an address that was silent just now has less time", "consumer/connect/connect.go",
		"c.silent.Store(address, time.Now())", "_ = c.silent.Store", consumerPkg, "TestAnAddressThatAnswersNothingIsPassedBy",
	},
	{
		"a held stream is probed with backoff", "sink/gate.go",
		"g.until = now.Add(delay)", "g.until = now.Add(delay / 8)", sinkPkg, "TestHourLongOutage",
	},
	{
		"a letter is written before its record settles", "sink/deadletter/write.go",
		"if err != nil {\n\t\t\treturn outcome{append(left, run...), fmt", "if isTooLarge(err) {\n\t\t\treturn outcome{append(left, run...), fmt", sinkPkg, "TestLettersOfAPartitionThatCannotBeWrittenWaitInOrder",
	},
	{
		"a letter keeps its place among its key", "sink/sink.go",
		"if r.PartitionKey != \"\" {", "if false {", sinkPkg, "TestRejectedRecordKeepsItsPlaceAmongItsKey",
	},
	{
		"onExhausted decides", "sink/undelivered.go",
		"OnExhausted == deadletter.OnExhaustedDeadLetter", "OnExhausted != deadletter.OnExhaustedDeadLetter", sinkPkg, "TestRecordThatOutlivesItsRetry",
	},
	{
		"requests keep the service's limits", "sink/queue.go",
		"b.records+records > limit", "b.records+records > limit+1", sinkPkg, "TestQueue",
	},
	{
		"a partition key has 1 to 256 characters", "sink/queue.go",
		"n < 1 || n > maxKeyRunes", "n < 1 || n > 2*maxKeyRunes", sinkPkg, "TestRecordTheStreamCannotTake",
	},
	{
		"throttles slow their shard", "sink/ratecontrol.go",
		"min(max(used*taken*(1-paceMargin), paceLeast), c.share)", "c.share+0*taken*used", sinkPkg, "TestRefusalsThatComeOfTheRateVanish",
	},
	{
		"what is queued is bounded", "sink/rooms.go",
		"return r.bytes+bytes <= (sinkTimes*left-rs.bytes-bytes)/2", "_, _ = left, rs\n\treturn true", sinkPkg, "TestMemoryIsBoundedAndPutBlocks|TestTheQueuesOfAllPartitionsStayWithinTheirMemory",
	},

	// What is exported.
	{
		"a violated policy holds the export", "transform/governance.go",
		"\tdefault:\n\t\tp.bar = &bar{Hold, err}", "\tdefault:", destinationPkg, "TestALabelThatAppearsAtRunTimeHolds",
	},
	{
		"C12 is never exported", "transform/governance.go",
		"return v, len(v.Carriers) > 0", "return v, false", transformPkg, "TestRule",
	},
	{
		"fields that a policy forbids are dropped", "transform/governance.go",
		"dropped[slices.Index(r.paths, carrier.Mapped)] = true", "", destinationPkg, "TestALabelThatAppearsAtRunTimeDropsTheField",
	},
	{
		"without consent nothing but an exit leaves", "transform/transform.go",
		"if j.consents() {", "if true {", transformPkg, "TestRule",
	},
	{
		"no to all marketing overrides a channel's yes", "transform/consent.go",
		"case all&no != 0:", "case false:", transformPkg, "TestRule|TestPlanAgreesWithModel",
	},
	{
		"the event's bytes are checked to their end", "transform/transform.go",
		"if !j.c.Done() {", "if j.c.Done() && false {", transformPkg, "TestEveryTruncation|TestBadInput",
	},
	{
		"only mapped segments trigger", "transform/activation.go",
		"return TriggerNone, 3, ReasonUnmappedSegment", "return TriggerNone, 3, \"\"", transformPkg, "TestRule",
	},
	{
		"a registry that is away is awaited", "cmd/internal/destination/pipeline.go",
		"if err == nil || rules.IsMessageFault(err) {\n\t\treturn event, err\n\t}\n\tdefer", "if true {\n\t\treturn event, err\n\t}\n\tdefer", destinationPkg, "TestWhatIsNobodysFaultIsHeld",
	},
	{
		"a filtered event settles", "cmd/internal/destination/pipeline.go",
		"p.settle(m.Ack, rules.Filtered, string(decision.Reason))\n", "", destinationPkg, "TestTheContractsMetricsAreThere",
	},

	// What is sent once more.
	{
		"latest-only sends an identity's newest event alone", "cmd/internal/resend/jobrun.go",
		"case newest && !superseded:", "case !superseded:", destinationPkg, "TestContractLatestOnlySendsEachIdentitysNewestEventOnce",
	},
	{
		"a newer event that leaves keeps an older one back", "cmd/internal/resend/newerindex.go",
		"known.beyond > 0", "false", destinationPkg, "TestLatestOnlySendsNothingOlder",
	},
	{
		"what live traffic overtook is put once more", "cmd/internal/resend/tail.go",
		"if older, ok := l.sent[id]; ok && older < m.Offset {", "if false {", destinationPkg, "TestWhatLiveTrafficOvertookIsPutOnceMore",
	},
	{
		"a round that a kill cut off is repaired", "cmd/internal/resend/jobrun.go",
		"case s.unsure && (newest", "case false && (newest", destinationPkg, "TestARoundThatAKillCutOffIsRepairedByTheNextRun",
	},
	{
		"a redrive that a kill cut off is repaired", "cmd/internal/deadletters/redrive.go",
		"\tr.doubtAll()\n", "", destinationPkg, "TestARedriveThatAKillCutOffIsRepairedByTheNext",
	},
	{
		"a round is kept once everything of it is at rest", "cmd/internal/resend/rounds.go",
		"if err := r.InFlight.WaitIdle(ctx); err != nil {\n\t\treturn err\n\t}\n\tif r.Tail != nil", "if r.Tail != nil", destinationPkg, "TestContractReplay|TestContractDryRun",
	},
	{
		"a backfill waits for the live events that were there before", "cmd/internal/replay/backfill.go",
		"case p.Settled < s.To:", "case false:", destinationPkg, "TestABackfillComesAfterTheLiveEventsThatWereThereBefore",
	},
	{
		"a backfill exports the newest state, also where that does not leave by itself", "cmd/internal/replay/backfill.go",
		"s.To = max(s.To, p.Settled)", "s.To = max(s.To, 0)", destinationPkg, "TestABackfillComesAfterTheLiveEventsThatWereThereBefore",
	},
	{
		"a backfill exports members alone", "cmd/internal/replay/members.go",
		"return l.Inside && wanted(l.Segment)", "return true || wanted(l.Segment)", destinationPkg, "TestThePresentMembersOfASegmentThatIsAddedAreExportedOnce",
	},
	{
		"a segment is backfilled once", "cmd/internal/replay/backfill.go",
		"if err := known.add(ctx, rules); err != nil {", "if err := error(nil); err != nil {", destinationPkg, "TestThePresentMembersOfASegmentThatIsAddedAreExportedOnce",
	},

	// What brokers, registry and stream do to each other and to us.
	{
		"a refusal of SyncGroup is no broken connection", "consumer/groupcall.go",
		"if code := kafka.Error(res.ErrorCode); code != 0 {", "if code := kafka.Error(res.ErrorCode); code != 0 && len(res.Assignments) > 0 {", consumerPkg, "TestAJoinThatAnotherOneOvertookIsNoHold|TestAProcessThatIsFencedAmidAJoinEnds",
	},
	{
		"a coordinator that left is forgotten", "consumer/heartbeat.go",
		"c.groupTransport.CloseIdleConnections()", "", consumerPkg, "TestABrokerThatLeftTheClusterIsDialledNoMore",
	},
	{
		"a follower that is behind is not hammered", "consumer/fetch.go",
		"const emptyRest = 50 *", "const emptyRest = 5 *", consumerPkg, "TestAFollowerThatIsBehindIsNotHammered",
	},
	{
		"one of several topics that is missing is named", "consumer/consumer.go",
		"case is && !was:", "case false:", consumerPkg, "TestOneOfSeveralTopicsThatIsMissingIsAHoldOfItsOwn",
	},
	{
		"which side speaks TLS is said", "consumer/connect/connect.go",
		"if b[0] == tlsAlert {", "if false {", consumerPkg, "TestContractSpeakingTLSOrNotIsSaidToBeAmiss",
	},
	{
		"HTTP/2 is not offered", "sink/transport.go",
		"t.TLSClientConfig.NextProtos = nil", "_ = t", sinkPkg, "TestAStreamThatOffersHTTP2IsSpokenToInHTTP1",
	},
	{
		"connections to where the stream was are given up", "sink/transport.go",
		"\t\tt.CloseIdleConnections()\n", "", destinationPkg, "TestWhatMovedToAnotherAddressIsFoundThere",
	},
	{
		"a buffer that may still be read is left", "sink/exchange.go",
		"if !sent.done() {", "if false {", sinkPkg, "TestABufferThatMayStillBeReadIsLeft",
	},
	{
		"an entry of which nothing is said is not stored", "sink/result.go",
		"if !r.said() {", "if false {", sinkPkg, "TestAnAnswerIsReadWhateverItsForm",
	},
	{
		"a leader that is being chosen is waited for", "sink/deadletter/writer.go",
		"now.Sub(f.since) >= leaderDelay", "true", sinkPkg, "TestALeaderThatIsBeingChosenIsAHoldOnlyWhenThatLasts",
	},
}
