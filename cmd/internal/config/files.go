package config

import (
	"bytes"
	"errors"
	"io"
	"os"

	"kinesis-destination/schemas/smallfile"
)

// maxValueBytes is what a file:// value may have: a secret of Kafka or AWS has
// some thousand bytes at most, a token included.
const maxValueBytes = 64 << 10

// byteOrderMark begins files that some editors write as UTF-8.
var byteOrderMark = []byte("\ufeff")

// maxEventBytes is what all events may have that are read at a time.
const maxEventBytes = 64 << 20

// ReadEvent reads one event, or message, of a file; of stdin where name is "-".
func ReadEvent(name string, stdin io.Reader) ([]byte, error) {
	if name == "-" {
		return readAll(stdin, maxEventBytes)
	}
	text, err := smallfile.Read(name, maxEventBytes)
	if err != nil {
		return nil, errors.New(plainPathError(name, err))
	}
	return text, nil
}

// readAll reads what there is, up to a limit.
func readAll(r io.Reader, limit int) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(r, int64(limit)+1))
	if err == nil && len(text) > limit {
		return nil, &smallfile.TooLargeError{Limit: limit}
	}
	return text, err
}

// readValue is what a file says that holds one value: neither the end of its last
// line nor a byte order mark is a part of it.
func readValue(file string) (string, error) {
	content, err := smallfile.Read(file, maxValueBytes)
	if err != nil {
		return "", err
	}
	content = bytes.TrimPrefix(content, byteOrderMark)
	if bytes.HasPrefix(content, []byte("\xff\xfe")) || bytes.HasPrefix(content, []byte("\xfe\xff")) {
		return "", errors.New("is UTF-16: save it as UTF-8")
	}
	return string(bytes.TrimRight(content, "\r\n")), nil
}

// plainPathError is err, of reading a file, without the name of the system call.
func plainPathError(file string, err error) string { return file + ": " + bareError(err) }

// bareError is err without the file and the name of the system call.
func bareError(err error) string {
	if at, ok := errors.AsType[*os.PathError](err); ok {
		return at.Err.Error()
	}
	return err.Error()
}
