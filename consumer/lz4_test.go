package consumer

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/pierrec/lz4/v4"
)

// lz4Of compresses as a producer does.
func lz4Of(t testing.TB, plain []byte, options ...lz4.Option) []byte {
	t.Helper()
	var packed bytes.Buffer
	w := lz4.NewWriter(&packed)
	if err := w.Apply(options...); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(plain); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return packed.Bytes()
}

// text is compressible, but not at all places.
func lz4Text(size int) []byte {
	random := rand.New(rand.NewPCG(1, 2))
	var b []byte
	for len(b) < size {
		if random.IntN(3) > 0 {
			b = fmt.Appendf(b, `{"name":"profile-%d"}`, random.IntN(50))
		} else {
			for range 40 {
				b = append(b, byte(random.Uint32()))
			}
		}
	}
	return b[:size]
}

func TestLZ4OfTheUsualFormsIsReadWithoutTheFrameReader(t *testing.T) {
	room := make([]byte, wholeBytes)
	for _, size := range []int{0, 1, 100, 64 << 10, 300_000, wholeBytes} {
		plain := lz4Text(size)
		for name, options := range map[string][]lz4.Option{
			"as kafka-go":            nil,
			"as the Java client":     {lz4.ChecksumOption(false), lz4.BlockSizeOption(lz4.Block64Kb)},
			"with its size":          {lz4.SizeOption(uint64(size))},
			"in blocks of 256 KiB":   {lz4.BlockSizeOption(lz4.Block256Kb)},
			"with the best attempts": {lz4.CompressionLevelOption(lz4.Level9)},
		} {
			got, ok := readLZ4(lz4Of(t, plain, options...), room)
			if !ok || !bytes.Equal(got, plain) {
				t.Errorf("%d bytes %s: read %d bytes, ok %v", size, name, len(got), ok)
			}
		}
	}
}

// Blocks that refer to the one before, as librdkafka and lz4's own tool can make
// them; the library writes independent ones only.
func TestLZ4BlocksMayReferToTheOneBefore(t *testing.T) {
	first, second := lz4Text(64<<10), lz4Text(64 << 10)[:20_000]
	frame := []byte{0x04, 0x22, 0x4d, 0x18, 0b0100_0000, 4 << 4}
	frame = append(frame, byte(shortXXH32(frame[4:])>>8))
	block := func(b []byte, stored uint32) {
		size := uint32(len(b)) | stored
		frame = append(frame, byte(size), byte(size>>8), byte(size>>16), byte(size>>24))
		frame = append(frame, b...)
	}
	block(first, lz4Stored)
	// One match of 20,000-5 bytes at distance 65,535, then the last five as literals.
	match := []byte{0x0f, 0xff, 0xff}
	for left := 20_000 - 5 - 4 - 15; ; left -= 255 {
		if left < 255 {
			match = append(match, byte(left))
			break
		}
		match = append(match, 255)
	}
	match = append(match, 0x50)
	block(append(match, second[:5]...), 0)
	frame = append(frame, 0, 0, 0, 0)
	want := append(bytes.Clone(first), first[1:1+20_000-5]...)
	want = append(want, second[:5]...)
	got, ok := readLZ4(frame, make([]byte, wholeBytes))
	if !ok || !bytes.Equal(got, want) {
		t.Errorf("read %d bytes of %d, ok %v, equal %v", len(got), len(want), ok, bytes.Equal(got, want))
	}
}

func TestLZ4OfOtherFormsAndWhatDoesNotFitIsLeftToTheFrameReader(t *testing.T) {
	plain := lz4Text(1000)
	usual := lz4Of(t, plain)
	wrong := func(at int) []byte {
		b := bytes.Clone(usual)
		b[at] ^= 1
		return b
	}
	for name, src := range map[string][]byte{
		"nothing":                 nil,
		"another magic":           wrong(0),
		"other flags":             wrong(4),
		"a wrong descriptor":      wrong(6),
		"cut short":               usual[:len(usual)-1],
		"something behind it":     append(bytes.Clone(usual), 0),
		"two frames":              append(bytes.Clone(usual), usual...),
		"checksums of its blocks": lz4Of(t, plain, lz4.BlockChecksumOption(true)),
		"more than there is room": lz4Of(t, lz4Text(2000)),
	} {
		if got, ok := readLZ4(src, make([]byte, 1500)); ok {
			t.Errorf("%s: read %d bytes", name, len(got))
		}
	}
}

// FuzzLZ4 holds what is read without the frame reader to what that makes of it, but for
// the checksum of the content, which is the batch's CRC's to find.
func FuzzLZ4(f *testing.F) {
	plain := lz4Text(3000)
	f.Add(lz4Of(f, plain))
	f.Add(lz4Of(f, plain, lz4.ChecksumOption(false), lz4.SizeOption(3000)))
	f.Add(lz4Of(f, plain, lz4.BlockSizeOption(lz4.Block64Kb)))
	f.Fuzz(func(t *testing.T, src []byte) {
		got, ok := readLZ4(src, make([]byte, 64<<10))
		if !ok {
			return
		}
		if len(src) > 4 && src[4]&lz4HasChecksum != 0 { // leave it out, and mend the descriptor
			src = bytes.Clone(src[:len(src)-4])
			src[4] &^= lz4HasChecksum
			end := 6
			if src[4]&lz4HasSize != 0 {
				end += 8
			}
			src[end] = byte(shortXXH32(src[4:end]) >> 8)
		}
		want, err := io.ReadAll(lz4.NewReader(bytes.NewReader(src)))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("read %d bytes; the frame reader %d, %v", len(got), len(want), err)
		}
	})
}
