package status

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"kinesis-destination/cmd/internal/control/topic"
)

// The records of one machine are lines of a file: a checksum, and the record as JSON. A
// line that was cut off, or is damaged, is passed over: it is told anew. The file is
// written anew when most of it is of earlier records.
const (
	fileName  = "status"
	fileWait  = 500 * time.Millisecond
	fileSlack = 1 << 20
	// maxLine is more than the largest record takes in JSON.
	maxLine = 4 << 20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// line is a record in the file; no value: a tombstone.
type line struct {
	Key   string          `json:"key"`
	Value json.RawMessage `json:"value,omitempty"`
}

// file keeps records in a folder, of one process.
type file struct {
	path string

	mu      sync.Mutex
	f       *os.File
	live    map[string]int // length of the line that counts, by key
	size    int
	arrived []topic.Record // not read yet
	grown   chan struct{}  // holds one when there are
}

func openFile(dir string) (*file, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the store's folder: %w", err)
	}
	l := &file{path: filepath.Join(dir, fileName), live: map[string]int{}, grown: make(chan struct{}, 1)}
	var err error
	if l.f, err = os.OpenFile(l.path, os.O_RDWR|os.O_CREATE, 0o600); err != nil {
		return nil, fmt.Errorf("open the status file: %w", err)
	}
	if err := syscall.Flock(int(l.f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: another process has it open: end it, or use Kafka for more than one: %w", l.path, err), l.f.Close())
	}
	if err := l.load(); err != nil {
		return nil, errors.Join(fmt.Errorf("read %s: %w", l.path, err), l.f.Close())
	}
	return l, nil
}

// load reads the lines that are whole.
func (l *file) load() error {
	info, err := l.f.Stat()
	if err != nil {
		return err
	}
	in := bufio.NewScanner(l.f)
	in.Buffer(nil, maxLine)
	for in.Scan() {
		length := len(in.Bytes()) + 1
		if l.size+length > int(info.Size()) { // its end is missing
			break
		}
		l.size += length
		if record, ok := fromLine(in.Bytes()); ok {
			l.keep(record, length)
			l.arrived = append(l.arrived, record)
		}
	}
	if err := in.Err(); err != nil && !errors.Is(err, bufio.ErrTooLong) { // what is behind is told anew
		return err
	}
	return l.f.Truncate(int64(l.size))
}

func (l *file) keep(r topic.Record, length int) {
	if r.Value == nil {
		delete(l.live, string(r.Key))
	} else {
		l.live[string(r.Key)] = length
	}
}

func fromLine(text []byte) (topic.Record, bool) {
	head, body, ok := bytes.Cut(text, []byte(" "))
	want, err := strconv.ParseUint(string(head), 16, 32)
	if !ok || err != nil || uint32(want) != crc32.Checksum(body, castagnoli) {
		return topic.Record{}, false
	}
	var one line
	if json.Unmarshal(body, &one) != nil {
		return topic.Record{}, false
	}
	return topic.Record{Key: []byte(one.Key), Value: one.Value}, true
}

func toLine(r topic.Record) ([]byte, error) {
	body, err := json.Marshal(line{string(r.Key), r.Value})
	if err != nil {
		return nil, err
	}
	return fmt.Appendf(nil, "%08x %s\n", crc32.Checksum(body, castagnoli), body), nil
}

// Check implements shared: a file is as it was made.
func (l *file) Check(context.Context) error { return nil }

// Read implements shared.
func (l *file) Read(ctx context.Context) (arrived, error) {
	select {
	case <-ctx.Done():
		return arrived{}, ctx.Err()
	case <-l.grown:
	case <-time.After(fileWait):
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	a := arrived{records: l.arrived, whole: true}
	l.arrived = nil
	return a, nil
}

// Append implements shared. It does not await the disk: what is lost with power is told
// anew, or was an hour's last half minute.
func (l *file) Append(_ context.Context, records []topic.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var text []byte
	lengths := make([]int, len(records))
	for i, r := range records {
		one, err := toLine(r)
		if err != nil {
			return fmt.Errorf("write to %s: %w", l.path, err)
		}
		text, lengths[i] = append(text, one...), len(one)
	}
	if _, err := l.f.WriteAt(text, int64(l.size)); err != nil {
		return fmt.Errorf("write to %s: %w", l.path, errors.Join(err, l.f.Truncate(int64(l.size))))
	}
	l.size += len(text)
	for i, r := range records {
		l.keep(r, lengths[i])
	}
	l.arrived = append(l.arrived, records...)
	select {
	case l.grown <- struct{}{}:
	default:
	}
	return l.shorten()
}

// shorten writes the file anew, when most of it is of records that others followed.
func (l *file) shorten() error {
	live := 0
	for _, n := range l.live {
		live += n
	}
	if l.size <= 2*live+fileSlack {
		return nil
	}
	last, err := l.last()
	if err != nil {
		return fmt.Errorf("read %s: %w", l.path, err)
	}
	next, err := os.OpenFile(l.path+".new", os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("write %s anew: %w", l.path, err)
	}
	out, size := bufio.NewWriter(next), 0
	for _, text := range last {
		size += len(text) + 1
		_, _ = out.Write(text) // Flush has the error
		_ = out.WriteByte('\n')
	}
	err = errors.Join(out.Flush(), syscall.Flock(int(next.Fd()), syscall.LOCK_EX|syscall.LOCK_NB))
	if err == nil {
		err = os.Rename(l.path+".new", l.path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write %s anew: %w", l.path, err), next.Close())
	}
	_ = l.f.Close() // it is no longer the file
	l.f, l.size = next, size
	return nil
}

// last are the lines that count, by key.
func (l *file) last() (map[string][]byte, error) {
	in := bufio.NewScanner(io.NewSectionReader(l.f, 0, int64(l.size)))
	in.Buffer(nil, maxLine)
	last := map[string][]byte{}
	for in.Scan() {
		if record, ok := fromLine(in.Bytes()); ok && record.Value != nil {
			last[string(record.Key)] = bytes.Clone(in.Bytes())
		} else if ok {
			delete(last, string(record.Key))
		}
	}
	return last, in.Err()
}

// Close implements shared.
func (l *file) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return errors.Join(l.f.Sync(), l.f.Close())
}
