package journal

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"kinesis-destination/cmd/internal/testutil"
)

func TestAChangeHasBoundsAndItsMistakesAreNamed(t *testing.T) {
	s := openDir(t, t.TempDir())
	defer closed(t, s)
	for want, c := range map[string]Change{
		"docs: must name a document":       {},
		"key: must be NAME/REST":           {Docs: []Doc{doc("flows", "", `{}`)}},
		"docs: a/b must be a JSON object":  {Docs: []Doc{doc("a/b", "", `[]`)}},
		"docs: a/c must be a JSON object":  {Docs: []Doc{doc("a/c", "", `{"n":`)}},
		"docs: a/b is there twice":         {Docs: []Doc{doc("a/b", "", `{}`), doc("a/b", "", `{}`)}},
		"docs: a/b is deleted without":     {Docs: []Doc{doc("a/b", "", "")}},
		"by, why and refused: must have":   {Docs: []Doc{doc("a/b", "", `{}`)}, By: strings.Repeat("x", maxText+1)},
		"bytes, and may have 900000":       {Docs: []Doc{doc("a/b", "", `{"n":"`+strings.Repeat("x", MaxEntry)+`"}`)}},
		"docs and reads: must be at most ": {Docs: []Doc{doc("a/b", "", `{}`)}, Reads: make([]Version, maxDocs)},
	} {
		_, err := s.Propose(t.Context(), c)
		if _, ok := errors.AsType[*InvalidError](err); !ok || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	// The largest one that is taken can be part of a checkpoint.
	body := `{"n":"` + strings.Repeat("x", MaxEntry-400) + `"}`
	if _, err := s.Propose(t.Context(), Change{Docs: []Doc{doc("a/b", "", body)}, By: strings.Repeat("y", 200)}); err != nil {
		t.Fatal(err)
	}
	if err := s.checkpoint(t.Context()); err != nil {
		t.Error(err)
	}
	if r, err := s.Check(t.Context()); err != nil || len(r.Problems) > 0 || len(r.Checkpoints) != 1 {
		t.Errorf("%+v %v", r, err)
	}
}

func TestAStoreTakesNoMoreThanItMayHold(t *testing.T) {
	o := options(t)
	o.MaxDocuments, o.MaxBytes = 2, 100
	s, err := OpenFiles(t.Context(), t.TempDir(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer closed(t, s)
	a := s.put(t, doc("flows/a", "", `{}`))
	b := s.put(t, doc("flows/b", "", `{}`))
	if err := propose(t, s, doc("flows/c", "", `{}`)); !errors.Is(err, ErrFull) || !errors.Is(err, ErrNotWritten) || !strings.Contains(err.Error(), "3 documents, and it may have 2") {
		t.Error(err)
	}
	large := `{"n":"` + strings.Repeat("x", 100) + `"}`
	if err := propose(t, s, doc("flows/a", a, large)); !errors.Is(err, ErrFull) || !strings.Contains(err.Error(), "it may have 100") {
		t.Error(err)
	}
	a = s.put(t, doc("flows/a", a, large[:50]+`"}`))
	s.put(t, doc("flows/b", b, ""))
	s.put(t, doc("flows/c", "", `{}`))
	s.put(t, doc("flows/a", a, ""))
	if s.state.bytes != len(`{}`) {
		t.Error(s.state.bytes)
	}
}

func TestChangesThatWaitAreBounded(t *testing.T) {
	onLog(t, func(t *testing.T, l *fakeLog, s *Store) {
		l.set(func() { l.refuse = errors.Join(errNotYet, errors.New("too few replicas")) })
		refused := make(chan error, 2*maxQueue)
		for range 2 * maxQueue {
			go func() { refused <- propose(t, s, doc("flows/a", "", `{}`)) }()
		}
		synctest.Wait()
		if n := len(refused); n < maxQueue-maxBatch {
			t.Errorf("%d of %d changes wait", 2*maxQueue-n, 2*maxQueue)
		}
		time.Sleep(answerWait)
		for range 2 * maxQueue {
			if err := <-refused; !errors.Is(err, ErrNotWritten) {
				t.Error(err)
			}
		}
	})
}

// The stated limit of documents, and bounds that hold with the race detector on a
// busy machine; without either the figures are a tenth of them.
const (
	manyDocs  = 10_000
	openBound = 20 * time.Second
	listBound = time.Second
)

func TestTenThousandDocumentsAreOpenedAndListedInTime(t *testing.T) {
	dir := t.TempDir()
	s := openDir(t, dir)
	for n := 0; n < manyDocs; n += maxDocs / 2 {
		var docs []Doc
		for i := n; i < n+maxDocs/2; i++ {
			docs = append(docs, doc(fmt.Sprintf("flows/%06d", i), "", `{"name":"`+strings.Repeat("x", 1000)+`"}`))
		}
		if _, err := s.Propose(t.Context(), Change{Docs: docs, By: "someone"}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	closed(t, s)
	before := testutil.CPUTime(t)
	s = openDir(t, dir)
	defer closed(t, s)
	opened := testutil.CPUTime(t) - before
	began := time.Now()
	snapshot, fresh := s.Read(t.Context())
	found := snapshot.List("flows/0010")
	listing := time.Since(began)
	began = time.Now()
	s.put(t, doc("flows/more", "", `{}`))
	t.Logf("opened in %v, read and listed in %v, changed in %v", opened, listing, time.Since(began))
	if opened > openBound || listing > listBound || len(found) != 100 || !fresh.Fresh {
		t.Errorf("opened in %v, listed in %v: %d, %+v", opened, listing, len(found), fresh)
	}
}
