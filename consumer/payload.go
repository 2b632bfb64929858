package consumer

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"

	"github.com/segmentio/kafka-go/compress"
)

// payload is what a batch's records are read from: all of them as bytes, or a
// window on a decompression that goes on.
type payload struct {
	window []byte        // not read yet
	stream io.ReadCloser // what follows; nil: nothing
	buffer []byte        // the window's, where it is not of what was fetched
	owned  bool          // the window is nobody else's
	cost   int64         // of the account
}

// open makes the records of src readable. A batch that is larger than is
// decompressed at once is decompressed as it is handed out.
func (p *payload) open(ctx context.Context, d *decoder, codec compress.Compression, src []byte) error {
	*p = payload{}
	if codec == compress.None {
		p.window = src
		return nil
	}
	plain, need, err := d.codecs.whole(codec, src, d.account.tryAcquire)
	if err == nil && plain == nil { // once more, when there is room
		if err := d.account.acquire(ctx, need); err != nil {
			return err
		}
		if plain, _, err = d.codecs.whole(codec, src, func(int64) bool { return true }); err != nil {
			d.account.release(need)
		}
	}
	if err == nil {
		p.window, p.buffer, p.owned, p.cost = plain, plain, true, need
		return nil
	}
	if !errors.Is(err, errNotWhole) {
		return err
	}
	cost := streamCost(codec, src)
	if most := d.account.budget.window() + streamCost(compress.None, nil); cost > most && codec == compress.Zstd {
		return errTooLarge{cost, most}
	}
	if err := d.account.acquire(ctx, cost); err != nil {
		return err
	}
	p.cost = cost
	if p.stream, err = d.codecs.stream(codec, src); err != nil {
		return err // close gives the cost back
	}
	p.buffer = make([]byte, streamBytes)
	return nil
}

// close gives back what the payload takes.
func (p *payload) close(a *account) {
	p.end()
	if p.cost > 0 {
		a.release(p.cost)
	}
	if p.owned { // parts were copied out of it
		a.budget.codecs.buffers.give(p.buffer)
	}
	*p = payload{}
}

func (p *payload) end() {
	if p.stream != nil {
		_ = p.stream.Close() // of what is in memory: there is nothing to lose
		p.stream = nil
	}
}

func (p *payload) pass(n int) { p.window = p.window[n:] }

// exactly tells whether n bytes are all of the payload, and may be given away.
func (p *payload) exactly(n int) bool {
	return p.owned && p.stream == nil && len(p.window) == n && int64(n)*2 >= p.cost
}

// giveAway leaves the payload's bytes, and their cost, to another.
func (p *payload) giveAway() int64 {
	cost := p.cost
	*p = payload{}
	return cost
}

// refill reads on behind the window.
func (p *payload) refill() error {
	if p.stream == nil {
		return io.ErrUnexpectedEOF
	}
	n := copy(p.buffer, p.window)
	had := n
	for empty := 0; n < len(p.buffer); {
		got, err := p.stream.Read(p.buffer[n:])
		n += got
		if errors.Is(err, io.EOF) {
			p.end()
			break
		}
		if err != nil {
			return err
		}
		if empty++; got > 0 {
			empty = 0
		}
		if empty > maxEmptyReads {
			return io.ErrNoProgress
		}
	}
	p.window = p.buffer[:n]
	if n == had {
		return io.ErrUnexpectedEOF
	}
	return nil
}

// maxEmptyReads is how often a decompression may give nothing, as bufio has it.
const maxEmptyReads = 100

// Read reads the window, then the stream.
func (p *payload) Read(b []byte) (int, error) {
	if len(p.window) > 0 {
		n := copy(b, p.window)
		p.window = p.window[n:]
		return n, nil
	}
	if p.stream == nil {
		return 0, io.EOF
	}
	return p.stream.Read(b)
}

// ReadByte is for varints.
func (p *payload) ReadByte() (byte, error) {
	if len(p.window) == 0 {
		if err := p.refill(); err != nil {
			return 0, err
		}
	}
	b := p.window[0]
	p.window = p.window[1:]
	return b, nil
}

// large takes a record of size bytes that is larger than a window: whole within
// the budget's largest, else what may be kept of it.
func (d *decoder) large(ctx context.Context, size int64) (*part, error) {
	if size > d.account.budget.largest {
		return d.beyond(ctx, size)
	}
	if err := d.account.acquire(ctx, size); err != nil {
		return nil, err
	}
	b, err := readGrowing(&d.payload, size, make([]byte, 0, min(size, partitionMaxBytes)))
	var rec record
	if err == nil {
		head, _, _ := recordSize(b)
		rec, err = d.batch.parseRecord(b[head:], d.above)
	}
	if err != nil {
		d.account.release(size)
		return nil, d.fault(ctx, err)
	}
	if rec.offset < d.position || d.batch.control() {
		d.account.release(size)
		if d.batch.control() {
			err = d.mark(&rec)
		}
		d.pass(&rec, 0)
		return nil, err
	}
	var omitted *Omitted
	if rec.count > maxHeaders {
		omitted = rec.omit()
	}
	cost := rec.cost()
	if err := d.account.acquire(ctx, cost); err != nil {
		d.account.release(size)
		return nil, err
	}
	return d.handOut([]Message{d.message(&rec, make([]Header, 0, rec.count), omitted)}, size+cost), nil
}

// beyond takes a record that is larger than is ever kept: its key, and the length
// and the digest of its value, which passes by; of a tombstone nothing.
func (d *decoder) beyond(ctx context.Context, size int64) (*part, error) {
	const cost = messageCost + slotCost + maxKept
	if err := d.account.acquire(ctx, cost); err != nil {
		return nil, err
	}
	rec, omitted, err := d.skim(ctx, size)
	if err == nil && rec.offset < d.position {
		d.account.release(cost)
		d.pass(&rec, 0)
		return nil, nil
	}
	if err != nil {
		d.account.release(cost)
		return nil, d.fault(ctx, err)
	}
	return d.handOut([]Message{d.message(&rec, nil, omitted)}, cost), nil
}

// skim reads a record of size bytes, its length included, without keeping it.
func (d *decoder) skim(ctx context.Context, size int64) (r record, o *Omitted, err error) {
	in := skimmer{payload: &d.payload, ctx: ctx, left: size}
	in.varint()
	_, _ = in.ReadByte() // its attributes mean nothing yet
	r.time = d.batch.first + in.varint()
	delta := in.varint()
	if n := in.varint(); n > maxKept {
		in.copy(io.Discard, n)
	} else if n >= 0 {
		var key bytes.Buffer
		in.copy(&key, n)
		r.key = key.Bytes()
	}
	if n := in.varint(); n >= 0 {
		o = &Omitted{Length: n}
		digest := sha256.New()
		in.copy(digest, n)
		digest.Sum(o.SHA256[:0])
	}
	in.copy(io.Discard, in.left) // its headers
	if r.offset, err = d.batch.offset(delta, d.above); in.err != nil {
		err = in.err
	}
	return r, o, err
}

// skimmer reads what is left of a record.
type skimmer struct {
	*payload
	ctx  context.Context // of the one record
	left int64
	err  error
}

// ReadByte reads no further than the record.
func (s *skimmer) ReadByte() (byte, error) {
	if s.left <= 0 {
		return 0, io.ErrUnexpectedEOF
	}
	s.left--
	return s.payload.ReadByte()
}

func (s *skimmer) varint() int64 {
	v, err := binary.ReadVarint(s)
	if err != nil && s.err == nil {
		s.err = err
	}
	return v
}

// copy passes n bytes on.
func (s *skimmer) copy(to io.Writer, n int64) {
	if n > s.left && s.err == nil {
		s.err = errLength
	}
	for n > 0 && s.err == nil {
		if s.err = s.ctx.Err(); s.err == nil {
			step := min(n, wholeBytes)
			_, s.err = io.CopyN(to, s.payload, step)
			n -= step
			s.left -= step
		}
	}
}

// growFactor is how much more is set aside than has come, of what is said to come.
const growFactor = 8

// readGrowing reads n bytes into b, and never sets aside much more than has come of them.
func readGrowing(r io.Reader, n int64, b []byte) ([]byte, error) {
	for int64(len(b)) < n {
		if len(b) == cap(b) {
			more := make([]byte, len(b), min(n, growFactor*int64(cap(b))))
			copy(more, b)
			b = more
		}
		got, err := io.ReadFull(r, b[len(b):min(int64(cap(b)), n)])
		b = b[:len(b)+got]
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return b, err
		}
	}
	return b, nil
}
