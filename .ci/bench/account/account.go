// Package account is what the fake stream of the benchmark is told, and tells.
package account

import "time"

// Task is how the stream behaves from now on, for one run of one program.
type Task struct {
	Shards  int           `json:"shards"` // a power of two
	Latency time.Duration `json:"latency"`
	Raw     bool          `json:"raw"`     // records are Kafka's messages, not documents
	Stalled bool          `json:"stalled"` // PutRecords is not answered
	Timed   bool          `json:"timed"`   // serials are when events were written, in microseconds since 1970
}

// Account is what arrived since the task was set.
type Account struct {
	Calls   int       `json:"calls"`
	Records int       `json:"records"` // aggregated ones counted each
	Bytes   int64     `json:"bytes"`   // of requests
	Checked int       `json:"checked"` // records that were looked into
	First   time.Time `json:"first"`   // answer
	Last    time.Time `json:"last"`
	// Digest is the sum of the checked documents: programs that send the same
	// content, in whatever order, have the same.
	Digest  uint64 `json:"digest"`
	Problem string `json:"problem"` // the first one; empty: none
	// Waits are of a timed task: of each checked record when it was written, in
	// microseconds since 1970, and how long it took until its answer.
	Waits []Wait `json:"waits,omitempty"`
}

// Wait is how long one record took, from its producer's call to the stream's answer.
type Wait struct {
	Written int64         `json:"written"`
	Took    time.Duration `json:"took"`
}
