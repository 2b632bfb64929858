package consumer

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"kinesis-destination/consumer/connect"

	"github.com/segmentio/kafka-go/protocol"
)

// Exchanges of this package's own, for versions that kafka-go does not speak and
// answers that it reads amiss. A connection has one request under way.
const correlation = 1

// maxAnswer bounds an answer about topics, versions or offsets: 64 MiB are those
// of some 600,000 partitions.
const maxAnswer = 64 << 20

// flexibleRequest writes a request of a version with tagged fields (KIP-482).
func flexibleRequest(w io.Writer, key protocol.ApiKey, version int16, body []byte) error {
	b := make([]byte, 4, 32+len(body))
	b = binary.BigEndian.AppendUint16(b, uint16(key))
	b = binary.BigEndian.AppendUint16(b, uint16(version))
	b = binary.BigEndian.AppendUint32(b, correlation)
	b = binary.BigEndian.AppendUint16(b, uint16(len(connect.ClientID)))
	b = append(b, connect.ClientID...)
	b = append(b, noTags)
	b = append(b, body...)
	binary.BigEndian.PutUint32(b, uint32(len(b)-4))
	_, err := w.Write(b)
	return err
}

// readAnswer reads an answer of at most limit bytes, up to its header's end.
func readAnswer(r io.Reader, limit int64, flexible bool) (*wire, error) {
	var size [4]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return nil, err
	}
	n := int64(binary.BigEndian.Uint32(size[:]))
	if n > limit {
		return nil, fmt.Errorf("the answer has %d bytes, more than the %d that are read", n, limit)
	}
	// Read as it comes: nothing is set aside for a length that is not sent.
	var body bytes.Buffer
	if got, err := io.CopyN(&body, r, n); err != nil {
		return nil, fmt.Errorf("after %d of %d bytes: %w", got, n, err)
	}
	w := &wire{rest: body.Bytes()}
	if w.int32() != correlation {
		return nil, errors.New("the answer is that of another request")
	}
	if flexible {
		w.tags()
	}
	return w, nil
}

// wire reads the protocol's primitive types. What is missing reads as zero and
// is an error at the end.
type wire struct {
	rest  []byte
	short bool
}

func (w *wire) bytes(n int) []byte {
	if n < 0 || n > len(w.rest) {
		w.rest, w.short = nil, true
		return nil
	}
	b := w.rest[:n:n]
	w.rest = w.rest[n:]
	return b
}

func (w *wire) int16() int16 {
	if b := w.bytes(2); b != nil {
		return int16(binary.BigEndian.Uint16(b))
	}
	return 0
}

func (w *wire) int32() int32 {
	if b := w.bytes(4); b != nil {
		return int32(binary.BigEndian.Uint32(b))
	}
	return 0
}

// noTags is the end of a structure that has no tagged fields.
const noTags = 0

func appendCompact(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))+1), s...)
}

func (w *wire) uvarint() int {
	n, size := binary.Uvarint(w.rest)
	if size <= 0 || n > maxAnswer {
		w.rest, w.short = nil, true
		return 0
	}
	w.rest = w.rest[size:]
	return int(n)
}

// compactLength reads the length of a compact array or string; null is 0.
func (w *wire) compactLength() int { return max(0, w.uvarint()-1) }

func (w *wire) compactString() string { return string(w.bytes(w.compactLength())) }

// tags passes tagged fields by.
func (w *wire) tags() {
	for range w.uvarint() {
		w.uvarint()
		w.bytes(w.uvarint())
		if w.short {
			return
		}
	}
}
