// Package account is what the fake stream of the benchmark is told, and tells.
package account

import "time"

// Task is how the stream behaves from now on, for one run of one program.
type Task struct {
	Shards  int           `json:"shards"` // a power of two
	Latency time.Duration `json:"latency"`
	Raw     bool          `json:"raw"`     // records are Kafka's messages, not documents
	Stalled bool          `json:"stalled"` // PutRecords is not answered
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
}
