package main

const (
	journalPkg = "./cmd/internal/control/journal"
	sealPkg    = "./cmd/internal/control/seal"

	schedules = "TestJournalSchedules"
)

// journal: every reader of the log comes to the same documents, and every answer is true.
var journal = []mutation{
	{
		"an entry holds where what it replaces is the present version", "cmd/internal/control/journal/state.go",
		"now != d.Base {", "now != d.Base && false {", journalPkg, schedules,
	},
	{
		"an entry holds where what it relies on is the present version", "cmd/internal/control/journal/state.go",
		"now != r.Etag {", "now != r.Etag && false {", journalPkg, schedules,
	},
	{
		"all of an entry happens or nothing", "cmd/internal/control/journal/state.go",
		"len(differs) > 0 {", "len(differs) == len(e.Docs)+len(e.Reads) {", journalPkg, schedules,
	},
	{
		"a change of a document changes its kind", "cmd/internal/control/journal/state.go",
		"\t\ts.kinds[kind] = offset\n", "\t\t_ = kind\n", journalPkg, schedules,
	},
	{
		"of the same entries the first counts", "cmd/internal/control/journal/state.go",
		"s.seen[e.ID]; before {", "s.seen[e.ID]; before && false {", journalPkg, schedules + "|TestFoldStories",
	},
	{
		"what was written without the last checkpoint is refused", "cmd/internal/control/journal/state.go",
		"if e.Prev.Offset < s.fence {", "if false {", journalPkg, schedules,
	},
	{
		"the log is the one that the writer had read", "cmd/internal/control/journal/state.go",
		"s.idAt(e.Prev.Offset) != e.Prev.ID {", "false {", journalPkg, "TestFoldStories|TestWhatCannotBeJudged",
	},
	{
		"the log has no gap", "cmd/internal/control/journal/state.go",
		"if offset != s.next {", "if false {", journalPkg, "TestWhatCannotBeJudged",
	},
	{
		"an entry of another store is none of ours", "cmd/internal/control/journal/state.go",
		"case e.Store != s.store:", "case false:", journalPkg, "TestFoldStories",
	},
	{
		"of two beginnings the first counts", "cmd/internal/control/journal/state.go",
		"case e.Founds: // two", "case e.Founds:\n\t\ts.store = e.Store\n\t\treturn Marked, nil, nil\n\tcase false: // two", journalPkg, "TestFoldStories",
	},
	{
		"an entry of a newer format stops the reader", "cmd/internal/control/journal/entry.go",
		"case *mark.V > format:", "case false:", journalPkg, "TestFoldStories|TestWhatCannotBeJudged",
	},
	{
		"what a reader does not know it does not judge", "cmd/internal/control/journal/entry.go",
		"\tstrict.DisallowUnknownFields()\n", "", journalPkg, "TestFoldStories",
	},
	{
		"a reader begins with a checkpoint that says all that is missing", "cmd/internal/control/journal/checkpoint.go",
		"e.Checkpoint.X < b.first-1", "false", journalPkg, schedules,
	},
	{
		"a checkpoint is complete before a reader begins with it", "cmd/internal/control/journal/checkpoint.go",
		"if !p.Last || len(b.parts[p.ID]) != p.N+1 {", "if !p.Last {", journalPkg, "TestFoldStories",
	},
	{
		"a checkpoint says which entries there were", "cmd/internal/control/journal/checkpoint.go",
		"\t\tnext.Recent = append(next.Recent, p)\n", "\t\t_ = p\n", journalPkg, schedules,
	},
	{
		"a reader of a checkpoint knows the entries before it again", "cmd/internal/control/journal/checkpoint.go",
		"\t\ts.seen[p.ID] = p.Offset\n", "\t\t_ = p\n", journalPkg, schedules,
	},
	{
		"nothing goes that a reader still has to begin with", "cmd/internal/control/journal/checkpoints.go",
		"Truncate(bounded, frozen.checkpoint+1)", "Truncate(bounded, frozen.next+1)", journalPkg, "TestContractAReplicaBegins",
	},
	{
		"an unknown outcome has the same entry written again", "cmd/internal/control/journal/writer.go",
		"\t\t\tunknown = true\n", "\t\t\treturn\n", journalPkg, "TestAnAnswerThatIsLost",
	},
	{
		"a refusal says nothing of an attempt before it", "cmd/internal/control/journal/writer.go",
		"case unknown: //", "case unknown && false: //", journalPkg, "TestARefusalSaysNothing",
	},
	{
		"a change that is too late is another entry", "cmd/internal/control/journal/writer.go",
		"if o.verdict == Stale {", "if false {", journalPkg, "TestAWriterThatHadNotRead",
	},
	{
		"a read has what was answered before it", "cmd/internal/control/journal/ends.go",
		"\t\tcase next >= end:\n", "\t\tcase next >= min(1, end):\n", journalPkg, "TestAReadHasWhat",
	},
	{
		"an unfit log takes no changes", "cmd/internal/control/journal/snapshot.go",
		"case s.unfit != nil:\n\t\treturn s.unfit\n", "case false:\n\t\treturn s.unfit\n", journalPkg, "TestAnUnfitLog",
	},
	{
		"a log that ends before what was read stops the reader", "cmd/internal/control/journal/reader.go",
		"case n == beyondChecks:", "case false:", journalPkg, "TestWhatCannotBeJudged",
	},
	{
		"a damaged line is no entry", "cmd/internal/control/journal/files.go",
		"uint32(sum) != crc32", "false && uint32(sum) != crc32", journalPkg, "TestADamagedLine",
	},
	{
		"what was not written to its end is cut off", "cmd/internal/control/journal/files.go",
		"if err = file.Truncate(f.end()); err == nil {", "if err == nil {", journalPkg, "TestATornTail",
	},
	{
		"a folder has one process", "cmd/internal/control/journal/files.go",
		"syscall.LOCK_EX|", "syscall.LOCK_SH|", journalPkg, "TestAStoreHasOneProcess",
	},
	{
		"a secret opens where it was sealed alone", "cmd/internal/control/seal/seal.go",
		"return []byte(strconv.Itoa(len(document)) + \":\" + document + field)", "_ = strconv.Itoa\n\treturn nil", sealPkg, "TestASecretOpens",
	},
	{
		"resealing moves to the first key", "cmd/internal/control/seal/seal.go",
		"k := r.keys[0]", "k := r.keys[len(r.keys)-1]", sealPkg, "TestTheFirstKeySeals",
	},
}
