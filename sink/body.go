package sink

import (
	"context"
	"io"
	"net"
	"sync/atomic"
	"time"
)

// writeAtOnce is how much of a body is written between two looks at the clock.
const writeAtOnce = 64 << 10

// body is a request's as the transport reads it. A process that was stopped for a
// while finds the deadline passed when it goes on, and writes no more than what it had
// begun with, of writeAtOnce bytes at most: its successor may be writing already.
type body struct {
	data     []byte
	deadline time.Time
	at       atomic.Int64
	repeated atomic.Bool
}

func newBody(ctx context.Context, data []byte) *body {
	b := &body{data: data}
	b.deadline, _ = ctx.Deadline()
	return b
}

// again implements Request.GetBody. The transport asks for another body only if
// nothing of the first was written, so this repeats nothing.
func (b *body) again() (io.ReadCloser, error) {
	b.repeated.Store(true)
	return &body{data: b.data, deadline: b.deadline}, nil
}

// done says that nobody reads the data any more.
func (b *body) done() bool {
	return !b.repeated.Load() && b.at.Load() == int64(len(b.data))
}

// next is what may be written now, of at most so many bytes.
func (b *body) next(most int) ([]byte, error) {
	left := b.data[b.at.Load():]
	if len(left) == 0 {
		return nil, io.EOF // also after the deadline: nothing more is written
	}
	if !b.deadline.IsZero() && time.Now().After(b.deadline) {
		return nil, errTooLate
	}
	return left[:min(len(left), most)], nil
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	data, err := b.next(len(p))
	n := copy(p, data)
	b.at.Add(int64(n))
	return n, err
}

// writeTo writes what is left of the body. What a writer has not given back yet
// counts as not read.
func (b *body) writeTo(w io.Writer) (written int64, err error) {
	for {
		data, err := b.next(writeAtOnce)
		if err == io.EOF { //nolint:errorlint // it is next's own
			return written, nil
		}
		if err != nil {
			return written, err
		}
		n, err := w.Write(data)
		written += int64(n)
		if err != nil {
			return written, err
		}
		b.at.Add(int64(n))
	}
}

// Close implements io.Closer. What is closed is not empty: the transport may be
// reading it, and would call a stored request failed (aws-sdk-go-v2 #2737).
func (*body) Close() error { return nil }

// bodyConn takes bodies without a copy. net/http would make one through a buffer of
// 32 KB that it allocates for each call, a fifth of a process's garbage.
type bodyConn struct{ net.Conn }

// ReadFrom implements io.ReaderFrom, by which net/http's transport sends what of a
// request does not fit the buffer with its header.
func (c bodyConn) ReadFrom(r io.Reader) (int64, error) {
	if limited, ok := r.(*io.LimitedReader); ok {
		if b, ok := limited.R.(*body); ok && limited.N == int64(len(b.data))-b.at.Load() {
			return b.writeTo(c.Conn)
		}
	}
	return io.Copy(c.Conn, r)
}
