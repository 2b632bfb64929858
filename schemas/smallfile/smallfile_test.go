package smallfile

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

func TestAFileIsReadUpToItsLimit(t *testing.T) {
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, []byte("12345"), 0o600); err != nil {
		t.Fatal(err)
	}
	if text, err := Read(name, 5); err != nil || string(text) != "12345" {
		t.Errorf("%q %v", text, err)
	}
	for _, file := range []string{name, "/dev/zero"} {
		var large *TooLargeError
		if _, err := Read(file, 4); !errors.As(err, &large) || err.Error() != "is larger than 4 bytes" {
			t.Errorf("%s: %v", file, err)
		}
	}
	if text, err := Read("/dev/null", 4); err != nil || len(text) > 0 {
		t.Errorf("/dev/null: %q %v", text, err)
	}
	if _, err := Read(t.TempDir(), 4); !errors.Is(err, syscall.EISDIR) {
		t.Errorf("a folder: %v", err)
	}
}

func pipe(t *testing.T) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(name, 0o600); err != nil {
		t.Skip("no pipes here:", err)
	}
	return name
}

// TestAPipeIsReadToItsEnd: secrets come out of pipes, whose writer may begin later.
func TestAPipeIsReadToItsEnd(t *testing.T) {
	name := pipe(t)
	written := make(chan error, 1)
	go func() {
		w, err := os.OpenFile(name, os.O_WRONLY, 0) // waits for the reader
		for range 3 {
			if err == nil {
				_, err = w.WriteString("part ")
			}
		}
		written <- errors.Join(err, w.Close())
	}()
	if text, err := read(name, 100, time.Minute); err != nil || string(text) != "part part part " {
		t.Errorf("%q %v", text, err)
	}
	if err := <-written; err != nil {
		t.Error(err)
	}
}

// TestAPipeWithoutAWriterIsGivenUp: opening one waited for ever, which SIGTERM could not end.
func TestAPipeWithoutAWriterIsGivenUp(t *testing.T) {
	if _, err := read(pipe(t), 100, 3*writerTime); !errors.Is(err, ErrSilentPipe) {
		t.Errorf("without a writer: %v", err)
	}
	name := pipe(t)
	w, err := os.OpenFile(name, os.O_RDWR, 0) // does not wait
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = w.Close() }()
	if _, err := w.WriteString("no end"); err != nil {
		t.Fatal(err)
	}
	if _, err := read(name, 100, 3*writerTime); !errors.Is(err, ErrSilentPipe) {
		t.Errorf("without an end: %v", err)
	}
}
