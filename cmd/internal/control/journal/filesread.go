package journal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// filesRead is the journal of a folder as it is when it is opened, to be read beside the
// process that has it: a backup needs no stop. What is not written to its end is left out.
type filesRead struct{ *files }

// openFilesRead opens what is there; nothing is locked, made or cut off.
func openFilesRead(dir string) (*filesRead, error) {
	path := filepath.Join(dir, journalFile)
	file, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", dir, ErrNoStore)
	}
	if err != nil {
		return nil, fmt.Errorf("open the journal: %w", err)
	}
	f := &files{dir: dir, file: file, grown: make(chan struct{})}
	if _, err := f.index(); err != nil {
		_ = file.Close() // it was only read
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return &filesRead{f}, nil
}

// Append implements appendLog.
func (f *filesRead) Append(context.Context, []string, [][]byte) error {
	return fmt.Errorf("%w: it was opened to be read", errRefused)
}

// Truncate implements appendLog.
func (f *filesRead) Truncate(context.Context, int64) error { return nil }

// Close implements appendLog.
func (f *filesRead) Close() error { return f.file.Close() }
