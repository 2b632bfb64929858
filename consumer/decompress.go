package consumer

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"

	"github.com/klauspost/compress/zstd"
	"github.com/segmentio/kafka-go/compress"
)

const (
	// wholeBytes is what a batch is decompressed to at once; what is larger is
	// decompressed as it is handed out. Kafka's producers bound a batch before its
	// compression (max.request.size, 1 MiB).
	wholeBytes = 1 << 20
	// maxZstdWindow is that of zstd's highest level, 22, the highest that Kafka's
	// producers offer (compression.zstd.level).
	maxZstdWindow = 128 << 20
	// streamBytes is read of a decompression at a time.
	streamBytes = partBytes
	// streamState is what a decompression takes besides windows and blocks.
	streamState = 256 << 10
	// lz4Block is the largest block of an LZ4 frame.
	lz4Block = 4 << 20
	// wholeAtOnce is how many batches a process decompresses at once, on however many
	// cores: each takes scratch and, of unusual LZ4, two blocks that no budget counts.
	// Two bring a gigabyte a second of LZ4 and zstd, and 200 MB of gzip.
	wholeAtOnce = 2
)

// errNotWhole: the batch is too large to be decompressed at once.
var errNotWhole = errors.New("larger than is decompressed at once")

// decompressor decompresses without ever trusting a size that it is told. It is
// safe for concurrent use.
type decompressor struct {
	slots   chan struct{} // who decompresses at once, so that scratch buffers are as few
	scratch sync.Pool     // of *[]byte, wholeBytes long
	buffers buffers       // for what comes out
	zstd    *zstd.Decoder
}

func newDecompressor() *decompressor {
	n := min(wholeAtOnce, runtime.GOMAXPROCS(0))
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(n), zstd.WithDecodeAllCapLimit(true))
	if err != nil {
		panic(err) // known options: cannot fail
	}
	return &decompressor{slots: make(chan struct{}, n), zstd: d}
}

// whole decompresses a batch in one go. It is given room for what comes out when
// it is known how much that is; without it, only need is told.
func (d *decompressor) whole(codec compress.Compression, src []byte, room func(need int64) bool) (plain []byte, need int64, err error) {
	d.slots <- struct{}{}
	defer func() { <-d.slots }()
	scratch, ok := d.scratch.Get().(*[]byte)
	if !ok {
		b := make([]byte, wholeBytes)
		scratch = &b
	}
	defer d.scratch.Put(scratch)
	var all []byte
	if codec == compress.Zstd {
		all, err = d.zstd.DecodeAll(src, (*scratch)[:0])
		if errors.Is(err, zstd.ErrDecoderSizeExceeded) {
			err = errNotWhole
		}
	} else {
		all, err = readWhole(codec, src, *scratch)
	}
	if err != nil {
		return nil, 0, err
	}
	need = int64(bufferSize(len(all)))
	if !room(need) {
		return nil, need, nil
	}
	return d.buffers.copyOf(all), need, nil
}

func readWhole(codec compress.Compression, src, to []byte) ([]byte, error) {
	if codec == compress.Lz4 {
		if plain, ok := readLZ4(src, to); ok {
			return plain, nil
		}
	}
	r, err := openCodec(codec, src)
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close() }() // of what is in memory: there is nothing to lose
	n := 0
	for n < len(to) {
		got, err := r.Read(to[n:])
		n += got
		if errors.Is(err, io.EOF) {
			return to[:n], nil
		}
		if err != nil {
			return nil, err
		}
	}
	return nil, errNotWhole
}

func openCodec(codec compress.Compression, src []byte) (io.ReadCloser, error) {
	if codec == compress.Snappy {
		return newSnappyReader(src), nil
	}
	c := codec.Codec()
	if c == nil {
		return nil, fmt.Errorf("unknown compression codec %d", codec)
	}
	return c.NewReader(bytes.NewReader(src)), nil
}

// stream opens a decompression that goes on as it is read.
func (d *decompressor) stream(codec compress.Compression, src []byte) (io.ReadCloser, error) {
	if codec != compress.Zstd {
		return openCodec(codec, src)
	}
	window := min(zstdWindow(src), maxZstdWindow)
	r, err := zstd.NewReader(bytes.NewReader(src), zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxWindow(max(window, zstd.MinWindowSize)), zstd.WithDecodeBuffersBelow(0))
	if err != nil {
		return nil, err
	}
	return r.IOReadCloser(), nil
}

// streamCost is what such a decompression takes.
func streamCost(codec compress.Compression, src []byte) int64 {
	cost := int64(streamState + streamBytes)
	switch codec {
	case compress.Zstd:
		cost += int64(min(zstdWindow(src), maxZstdWindow))
	case compress.Snappy:
		cost += snappyCost(src)
	case compress.Lz4:
		// A frame's descriptor says how large its blocks are: 64 KiB to 4 MiB.
		block := int64(lz4Block)
		if len(src) > 5 && bytes.HasPrefix(src, []byte{0x04, 0x22, 0x4d, 0x18}) {
			if size := src[5] >> 4 & 7; size >= 4 {
				block >>= 2 * (7 - size)
			}
		}
		cost += 2 * block
	}
	return cost
}

// zstdWindow is what a frame says that is to be kept of what came before.
func zstdWindow(src []byte) uint64 {
	var h zstd.Header
	if err := h.Decode(src); err != nil || h.Skippable {
		return maxZstdWindow
	}
	if h.SingleSegment {
		return h.FrameContentSize
	}
	return h.WindowSize
}
