// Package consumer brings messages in from Kafka, as one member of a consumer group.
//
// Promise. Every message of an assigned partition is handed to the Handler once
// per claim, in offset order, one at a time per partition. Only committed
// records are handed out: records of aborted transactions and control records
// are not. An offset is committed only when every message below it has settled,
// so a crash repeats messages and never loses one.
//
// Claim. A partition is worked on under a claim that begins with an assignment
// and ends with one that gives the partition up. When it ends, what was handed out
// and not yet sent is withdrawn, what is in flight is awaited, the watermark is
// committed, and only then is the group rejoined, for the next owner to begin.
// Heartbeats and all other claims go on meanwhile: rebalances are cooperative,
// unless a member is in the group that knows the eager protocol alone.
//
// Lease. [Consumer.Lease] tells until when this member is sure to be a member:
// the session timeout counted from the sending of the last heartbeat that the
// coordinator answered well. Whoever writes on behalf of a claim must be done by
// then, because the next owner may start right after it. While the group waits for
// this member it also ends with the rebalance timeout.
//
// Goroutines. [Consumer.Run] starts and awaits them all: a heartbeat, a commit
// tick, a join that is under way, one fetch loop per broker, one worker per partition. A Handler that
// blocks holds its own partition only. Memory is bounded: a partition has at
// most two fetched batches waiting, and all partitions together share a budget
// of bytes that are fetched and not yet at rest.
//
// Failure. Whatever may pass (a broker or the whole cluster away, a topic not
// there yet, a right that is missing) is retried for as long as it takes and
// reported by Options.Hold. Run returns an error only when the process cannot
// go on: the Handler says so, or another process uses this static member's id.
package consumer
