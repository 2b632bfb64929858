// Package smallfile reads the files that a user names: configuration, schemas, secrets, keys. A name may be a mistake,
// or that of a device or a pipe: what is read is bounded, and so is the time that is waited for it.
package smallfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
	"time"
)

// pipeTime is how long what a pipe gives is waited for. A process is given 30 s to end by Kubernetes, of which 15 s are
// spoken for by what is in flight: a pipe that gives nothing may not take more than what is left.
const pipeTime = 10 * time.Second

// writerTime is how often it is looked whether a pipe has a writer by now.
const writerTime = 20 * time.Millisecond

// TooLargeError says that a file has more bytes than any that could be meant.
type TooLargeError struct{ Limit int }

func (e *TooLargeError) Error() string { return fmt.Sprintf("is larger than %d bytes", e.Limit) }

// ErrSilentPipe says that a pipe, or a device, has not come to its end in time.
var ErrSilentPipe = errors.New("is a pipe or device that gave nothing, or no end, within " + pipeTime.String())

// Read reads a file of at most limit bytes.
func Read(name string, limit int) ([]byte, error) { return read(name, limit, pipeTime) }

func read(name string, limit int, patience time.Duration) ([]byte, error) {
	// Opening a pipe waits for its writer, and cannot be ended, unless it is told not to block.
	file, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // it was only read
	deadline := time.Now().Add(patience)
	_ = file.SetReadDeadline(deadline) // regular files have none, and need none
	for {
		text, err := io.ReadAll(io.LimitReader(file, int64(limit)+1))
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return nil, ErrSilentPipe
		case err != nil:
			return nil, err
		case len(text) > limit:
			return nil, &TooLargeError{limit}
		case len(text) > 0 || !isPipe(file):
			return text, nil
		}
		// An end before the first byte: nothing has opened the pipe for writing yet.
		if !time.Now().Before(deadline) {
			return nil, ErrSilentPipe
		}
		<-time.After(writerTime)
	}
}

func isPipe(file *os.File) bool {
	info, err := file.Stat()
	return err == nil && info.Mode()&fs.ModeNamedPipe != 0
}
