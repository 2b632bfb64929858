// Package sink puts records on a Kinesis stream, and what cannot be put there
// on a dead-letter topic.
//
// Promise. Records of one partition key reach the stream in the order in which
// they were given to [Sink.Put], whatever fails. PutRecords keeps no order by
// itself, neither inside a call nor after a partial failure, so at most one
// record of a key (or one aggregate of its run) is unacknowledged at any time,
// over all requests; the next waits until it is at rest, dead letter included.
// An answer that never came is ambiguous: the same record is sent again before
// anything newer of its key. Each record's Owner hears exactly once: Done when
// it is at rest, or Withdrawn when it is given back unsent.
//
// Aggregation. With aggregation kpl the queued run of a key becomes one record,
// atomic and in order, and keys of one shard may share a record. Readers drop an
// aggregate with members that are not of the shard it lies in; so when a shared
// one went elsewhere than predicted, all of it is sent again, key by key, before
// anything newer of its keys.
//
// Pace. Each shard has a bucket at its limits. Refusals that vanish at a lower rate
// lower it and time restores it; those that come at any rate do not. While a
// bucket is empty, lanes take turns at it, so that their calls are filled. A
// record that went elsewhere than predicted makes the sink look at the shards
// again.
//
// Hold. What is not a record's fault (access denied, an expired token, a KMS
// key, a missing stream, an endpoint or a dead-letter topic that cannot be
// reached) holds the stream: one lane probes with backoff, the others rest,
// nothing is dead-lettered and nothing dropped. Options.Hold hears of it once
// per change.
//
// Lease. No request outlives Options.Lease, because Kinesis cannot fence a late
// writer: with too little of it left nothing is sent.
//
// Goroutines. [New] starts one per lane, one that watches the stream and one
// that writes dead letters; [Sink.Close] awaits them all. A lane has one request
// in flight, and a key always has the same lane. A lane holds a range of the
// hash space, as a shard does, so a slow shard slows the lanes of its own range.
//
// Memory. What is queued of a source partition is bounded in bytes; Put blocks when
// that is reached, see [Memory]. Nothing is dropped to catch up.
//
// Failure. Put and Reject fail only when their context ends, the record's claim
// has ended or the sink is closed, and have then not taken the record. Errors,
// logs and dead-letter messages hold no attribute, identity or credential: of a
// refused record only the service's error code is told.
package sink
