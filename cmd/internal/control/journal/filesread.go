package journal

import (
	"context"
	"errors"
	"fmt"
	"io"
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

// noFirstLine says why a journal has no first line, and what to do.
func noFirstLine(line string, err error) error {
	switch {
	case !errors.Is(err, io.EOF):
		return fmt.Errorf("its first line: %w", err)
	case line != "":
		return errors.New("it ends within its first line: put it back from a backup, or an export into another folder with 'control import'")
	}
	return errors.New("the file is empty, and a journal never is: something has emptied it, or its disk has lost it. " +
		"Put it back from a backup, or an export into another folder with 'control import'; delete the file only to begin without any document")
}

// Append implements appendLog.
func (f *filesRead) Append(context.Context, []string, [][]byte) error {
	return fmt.Errorf("%w: it was opened to be read", errRefused)
}

// Truncate implements appendLog.
func (f *filesRead) Truncate(context.Context, int64) error { return nil }

// Close implements appendLog.
func (f *filesRead) Close() error { return f.file.Close() }
