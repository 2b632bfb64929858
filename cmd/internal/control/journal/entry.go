package journal

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	// format is the version of entries that this package writes. Whatever changes
	// how an entry is judged is another format: readers of this one stop there.
	format = 1
	// MaxEntry bounds what a change may take, in bytes: with its batch it stays
	// below a broker's default of message.max.bytes, 1,048,588.
	MaxEntry = 900_000
	// maxRecord bounds a part of a checkpoint: a document of the largest size, and
	// what is kept beside it.
	maxRecord = MaxEntry + 64_000

	maxKey  = 500
	maxText = 1_000 // who and why
	maxID   = 64
	// maxDocs bounds the documents and reads of one change.
	maxDocs = 1_000
)

// entry is what stands in the log, format 1.
type entry struct {
	V       int       `json:"v"`
	ID      string    `json:"id"`
	Store   string    `json:"store"`
	At      time.Time `json:"at"`
	By      string    `json:"by,omitempty"`
	Why     string    `json:"why,omitempty"`
	Prev    *place    `json:"prev,omitempty"`
	Docs    []Doc     `json:"docs,omitempty"`
	Reads   []Version `json:"reads,omitempty"`
	Refused string    `json:"refused,omitempty"`
	// Founds: the entry gives the log its store id.
	Founds     bool  `json:"founds,omitempty"`
	Checkpoint *part `json:"checkpoint,omitempty"`
}

// place is an entry that the writer had read.
type place struct {
	Offset int64  `json:"offset"`
	ID     string `json:"id"`
}

// Doc is what a change makes of a document.
type Doc struct {
	Key string `json:"key"`
	// Base is the etag of the version that is replaced; empty: there is none.
	Base string `json:"base"`
	// Body is the new version, a JSON object; nil: the document is deleted.
	Body json.RawMessage `json:"doc"`
}

func (d *Doc) deletes() bool { return len(d.Body) == 0 || string(d.Body) == "null" }

// Version is one that the writer of a change relied on, and did not replace.
type Version struct {
	// Key is a document's, or @NAME: all documents whose keys begin with NAME/.
	Key  string `json:"key"`
	Etag string `json:"etag"`
}

var (
	errForeign = errors.New("no entry of this journal")
	errCorrupt = errors.New("a damaged entry")
)

// newID makes up an id of 128 random bits.
func newID() string { return rand.Text() }

// parse reads a record. Errors are errForeign or errCorrupt; an entry of a newer
// format comes with its version alone.
func parse(record []byte) (*entry, error) {
	var mark struct {
		V  *int    `json:"v"`
		ID *string `json:"id"`
	}
	if err := json.Unmarshal(record, &mark); err != nil || mark.V == nil || mark.ID == nil {
		return nil, errForeign
	}
	switch {
	case *mark.V > format:
		return &entry{V: *mark.V, ID: *mark.ID}, nil
	case *mark.V != format:
		return nil, fmt.Errorf("%w: format %d", errCorrupt, *mark.V)
	case len(record) > maxRecord:
		return nil, fmt.Errorf("%w: %d bytes", errCorrupt, len(record))
	}
	e := new(entry)
	// What a reader does not know it could not judge as others do.
	strict := json.NewDecoder(bytes.NewReader(record))
	strict.DisallowUnknownFields()
	if err := strict.Decode(e); err != nil {
		return nil, fmt.Errorf("%w: %w", errCorrupt, err)
	}
	if _, err := strict.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w: something follows it", errCorrupt)
	}
	if err := e.validate(); err != nil {
		return nil, fmt.Errorf("%w: %w", errCorrupt, err)
	}
	return e, nil
}

// validate says what is wrong with an entry's form. It must stay as it is for
// format 1: each reader judges by it.
func (e *entry) validate() error {
	switch {
	case e.ID == "" || len(e.ID) > maxID:
		return fmt.Errorf("id: must have 1 to %d bytes", maxID)
	case e.Store == "" || len(e.Store) > maxID || strings.Contains(e.Store, "-"):
		return fmt.Errorf("store: must have 1 to %d bytes without -", maxID)
	case len(e.By) > maxText || len(e.Why) > maxText || len(e.Refused) > maxText:
		return fmt.Errorf("by, why and refused: must have at most %d bytes", maxText)
	case e.Founds:
		if e.Prev != nil || len(e.Docs) > 0 || len(e.Reads) > 0 || e.Checkpoint != nil || e.Refused != "" {
			return errors.New("founds: must stand alone")
		}
		return nil
	case e.Prev == nil:
		return errors.New("prev: is required")
	case e.Checkpoint != nil:
		if len(e.Docs) > 0 || len(e.Reads) > 0 || e.Refused != "" {
			return errors.New("checkpoint: must stand alone")
		}
		return e.Checkpoint.validate()
	}
	return validateChange(e.Docs, e.Reads, e.Refused != "")
}

func validateChange(docs []Doc, reads []Version, refused bool) error {
	if len(docs) == 0 && !refused {
		return errors.New("docs: must name a document")
	}
	if len(docs)+len(reads) > maxDocs {
		return fmt.Errorf("docs and reads: must be at most %d", maxDocs)
	}
	seen := make(map[string]bool, len(docs))
	for _, d := range docs {
		if err := validKey(d.Key); err != nil {
			return err
		}
		if seen[d.Key] {
			return fmt.Errorf("docs: %s is there twice", d.Key)
		}
		seen[d.Key] = true
		if !refused && !d.deletes() && (d.Body[0] != '{' || !json.Valid(d.Body)) {
			return fmt.Errorf("docs: %s must be a JSON object", d.Key)
		}
		if !refused && d.deletes() && d.Base == "" {
			return fmt.Errorf("docs: %s is deleted without a base", d.Key)
		}
	}
	for _, r := range reads {
		key := r.Key
		if name, all := strings.CutPrefix(key, "@"); all {
			key = name + "/all"
		}
		if err := validKey(key); err != nil {
			return err
		}
	}
	return nil
}

// validKey: NAME/REST, so that @NAME can mean all documents of a kind.
func validKey(key string) error {
	name, rest, ok := strings.Cut(key, "/")
	if !ok || name == "" || rest == "" || strings.HasPrefix(name, "@") || len(key) > maxKey || !utf8.ValidString(key) {
		return fmt.Errorf("key: must be NAME/REST of at most %d bytes", maxKey)
	}
	return nil
}

// encode writes an entry as it stands in the log, on one line.
func (e *entry) encode() ([]byte, error) {
	var b bytes.Buffer
	out := json.NewEncoder(&b)
	out.SetEscapeHTML(false)
	if err := out.Encode(e); err != nil {
		return nil, fmt.Errorf("encode an entry: %w", err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
