package deadletter

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestATextIsCutToItsLimitAndStaysUTF8(t *testing.T) {
	for _, text := range []string{
		"", "short", strings.Repeat("x", TextLimit), strings.Repeat("x", TextLimit+1), strings.Repeat("é", 1<<20), strings.Repeat("\xff", TextLimit-1),
		"a" + strings.Repeat("\U0001F600", 5000), strings.Repeat("é\xc3", 3000), "bad \xc3\x28 bytes", strings.Repeat("name", 400_000),
	} {
		got := Brief(text)
		if len(got) > TextLimit || !utf8.ValidString(got) {
			t.Errorf("%d bytes became %d, valid: %v", len(text), len(got), utf8.ValidString(got))
		}
		if len(text) <= TextLimit && utf8.ValidString(text) && got != text {
			t.Errorf("a text of %d bytes was changed", len(text))
		}
		if len(text) > TextLimit && !strings.HasSuffix(got, "bytes in all)") {
			t.Errorf("a text of %d bytes does not say that it was cut: …%q", len(text), got[len(got)-40:])
		}
	}
}
