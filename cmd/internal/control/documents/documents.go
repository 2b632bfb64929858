package documents

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"kinesis-destination/transform"
)

// The kinds of documents; a key begins with one.
const (
	Connections       = "connections"
	SourceConnections = "sourceConnections"
	TargetConnections = "targetConnections"
	Flows             = "flows"
	Policies          = "governance/policies"
	MarketingActions  = "governance/marketingActions"
	Settings          = "governance/settings"
	// Jobs are what was done for flows last, by the flows' ids: the audit has all of it.
	Jobs = "jobs"
)

// AllGovernance stands for the version of all policies, marketing actions and
// settings: it changes with each of them.
const AllGovernance = "@governance"

// AllFlows stand for the versions of what policies judge.
var AllFlows = []string{"@" + Flows, "@" + SourceConnections, "@" + TargetConnections}

// Group stands for the version of all documents whose keys have the first part in
// common.
func Group(key string) string {
	first, _, _ := strings.Cut(key, "/")
	return "@" + first
}

// Key is where a document is kept.
func Key(kind, sandbox, id string) string { return kind + "/" + sandbox + "/" + id }

// Prefix is what the keys of a kind begin with in a sandbox.
func Prefix(kind, sandbox string) string { return kind + "/" + sandbox + "/" }

// ID is a key's last part.
func ID(key string) string { return key[strings.LastIndexByte(key, '/')+1:] }

// Entry is a document as it is kept.
type Entry struct {
	Key  string
	Etag string
	Doc  json.RawMessage
}

// Reader looks documents up in one state of all of them.
type Reader interface {
	// Get returns a document, if there is one.
	Get(key string) (Entry, bool)
	// List returns the documents whose keys begin with prefix, in the order of keys.
	List(prefix string) []Entry
	// Version returns the version of all documents of a group.
	Version(group string) string
}

// View is a state, and how fresh it is.
type View struct {
	Reader
	// Stale says why this may not be the newest state; empty where it is.
	Stale string
}

// Store keeps documents.
type Store interface {
	// View returns the newest state that can be had within a moment.
	View(ctx context.Context) (View, error)
	// Propose asks for a change and returns the version of all documents that it made.
	Propose(ctx context.Context, change Change) (etag string, err error)
}

// Change is what is to happen to documents, all or nothing.
type Change struct {
	By     string // who asks
	Why    string // the call, in few words
	Writes []Write
	Reads  []Read
	// Refused, if set, says why nothing is to happen: the attempt is only noted.
	Refused string
	// Status is the status that a refused attempt was answered with.
	Status int
}

// Write replaces a document.
type Write struct {
	Key  string
	Base string          // the version that it replaces; empty: there is none yet
	Doc  json.RawMessage // nil: it is deleted
}

// Read is what was looked at to decide about a change.
type Read struct {
	Key  string // of a document, or a group
	Etag string // empty: there was none
}

// Conflict refuses a change: a version is another one by now.
type Conflict struct {
	Key  string
	Etag string // the present one
}

// Error names the document.
func (c *Conflict) Error() string { return fmt.Sprintf("%s has changed meanwhile", c.Key) }

// ErrOutcomeUnknown is wrapped where a change may still happen.
var ErrOutcomeUnknown = errors.New("the change may still happen")

// ErrNotWritten is wrapped where a change was not written and will not happen.
var ErrNotWritten = errors.New("nothing was written")

// ErrFull is wrapped where the store has no room for a change; the error says how much there is.
var ErrFull = errors.New("the store of the control plane is full")

// ErrReadOnly is wrapped where no change is taken now; the error says why.
var ErrReadOnly = errors.New("the control plane is read-only")

// Decode reads a document into a struct. It was written by this program, or a later
// one, whose further fields are passed over.
func Decode(e Entry, to any) error {
	if err := json.Unmarshal(e.Doc, to); err != nil {
		return fmt.Errorf("document %s: %w", e.Key, err)
	}
	return nil
}

// PolicySet is the policies of a sandbox, as a destination's governance block has
// them.
type PolicySet struct {
	Custom  transform.Catalog
	Enabled []string // core policies
}

// With is a state as it would be after writes.
func With(v Reader, writes ...Write) Reader { return changed{v, writes} }

type changed struct {
	Reader
	writes []Write
}

// Get implements Reader.
func (c changed) Get(key string) (Entry, bool) {
	for _, w := range c.writes {
		if w.Key == key {
			return Entry{Key: key, Etag: w.Base, Doc: w.Doc}, w.Doc != nil
		}
	}
	return c.Reader.Get(key)
}

// List implements Reader.
func (c changed) List(prefix string) []Entry {
	var list []Entry
	for _, e := range c.Reader.List(prefix) {
		if !slices.ContainsFunc(c.writes, func(w Write) bool { return w.Key == e.Key }) {
			list = append(list, e)
		}
	}
	for _, w := range c.writes {
		if w.Doc != nil && strings.HasPrefix(w.Key, prefix) {
			list = append(list, Entry{Key: w.Key, Etag: w.Base, Doc: w.Doc})
		}
	}
	slices.SortFunc(list, func(a, b Entry) int { return strings.Compare(a.Key, b.Key) })
	return list
}
