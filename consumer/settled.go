package consumer

import (
	"bytes"
	"compress/flate"
	"encoding/base64"
	"io"
	"math"
	"strings"
)

// Messages settle in any order, and a commit only says how far everything has
// settled. What has settled above that would be exported again by the next owner
// of the partition, old state after new. So a commit carries it along, in the
// metadata that Kafka keeps beside a committed offset: a bitmap of the offsets
// from the committed one on, deflated where it is long (offsets with many gaps).
// The next owner passes those offsets by.

// span is a run of offsets, from included, to not.
type span struct{ from, to int64 }

const (
	// The prefixes name the format, a bitmap as it is or deflated; other metadata
	// is not ours and means nothing.
	settledPrefix  = "settled1:"
	deflatedPrefix = "settled1z:"
	// maxMetadata stays, with a stamp before it, below the broker's
	// offset.metadata.max.bytes (default 4096).
	maxMetadata = 4000
	// maxBitmap bounds what a bitmap may cover, in bytes.
	maxBitmap = 64 << 10
)

// encodeSettled writes the spans above next. When that is too much for the
// metadata, the upper ones are left out: what they cover is exported again.
func encodeSettled(next int64, spans []span) string {
	if len(spans) == 0 {
		return ""
	}
	size := min((spans[len(spans)-1].to-next+7)/8, maxBitmap)
	for ; size > 0; size /= 2 {
		bitmap := make([]byte, size)
		for _, s := range spans {
			for o := max(s.from-next, 0); o < min(s.to-next, size*8); o++ {
				bitmap[o/8] |= 1 << (o % 8)
			}
		}
		if text := settledPrefix + base64.RawStdEncoding.EncodeToString(bitmap); len(text) <= maxMetadata {
			return text
		}
		if text := deflatedPrefix + base64.RawStdEncoding.EncodeToString(deflate(bitmap)); len(text) <= maxMetadata {
			return text
		}
	}
	return ""
}

func deflate(b []byte) []byte {
	var out bytes.Buffer
	w, err := flate.NewWriter(&out, flate.BestSpeed)
	if err == nil {
		_, err = w.Write(b)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		panic(err) // a known level into memory: cannot fail
	}
	return out.Bytes()
}

// decodeSettled reads what encodeSettled wrote; anything else is no spans.
func decodeSettled(next int64, metadata string) []span {
	text, plain := strings.CutPrefix(metadata, settledPrefix)
	if !plain {
		var ok bool
		if text, ok = strings.CutPrefix(metadata, deflatedPrefix); !ok {
			return nil
		}
	}
	bitmap, err := base64.RawStdEncoding.DecodeString(text)
	if err == nil && !plain {
		bitmap, err = io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(bitmap)), maxBitmap))
	}
	if err != nil {
		return nil
	}
	if next < 0 || next > math.MaxInt64-int64(len(bitmap))*8 {
		return nil // there are no such offsets
	}
	var spans []span
	for i := range int64(len(bitmap)) * 8 {
		if bitmap[i/8]&(1<<(i%8)) == 0 {
			continue
		}
		if n := len(spans); n > 0 && spans[n-1].to == next+i {
			spans[n-1].to++
		} else {
			spans = append(spans, span{next + i, next + i + 1})
		}
	}
	return spans
}

// Above is what has settled above Next, as spans of offsets. Offsets that hold
// no message may lie inside a span.
func (w *watermark) Above() []span {
	var spans []span
	joined := false // the slot before has settled too
	past := 0
	if w.first < w.anew {
		past = int(w.anew - w.first)
	}
	for _, s := range w.slots[w.head+past:] {
		switch {
		case !s.settled:
		case joined:
			spans[len(spans)-1].to = s.offset + 1
		default:
			spans = append(spans, span{s.offset, s.offset + 1})
		}
		joined = s.settled
	}
	return spans
}
