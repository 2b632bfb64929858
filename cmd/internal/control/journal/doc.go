// Package journal keeps the documents of the control plane: connections, flows,
// policies, settings, each a JSON object under a key as "flows/ID".
//
// They are memory that follows a log: a topic of Kafka with one partition, which
// several processes share, or a file that one process has. Every change is an
// entry of the log. It names the versions that it replaces and those that it relies
// on, and holds where all of them are the present ones when it is read; else nothing
// of it happens. Everybody reads the same entries in the same order and compares
// versions alone, so everybody comes to the same documents. A compacted topic could
// not do that: of two changes of one version it keeps the later, refused one.
//
// # The promise
//
// Propose answers when its entry was read back: with the version that it made, or
// with what had changed meanwhile. A change that was answered is in every Read that
// begins afterwards, in any process, if the Read is fresh. It survives what the log
// survives: the loss of a broker of three; with a file, of the process and of power.
// Where it cannot be known whether a change was written, the same entry is written
// again, and the first one counts; after ten seconds the caller is told that it may
// still happen (ErrMayStillHappen). No change happens twice.
//
// Read waits for the log's end for at most a second, and then answers from memory
// and says so. Nothing but Propose, Export and Audit wait for longer.
//
// What is no entry, or a damaged one, is passed over, counted and shown
// (Status.Oddities). What makes the log unfit, or what follows in it impossible to
// judge, makes the store read-only with the reason (Status.ReadOnly): a topic that is
// compacted or deletes by itself; an entry of a newer format; another store's; a log
// that ends before what was read, or whose entries name others before them than it
// has. Memory stays as it was, so what runs by it goes on. A store that could not be
// read to its end when it was opened is Partial: nothing should be started by it.
//
// Checkpoints say the whole state as of an offset, so that what is before it can be
// deleted; a reader begins with the first one that says all that is missing. The last
// 10,000 entries at least stay, and are the audit: also those that were refused.
//
// # Use
//
// Read gives a Snapshot: Get and List by key, each document with its etag. A change
// names for every document the etag that it was read with as its base (empty: there
// is none), and for what it only relies on the etag in Reads; "@flows" there stands
// for all documents under flows/. Watch gives what is in memory and a channel that is
// closed when there is more. Whoever starts something by the documents looks at
// Freshness.Partial first.
//
// A change has at most 900,000 bytes and 1,000 documents; a store 100,000 documents and
// 256 MiB (ErrFull), all of it in memory; 2,000 changes wait at the same time.
//
// # Goroutines
//
// Open starts five, which Close ends and awaits: one reads the log, one writes to it
// (one request at a time, with the changes of many callers), one asks for its end (for
// all readers at once), one looks every ten minutes whether it is still fit, and one
// writes checkpoints. All methods may be called from any goroutine.
package journal
