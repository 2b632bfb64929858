package main

const (
	schemasPkg     = "./schemas"
	terminalPkg    = "./cmd/internal/terminal"
	deadlettersPkg = "./cmd/internal/deadletters"
	commandPkg     = "./cmd/kinesis-destination"
	connectPkg     = "./consumer/connect"
	smallfilePkg   = "./schemas/smallfile"
)

// hostile: what odd and hostile input did before it was seen to.
var hostile = []mutation{
	// Loss, stops and crashes.
	{
		"an offset of an earlier topic is none of the new one", "consumer/offsets.go",
		"if committed < 0 || of.other(now) {", "if committed < 0 {", consumerPkg, "TestASuccessorNoticesThatAnOffsetIsOfAnEarlierTopic",
	},
	{
		"a message without a letter's headers is foreign", "sink/deadletter/read.go",
		"if begin < 0 {", "if false {", deadlettersPkg, "TestAForeignLetterIsReadAsForeign",
	},
	{
		"a letter that is too large for its topic is cut", "sink/deadletter/write.go",
		"for out := whole; out <= noKey; out++ {", "for out := whole; out <= whole; out++ {", sinkPkg, "TestWhatIsTooLargeForTheTopicIsLeftOutOfALetter",
	},
	{
		"values of no byte are left out of a schema", "schemas/measure.go",
		"if !t.Fields[i].Type.void {", "if true {", schemasPkg, "TestValuesOfNoByteCostNothing",
	},
	{
		"a walk over an event looks whether it is to end", "transform/watch.go",
		"if w.steps += n; w.steps >= stepsPerLook {", "if w.steps += n; false {", transformPkg, "TestAWalkEndsWithItsClaim",
	},
	{
		"a walk over an event knows its claim", "cmd/internal/destination/pipeline.go",
		"source.Done = ctx.Done()", "_ = ctx", destinationPkg, "TestSIGTERMEndsInTimeAmidTheWalk",
	},
	{
		"on the way to nothing no key is written", "transform/lead.go",
		"\tw.leads.list = append(w.leads.list, l)\n", "\tw.leads.list = append(w.leads.list, l)\n\tw.flush()\n", transformPkg, "TestNothingIsWrittenOnTheWayToNothing",
	},
	{
		"a dead letter makes no further one without end", "sink/deadletter/read.go",
		"if levels == 0 || levels < Generations &&", "if true || levels < Generations &&", destinationPkg, "TestLettersOfLettersComeToAnEnd",
	},
	{
		"destinations whose letters go round are refused", "cmd/internal/config/together.go",
		"if way == nil {", "if way != nil || way == nil {", destinationPkg, "TestDestinationsWhoseLettersGoRoundAreRefused",
	},
	{
		"two destinations share no group", "cmd/internal/config/together.go",
		"case a == b:", "case false:", destinationPkg, "TestEveryMistakeOfAFile|TestDestinationsWhose|TestTwoDestinations",
	},
	{
		"a producer's headers of our names stand under others", "sink/deadletter/letter.go",
		"return sourcePrefix + name\n", "return name\n", "./sink/deadletter", "TestOnlyOurOwnHeaders",
	},
	{
		"a cluster that refuses a topic's limit is asked for less", "sink/deadletter/topic.go",
		"!errors.Is(err, errConfigRefused) {", "true {", sinkPkg, "TestTheDeadLetterTopicIsMadeWithTheLimit",
	},
	{
		"validate compares what the dead-letter topic takes", "cmd/internal/verify/live.go",
		"if letters < source {", "if letters > source {", destinationPkg, "TestContractValidateCompares",
	},
	// Costs without a bound.
	{
		"a process decompresses in turns", "consumer/budget.go",
		"b.largest, b.codecs)", "b.largest, newDecompressor())", consumerPkg, "TestAllWhoShareABudgetDecompressInTurns",
	},
	{
		"LZ4 of a form that is not understood is left to its reader", "consumer/lz4.go",
		"ok = len(src) == f.trailer && ", "ok = len(src) >= f.trailer && ", consumerPkg, "TestLZ4OfOtherForms",
	},
	{
		"decoding stays within the budget", "consumer/account.go",
		"if !within && !alone {", "if !within && !alone && false {", consumerPkg, "TestWhatABatchBecomes|TestTwelvePartitionsOfTombstones",
	},
	{
		"a message of too many headers comes without them", "consumer/batch.go",
		"if r.omit {\n\t\t\tomitted = rec.omit()", "if r.omit && false {\n\t\t\tomitted = rec.omit()", consumerPkg, "TestARecordBeyondTheLimit|TestARecordLarger|TestAMessageOf|FuzzRecordBatch|TestWhatABatch",
	},
	{
		"of many labelled fields some are named", "transform/report.go",
		"if i == maxListed {\n\t\t\tfmt.Fprintf(&b, \"\\n  and %d more carry them\"", "if i == -1 {\n\t\t\tfmt.Fprintf(&b, \"\\n  and %d more carry them\"", transformPkg, "TestLabelsCostABounded",
	},
	{
		"errors of AWS are read up to a bound", "sink/exchange.go",
		"appendAll(x.answer[:0], response, maxErrorAnswer)", "appendAll(x.answer[:0], response, 64<<20)", sinkPkg, "TestAnEndlessAnswer",
	},
	{
		"answers of the registry are read up to a bound", "schemas/registryhttp.go",
		"int64(q.left)+1", "1<<40", schemasPkg, "TestNoAnswerOfTheRegistry",
	},
	{
		"references are bounded", "schemas/registryhttp.go",
		"if q.left -= len(body); q.left < 0 {", "if q.left -= len(body); false {", schemasPkg, "TestReferencesAreBounded|TestNoAnswerOfTheRegistry",
	},
	{
		"a record is written no further than a stream takes", "transform/value.go",
		"const maxRecord = 10 << 20", "const maxRecord = 200 << 20", transformPkg, "TestWhatAnEventCosts",
	},
	{
		"who asks slowly is let go", "cmd/internal/destination/adminserver.go",
		"ReadHeaderTimeout: headerTime, ReadTimeout: read, WriteTimeout: writeTime, IdleTimeout: idleTime,", "", destinationPkg, "TestWhoAsksSlowly",
	},
	{
		"connections without end keep no probe out", "cmd/internal/destination/adminserver.go",
		"if len(d.since) > d.most {", "if false {", destinationPkg, "TestConnectionsWithoutEnd",
	},
	// Secrets, terminals, network.
	{
		"credentials follow no redirect", "schemas/registryhttp.go",
		"case from.Scheme != to.Scheme || from.Host != to.Host:", "case from == to:", schemasPkg, "TestCredentialsStayWith",
	},
	{
		"nothing that a terminal obeys is written", "cmd/internal/terminal/terminal.go",
		"if len(w.rest) == 0 && harmless(p) {", "if len(w.rest) == 0 {", terminalPkg, "TestNothingThatATerminal",
	},
	{
		"status is given to who asks by address", "cmd/internal/destination/adminserver.go",
		"\t\tif !allowed {", "\t\tif false {", destinationPkg, "TestStatusAndProfiles",
	},
	{
		"the AWS SDK logs through the process's log", "sink/client.go",
		"\t\tconfig.WithLogger(sdkLogger{opts.Logger}),\n", "", sinkPkg, "TestTheSDKLogs",
	},
	{
		"passwords over http are warned of", "consumer/config.go",
		"travels in the clear, for everyone", "travels, for everyone", commandPkg, "TestValidateWarns",
	},
	// Registries, schemas and files.
	{
		"a decimal that is none is ignored", "schemas/logical.go",
		" || scale > precision {", " {", schemasPkg, "TestContractSchemaIsRead|TestSchemas",
	},
	{
		"of references with a name the first counts", "schemas/registryhttp.go",
		"if q.names[name] {", "if false {", schemasPkg, "TestOfReferences",
	},
	{
		"a schema that is referred to may be deleted", "schemas/registryhttp.go",
		"/versions/%d?deleted=true\"", "/versions/%d\"", schemasPkg, "TestASchemaThatIsReferredTo",
	},
	{
		"a follower of the registry may be behind", "schemas/refusals.go",
		"lookupWait = 5 * time.Second", "lookupWait = 0 * time.Second", schemasPkg, "TestAFollowerMayBe",
	},
	{
		"a GUID in a header names the schema", "schemas/decode.go",
		"case header[0] == guidMagic &&", "case false &&", schemasPkg, "TestASchemaIsFoundBy",
	},
	{
		"a registry without GUIDs is not away", "schemas/registry.go",
		"&& q.knowsIDs(ctx) {", "&& false {", schemasPkg, "TestARegistryThatHasNoPath",
	},
	{
		"an id may have eight bytes", "schemas/decode.go",
		"if id == 0 && len(value) >= longFrameLength {", "if false {", schemasPkg, "TestASchemaIsFoundBy",
	},
	{
		"a fixed of 16 bytes may be a UUID", "schemas/logical.go",
		"(t.Kind == Bytes || t.Size != uuidSize) {", "true {", transformPkg, "Test.*UUID|TestRule|TestTypes|TestEveryType",
	},
	{
		"a message without a time has no age", "consumer/message.go",
		"return at.UnixMilli() > 0 }", "return true }", consumerPkg, "TestAMessageWithoutATime",
	},
	{
		"a reference's default is taken", "cmd/internal/config/references.go",
		"case at[4] >= 0 && value == \"\":", "case false:", destinationPkg, "TestEveryMistakeOfAFile",
	},
	{
		"an end of line is no part of a secret", "cmd/internal/config/files.go",
		"bytes.TrimRight(content, \"\\r\\n\")", "content", destinationPkg, "TestEveryMistakeOfAFile|TestAnEndOfLine|TestASecret",
	},
	{
		"an encrypted key is named", "schemas/credentials/pem.go",
		"fmt.Errorf(\"%s: %w\", name, errEncryptedKey)", "errors.New(\"failed to parse private key\")", connectPkg, "TestAKeyFile",
	},
	{
		"a byte order mark is no part of a schema", "schemas/schema.go",
		"bytes.NewReader(bytes.TrimPrefix(text, byteOrderMark))", "bytes.NewReader(text)", schemasPkg, "TestAByteOrderMark",
	},
	{
		"a pipe that gives nothing is given up", "schemas/smallfile/smallfile.go",
		"os.O_RDONLY|syscall.O_NONBLOCK", "os.O_RDONLY|0*syscall.O_NONBLOCK", smallfilePkg, "TestAPipeWithoutAWriter",
	},
	{
		"a process is ready once its stream has answered", "cmd/internal/destination/ready.go",
		"if !d.sink.Answered() {", "if false {", destinationPkg, "TestAProcessIsReadyOnceItsStream",
	},
	{
		"a process is ready once its registry has answered", "cmd/internal/destination/ready.go",
		"if away := d.registryAway.Load(); away != nil {", "if away := d.registryAway.Load(); away != nil && false {", destinationPkg, "TestAProcessIsReadyOnceItsRegistry",
	},
	{
		"filters of letters that choose nothing are refused", "cmd/internal/deadletters/filter.go",
		"if slices.Contains(words.closed, word) {", "if true {", commandPkg, "TestAFilterThatChooses",
	},
	// The session.
	{
		"the session's time is the configured one", "consumer/groupcall.go",
		"SessionTimeoutMS: int32(c.opts.SessionTimeout.", "SessionTimeoutMS: int32(DefaultSessionTimeout.", consumerPkg, "TestAShorterSession|TestASessionTimeoutThat",
	},
	{
		"an address that answers nothing is passed by", "consumer/connect/connect.go",
		"if err := s.hello(hello); err != nil {", "if err := error(nil); err != nil {", consumerPkg, "TestAnAddressThatAnswersNothingIsPassedBy",
	},
	{
		"the cache of schemas forgets", "schemas/cache.go",
		"c.bytes += bytes; c.bytes > c.room {", "c.bytes += bytes; false {", schemasPkg, "TestTheCacheIsBounded|TestManySchemasTake",
	},
	{
		"the path of a field is bounded", "schemas/measure.go",
		"if t.reach > maxPath {", "if false {", schemasPkg, "TestWhatASchemaMayNotBeIsSaid",
	},
	{
		"offsets of many partitions are a few requests", "consumer/listoffsets.go",
		"calls, err := offsetsCalls(ctx, client, addr, asked, found)", "if len(asked) > 1 {\n\t\tfor tp, at := range asked {\n\t\t\tif err := askOffsets(ctx, client, addr, map[topicPartition]int64{tp: at}, found); err != nil {\n\t\t\t\treturn err\n\t\t\t}\n\t\t}\n\t\treturn nil\n\t}\n\tcalls, err := offsetsCalls(ctx, client, addr, asked, found)", consumerPkg, "TestTheLagOfManyPartitionsTakesAFewConnections",
	},
	{
		"a topic is fetched by its id", "consumer/fetch.go",
		"\tcall.byID(claims)\n", "", consumerPkg, "TestATopicIsFetchedByItsID",
	},
	{
		"profiles are not served unless asked for", "cmd/internal/destination/admin.go",
		"mux.HandleFunc(\"GET /healthz\"", "mux.Handle(\"/debug/pprof/\", profiling(\"127.0.0.1:8080\"))\n\tmux.HandleFunc(\"GET /healthz\"", destinationPkg, "TestStatusAndProfiles",
	},
	{
		"explain judges what the stream would take", "cmd/internal/rules/explain.go",
		"\t\tr.weigh(ctx, &e)\n", "", commandPkg, "TestExplainSaysWhatTheStreamWouldNotTake",
	},
	{
		"explain --raw reads a message as it stands", "cmd/kinesis-destination/explain.go",
		"\tif x.raw {\n", "\tif false {\n", commandPkg, "TestExplainOfAMessageAsItStandsInKafka",
	},
	{
		"an error of the stream names the proxy's status", "sink/transport.go",
		"return &proxyError{answer.StatusCode}", "return nil", sinkPkg, "TestAnErrorOfTheStreamNamesHostProxyAndStatus",
	},
	{
		"every value of a consent counts", "transform/consent.go",
		"given |= consentOf(value)", "given = consentOf(value)", transformPkg, "TestEveryValueOfAConsent",
	},
	{
		"a label around a type is seen", "schemas/schema.go",
		"t.Labels = append(t.Labels, own...)", "_ = own", transformPkg, "TestALabelIsSeen",
	},
	{
		"a repair ends beside live traffic", "cmd/internal/resend/repair.go",
		"		if whole && turn >= patience && len(sent) > 0 {", "		if false {", "./cmd/internal/resend", "TestARepairEnds",
	},
	{
		"a repair ends no sooner than it has looked at all", "cmd/internal/resend/repair.go",
		"		if whole {\n\t\t\tfor id := range sent {", "		if true {\n\t\t\tfor id := range sent {", "./cmd/internal/resend", "TestARepairKeepsLittle",
	},
	{
		"what is newer is kept within bounds", "cmd/internal/resend/tail.go",
		"	if l.bytes >= newerBytes {", "	if false {", "./cmd/internal/resend", "TestARepairKeepsLittle",
	},
	{
		"a withdrawal waits for one write of letters", "sink/deadletter/write.go",
		"	if !slices.ContainsFunc(run, (*Letter).revoked) {", "	if slices.Contains(run, nil) || true {", sinkPkg, "TestAWithdrawalWaitsForOneWriteOfLetters",
	},
	{
		"nothing follows a letter that is given back", "sink/lane.go",
		"		if outcome == 0 { // the next", "		if false { // the next", sinkPkg, "TestNothingFollowsALetterThatIsGivenBack",
	},
	{
		"a redrive that failed again parks on", "cmd/internal/deadletters/parking.go",
		"	if err := p.readOn(ctx, found); err != nil {\n\t\treturn err\n\t}\n", "", destinationPkg, "TestAnIdentityWhoseRedriveFailedAgainStaysParked",
	},
	{
		"a label is seen below a record of its own kind", "transform/labels.go",
		"at := visit{record: t, inside: inside}", "at := visit{record: t}", "./transform", "TestALabelIsSeenBelow",
	},
	{
		"a label holds for each name of a field", "transform/fieldnames.go",
		"	if n.schema == nil {", "	if true {", "./transform", "TestALabelOfTheConfigurationIsSeen",
	},
	{
		"a label on the event's record is seen", "transform/labels.go",
		"		l.note(\"\", record.Name, record.Labels)\n		l.field(field, \"\", partAttributes)", "		l.field(field, \"\", partAttributes)", transformPkg, "TestALabelIsSeen",
	},
	{
		"a tombstone is one whatever it carries", "consumer/record.go",
		"	var o *Omitted\n	if r.value != nil {", "	var o *Omitted\n	if true {", consumerPkg, "TestATombstoneIsOne",
	},
	{
		"an outage that is over holds nobody", "consumer/leaders.go",
		"if c.outage && c.readable()", "if false && c.readable()", consumerPkg, "TestAnOutageThatIsOver",
	},
	{
		"a hold of the stream ends where nothing is left to try", "sink/deliver.go",
		"	s.idle()\n}", "}", destinationPkg, "TestAHoldOfTheStreamEnds",
	},
}
