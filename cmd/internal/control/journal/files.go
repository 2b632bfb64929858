package journal

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// A journal in a file: a line says its format and the offset of the first record,
// then each record is a line of its checksum and its JSON. What was cut off while
// it was written has no end of line.
const (
	journalFile = "journal"
	lockFile    = "lock"
	fileHeader  = "kinesis-destination control journal 1 from "

	// readBytes is about what one Read returns.
	readBytes = 1 << 20
	pollWait  = 500 * time.Millisecond
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// ErrLocked says that another process has the store.
var ErrLocked = errors.New("another process has this store open")

// files is an appendLog in a folder.
type files struct {
	dir  string
	lock *os.File

	mu     sync.Mutex
	file   *os.File
	first  int64
	at     []int64 // where the line of each record begins; the last one is the end
	broken error   // what keeps it from being written
	grown  chan struct{}
}

// openFiles opens the journal of a folder, and makes both where they are not there
// and need not be.
func openFiles(dir string, existing bool, logger *slog.Logger) (*files, error) {
	if _, err := os.Stat(filepath.Join(dir, journalFile)); existing && errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", dir, ErrNoStore)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the store's folder: %w", err)
	}
	f := &files{dir: dir, grown: make(chan struct{})}
	if err := f.takeLock(); err != nil {
		return nil, err
	}
	if err := f.open(logger); err != nil {
		_ = f.lock.Close() // nothing was written to it
		return nil, err
	}
	return f, nil
}

func (f *files) takeLock() error {
	path := filepath.Join(f.dir, lockFile)
	lock, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("open the store's lock: %w", err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		who, _ := io.ReadAll(io.LimitReader(lock, 20)) // it only helps to find the other
		_ = lock.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return fmt.Errorf("%s: %w (process %s): end it, or use Kafka for more than one", f.dir, ErrLocked, strings.TrimSpace(string(who)))
		}
		return fmt.Errorf("lock %s: %w", path, err)
	}
	f.lock = lock
	if err := lock.Truncate(0); err != nil {
		return fmt.Errorf("write to %s: %w", path, err)
	}
	if _, err := lock.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0); err != nil {
		return fmt.Errorf("write to %s: %w", path, err)
	}
	return nil
}

func (f *files) open(logger *slog.Logger) error {
	path := filepath.Join(f.dir, journalFile)
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		if err := f.replace([]byte(header(0))); err != nil {
			return err
		}
	}
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("open the journal: %w", err)
	}
	f.file = file
	torn, err := f.index()
	if err == nil && torn > 0 {
		logger.Warn("cut off what was not written to its end: nobody was told that it was kept", "file", path, "bytes", torn)
		if err = file.Truncate(f.end()); err == nil {
			err = file.Sync()
		}
	}
	if err != nil {
		_ = file.Close() // it was only read
		return fmt.Errorf("read %s: %w", path, err)
	}
	return nil
}

func header(first int64) string { return fileHeader + strconv.FormatInt(first, 10) + "\n" }

// index finds where the records begin. torn is how many bytes a line without an end has.
func (f *files) index() (torn int64, err error) {
	in := bufio.NewReaderSize(io.NewSectionReader(f.file, 0, 1<<62), 1<<16)
	line, err := in.ReadString('\n')
	if err != nil {
		return 0, noFirstLine(line, err)
	}
	from, ours := strings.CutPrefix(strings.TrimSuffix(line, "\n"), fileHeader)
	if f.first, err = strconv.ParseInt(from, 10, 64); err != nil || !ours || f.first < 0 {
		return 0, errors.New("it does not begin as a journal of this format does")
	}
	at := int64(len(line))
	f.at = []int64{at}
	for {
		n, whole, err := lineLength(in)
		if err != nil {
			return 0, err
		}
		if !whole {
			return n, nil
		}
		at += n
		f.at = append(f.at, at)
	}
}

// lineLength passes by a line.
func lineLength(in *bufio.Reader) (n int64, whole bool, err error) {
	for {
		piece, err := in.ReadSlice('\n')
		n += int64(len(piece))
		switch {
		case err == nil:
			return n, true, nil
		case errors.Is(err, io.EOF):
			return n, false, nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return n, false, err
		}
	}
}

func (f *files) end() int64 { return f.at[len(f.at)-1] }

// Check implements appendLog: a file is as it was made.
func (f *files) Check(context.Context, bool) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.broken != nil {
		return &unfit{why: f.broken.Error()}
	}
	return nil
}

// Bounds implements appendLog.
func (f *files) Bounds(context.Context) (first, end int64, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.first, f.first + int64(len(f.at)) - 1, nil
}

// Read implements appendLog.
func (f *files) Read(ctx context.Context, from int64) ([]Record, error) {
	f.mu.Lock()
	grown, i := f.grown, from-f.first
	if i == int64(len(f.at))-1 {
		f.mu.Unlock()
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(pollWait):
			return nil, nil
		case <-grown:
		}
		f.mu.Lock()
		i = from - f.first
	}
	defer f.mu.Unlock()
	if i < 0 || i >= int64(len(f.at)) {
		return nil, errOutside
	}
	n := i
	for n < int64(len(f.at))-1 && (n == i || f.at[n+1]-f.at[i] <= readBytes) {
		n++
	}
	text := make([]byte, f.at[n]-f.at[i])
	if _, err := f.file.ReadAt(text, f.at[i]); err != nil {
		return nil, fmt.Errorf("read the journal: %w", err)
	}
	records := make([]Record, 0, n-i)
	for k := i; k < n; k++ {
		line := text[f.at[k]-f.at[i] : f.at[k+1]-f.at[i]-1]
		records = append(records, fromLine(f.first+k, line))
	}
	return records, nil
}

// sumLength is that of a checksum in a line, and the space behind it.
const sumLength = 8 + 1

func fromLine(offset int64, line []byte) Record {
	if len(line) < sumLength || line[sumLength-1] != ' ' {
		return Record{Offset: offset, Damage: errors.New("the line has no checksum")}
	}
	sum, err := strconv.ParseUint(string(line[:sumLength-1]), 16, 32)
	if err != nil || uint32(sum) != crc32.Checksum(line[sumLength:], castagnoli) {
		return Record{Offset: offset, Damage: errors.New("the line's checksum is not that of its text")}
	}
	return Record{Offset: offset, Value: line[sumLength:]}
}

func toLine(b *bytes.Buffer, record []byte) {
	fmt.Fprintf(b, "%08x %s\n", crc32.Checksum(record, castagnoli), record)
}

// Append implements appendLog.
func (f *files) Append(_ context.Context, _ []string, records [][]byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.broken != nil {
		return fmt.Errorf("%w: %w", errRefused, f.broken)
	}
	var text bytes.Buffer
	ends := make([]int64, 0, len(records))
	for _, r := range records {
		toLine(&text, r)
		ends = append(ends, f.end()+int64(text.Len()))
	}
	_, err := f.file.WriteAt(text.Bytes(), f.end())
	if err == nil {
		err = f.file.Sync()
	}
	if err != nil {
		return f.takeBack(fmt.Errorf("write to the journal: %w", err))
	}
	f.at = append(f.at, ends...)
	close(f.grown)
	f.grown = make(chan struct{})
	return nil
}

// takeBack makes sure that what failed to be written is not there. Where that is
// not known, nothing more is written: it is found out when the journal is opened.
func (f *files) takeBack(err error) error {
	undo := f.file.Truncate(f.end())
	if undo == nil {
		undo = f.file.Sync()
	}
	if undo != nil {
		f.broken = fmt.Errorf("%w; nor could it be undone: %w: see to the disk, and start again", err, undo)
		return f.broken
	}
	return fmt.Errorf("%w: %w", errNotYet, err)
}

// Truncate implements appendLog.
func (f *files) Truncate(_ context.Context, before int64) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	i := min(before-f.first, int64(len(f.at))-1)
	if i <= 0 {
		return nil
	}
	rest := make([]byte, f.end()-f.at[i])
	if _, err := f.file.ReadAt(rest, f.at[i]); err != nil {
		return fmt.Errorf("read the journal: %w", err)
	}
	head := header(f.first + i)
	if err := f.replace(append([]byte(head), rest...)); err != nil {
		return err
	}
	next, err := os.OpenFile(filepath.Join(f.dir, journalFile), os.O_RDWR, 0)
	if err != nil {
		f.broken = fmt.Errorf("open the journal that was made shorter: %w", err)
		return f.broken
	}
	_ = f.file.Close() // all of it was synced
	shift := f.at[i] - int64(len(head))
	at := make([]int64, 0, int64(len(f.at))-i)
	for _, was := range f.at[i:] {
		at = append(at, was-shift)
	}
	f.file, f.at, f.first = next, at, f.first+i
	return nil
}

// replace puts a file in the journal's place, all at once.
func (f *files) replace(text []byte) error {
	path := filepath.Join(f.dir, journalFile)
	next, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("write a journal: %w", err)
	}
	_, err = next.Write(text)
	if err == nil {
		err = next.Sync()
	}
	if closed := next.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err != nil {
		return fmt.Errorf("write a journal: %w", err)
	}
	folder, err := os.Open(f.dir)
	if err != nil {
		return fmt.Errorf("write a journal: %w", err)
	}
	if err := errors.Join(folder.Sync(), folder.Close()); err != nil {
		return fmt.Errorf("write a journal: %w", err)
	}
	return nil
}

// Close implements appendLog.
func (f *files) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.broken = errors.New("the journal is closed")
	return errors.Join(f.file.Close(), f.lock.Close())
}
