package web

import (
	"context"
	"encoding/json"
	"time"
)

// Operation is what pages show of flows that run, and of the control plane itself. A
// part that is nil is said not to be known.
type Operation struct {
	Runs     Runs
	Source   Source
	Letters  Letters
	Audit    Audit
	Settings func() Settings
}

// FlowStatus is what the processes tell of a flow.
type FlowStatus struct {
	State      string // starting, running, held, refused, stopped or silent
	Reason     string // why it is held, refused or stopped, in one word
	Detail     string // the same in a sentence
	Since      time.Time
	Lag        int64   // events that wait; -1: not known
	LagSeconds float64 // age of the oldest of them
}

// Process is one of those that share the flows.
type Process struct {
	ID      string
	Version string
	Seen    time.Time
	Silent  bool // it has not told anything for longer than it should
	Flows   int
}

// Runs tell what flows do and did.
type Runs interface {
	// Status of a flow; nil: no process has told anything of it yet.
	Status(ctx context.Context, sandbox, flowID string) (*FlowStatus, error)
	// Hours of a flow from a time on, the oldest first.
	Hours(ctx context.Context, sandbox, flowID string, from time.Time) ([]Hour, error)
	// Processes are those that tell.
	Processes(ctx context.Context) ([]Process, error)
}

// Waiting is what a flow that does not run leaves to Kafka.
type Waiting struct {
	Topic string
	// Kept is how long Kafka keeps an event of the topic; 0: for good.
	Kept time.Duration
	// Events that wait now, and the time of the oldest; -1: not known.
	Events int64
	Oldest time.Time
}

// Source tells what Kafka has of a flow.
type Source interface {
	Waiting(ctx context.Context, sandbox, flowID string) (Waiting, error)
}

// LetterCause is how many dead letters have a stage and reason.
type LetterCause struct {
	Stage, Reason string
	Count         int64
	First, Last   time.Time
	// Sample is the newest of them, with its values masked; nil where it cannot be read.
	Sample *LetterSample
}

// LetterSample is a dead letter that shows nobody's data.
type LetterSample struct {
	Topic     string // where its event was read
	Partition int
	Offset    int64
	At        time.Time       // when it failed
	Detail    string          // what failed
	Event     json.RawMessage // masked; nil where it cannot be decoded
}

// Letters are the dead letters of flows.
type Letters interface {
	Causes(ctx context.Context, sandbox, flowID string) ([]LetterCause, error)
}

// Noted is an entry of the journal: a change, or the refusal of one.
type Noted struct {
	Offset  int64
	At      time.Time
	By, Why string
	Applied bool
	Reason  string // of a refusal
	Docs    []NotedDoc
}

// NotedDoc is a document of a change. Secrets in it are sealed.
type NotedDoc struct {
	Key, Base, Etag string
	Doc             json.RawMessage // nil: it was deleted
}

// Audit is the journal, in order: as much of its newest part as is kept for pages.
type Audit interface {
	// Version is another one where the journal has grown; empty: not known.
	Version(ctx context.Context) string
	Notes(ctx context.Context, each func(Noted) error) error
}
