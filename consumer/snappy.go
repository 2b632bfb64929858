package consumer

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/snappy"
)

const (
	// snappyWindow is how far back a block may refer: compressors work on 64 KiB at
	// a time, or on 4 MiB at most. Larger blocks are decoded piece by piece.
	snappyWindow = 4 << 20
	// snappyPiece is decoded of a larger block at a time.
	snappyPiece = 64 << 10
	// snappyRatio is above what the format can reach: 64 bytes of three.
	snappyRatio = 22
)

var (
	xerialMagic = []byte{0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0}

	errSnappy = errors.New("snappy: corrupt input")
)

// xerialHeader is the magic and two versions.
const xerialHeader = 16

// newSnappyReader reads what Kafka calls snappy: blocks in the framing of
// snappy-java (xerial), or one block alone.
func newSnappyReader(src []byte) *snappyReader {
	if len(src) >= xerialHeader && bytes.HasPrefix(src, xerialMagic) {
		return &snappyReader{src: src[xerialHeader:], framed: true}
	}
	return &snappyReader{src: src}
}

// snappyCost is what a reader of src may keep: the largest block, or windows.
func snappyCost(src []byte) int64 {
	largest := 0
	s := newSnappyReader(src)
	for len(s.src) > 0 {
		block, err := s.block()
		if err != nil {
			break
		}
		if size, err := snappy.DecodedLen(block); err == nil {
			largest = max(largest, size)
		}
	}
	if largest > snappyWindow {
		return 3 * snappyWindow
	}
	return int64(largest)
}

type snappyReader struct {
	src    []byte
	framed bool
	plain  []byte // of a block, not read yet
	room   []byte // where blocks are decoded
	pieces *snappyBlock
}

// Close is there for the interface alone.
func (*snappyReader) Close() error { return nil }

func (s *snappyReader) Read(p []byte) (int, error) {
	for len(s.plain) == 0 && s.pieces == nil {
		if len(s.src) == 0 {
			return 0, io.EOF
		}
		n, err := s.next(p)
		if n > 0 || err != nil {
			return n, err
		}
	}
	if s.pieces != nil {
		n, err := s.pieces.read(p)
		if errors.Is(err, io.EOF) {
			s.pieces, err = nil, nil
		}
		return n, err
	}
	n := copy(p, s.plain)
	s.plain = s.plain[n:]
	return n, nil
}

// block takes the next block off the source.
func (s *snappyReader) block() ([]byte, error) {
	block := s.src
	s.src = nil
	if !s.framed {
		return block, nil
	}
	if len(block) < 4 {
		return nil, io.ErrUnexpectedEOF
	}
	n := int64(binary.BigEndian.Uint32(block))
	if n > int64(len(block)-4) {
		return nil, io.ErrUnexpectedEOF
	}
	s.src = block[4+n:]
	return block[4 : 4+n], nil
}

// next begins the next block; one that fits p is decoded there.
func (s *snappyReader) next(p []byte) (int, error) {
	block, err := s.block()
	if err != nil {
		return 0, err
	}
	size, err := snappy.DecodedLen(block)
	switch {
	case err != nil:
		return 0, err
	case int64(size) > int64(len(block))*snappyRatio:
		return 0, fmt.Errorf("%w: %d bytes are said to become %d", errSnappy, len(block), size)
	case size <= len(p):
		plain, err := snappy.Decode(p[:0:len(p)], block)
		return len(plain), err
	case size > snappyWindow:
		_, head := binary.Uvarint(block)
		s.pieces = &snappyBlock{src: block[head:], left: size}
		return 0, nil
	}
	s.room, err = snappy.Decode(s.room[:cap(s.room)], block)
	s.plain = s.room
	return 0, err
}

// snappyBlock decodes a large block piece by piece. Format: google/snappy,
// format_description.txt.
type snappyBlock struct {
	src     []byte
	left    int    // bytes that are to come
	literal int    // of them, of the literal at hand
	out     []byte // what may be referred to, and what is not read yet
	at      int    // of out, what is read
}

// read gives some of the block, io.EOF after all of it.
func (s *snappyBlock) read(p []byte) (int, error) {
	for s.at == len(s.out) {
		if s.left == 0 {
			return 0, io.EOF
		}
		if s.out == nil {
			s.out = make([]byte, 0, 2*snappyWindow)
		}
		if len(s.out)+2*snappyPiece > cap(s.out) {
			kept := copy(s.out, s.out[len(s.out)-snappyWindow:])
			s.out, s.at = s.out[:kept], kept
		}
		for s.left > 0 && len(s.out)-s.at < snappyPiece {
			if err := s.element(); err != nil {
				return 0, err
			}
		}
	}
	n := copy(p, s.out[s.at:])
	s.at += n
	return n, nil
}

// element decodes a copy, or some of a literal.
func (s *snappyBlock) element() error {
	if s.literal > 0 {
		n := min(s.literal, snappyPiece)
		if n > len(s.src) || n > s.left {
			return errSnappy
		}
		s.out = append(s.out, s.src[:n]...)
		s.src = s.src[n:]
		s.literal -= n
		s.left -= n
		return nil
	}
	if len(s.src) == 0 {
		return errSnappy
	}
	kind, more := s.src[0]&3, int(s.src[0]>>2)
	tag := [...]int{1, 2, 3, 5}[kind]
	if kind == 0 && more >= 60 {
		tag += more - 59
	}
	if len(s.src) < tag {
		return errSnappy
	}
	var number [4]byte
	copy(number[:], s.src[1:tag])
	n := int(binary.LittleEndian.Uint32(number[:]))
	length, offset := more+1, n
	switch {
	case kind == 0 && more >= 60:
		length = n + 1
	case kind == 1:
		length, offset = more&7+4, int(s.src[0]>>5)<<8|n
	}
	s.src = s.src[tag:]
	if kind == 0 {
		s.literal = length
		return nil
	}
	if offset == 0 || offset > len(s.out) || length > s.left {
		return errSnappy
	}
	for range length { // what is copied may overlap what it is copied to
		s.out = append(s.out, s.out[len(s.out)-offset])
	}
	s.left -= length
	return nil
}
