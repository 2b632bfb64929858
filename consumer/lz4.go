package consumer

import (
	"encoding/binary"
	"math/bits"

	"github.com/pierrec/lz4/v4"
)

// An LZ4 frame of the usual form (LZ4 Frame Format 1.6.4): one frame, with neither a
// dictionary nor checksums of its blocks.
const (
	lz4Magic       = 0x184D2204
	lz4FixedFlags  = 0b1101_0011 // version, checksums of blocks, a reserved bit, dictionary
	lz4UsualFlags  = 0b0100_0000 // version 1, and none of the others
	lz4Independent = 0b0010_0000
	lz4HasSize     = 0b0000_1000
	lz4HasChecksum = 0b0000_0100
	lz4Stored      = 1 << 31 // of a block's size: it is not compressed
	lz4Window      = 64 << 10
)

// readLZ4 decompresses a frame of the usual form straight to where it is wanted, without
// the blocks of up to 4 MiB that a frame's reader keeps. False leaves it to the
// reader: it is of another form, does not fit, or is corrupt, of which the reader says how.
//
// The checksum of the content is passed over, as Kafka's own client does: the
// batch's CRC-32C, of the bytes as they were sent, has been checked before.
func readLZ4(src, to []byte) (plain []byte, ok bool) {
	f, src, ok := lz4FrameOf(src)
	n := 0
	for ok {
		if len(src) < 4 {
			return nil, false
		}
		size := binary.LittleEndian.Uint32(src)
		src = src[4:]
		if size == 0 {
			ok = len(src) == f.trailer && (f.size < 0 || f.size == int64(n))
			return to[:n], ok
		}
		length := int(size &^ lz4Stored)
		if length > len(src) || length > f.block {
			return nil, false
		}
		room := to[n:min(len(to), n+f.block)]
		var got int
		if got, ok = f.decode(src[:length], room, to[max(0, n-lz4Window):n], size&lz4Stored != 0); ok {
			n += got
			src = src[length:]
		}
	}
	return nil, false
}

// lz4Frame is what a frame's descriptor says.
type lz4Frame struct {
	block       int   // the largest
	size        int64 // of the content; -1: it does not say
	independent bool  // blocks refer to none before them
	trailer     int   // bytes after the last block
}

func lz4FrameOf(src []byte) (f lz4Frame, rest []byte, ok bool) {
	const head = 6 // magic, flags, the blocks' size
	if len(src) < head || binary.LittleEndian.Uint32(src) != lz4Magic {
		return f, nil, false
	}
	flags, block, end := src[4], src[5], head
	if flags&lz4HasSize != 0 {
		end += 8
	}
	if flags&lz4FixedFlags != lz4UsualFlags || block&0b1000_1111 != 0 || block>>4 < 4 || len(src) <= end {
		return f, nil, false
	}
	f = lz4Frame{block: lz4Block >> (2 * (7 - block>>4)), size: -1, independent: flags&lz4Independent != 0}
	if flags&lz4HasSize != 0 {
		f.size = int64(binary.LittleEndian.Uint64(src[head:]))
	}
	if flags&lz4HasChecksum != 0 {
		f.trailer = 4
	}
	return f, src[end+1:], src[end] == byte(shortXXH32(src[4:end])>>8)
}

// decode decompresses one block; before is what it may refer to.
func (f *lz4Frame) decode(src, to, before []byte, stored bool) (n int, ok bool) {
	var err error
	switch {
	case stored:
		return copy(to, src), len(src) <= len(to)
	case f.independent:
		n, err = lz4.UncompressBlock(src, to)
	default:
		n, err = lz4.UncompressBlockWithDict(src, to, before)
	}
	return n, err == nil
}

// shortXXH32 is XXH32 with the seed 0 of fewer than 16 bytes (xxHash fast digest
// algorithm 0.1.1): a frame's descriptor has two or ten.
func shortXXH32(b []byte) uint32 {
	const prime1, prime2, prime3, prime4, prime5 = 2654435761, 2246822519, 3266489917, 668265263, 374761393
	h := uint32(prime5) + uint32(len(b))
	for ; len(b) >= 4; b = b[4:] {
		h = bits.RotateLeft32(h+binary.LittleEndian.Uint32(b)*prime3, 17) * prime4
	}
	for _, c := range b {
		h = bits.RotateLeft32(h+uint32(c)*prime5, 11) * prime1
	}
	h = (h ^ h>>15) * prime2
	h = (h ^ h>>13) * prime3
	return h ^ h>>16
}
