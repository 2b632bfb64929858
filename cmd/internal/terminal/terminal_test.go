package terminal

import (
	"bytes"
	"encoding/json"
	"testing"
)

// hostile is what terminals obey, or are confused by.
const hostile = "a\x1b[2Jb\x07\r\x7f\u0085\u009b31m\u202etxt.exe\u2066x\u2069\u200f\u061c\ufeff\u2028\U000e0041é漢\u00a0😀"

func TestNothingThatATerminalObeysIsWritten(t *testing.T) {
	const want = `a\u001b[2Jb\u0007\u000d\u007f\u0085\u009b31m\u202etxt.exe\u2066x\u2069\u200f\u061c\ufeff\u2028\udb40\udc41é漢` + "\u00a0😀"
	for size := 1; size < len(hostile); size++ { // whatever the pieces are that it comes in
		var out bytes.Buffer
		w := NewWriter(&out)
		for rest := []byte(hostile); len(rest) > 0; {
			n, err := w.Write(rest[:min(size, len(rest))])
			if err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		if out.String() != want {
			t.Errorf("in pieces of %d:\n%q\nwant\n%q", size, out.String(), want)
		}
	}
	if got := Text("one\ntwo\tthree\x9b"); got != `one\u000atwo\u0009three`+"\ufffd" {
		t.Errorf("%q", got)
	}
	if got := Indented("one\nreason: none\n  two\x1b"); got != "one\n  reason: none\n  two\\u001b" {
		t.Errorf("%q", got)
	}
}

func TestJSONStaysTheSameJSON(t *testing.T) {
	var out bytes.Buffer
	encoder := json.NewEncoder(NewWriter(&out))
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(map[string]string{hostile: "\\" + hostile}); err != nil {
		t.Fatal(err)
	}
	var back map[string]string
	if err := json.Unmarshal(out.Bytes(), &back); err != nil || back[hostile] != "\\"+hostile {
		t.Errorf("%v: %s", err, out.String())
	}
	for _, r := range out.String() {
		if r == 0x9b || r == 0x202e || r == 0x7f {
			t.Errorf("%U is raw in %q", r, out.String())
		}
	}
}

func TestACommandsOwnOrdersReachTheTerminal(t *testing.T) {
	var out bytes.Buffer
	if err := Control(NewWriter(&out), "\x1b[2K"); err != nil || out.String() != "\x1b[2K" {
		t.Errorf("%q, %v", out.String(), err)
	}
}
