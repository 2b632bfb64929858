package journal

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
)

func options(t *testing.T) Options {
	return Options{Logger: slog.New(slog.NewTextHandler(t.Output(), nil))}
}

func openDir(t *testing.T, dir string) *Store {
	t.Helper()
	s, err := OpenFiles(t.Context(), dir, options(t))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func closed(t *testing.T, s *Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func doc(key, base, body string) Doc {
	d := Doc{Key: key, Base: base}
	if body != "" {
		d.Body = json.RawMessage(body)
	}
	return d
}

func (s *Store) put(t *testing.T, d Doc) string {
	t.Helper()
	tag, err := s.Propose(t.Context(), Change{Docs: []Doc{d}, By: "someone", Why: "test"})
	if err != nil {
		t.Fatal(err)
	}
	return tag
}

// listed are the documents as key=body, in order.
func listed(s *Snapshot, prefix string) string {
	var all []string
	for _, d := range s.List(prefix) {
		all = append(all, d.Key+"="+string(d.Body))
	}
	return strings.Join(all, " ")
}

func TestADocumentIsReadByTheEtagThatItsWriterGot(t *testing.T) {
	dir := t.TempDir()
	s := openDir(t, dir)
	first := s.put(t, doc("flows/a", "", `{"n":1}`))
	second := s.put(t, doc("flows/a", first, `{"n":2}`))
	s.put(t, doc("flows/b", "", `{}`))
	snapshot, fresh := s.Read(t.Context())
	if d, ok := snapshot.Get("flows/a"); !ok || d.Etag != second || string(d.Body) != `{"n":2}` || d.Changed.By != "someone" || !fresh.Fresh {
		t.Errorf("%+v %v %+v", d, ok, fresh)
	}
	_, err := s.Propose(t.Context(), Change{Docs: []Doc{doc("flows/a", first, `{"n":3}`)}, By: "other"})
	if c, ok := errors.AsType[*ConflictError](err); !ok || !slices.Equal(c.Differs, []Differs{{"flows/a", first, second}}) {
		t.Error(err)
	}
	closed(t, s)
	s = openDir(t, dir)
	defer closed(t, s)
	snapshot, fresh = s.Read(t.Context())
	if got := listed(snapshot, "flows/"); got != `flows/a={"n":2} flows/b={}` || !fresh.Fresh || fresh.Partial {
		t.Error(got, fresh)
	}
}

func TestAllOrNothingOfAChangeHappens(t *testing.T) {
	s := openDir(t, t.TempDir())
	defer closed(t, s)
	a := s.put(t, doc("flows/a", "", `{}`))
	_, err := s.Propose(t.Context(), Change{Docs: []Doc{doc("flows/b", "", `{}`), doc("flows/a", "", `{}`)}})
	if _, ok := errors.AsType[*ConflictError](err); !ok {
		t.Error(err)
	}
	snapshot, _ := s.Read(t.Context())
	if got := listed(snapshot, ""); got != "flows/a={}" || snapshot.Etag("flows/a") != a {
		t.Error(got)
	}
}

func TestAReadOfAKindHoldsAgainstEveryChangeOfIt(t *testing.T) {
	s := openDir(t, t.TempDir())
	defer closed(t, s)
	before, _ := s.Read(t.Context())
	s.put(t, doc("governance/p", "", `{}`))
	_, err := s.Propose(t.Context(), Change{Docs: []Doc{doc("flows/a", "", `{}`)}, Reads: []Version{{"@governance", before.Etag("@governance")}}})
	if _, ok := errors.AsType[*ConflictError](err); !ok {
		t.Error(err)
	}
	now, _ := s.Read(t.Context())
	if _, err := s.Propose(t.Context(), Change{Docs: []Doc{doc("flows/a", "", `{}`)}, Reads: []Version{{"@governance", now.Etag("@governance")}}}); err != nil {
		t.Error(err)
	}
}

func TestAStoreHasOneProcess(t *testing.T) {
	dir := t.TempDir()
	s := openDir(t, dir)
	_, err := OpenFiles(t.Context(), dir, options(t))
	if !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), fmt.Sprint(os.Getpid())) {
		t.Error(err)
	}
	closed(t, s)
	closed(t, openDir(t, dir))
}

func TestATornTailIsCutWithAWord(t *testing.T) {
	dir := t.TempDir()
	s := openDir(t, dir)
	s.put(t, doc("flows/a", "", `{}`))
	closed(t, s)
	path := filepath.Join(dir, journalFile)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append(slices.Clone(whole), "1234abcd {\"v\":1,"...), 0o600); err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	s, err = OpenFiles(t.Context(), dir, Options{Logger: slog.New(slog.NewTextHandler(&said, nil))})
	if err != nil {
		t.Fatal(err)
	}
	closed(t, s)
	now, err := os.ReadFile(path)
	if err != nil || string(now) != string(whole) || !strings.Contains(said.String(), "bytes=16") {
		t.Errorf("%v %q %s", err, now, &said)
	}
}

func TestADamagedLineIsPassedOverCountedAndShown(t *testing.T) {
	dir := t.TempDir()
	s := openDir(t, dir)
	s.put(t, doc("flows/a", "", `{}`))
	s.put(t, doc("flows/b", "", `{}`))
	closed(t, s)
	path := filepath.Join(dir, journalFile)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(strings.Replace(string(text), "flows/a", "flows/A", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	s = openDir(t, dir)
	defer closed(t, s)
	status := s.Status()
	if len(status.Oddities) != 1 || status.Oddities[0].Offset != 1 || status.Records[Corrupt] != 1 || !strings.Contains(status.Oddities[0].Why, "checksum") {
		t.Errorf("%+v", status)
	}
}

func TestCheckpointsLetTheLogBeginLater(t *testing.T) {
	dir := t.TempDir()
	o := options(t)
	o.CheckpointEvery = 10
	s, err := OpenFiles(t.Context(), dir, o)
	if err != nil {
		t.Fatal(err)
	}
	tag, n := "", 0
	for first := int64(0); first == 0; n++ {
		if tag = s.put(t, doc("flows/a", tag, fmt.Sprintf(`{"n":%d}`, n))); n > 100_000 {
			t.Fatal("nothing is ever deleted")
		}
		if first, _, err = s.log.Bounds(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	closed(t, s)
	s = openDir(t, dir)
	defer closed(t, s)
	snapshot, fresh := s.Read(t.Context())
	if got := listed(snapshot, ""); got != fmt.Sprintf(`flows/a={"n":%d}`, n-1) || snapshot.Etag("flows/a") != tag || !fresh.Fresh || fresh.Partial {
		t.Error(got, fresh)
	}
	s.put(t, doc("flows/a", tag, ""))
}

func TestAThousandWritersOfOneDocumentAllGetAnAnswer(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) { // how long a busy machine takes is not the rule
		s := openDir(t, dir)
		defer closed(t, s)
		if unknown := writers(t, 1000, s); unknown > 0 {
			t.Error(unknown)
		}
	})
}

type writerAnswer struct {
	etag string
	err  error
}

// contended is the document that all writers change.
const contended = "flows/contended"

// writers has n writers change one document at the same time: each gets an answer,
// every answer is true, and the document's history is linear. It returns how many
// were told that their change may still happen.
func writers(t *testing.T, n int, stores ...*Store) (unknown int) {
	t.Helper()
	return judgeAnswers(t, changeAll(t, n, stores), stores, stores[0].log)
}

// changeAll has n writers change the document, each by what it has just read, three
// times at most.
func changeAll(t *testing.T, n int, stores []*Store) []writerAnswer {
	t.Helper()
	answers := make([]writerAnswer, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			s := stores[i%len(stores)]
			for range 3 {
				now, _ := s.Read(t.Context())
				answers[i].etag, answers[i].err = s.Propose(t.Context(), Change{
					Docs: []Doc{doc(contended, now.Etag(contended), fmt.Sprintf(`{"by":%d}`, i))}, By: fmt.Sprint("writer ", i),
				})
				if _, conflict := errors.AsType[*ConflictError](answers[i].err); !conflict {
					break
				}
			}
		})
	}
	all.Wait()
	return answers
}

// judgeAnswers compares what writers were told with the log.
func judgeAnswers(t *testing.T, answers []writerAnswer, stores []*Store, log appendLog) (unknown int) {
	t.Helper()
	happened := map[string]string{} // who has written which version
	present, known := "", false
	first, _, err := log.Bounds(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, err = replay(t.Context(), log, func(_ *state, o outcome) error {
		a := audited(o)
		if a.Verdict != Applied || a.Docs[0].Key != contended {
			return nil
		}
		if (known || first == 0) && a.Docs[0].Base != present || happened[a.By] != "" {
			t.Errorf("%s replaced %s, and %s was there", a.By, a.Docs[0].Base, present)
		}
		present, known = a.Etag, true
		happened[a.By] = a.Etag
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	applied := 0
	for i, a := range answers {
		_, conflict := errors.AsType[*ConflictError](a.err)
		switch was := happened[fmt.Sprint("writer ", i)]; {
		case a.err == nil && (was == a.etag || was == "" && first > 0): // or the entry is deleted by now
			applied++
		case conflict && was == "", errors.Is(a.err, ErrNotWritten) && was == "":
		case errors.Is(a.err, ErrMayStillHappen):
			unknown++
		default:
			t.Errorf("writer %d was told %q %v, and %q is so", i, a.etag, a.err, was)
		}
	}
	for _, s := range stores {
		if now, fresh := s.Read(t.Context()); known && now.Etag(contended) != present || !fresh.Fresh {
			t.Errorf("a reader has %s of %s, %+v", now.Etag(contended), present, fresh)
		}
	}
	if applied == 0 {
		t.Error("nothing happened at all")
	}
	t.Logf("%d writers: %d applied, %d may still happen, the others conflicts", len(answers), applied, unknown)
	return unknown
}
