// Package status is where the processes of the control plane tell what their flows do,
// and where each of them reads what all do: a compacted topic of Kafka, or a file beside
// the journal of one machine.
//
// A key has one writer. process/ID is what a process does now: its flows with their
// states, holds and lag; it is written anew every ten seconds, and within a second of a
// change of a state. run/FLOW/HOUR/PROCESS is what a process did for a flow in one hour.
// Every record carries the id of the store that it belongs to, so that a new process
// notices that the journal's topic was made anew beside it.
//
// # The promise
//
// A Board shows what was told within about a second of it. A process that was not heard
// of for 45 seconds is silent: it is shown so, and what it said last no longer counts
// where another process tells of the flow. An hour's identities received are those
// activated, excluded, failed and under way, always; what was under way in a process that
// has ended was not committed, its successor receives it anew and counts it. An outcome
// is counted in the hour in which the identity was received: the oldest that is under
// way counts as the first that is done. Segments count in the hour in which they leave.
//
// Nothing here is vital: where the topic is away or unfit, flows go on, Trouble says
// why, and what is dirty is written later. Hours are kept for 30 days, then their
// writers let go of them, and others do for a process that has gone.
//
// # Bounds
//
// A process record has at most 1,000 flows, those that are refused and held before
// others; texts are cut at 300 bytes; an hour has at most 64 reasons and 300 segments,
// and the rest in one sum; a process keeps 128 MiB of hours in memory, and lets go of the
// oldest beyond. An hour's record is written every 30 seconds at most.
//
// # Goroutines
//
// Open starts two, which Close ends and awaits: one reads, one writes. Report and Count
// never wait. All methods may be called from any goroutine.
package status
