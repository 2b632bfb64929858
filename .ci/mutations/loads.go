package main

// loads: what is shared and bounded while much is to be done, and what is said of it.
var loads = []mutation{
	{
		"lanes of few records share their calls", "sink/shared.go",
		"s.under+s.returning == 0", "true", sinkPkg, "TestOfFewKeysCallsAreShared",
	},
	{
		"nobody waits for a slow shared call", "sink/shared.go",
		"wait = patientWait", "wait = time.Hour", sinkPkg, "TestNobodyWaitsForASlowSharedCall|TestBelowTheLimitsARecordLeavesAtOnce",
	},
	{
		"room is by partition: workers do not wait for each other's records", "sink/rooms.go",
		"r := rs.all[claim]", "claim = nil\n\tr := rs.all[claim]", sinkPkg, "TestFewKeysOfManyPartitionsFillTheirCalls|TestAPartitionGoesOnWhateverTheOthersHold",
	},
	{
		"a partition has room of its own whatever the others hold", "sink/rooms.go",
		"case r.fitsOwn(bytes):", "case r.fitsOwn(bytes) && false:", sinkPkg, "TestAPartitionGoesOnWhateverTheOthersHold",
	},
	{
		"a sink's own share is not taken by another", "sink/rooms.go",
		"rs.own+bytes <= share && ", "", sinkPkg, "TestAPartitionGoesOnWhateverTheOthersHold|TestASinkThatComesLaterHasRoom",
	},
	{
		"who waits is let in when a sink ends", "sink/rooms.go",
		"	m.grant() // the others' own shares have grown\n", "", sinkPkg, "TestASinkThatComesLaterHasRoom",
	},
	{
		"what was let beyond ends once there is room", "sink/rooms.go",
		"(m.over.records == 0 || m.queued <= m.queue-m.queue/ownPart)", "m.queued < 0", sinkPkg, "TestWhatIsBeyondEndsWithRoom",
	},
	{
		"who waits for room is not woken for each record", "sink/rooms.go",
		"min(r.bytes/4, wakeRoom)", "0", sinkPkg, "TestOneWhoWaitsIsNotWokenForEachRecord",
	},
	{
		"rooms end with their claims", "sink/rooms.go",
		"return r.records == 0 && len(r.waiters) == 0 && ended(claim)", "return false", sinkPkg, "TestARoomEndsWithItsClaim",
	},
	{
		"what waits for the workers of all partitions leaves room for what they hand out", "consumer/fetchsize.go",
		"return b.of(setsParts) / (queuedSets + 1) / int64(max(1, busy))", "return b.limit + int64(0*busy)", consumerPkg, "TestAFetchAsksForNoMoreThanAPartitionsShareOfTheBudget",
	},
	{
		"a refused shared call is halved by all that was in it", "sink/deliver.go",
		"r.lane.keepCall(r.batch, records, now, v, shown)", "r.lane.keepCall(r.batch, recordGroups(r.batch), now, v, shown)", sinkPkg, "TestTheCulpritOfASharedCallIsFound",
	},
	{
		"an answer brings something of many partitions", "consumer/fetchsize.go",
		"c.asked = min(partitionMaxBytes, ", "c.asked = max(partitionMaxBytes, ", consumerPkg, "TestAnAnswerBringsSomethingOfManyPartitions",
	},
	{
		"idle partitions have no share of an answer", "consumer/fetchsize.go",
		"		if c.mayBring() {", "		if true {", consumerPkg, "TestOneBusyPartitionAmongIdleOnesIsFetchedFast",
	},
	{
		"a batch without a message is passed over with many", "consumer/lag.go",
		"batches.most = partitionMaxBytes", "batches.most += 0", consumerPkg, "TestTheOldestMessageIsFoundBehindManyAbortedOnes",
	},
	{
		"a batch larger than its partition's share is asked for", "consumer/fetchsize.go",
		"c.batch, found = partitionMaxBytes, true", "found = true", consumerPkg, "TestABatchLargerThanAskedForIsAskedForAgain",
	},
	{
		"no connection that rests is tried where one was silent", "consumer/fetchcall.go",
		"transport.CloseIdleConnections()", "_ = transport", consumerPkg, "TestNoConnectionThatRestsIsTriedWhereOneWasSilent",
	},
	{
		"a look at an oldest message costs one batch", "consumer/lag.go",
		"h.fetchRange(r, own, oneBatch)", "h.fetchRange(r, own, partitionMaxBytes)", consumerPkg, "TestALookAtTheOldestMessageCostsOneBatch",
	},
	{
		"an oldest message that is known is not looked for", "cmd/internal/destination/lagprobe.go",
		"		p.Oldest = before.Oldest\n", "", destinationPkg, "TestLagIsExactOfWhatIsNotFetched",
	},
	{
		"readers of a process look at oldest messages in turns", "consumer/budget.go",
		"return b.peeks", "return make(chan struct{}, peekParallel)", consumerPkg, "TestReadersOfAProcessPeekInTurns",
	},
	{
		"a buffer waits until its last message is at rest", "consumer/part.go",
		"if p.users.Add(-int64(n)) == 0 {", "if p.users.Add(-int64(n)) <= 1 {", consumerPkg, "TestABufferIsUsedAgainOnce",
	},
	{
		"what is read without a claim is its reader's", "consumer/batch.go",
		"if d.reuse && !r.omit {", "if !r.omit {", consumerPkg, "TestABufferIsUsedAgainOnce",
	},
	{
		"a buffer of what was given back is not used again", "consumer/worker.go",
		"	a.part.keep()\n", "", consumerPkg, "TestABufferOfAMessageThatIsGivenBack",
	},
	{
		"what is found on a second look is no deeper than on the first", "schemas/skip.go",
		"case o.code == opCall && o.t.marking:", "case o.code == opCall && o.t.marking && false:", transformPkg, "TestAttributesAreFoundAtAnyDepth",
	},
	{
		"a record counts the whole buffer", "sink/record.go",
		"n := recordCost + len(r.PartitionKey) + cap(r.written)", "n := recordCost + len(r.PartitionKey) + len(r.written)", sinkPkg, "TestARecordCountsAll",
	},
	{
		"a buffer is used again for the next document", "sink/record.go",
		"kept < need || excessive(kept, need)", "kept < need || kept >= 0", sinkPkg, "TestARecordCountsAll",
	},
	{
		"a large document waits as it is", "sink/sink.go",
		"s.aggregate > 0 || r.length > CopiedAtMost", "s.aggregate > 0", sinkPkg, "TestARecordCountsAll",
	},
	{
		"a document does not wait in far more than it needs", "sink/sink.go",
		"excessive(cap(r.Data), r.length)", "false", sinkPkg, "TestALargeDocument",
	},
	{
		"a document that the sink keeps is not written over", "cmd/internal/destination/pipeline.go",
		"into.buffer = nil // the sink keeps it", "_ = into", destinationPkg, "TestALargeDocumentIsTheSinks",
	},
	{
		"a delivered record's buffer is kept", "cmd/internal/destination/pipeline.go",
		"d.record.Reset()", "d.record = sink.Record{}", destinationPkg, "TestWhatWasWrittenOfADelivered",
	},
	{
		"the sink has a copy of the document", "sink/sink.go",
		"append(r.fit(r.length), r.Data...)", "r.Data", sinkPkg, "TestAggregat|TestRecordTheStream|TestLargest",
	},
	{
		"records of a body are apart", "sink/deliver.go",
		"if len(rest) < len(batch) {", "if false {", sinkPkg, "TestOrderSurvivesFaultsWithAggregation",
	},
	{
		"a plan is no larger than its schema", "transform/resolve.go",
		"if marked, known := r.known[at]; known {", "if marked, known := r.known[at]; known && false {", transformPkg, "TestAPlanIsNoLargerThanItsSchema",
	},
	{
		"buffers that wait are bounded", "consumer/buffers.go",
		"if b.waiting()+bytesOf(one) <= b.most {", "if true {", consumerPkg, "TestBuffersThatWaitAreBounded",
	},
	{
		"messages that wait go when their room is needed", "consumer/buffers.go",
		"	b.messages.shed(b.waiting() - most)\n", "", consumerPkg, "TestBuffersThatWaitAreBounded",
	},
	{
		"what was fetched is handed out as a copy", "consumer/payload.go",
		"return p.owned && p.stream == nil", "return p.stream == nil", consumerPkg, "TestWhatWasFetchedIsUsedAgain",
	},
	{
		"a held identity stops no other partition", "consumer/account.go",
		"(a.parts == 0 || a.within(n))", "true", consumerPkg, "TestAHeldIdentityStopsNoOtherPartition",
	},
	{
		"who waits for more keeps nobody waiting", "consumer/account.go",
		"full = full || w.account.parts == 0", "full = true", consumerPkg, "TestWhoWaitsForMoreKeepsNobodyWaiting",
	},
	{
		"what is fetched and not decoded leaves fetch loops their turns", "consumer/budget.go",
		"within := b.of(fetchedParts) - b.used", "within := b.free()", consumerPkg, "TestNoFetchLoopStarves",
	},
	{
		"sets of held partitions leave room for others", "consumer/account.go",
		"|| b.sets < b.of(moreSets) && a.within(n) {\n\t\ta.gave", "|| true {\n\t\ta.gave", consumerPkg, "TestFurtherSetsLeaveRoomForTheFirstOfOthers",
	},
	{
		"what is left is for partitions that have nothing", "consumer/budget.go",
		"fetchedParts, moreParts = 15, 12", "fetchedParts, moreParts = 12, 16", consumerPkg, "TestAHeldIdentityStopsNoOtherPartition",
	},
	{
		"what held partitions cannot use makes room for others", "consumer/fetchawait.go",
		"				f.budget.makeRoom()\n", "				f.budget.signal()\n", consumerPkg, "TestAHeldIdentityStopsNoOtherPartition",
	},
	{
		"what was given back waits for room", "consumer/account.go",
		"(a.parts == 0 || !a.gave)", "true", consumerPkg, "TestAHeldIdentityStopsNoOtherPartition",
	},
	{
		"what was given back is fetched again", "consumer/worker.go",
		"c.back, c.forRoom = from, true", "c.back, c.forRoom = from+1, true", consumerPkg, "TestAHeldIdentityStopsNoOtherPartition",
	},
	{
		"a partition behind is not kept waiting for idle ones", "consumer/polling.go",
		"max(fetchLeastWait, 2*p.wait)", "max(fetchMaxWait, 2*p.wait)", consumerPkg, "TestAPartitionBehindIsNotKeptWaiting",
	},
	{
		"a held partition has no broker asked often", "consumer/polling.go",
		"max(fetchLeastWait, 2*p.wait)", "fetchLeastWait", consumerPkg, "TestAHeldPartitionHasNoBrokerAskedOften",
	},
	{
		"nothing is fetched that would find no room", "consumer/budget.go",
		"if within < min(", "if within < 1 && 0 < min(", consumerPkg, "TestNothingIsFetchedThatWouldFindNoRoom",
	},
	{
		"who waits to fetch hears of a fetch that ended", "consumer/budget.go",
		"	b.bringing += bringing\n	b.notice()\n", "	b.bringing += bringing\n", consumerPkg, "TestNothingIsFetchedThatWouldFindNoRoom",
	},
	{
		"a fetch that waits for events is in nobody's way", "consumer/budget.go",
		"time.AfterFunc(fetchBrings, waits)", "time.AfterFunc(time.Hour, waits)", consumerPkg, "TestNoFetchLoopStarves",
	},
	{
		"a buffer that is partly read waits as a whole", "consumer/batch.go",
		"d.payload.window[:r.bytes], d.payload.buffer\n", "d.payload.window[:r.bytes], d.payload.window[:r.bytes]\n", consumerPkg, "TestABufferThatIsPartlyRead",
	},
	{
		"a limit is kept though a record came", "sink/undelivered.go",
		"return f.entries[:f.inFlight]", "return f.head", sinkPkg, "TestALimitIsKept",
	},
	{
		"attributes that are absent leave no mark", "transform/projection.go",
		"if last == l.before {", "if true {", transformPkg, "TestPlanAgreesWithModel",
	},
	{
		"what a lane has not looked at yet is withdrawn, too", "sink/undelivered.go",
		"	l.absorb()\n", "", sinkPkg, "TestWithdrawLeaves|TestCloseAwaits",
	},
	{
		"a closed lane takes nothing more", "sink/lane.go",
		"case in.closed:", "case false:", sinkPkg, "TestCloseAwaits",
	},
	{
		"keys of one hash are kept apart", "sink/chains.go",
		"c.hash != r.hash || c.key != r.PartitionKey", "c.hash != r.hash", sinkPkg, "TestQueue|TestChains",
	},
	{
		"nothing of a body is written after its deadline", "sink/body.go",
		"time.Now().After(b.deadline)", "false", sinkPkg, "TestABodyStopsAtItsDeadline",
	},
	{
		"a segment counts once its record is delivered", "cmd/internal/destination/pipeline.go",
		"		d.noted.Delivered()\n", "", destinationPkg, "TestWhatIsCountedForSegmentsIsWhatTheStreamHolds",
	},
	{
		"a burst of dead letters is told of whole", "cmd/internal/destination/run.go",
		"d.atClose(func(context.Context) { told.Close() })", "d.atClose(func(context.Context) {})", destinationPkg, "TestAProcessThatEndsTellsOfItsLastDeadLetters",
	},
	{
		"a replay leaves no old states beside running processes", "cmd/internal/replay/refuse.go",
		"if n := len(members); n > 0 {", "if n := len(members); n < 0 {", destinationPkg, "TestAReplayOfAllEventsBesideRunningProcessesIsRefused",
	},
	{
		"a replay makes no letters anew that were dropped", "cmd/internal/replay/refuse.go",
		"	case r.dealt:\n", "	case false:\n", destinationPkg, "TestAReplayMakesNoLettersAnewThatWereDropped",
	},
	{
		"the admin endpoints' token is asked for", "cmd/internal/destination/adminguard.go",
		"[]byte(strings.ToLower(want))) != 1", "[]byte(strings.ToLower(want))) == 2", destinationPkg, "TestWithATokenStatusAndMetricsAreForWhoShowsIt",
	},
	{
		"a flow has one job at a time", "cmd/internal/control/jobs/table.go",
		"case other == k:", "case false:", controlPkg, "TestAJobIsBegunWatchedAndStopped",
	},
}
