package journal

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Change is what somebody wants to be done, all of it or nothing.
type Change struct {
	Docs []Doc
	// Reads are versions that the change relies on.
	Reads   []Version
	By, Why string
	// Refused records an attempt that was refused before, and why. Of its documents
	// only the keys and bases are kept.
	Refused string
}

var (
	// ErrReadOnly says that no changes are taken, and nothing was written.
	ErrReadOnly = errors.New("the control plane is read-only")
	// ErrNotWritten says that the change could not be written, and will not happen.
	ErrNotWritten = errors.New("nothing was written")
	// ErrFull says that the store holds as much as it may. Documents can be deleted,
	// and made smaller.
	ErrFull = errors.New("the control plane's store is full")
	// ErrMayStillHappen says that it is not known whether the change was written, or
	// will be. Whoever made it looks at the documents, and tries again where it is not
	// there: with the same bases it cannot happen twice.
	ErrMayStillHappen = errors.New("the change may still happen")
)

// ConflictError says which versions are not the present ones. The change did not happen.
type ConflictError struct{ Differs []Differs }

func (c *ConflictError) Error() string {
	var keys []string
	for _, d := range c.Differs {
		keys = append(keys, d.Key)
	}
	return "changed meanwhile: " + strings.Join(keys, ", ")
}

// InvalidError says what is wrong with a change by itself.
type InvalidError struct{ err error }

func (i *InvalidError) Error() string { return i.err.Error() }
func (i *InvalidError) Unwrap() error { return i.err }

// Propose writes a change, and returns the etag that its documents have when it was
// read back. Other errors than *ConflictError, *InvalidError, ErrReadOnly and
// ErrNotWritten are ErrMayStillHappen, which comes after ten seconds, or when ctx ends.
func (s *Store) Propose(ctx context.Context, c Change) (string, error) {
	e := entry{V: format, By: c.By, Why: c.Why, Docs: c.Docs, Reads: c.Reads, Refused: c.Refused}
	if c.Refused != "" {
		e.Docs = nil
		for _, d := range c.Docs {
			e.Docs = append(e.Docs, Doc{Key: d.Key, Base: d.Base})
		}
	}
	if err := e.acceptable(); err != nil {
		return "", &InvalidError{err}
	}
	o, err := s.propose(ctx, e)
	switch {
	case err != nil:
		return "", err
	case o.verdict == Conflict:
		return "", &ConflictError{o.differs}
	case o.verdict == Applied, o.verdict == Refused:
		return etag(o.entry.Store, o.offset), nil
	}
	return "", fmt.Errorf("%w: it was judged as %s", ErrNotWritten, o.verdict)
}

// acceptable says what is wrong with a change that would be corrupt as an entry.
func (e *entry) acceptable() error {
	switch {
	case len(e.By) > maxText || len(e.Why) > maxText || len(e.Refused) > maxText:
		return fmt.Errorf("by, why and refused: must have at most %d bytes", maxText)
	}
	if err := validateChange(e.Docs, e.Reads, e.Refused != ""); err != nil {
		return err
	}
	record, err := e.encode()
	if err != nil {
		return err
	}
	if len(record) > MaxEntry {
		return fmt.Errorf("the change has %d bytes, and may have %d", len(record), MaxEntry)
	}
	return nil
}

// full is why a change may not be made for its size: it comes with ErrNotWritten. It
// is called with mu held.
func (s *Store) full(e *entry) error {
	if s.state == nil || e.Refused != "" {
		return nil
	}
	documents, bytes := 0, 0
	for _, d := range e.Docs {
		if i, there := find(s.state.docs, d.Key); there {
			documents, bytes = documents-1, bytes-len(s.state.docs[i].Body)
		}
		if !d.deletes() {
			documents, bytes = documents+1, bytes+len(d.Body)
		}
	}
	switch n, size := len(s.state.docs)+documents, s.state.bytes+bytes; {
	case documents > 0 && n > s.opts.MaxDocuments:
		return fmt.Errorf("%w: %w: %d documents, and it may have %d", ErrNotWritten, ErrFull, n, s.opts.MaxDocuments)
	case bytes > 0 && size > s.opts.MaxBytes:
		return fmt.Errorf("%w: %w: documents of %d bytes, and it may have %d", ErrNotWritten, ErrFull, size, s.opts.MaxBytes)
	}
	return nil
}
