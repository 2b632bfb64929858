package sink

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"testing"
)

func FuzzBase64(f *testing.F) {
	for n := range 32 {
		f.Add([]byte("before"), bytes.Repeat([]byte{0xfb, byte(n)}, n))
	}
	f.Fuzz(func(t *testing.T, before, src []byte) {
		want := base64.StdEncoding.AppendEncode(bytes.Clone(before), src)
		if got := appendBase64(bytes.Clone(before), src); !bytes.Equal(got, want) {
			t.Errorf("%x behind %q becomes %q, want %q", src, before, got, want)
		}
	})
}

func TestBase64AllocatesNothingWhereThereIsRoom(t *testing.T) {
	src, dst := make([]byte, 1000), make([]byte, 0, 1340)
	if n := testing.AllocsPerRun(100, func() { appendBase64(dst, src) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkBase64(b *testing.B) {
	src := make([]byte, 1000)
	for i := range src {
		src[i] = byte(i * 37)
	}
	dst := make([]byte, 0, 2000)
	for name, encode := range map[string]func(dst, src []byte) []byte{"own": appendBase64, "standard": base64.StdEncoding.AppendEncode} {
		b.Run(fmt.Sprint(name), func(b *testing.B) {
			b.SetBytes(int64(len(src)))
			for b.Loop() {
				encode(dst, src)
			}
		})
	}
}
