package journal

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
)

// TestFoldStories tells what becomes of entries, in order. An entry is a line for
// each document (doc KEY BASE BODY; - is no base, or no body), version that it relies
// on (read KEY ETAG), or refused TEXT. The store is s, so that etags are s-OFFSET.
func TestFoldStories(t *testing.T) {
	datadriven.Walk(t, "testdata/fold", func(t *testing.T, path string) {
		f := &foldStory{t: t, state: newState()}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			f.t = t
			return f.command(d)
		})
	})
}

type foldStory struct {
	t     *testing.T
	log   [][]byte
	state *state
	kept  []*part
}

func (f *foldStory) command(d *datadriven.TestData) string {
	f.t.Helper()
	e := &entry{V: format, Store: "s", At: time.Unix(0, 0).UTC(), By: "x"}
	d.MaybeScanArgs(f.t, "id", &e.ID)
	d.MaybeScanArgs(f.t, "store", &e.Store)
	var prev int64
	if d.MaybeScanArgs(f.t, "prev", &prev) {
		e.Prev = &place{prev, f.state.idAt(prev)}
		d.MaybeScanArgs(f.t, "of", &e.Prev.ID)
	}
	switch d.Cmd {
	case "found":
		e.Founds = true
	case "write":
		f.lines(e, d.Input)
	case "raw":
		return f.take([]byte(strings.TrimSpace(d.Input)))
	case "freeze":
		f.kept = f.state.copied().freeze(1)
		return fmt.Sprintf("%d parts as of offset %d\n", len(f.kept), f.kept[0].X)
	case "part":
		var n int
		d.ScanArgs(f.t, "n", &n)
		e.Checkpoint = f.kept[n]
	case "begin":
		var from int64
		d.ScanArgs(f.t, "from", &from)
		return f.begin(from)
	default:
		f.t.Fatalf("%s: no such command", d.Cmd)
	}
	record, err := e.encode()
	if err != nil {
		f.t.Fatal(err)
	}
	return f.take(record)
}

func (f *foldStory) lines(e *entry, text string) {
	for line := range strings.SplitSeq(strings.TrimSpace(text), "\n") {
		fields := strings.Split(strings.ReplaceAll(line, " -", " "), " ")
		switch fields[0] {
		case "doc":
			e.Docs = append(e.Docs, Doc{fields[1], fields[2], json.RawMessage(fields[3])})
			if fields[3] == "" {
				e.Docs[len(e.Docs)-1].Body = nil
			}
		case "read":
			e.Reads = append(e.Reads, Version{fields[1], fields[2]})
		case "refused":
			e.Refused = strings.Join(fields[1:], " ")
		default:
			f.t.Fatalf("%s: no such line", line)
		}
	}
}

func (f *foldStory) take(record []byte) string {
	o, err := f.state.apply(Record{Offset: int64(len(f.log)), Value: record})
	if err != nil {
		return fmt.Sprintln("stopped:", err)
	}
	f.log = append(f.log, record)
	return told(o) + f.documents(f.state)
}

func told(o outcome) string {
	text := fmt.Sprintf("%d %s", o.offset, o.verdict)
	if o.err != nil {
		text += ": " + o.err.Error()
	}
	for _, d := range o.differs {
		text += fmt.Sprintf("; %s is %q, not %q", d.Key, d.Present, d.Wanted)
	}
	return text + "\n"
}

func (f *foldStory) documents(s *state) string {
	var b strings.Builder
	for _, d := range s.docs {
		fmt.Fprintf(&b, "  %s %s %s\n", d.Key, d.Etag, d.Body)
	}
	return b.String()
}

// begin reads the log from an offset on, as if what is before it were deleted.
func (f *foldStory) begin(from int64) string {
	b := newBeginning(from)
	var s *state
	for offset := from; offset < int64(len(f.log)); offset++ {
		var err error
		if s, err = fold(s, b, Record{Offset: offset, Value: f.log[offset]}, func(*state, outcome) error { return nil }); err != nil {
			return fmt.Sprintln("stopped:", err)
		}
	}
	switch {
	case s == nil:
		return "no state\n"
	case !s.same(f.state):
		return "ANOTHER STATE\n" + f.documents(s)
	}
	return "the same state\n"
}

// FuzzFold: no records whatever end in a panic, a checkpoint of any state is the
// state, and what was read is written as it was read.
func FuzzFold(f *testing.F) {
	f.Add([]byte(`{"v":1,"id":"a","store":"s","at":"2026-01-02T03:04:05Z","founds":true}
{"v":1,"id":"b","store":"s","at":"2026-01-02T03:04:05Z","prev":{"offset":0,"id":"a"},"docs":[{"key":"flows/a","base":"","doc":{"n":1}}]}
{"v":1,"id":"c","store":"s","at":"2026-01-02T03:04:05Z","prev":{"offset":1,"id":"b"},"docs":[{"key":"flows/a","base":"s-1","doc":null}],"reads":[{"key":"@flows","etag":"s-1"}]}
{"v":1,"id":"d","store":"s","at":"2026-01-02T03:04:05Z","prev":{"offset":1,"id":"b"},"checkpoint":{"id":"k","x":1,"n":0,"last":true,"frame":{"fence":0,"checkpoint":-1,"kinds":{"flows":1}},"docs":[{"key":"flows/a","offset":1,"created":{"at":"2026-01-02T03:04:05Z"},"changed":{"at":"2026-01-02T03:04:05Z"},"doc":{}}],"recent":[{"offset":1,"id":"b"}]}}`), int64(0))
	f.Add([]byte("{\"v\":2,\"id\":\"x\"}\nfoo"), int64(3))
	f.Fuzz(func(t *testing.T, text []byte, first int64) {
		first = max(0, first)
		s, b := newState(), newBeginning(first)
		if first > 0 {
			s = nil
		}
		for i, line := range bytes.Split(text, []byte("\n")) {
			var err error
			if s, err = fold(s, b, Record{Offset: first + int64(i), Value: line}, func(*state, outcome) error { return nil }); err != nil {
				break
			}
			if e, err := parse(line); err == nil && e.V == format {
				again, err := e.encode()
				if err != nil {
					t.Fatal(err)
				}
				if _, err := parse(again); err != nil {
					t.Fatalf("%s: %v", again, err)
				}
			}
		}
		if s == nil || s.store == "" {
			return
		}
		if again := thaw(s.store, s.freeze(100)); !again.same(s) {
			t.Errorf("a checkpoint of\n%+v is\n%+v", s, again)
		}
	})
}
